"""What every operation is made of: `Operation`, and the options several of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from pydantic_core import from_json, to_json

from .. import limits
from ..errors import AnswerLost, ForgeError, InvalidValue, KeyNotFound, error_from
from ..model.entity import Metadata, read_metadata
from ..wire import Json, MetadataField, Request, Response

T = TypeVar("T")

KeyPolicy: TypeAlias = Literal["OVERRIDE", "FAIL_IF_EXISTS"]
ReturnValue: TypeAlias = Literal["PREVIOUS", "LATEST"]


class Operation(NamedTuple, Generic[T]):
    """A request together with the meaning of its response.

    *decode* raises the `ServiceError` an error answer stands for; call `read`, which also
    knows what to make of an answer of another shape.
    """

    request: Request
    decode: Callable[[Response], T]

    def read(self, response: Response) -> T:
        """Decode *response*; raises `ServiceError`, or `AnswerLost` if it makes no sense."""
        try:
            return self.decode(response)
        except ForgeError:
            raise
        except NONSENSE as error:
            # The cause may quote the body.
            raise nonsense(self.request.operation, response.body) from (
                None if self.request.is_secret else error
            )


NONSENSE: Final = (ValueError, TypeError, LookupError, AttributeError)
"""What reading an answer of another shape raises."""


def nonsense(operation: str, body: bytes) -> AnswerLost:
    """Return the error for a success whose body is not what the service documents."""
    return AnswerLost(
        f"{operation}: a success was answered, but its {len(body)} bytes are not what the "
        "service documents, so something else may have answered. If this was a write, it is "
        "unknown whether it took effect"
    )


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A value as it is stored: with its key, and the metadata that was asked for."""

    key: str
    value: T
    metadata: Metadata = field(default_factory=Metadata)


class StoredSecret(Stored[T]):
    """A secret as it is stored: of whatever type its value is, it does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show all but the value."""
        return f"Stored(key={self.key!r}, value=<secret>, metadata={self.metadata!r})"


@dataclass(frozen=True, slots=True)
class Setting:
    """The options of a set: time to live, key policy, what to return (kvs-api).

    *returns* asks for the ``PREVIOUS`` or the ``LATEST`` value, and *metadata* for metadata
    of it; the service combines both only with the policy ``OVERRIDE``.
    """

    ttl: timedelta | None = None
    policy: KeyPolicy | None = None
    returns: ReturnValue | None = None
    metadata: tuple[MetadataField, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what the service refuses."""
        if self.policy == "FAIL_IF_EXISTS" and (self.returns or self.metadata):
            raise InvalidValue(
                "FAIL_IF_EXISTS has nothing to return: the service returns a value or its "
                "metadata only with the key policy OVERRIDE"
            )
        if self.metadata and self.returns is None:
            raise InvalidValue("metadata of a set comes with a value: say returns='LATEST' too")

    @property
    def repeatable(self) -> bool:
        """Whether setting twice has the same effect and answer as once."""
        return self.policy != "FAIL_IF_EXISTS" and self.returns != "PREVIOUS"

    def payload(self) -> dict[str, Json]:
        """Return the ``options`` object, empty where there is nothing to say."""
        options: dict[str, Json] = {}
        if self.ttl is not None:
            options["ttl"] = ttl_payload(self.ttl)
        policy = self.policy or ("OVERRIDE" if self.returns else None)
        if policy is not None:
            options["keyPolicy"] = policy
        if self.returns is not None:
            options["returnValue"] = self.returns
        if self.metadata:
            options["returnMetadataFields"] = list(self.metadata)
        return options


PLAIN: Final = Setting()


def ttl_payload(ttl: timedelta) -> dict[str, Json]:
    """Return a time to live as the service takes it: whole seconds, up to a year.

    Raises `InvalidValue` for anything else (kvs-api).
    """
    if not isinstance(ttl, timedelta):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValue(f"a time to live is a timedelta, not {ttl!r}: timedelta(seconds=60)")
    seconds, rest = divmod(ttl, timedelta(seconds=1))
    if rest or not 1 <= seconds <= limits.TTL_MAX_SECONDS:
        raise InvalidValue(
            f"a time to live of {ttl} is not possible: the service takes whole seconds, "
            f"from 1 to {limits.TTL_MAX_SECONDS} (one year)"
        )
    return {"value": seconds, "unit": "SECONDS"}


_METADATA: Final = frozenset(MetadataField)


def metadata_options(fields: Iterable[MetadataField]) -> dict[str, Json]:
    """Return ``{"options": {"metadataFields": […]}}``, or nothing; raises `InvalidValue`."""
    names: list[Json] = list(fields)
    if not _METADATA.issuperset(names):
        known = ", ".join(MetadataField)
        raise InvalidValue(f"metadata {names!r}; known fields are {known}")
    return {"options": {"metadataFields": names}} if names else {}


def json_object(members: Mapping[str, Json], **raw: bytes) -> bytes:
    """Return a JSON object of *members* and of *raw* members, which are JSON already."""
    body = to_json(members)
    if not raw:
        return body
    spliced = b",".join(b'"%s":%s' % (name.encode(), value) for name, value in raw.items())
    return b"%s%s%s}" % (body[:-1], b"," if len(body) > 2 else b"", spliced)


def checked(response: Response) -> Response:
    """Return a successful *response*; raise what an error answer stands for."""
    if not response.ok:
        raise error_from(response)
    return response


def found(response: Response) -> Response | None:
    """Return a successful *response*, or None where the key does not exist."""
    if response.status == 200 or response.ok:
        return response
    error = error_from(response)
    if isinstance(error, KeyNotFound):
        return None
    raise error


def done(response: Response) -> None:
    """Read an answer that says nothing but that it was done."""
    checked(response)


def deleted(response: Response) -> None:
    """Read the answer of a delete; a key that is not there is deleted too."""
    found(response)


def read_stored(response: Response) -> Stored[Any] | None:
    """Read what a set returns: a value with its metadata; None where there is no body."""
    if not checked(response).body:
        return None
    return stored_row(from_json(response.body))


def stored_row(row: dict[str, Any]) -> Stored[Any]:
    """Read one row: key, value and the metadata that is there."""
    return Stored(row["key"], row["value"], read_metadata(row))
