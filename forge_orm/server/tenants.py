"""Whom a call is made for, read from its headers as a sidecar or the gateway reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from ..local import STRICT, Readings
from ..wire import Tenant
from .refusals import Refusal, unauthorized

PROXY_HEADER: Final = b"forge-proxy-authorization"
BEARER_HEADER: Final = b"authorization"
# containers-reference/ref-api
_FIELDS: Final = ("id", "installationId", "as", "accountId")
_EXPECTED: Final = (
    "expected 'forge-proxy-authorization: Forge as=app,id=<x-forge-invocation-id>' or "
    "'Forge as=app,installationId=<id>', or a remote's 'authorization: Bearer <token>'"
)
_VISIBLE: Final = re.compile(r"[!-~]+")


def tenant_of(headers: Iterable[tuple[bytes, bytes]], readings: Readings = STRICT) -> Tenant:
    """Read the tenant from *headers*, whose names are lower-case, as *readings* say.

    Raises:
        Refusal: 401 for a header that is missing or malformed, 403 for a user's call.
    """
    given = [(name, value) for name, value in headers if name in (PROXY_HEADER, BEARER_HEADER)]
    if len(given) != 1:
        found = "more than one credential" if given else "no credential"
        raise unauthorized(f"{found}: {_EXPECTED}")
    name, value = given[0]
    text = value.decode("latin-1").strip()
    return _container_tenant(text, readings) if name == PROXY_HEADER else _remote_tenant(text)


class Invocations:
    """Remembers when each invocation was first heard of, and ends it after its lifetime."""

    def __init__(self, lifetime: float, clock: Callable[[], float]) -> None:
        """End invocations *lifetime* seconds of *clock* after their first call; 0 is never."""
        self._lifetime, self._clock = lifetime, clock
        self._first: dict[str, float] = {}

    def check(self, tenant: Tenant) -> None:
        """Refuse a call for an invocation that is over."""
        if not self._lifetime or tenant.invocation is None:
            return
        now = self._clock()
        if now - self._first.setdefault(tenant.invocation, now) >= self._lifetime:
            raise unauthorized(
                f"the invocation is over: its id was good for {self._lifetime:g} seconds. "
                "Work that takes longer is done for an installationId"
            )


def _container_tenant(text: str, readings: Readings) -> Tenant:
    fields = _fields(_after_scheme(text, "forge"))
    _check_actor(fields, readings)
    if ("id" in fields) == ("installationId" in fields):
        raise unauthorized(f"one of id and installationId is needed: {_EXPECTED}")
    installation = fields.get("installationId")
    if readings.refuse_ari and installation is not None and "/" in installation:
        raise unauthorized("installationId is the installation's id alone, not its ARI")
    return Tenant(installation=installation, invocation=fields.get("id"))


def _remote_tenant(text: str) -> Tenant:
    token = _after_scheme(text, "bearer")
    if not _VISIBLE.fullmatch(token):
        raise unauthorized(f"the token is not one visible word: {_EXPECTED}")
    return Tenant(token=token)


def _after_scheme(text: str, scheme: str) -> str:
    word, _, rest = text.partition(" ")
    if word.lower() != scheme:
        raise unauthorized(f"the scheme is not {scheme.capitalize()}: {_EXPECTED}")
    return rest.strip()


def _fields(text: str) -> dict[str, str]:
    """Read ``k=v,k=v``; the order does not matter, and a field comes once."""
    fields: dict[str, str] = {}
    for pair in text.split(","):
        name, _, value = pair.strip().partition("=")
        if name not in _FIELDS or name in fields or not _VISIBLE.fullmatch(value):
            raise unauthorized(f"a field is unknown, given twice, or has no value: {_EXPECTED}")
        fields[name] = value
    return fields


def _check_actor(fields: dict[str, str], readings: Readings) -> None:
    actor = fields.get("as", "app")
    if actor == "user":
        if not readings.refuse_user:
            return
        raise Refusal(403, "FORBIDDEN", "storage belongs to the app: call it with as=app")
    if actor != "app" or "accountId" in fields:
        raise unauthorized(f"as is app, and accountId goes with as=user only: {_EXPECTED}")
