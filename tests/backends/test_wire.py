"""What `HttpBackend` puts on the wire, to the byte, seen below httpx by respx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx

from forge_orm import ConfigurationError, HttpBackend, Tenant, acting_for
from forge_orm.wire import OPERATIONS, Request

from .colours import ask, play

SIDECAR = "http://localhost:7072"
PATH = "/forge/storage/kvs/v1/"
PROXY = "forge-proxy-authorization"
UUID = "0a4f6b1c-0000-4000-8000-00000000abcd"
ONE = Tenant(installation="one")
TWO = Tenant(installation="two")
BODY = b'{"key":"k"}'


def heard(colour: str, backend: HttpBackend, *requests: Request) -> list[httpx.Request]:
    """Return what a service that answers everything with a value was asked."""
    with respx.mock(assert_all_called=False) as router:
        router.route().respond(200, json={"key": "k", "value": "v"})
        ask(colour, backend, *requests)
        return [call.request for call in router.calls]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_a_post_to_its_path(colour: str, operation: str) -> None:
    (call,) = heard(colour, HttpBackend(SIDECAR, tenant=ONE), Request(operation, BODY))

    assert call.method == "POST"
    assert str(call.url) == f"{SIDECAR}{PATH}{operation}"
    assert call.content == BODY


def test_these_headers_are_sent_and_no_others(colour: str) -> None:
    (call,) = heard(colour, HttpBackend(SIDECAR, tenant=ONE), Request("get", BODY))

    assert dict(call.headers) == {
        "host": "localhost:7072",
        "accept": "application/json",
        "content-type": "application/json",
        "user-agent": "forge-orm",
        "content-length": str(len(BODY)),
        PROXY: "Forge as=app,installationId=one",
    }


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"value":"\xe2\x98\x83"}', b'{ "kept" : "as it is" }\n', b"x" * 300_000],
    ids=["empty", "list", "utf-8", "spaces", "large"],
)
def test_a_body_is_sent_byte_for_byte(colour: str, body: bytes) -> None:
    (call,) = heard(colour, HttpBackend(SIDECAR, tenant=ONE), Request("set", body))

    assert call.content == body
    assert call.headers["content-length"] == str(len(body))


@pytest.mark.parametrize(
    ("tenant", "value"),
    [
        (Tenant(installation=UUID), f"Forge as=app,installationId={UUID}"),
        (
            Tenant(installation=f"ari:cloud:ecosystem::installation/{UUID}"),
            f"Forge as=app,installationId={UUID}",
        ),
        (Tenant(invocation="inv-1"), "Forge as=app,id=inv-1"),
        (Tenant(invocation="inv=1/2+3"), "Forge as=app,id=inv=1/2+3"),
        (Tenant(installation=UUID, invocation="inv-1"), "Forge as=app,id=inv-1"),
        (Tenant(installation=UUID, token="t"), f"Forge as=app,installationId={UUID}"),
    ],
    ids=["installation", "ari", "invocation", "odd", "invocation-wins", "token-is-not-ours"],
)
def test_a_container_names_its_tenant(colour: str, tenant: Tenant, value: str) -> None:
    (call,) = heard(colour, HttpBackend(SIDECAR), Request("get", BODY, tenant=tenant))

    assert call.headers[PROXY] == value
    assert "authorization" not in call.headers


def test_a_remote_shows_its_token(colour: str) -> None:
    (call,) = heard(colour, HttpBackend.remote("ey.J+/_-~="), Request("get", BODY))

    assert str(call.url) == f"https://api.atlassian.com{PATH}get"
    assert call.headers["authorization"] == "Bearer ey.J+/_-~="
    assert PROXY not in call.headers


def test_the_request_s_tenant_wins_over_the_backend_s(colour: str) -> None:
    requests = [Request("get", BODY), Request("get", BODY, tenant=TWO), Request("get", BODY)]
    calls = heard(colour, HttpBackend(SIDECAR, tenant=ONE), *requests)

    assert [call.headers[PROXY][-3:] for call in calls] == ["one", "two", "one"]


def test_each_remote_request_can_bring_its_own_token(colour: str) -> None:
    own = Request("get", BODY, tenant=Tenant(token="fresh"))
    calls = heard(colour, HttpBackend.remote("old"), own, Request("get", BODY))

    assert [call.headers["authorization"] for call in calls] == ["Bearer fresh", "Bearer old"]


@pytest.mark.parametrize(
    ("backend", "forge", "context", "session", "expected"),
    [
        ("b", None, None, None, "b"),
        ("b", "f", None, None, "f"),
        ("b", "f", "c", None, "c"),
        ("b", "f", "c", "s", "s"),
        (None, None, "c", None, "c"),
        (None, None, None, "s", "s"),
    ],
)
def test_the_nearest_tenant_is_spoken_for(
    colour: str,
    backend: str | None,
    forge: str | None,
    context: str | None,
    session: str | None,
    expected: str,
) -> None:
    def tenant(name: str | None) -> Tenant | None:
        return None if name is None else Tenant(invocation=name)

    async def opened(it: Any) -> None:
        async with it.session(tenant=tenant(session)) as unit:
            await unit.kvs.get("k")

    async def scene(it: Any) -> None:
        acting = tenant(context)
        if acting is None:
            await opened(it)
        else:
            with acting_for(acting):
                await opened(it)

    with respx.mock() as router:
        router.post(f"{SIDECAR}{PATH}get").respond(200, json={"key": "k", "value": "v"})
        play(colour, HttpBackend(SIDECAR, tenant=tenant(backend)), scene, tenant=tenant(forge))
        assert [call.request.headers[PROXY] for call in router.calls] == [
            f"Forge as=app,id={expected}"
        ]


def test_acting_for_ends_with_its_block_even_when_nested(colour: str) -> None:
    async def scene(it: Any) -> None:
        with acting_for(Tenant(invocation="outer")):
            with acting_for(Tenant(invocation="inner")):
                await it.kvs.get("k")
            await it.secrets.get("k")
        await it.kvs.get("k")

    with respx.mock() as router:
        router.post(path__startswith=PATH).respond(200, json={"key": "k", "value": "v"})
        play(colour, HttpBackend(SIDECAR, tenant=Tenant(invocation="none")), scene)
        said = [call.request.headers[PROXY].rpartition("=")[2] for call in router.calls]

    assert said == ["inner", "outer", "none"]


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("http://localhost:7072", "http://localhost:7072"),
        ("http://localhost:7072/", "http://localhost:7072"),
        ("http://proxy-sidecar:7072//", "http://proxy-sidecar:7072"),
        ("https://sidecar/below", "https://sidecar/below"),
        ("http://[::1]:7072", "http://[::1]:7072"),
    ],
)
def test_the_sidecar_is_where_the_environment_says(colour: str, given: str, base: str) -> None:
    backend = HttpBackend(environ={"FORGE_EGRESS_PROXY_URL": given}, tenant=ONE)
    (call,) = heard(colour, backend, Request("get", BODY))

    assert str(call.url) == f"{base}{PATH}get"
    assert base in repr(backend)


def test_an_address_given_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGE_EGRESS_PROXY_URL", "http://environment")

    assert repr(HttpBackend()) == "HttpBackend('http://environment')"
    assert repr(HttpBackend("http://given")) == "HttpBackend('http://given')"


UNSET: dict[str, Callable[[], HttpBackend]] = {
    "unset": lambda: HttpBackend(environ={}),
    "empty": lambda: HttpBackend(environ={"FORGE_EGRESS_PROXY_URL": ""}),
}


@pytest.mark.parametrize("make", UNSET.values(), ids=UNSET)
def test_an_environment_not_set_up_says_what_to_do(make: Callable[[], HttpBackend]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()

    for word in ("FORGE_EGRESS_PROXY_URL", "HttpBackend(url)", "remote(token)", "LocalBackend"):
        assert word in str(caught.value)
