"""A tenant, an address or an option that cannot be used is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import respx

from forge_orm import ConfigurationError, HttpBackend, Tenant
from forge_orm.wire import OPERATIONS, Request

from .colours import ask

SIDECAR = "http://localhost:7072"


def refused(colour: str, backend: HttpBackend, request: Request) -> str:
    """Return why *request* was refused, having seen that nothing was sent."""
    with respx.mock() as router:  # and no route: a call would fail otherwise
        with pytest.raises(ConfigurationError) as caught:
            ask(colour, backend, request)
        assert not router.calls
    return str(caught.value)


@pytest.mark.parametrize(
    "tenant",
    [None, Tenant(), Tenant(installation=""), Tenant(invocation=""), Tenant(token="t")],
    ids=["none", "nobody", "empty-installation", "empty-invocation", "only-a-token"],
)
def test_a_container_s_call_needs_an_installation(colour: str, tenant: Tenant | None) -> None:
    why = refused(colour, HttpBackend(SIDECAR), Request("get", b"{}", tenant=tenant))

    for word in ("no tenant", "Tenant(invocation=", "Tenant(installation="):
        assert word in why


@pytest.mark.parametrize(
    "tenant",
    [None, Tenant(), Tenant(token=""), Tenant(installation="i", invocation="v")],
    ids=["none", "nobody", "empty", "a-container-s"],
)
def test_a_remote_s_call_needs_a_token(colour: str, tenant: Tenant | None) -> None:
    why = refused(colour, HttpBackend.remote(), Request("get", b"{}", tenant=tenant))

    for word in ("no token", "x-forge-oauth-system", "Tenant(token="):
        assert word in why


HOSTILE = {
    "newline": ("ab\r\nevil: 1", "U+000D at position 2"),
    "bare-newline": ("ab\n", "U+000A at position 2"),
    "comma": ("a,as=user", "U+002C at position 1"),
    "space": ("a b", "U+0020 at position 1"),
    "nul": ("\0", "U+0000 at position 0"),
    "delete": ("abc\x7f", "U+007F at position 3"),
    "not-ascii": ("é", "U+00E9 at position 0"),
    "surrogate": ("\ud800", "U+D800 at position 0"),
}


@pytest.mark.parametrize("field", ["installation", "invocation", "token"])
@pytest.mark.parametrize(("value", "place"), HOSTILE.values(), ids=HOSTILE)
def test_what_could_end_a_header_s_field_is_refused_and_not_shown(
    colour: str, field: str, value: str, place: str
) -> None:
    backend = HttpBackend.remote() if field == "token" else HttpBackend(SIDECAR)
    why = refused(colour, backend, Request("get", b"{}", tenant=Tenant(**{field: value})))

    assert place in why
    assert repr(value) not in why
    assert "evil" not in why


@pytest.mark.parametrize("value", ["a,b", "a b", "é"])
def test_a_default_tenant_is_checked_when_it_is_given(value: str) -> None:
    with pytest.raises(ConfigurationError, match="installation"):
        HttpBackend(SIDECAR, tenant=Tenant(installation=value))
    with pytest.raises(ConfigurationError, match="token"):
        HttpBackend.remote(value)


@pytest.mark.parametrize("operation", ["", "Get", "/get", "get/", "../get", "entity"])
def test_an_unknown_operation_is_refused_with_a_list(colour: str, operation: str) -> None:
    backend = HttpBackend(SIDECAR, tenant=Tenant(installation="i"))
    why = refused(colour, backend, Request(operation, b"{}"))

    assert repr(operation) in why
    assert all(name in why for name in OPERATIONS)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("localhost:7072", "a scheme, a host"),
        ("//localhost:7072", "a scheme, a host"),
        ("", "a scheme, a host"),
        ("http://", "a scheme, a host"),
        ("ftp://localhost", "a scheme, a host"),
        ("http+unix://socket", "a scheme, a host"),
        ("http://localhost?x=1", "no query"),
        ("http://localhost:port", "not a URL"),
        ("http://local\nhost", "not a URL"),
        ("http://user:hunter2@localhost", "user or password"),
        ("ftp://user:hunter2@localhost", "user or password"),
        ("http://user:hunter2@localhost:port", "the address given is not a URL"),
    ],
)
@pytest.mark.parametrize("remote", [False, True], ids=["container", "remote"])
def test_an_address_that_cannot_be_called_is_refused(url: str, why: str, remote: bool) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HttpBackend.remote("t", url=url) if remote else HttpBackend(url)

    assert why in str(caught.value)
    assert "hunter2" not in str(caught.value)


OPTIONS: dict[str, Callable[[], HttpBackend]] = {
    "no-time": lambda: HttpBackend(SIDECAR, timeout=0),
    "time-before-now": lambda: HttpBackend(SIDECAR, timeout=-1),
    "no-connection": lambda: HttpBackend(SIDECAR, max_connections=0),
    "remote": lambda: HttpBackend.remote("t", max_connections=-1),
}


@pytest.mark.parametrize("make", OPTIONS.values(), ids=OPTIONS)
def test_options_that_allow_no_call_are_refused(make: Callable[[], HttpBackend]) -> None:
    with pytest.raises(ConfigurationError, match="both are above 0"):
        make()


def test_nothing_that_lets_one_call_is_shown() -> None:
    token = "ey-secret"

    assert token not in repr(HttpBackend.remote(token))
    assert token not in repr(Tenant(token=token))
    assert token not in repr(Request("get", b"{}", tenant=Tenant(token=token)))
