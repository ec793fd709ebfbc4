"""What crosses the edge: requests, responses, and the one method that exchanges them.

Client and service exchange nothing else. A request names an operation of the REST
reference by its path below ``/v1/`` and carries its JSON body as bytes.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, TypeAlias, runtime_checkable

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Scalar: TypeAlias = str | int | float | bool
"""A value an indexable attribute can hold."""

OPERATIONS: Final = (
    "get",
    "set",
    "delete",
    "query",
    "secret/get",
    "secret/set",
    "secret/delete",
    "entity/get",
    "entity/set",
    "entity/delete",
    "entity/query",
    "batch/get",
    "batch/set",
    "batch/delete",
    "transaction",
)
"""The 15 operations, by their path below ``/v1/``."""


class MetadataField(StrEnum):
    """What the service keeps beside a value and returns on request."""

    CREATED_AT = "CREATED_AT"
    UPDATED_AT = "UPDATED_AT"
    EXPIRE_TIME = "EXPIRE_TIME"


ALL_METADATA: Final = tuple(MetadataField)


@dataclass(frozen=True, slots=True)
class Tenant:
    """On whose behalf a request is made: one app installation.

    In a container, *invocation* is the inbound ``x-forge-invocation-id`` header, or
    *installation* the id of an installation for work outside an invocation (a UUID; the
    ARI form is accepted and shortened). In a remote, *token* is the
    ``x-forge-oauth-system`` header of the inbound request; it is never shown.
    """

    installation: str | None = None
    invocation: str | None = None
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Shorten an installation's ARI to its id."""
        if self.installation is not None:
            object.__setattr__(self, "installation", self.installation.rpartition("/")[2])


_tenant: ContextVar[Tenant | None] = ContextVar("forge_orm_tenant", default=None)


def current_tenant() -> Tenant | None:
    """Return the tenant set by `acting_for` in this context, or None."""
    return _tenant.get()


@contextmanager
def acting_for(tenant: Tenant) -> Generator[None]:
    """Make *tenant* the default of every session opened inside the block."""
    reset = _tenant.set(tenant)
    try:
        yield
    finally:
        _tenant.reset(reset)


class Request(NamedTuple):
    """One call to the service, complete and inert.

    *repeatable* says that sending it twice has the same effect and answer as once, so that
    it may be sent again after an answer was lost.
    """

    operation: str
    body: bytes
    repeatable: bool = True
    tenant: Tenant | None = None

    @property
    def is_secret(self) -> bool:
        """Whether the body or its answer may hold a secret."""
        return self.operation.startswith("secret/")

    def __repr__(self) -> str:
        """Show the call; of a secret, only that there is one."""
        body = "<secret>" if self.is_secret else self.body.decode(errors="replace")
        return f"Request({self.operation!r}, {body})"


class Response(NamedTuple):
    """The service's answer. *headers* have lower-case names."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}

    @property
    def ok(self) -> bool:
        """Whether the call succeeded; the documents disagree on 200 or 204 for some."""
        return 200 <= self.status < 300

    @property
    def trace_id(self) -> str | None:
        """The id to give Atlassian support, where the service sent one."""
        return self.headers.get("x-b3-traceid") or self.headers.get("x-trace-id")

    @property
    def retry_after(self) -> float | None:
        """Seconds the service asks to wait; None where it does not say, or nothing sensible.

        A date (RFC 9110 has both) counts from the answer's own ``Date``, and not from a clock
        here that may be wrong: an answer without one says nothing. A past date is 0.
        """
        value = self.headers.get("retry-after", "")
        if value.isascii() and value.isdecimal():
            return float(value)
        until, sent = _moment(value), _moment(self.headers.get("date", ""))
        if until is None or sent is None:
            return None
        return max((until - sent).total_seconds(), 0.0)

    def __repr__(self) -> str:
        """Show status and size, never the body: it may be the answer to ``secret/get``."""
        return f"Response({self.status}, {len(self.body)} bytes)"


def _moment(date: str) -> datetime | None:
    """Read a date in any form HTTP has; one that names no zone is in GMT."""
    from email.utils import parsedate_to_datetime  # rarely needed, and slow to import

    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


@runtime_checkable
class Backend(Protocol):
    """**Protocol:** answers requests, blocking.

    Raises `forge_orm.errors.TransportError` where no answer came back. An answer that is
    an error is a `Response` like any other.
    """

    def send(self, request: Request, /) -> Response:
        """Answer one request."""
        ...


@runtime_checkable
class AsyncBackend(Protocol):
    """**Protocol:** answers requests, awaiting. One class may implement both colours."""

    async def asend(self, request: Request, /) -> Response:
        """Answer one request."""
        ...
