"""A tenant as the one header that tells Forge on whose behalf a call is made."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from ..errors import ConfigurationError
from ..wire import Tenant

Header: TypeAlias = tuple[bytes, bytes]

# Printable ASCII but the comma, which would start another field, and the space.
_REFUSED: Final = re.compile(r"[^!-+\--~]")


def container_header(tenant: Tenant | None) -> Header:
    """Return the sidecar's header (containers-reference/ref-api); the invocation wins.

    Raises:
        ConfigurationError: there is no tenant, or its id could not be a header's field.
    """
    if tenant is not None and tenant.invocation:
        field, value = "id", tenant.invocation
    elif tenant is not None and tenant.installation:
        field, value = "installationId", tenant.installation
    else:
        raise ConfigurationError(
            "no tenant: in a container every call is made for an app installation. Give the "
            "session, or HttpBackend as tenant=, a Tenant(invocation=...) with the "
            "x-forge-invocation-id header of the request being served, or a "
            "Tenant(installation=...) for work outside an invocation"
        )
    return b"forge-proxy-authorization", b"Forge as=app," + _field(field, value)


def remote_header(tenant: Tenant | None) -> Header:
    """Return the remote's header (remote/accessing-storage), which holds the token.

    Raises:
        ConfigurationError: there is no token, or it could not be in a header.
    """
    if tenant is None or not tenant.token:
        raise ConfigurationError(
            "no token: in a remote every call carries the x-forge-oauth-system header of the "
            "request being served. Give the session a Tenant(token=...), or "
            "HttpBackend.remote(token)"
        )
    return b"authorization", b"Bearer " + _checked("token", tenant.token)


def _field(name: str, value: str) -> bytes:
    return name.encode() + b"=" + _checked(name, value)


def _checked(name: str, value: str) -> bytes:
    """Encode *value*, which must not be able to end its field or its header."""
    refused = _REFUSED.search(value)
    if refused:
        # Only the place is told: what lets one call Forge is nobody else's to read.
        code = f"U+{ord(refused.group()):04X}"
        raise ConfigurationError(
            f"the tenant's {name} holds {code} at position {refused.start()}; only printable "
            "ASCII without spaces and commas can be sent. Pass the value as it was received"
        )
    return value.encode()
