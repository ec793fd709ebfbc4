"""Whom a call is made for, read from its headers as a sidecar or the gateway reads them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from ..local import STRICT, Readings
from ..wire import Tenant
from .refusals import Refusal, unauthorized

PROXY_HEADER: Final = b"forge-proxy-authorization"
BEARER_HEADER: Final = b"authorization"
_HEADERS: Final = (PROXY_HEADER, BEARER_HEADER)
_REMEMBERED: Final = 1024
# containers-reference/ref-api
_FIELDS: Final = ("id", "installationId", "as", "accountId")
_EXPECTED: Final = (
    "expected 'forge-proxy-authorization: Forge as=app,id=<x-forge-invocation-id>' or "
    "'Forge as=app,installationId=<id>', or a remote's 'authorization: Bearer <token>'"
)
_VISIBLE: Final = re.compile(r"[!-~]+")


class Tenants:
    """Reads whom calls are made for.

    Args:
        readings: which headers are taken, and for how long an invocation lasts.
        installations: the installation of an invocation, a token or an installation, by its
            id. What is not among them is for itself, where it is an installation, else for
            the store's default one.
        clock: returns the Unix time in seconds.
    """

    def __init__(
        self,
        readings: Readings = STRICT,
        installations: Mapping[str, str] = MappingProxyType({}),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Know no call yet."""
        self._readings, self._installations, self._clock = readings, installations, clock
        # Most calls come with a header that an earlier one had.
        self._read = lru_cache(maxsize=_REMEMBERED)(self._tenant)
        self._begun: dict[str, float] = {}

    def of(self, headers: Iterable[tuple[bytes, bytes]]) -> Tenant:
        """Return the tenant that *headers*, whose names are lower-case, speak for.

        Raises:
            Refusal: 401 for a header that is missing or malformed, or an invocation that is
                over, 403 for a user's call.
        """
        given = [header for header in headers if header[0] in _HEADERS]
        if len(given) != 1:
            found = "more than one credential" if given else "no credential"
            raise unauthorized(f"{found}: {_EXPECTED}")
        tenant = self._read(*given[0])
        if self._readings.invocation_lifetime and tenant.invocation is not None:
            self._check_age(tenant.invocation)
        return tenant

    def _tenant(self, name: bytes, value: bytes) -> Tenant:
        text = value.decode("latin-1").strip()
        if name == BEARER_HEADER:
            tenant = _remote_tenant(text)
        else:
            tenant = _container_tenant(text, self._readings)
        known = tenant.installation or tenant.invocation or tenant.token or ""
        installation = self._installations.get(known)
        return tenant if installation is None else replace(tenant, installation=installation)

    def _check_age(self, invocation: str) -> None:
        """Refuse an invocation whose first call is too long ago."""
        now, lifetime = self._clock(), self._readings.invocation_lifetime
        if now - self._begun.setdefault(invocation, now) >= lifetime:
            raise unauthorized(
                f"the invocation is over: its id was good for {lifetime:g} seconds. "
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
