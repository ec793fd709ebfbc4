"""For whom a call is made: what headers the server reads, and what it refuses."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_orm import Tenant
from forge_orm.backends.credentials import container_header, remote_header
from forge_orm.local import LENIENT, Readings
from forge_orm.server import ForgeApp
from forge_orm.server.tenants import Tenants
from forge_orm.wire import Request, Response

from .asgi import JSON, call

Headers = tuple[tuple[bytes, bytes], ...]

PROXY = b"forge-proxy-authorization"
BEARER = b"authorization"


class Recorder:
    """A backend that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def send(self, request: Request, /) -> Response:
        self.asked.append(request)
        return Response(204)


TAKEN: dict[str, tuple[bytes, bytes, Tenant]] = {
    "invocation": (PROXY, b"Forge as=app,id=inv-1", Tenant(invocation="inv-1")),
    "installation": (PROXY, b"Forge as=app,installationId=i-1", Tenant(installation="i-1")),
    "other-order": (PROXY, b"Forge installationId=i-1,as=app", Tenant(installation="i-1")),
    "app-by-default": (PROXY, b"Forge id=inv-1", Tenant(invocation="inv-1")),
    "spaces": (PROXY, b"  forge   as=app , id=inv-1  ", Tenant(invocation="inv-1")),
    "equals-in-a-value": (PROXY, b"Forge id=a=b==", Tenant(invocation="a=b==")),
    "token": (BEARER, b"Bearer ey.J_-", Tenant(token="ey.J_-")),
    "lower-case": (BEARER, b"bearer  ey", Tenant(token="ey")),
    "token-with-a-comma": (BEARER, b"Bearer a,b=c", Tenant(token="a,b=c")),
}


@pytest.mark.parametrize(("name", "value", "tenant"), TAKEN.values(), ids=TAKEN)
def test_credentials_name_the_tenant(name: bytes, value: bytes, tenant: Tenant) -> None:
    backend = Recorder()
    answer = call(ForgeApp(backend), headers=(JSON, (name, value)), body=b'{"key":"k"}')

    assert answer.status == 204
    assert backend.asked == [Request("get", b'{"key":"k"}', tenant=tenant)]


ID = b"Forge as=app,id=v"
REFUSED: dict[str, tuple[Headers, str]] = {
    "none": ((), "no credential"),
    "twice": (((PROXY, ID), (PROXY, ID)), "more than one credential"),
    "both-kinds": (((PROXY, ID), (BEARER, b"Bearer t")), "more than one credential"),
    "empty": (((PROXY, b""),), "the scheme is not Forge"),
    "no-scheme": (((PROXY, b"as=app,id=v"),), "the scheme is not Forge"),
    "bearer-for-forge": (((PROXY, b"Bearer t"),), "the scheme is not Forge"),
    "scheme-alone": (((PROXY, b"Forge"),), "a field is unknown"),
    "no-id": (((PROXY, b"Forge as=app"),), "one of id and installationId"),
    "both-ids": (((PROXY, b"Forge id=v,installationId=i"),), "one of id and installationId"),
    "empty-id": (((PROXY, b"Forge as=app,id="),), "has no value"),
    "no-equals": (((PROXY, b"Forge as=app,id"),), "has no value"),
    "unknown-field": (((PROXY, b"Forge id=v,role=admin"),), "a field is unknown"),
    "wrong-case": (((PROXY, b"Forge ID=v"),), "a field is unknown"),
    "field-twice": (((PROXY, b"Forge id=v,id=w"),), "given twice"),
    "trailing-comma": (((PROXY, b"Forge id=v,"),), "a field is unknown"),
    "semicolons": (((PROXY, b"Forge as=app;id=v"),), "as is app"),
    "space-in-a-value": (((PROXY, b"Forge id=a b"),), "has no value"),
    "not-ascii": (((PROXY, b"Forge id=\xe9"),), "has no value"),
    "unknown-actor": (((PROXY, b"Forge as=root,id=v"),), "as is app"),
    "account": (((PROXY, b"Forge as=app,id=v,accountId=a"),), "accountId goes with as=user"),
    "ari": (
        ((PROXY, b"Forge installationId=ari:cloud:ecosystem::installation/i"),),
        "not its ARI",
    ),
    "basic": (((BEARER, b"Basic dTpw"),), "the scheme is not Bearer"),
    "no-token": (((BEARER, b"Bearer"),), "not one visible word"),
    "blank-token": (((BEARER, b"Bearer   "),), "not one visible word"),
    "two-words": (((BEARER, b"Bearer a b"),), "not one visible word"),
    "control": (((BEARER, b"Bearer a\x00"),), "not one visible word"),
}


@pytest.mark.parametrize(("headers", "why"), REFUSED.values(), ids=REFUSED)
def test_credentials_missing_or_malformed_are_refused(headers: Headers, why: str) -> None:
    backend = Recorder()
    answer = call(ForgeApp(backend), headers=(JSON, *headers))

    assert answer.refusal == (401, "UNAUTHORIZED")
    assert why in answer.json["message"]
    assert (answer.read, backend.asked) == (0, [])


@pytest.mark.parametrize(
    "value", [b"Forge as=user,id=v", b"Forge id=v,as=user,accountId=a", b"Forge as=user"]
)
def test_a_user_has_no_storage(value: bytes) -> None:
    answer = call(ForgeApp(Recorder()), headers=(JSON, (PROXY, value)))

    assert answer.refusal == (403, "FORBIDDEN")
    assert "as=app" in answer.json["message"]


@pytest.mark.parametrize("token", [b"Bearer hunter2 hunter2", b"hunter2", b"Basic hunter2"])
def test_a_refused_token_is_not_repeated(
    token: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = call(ForgeApp(Recorder()), headers=(JSON, (BEARER, token)))

    assert b"hunter2" not in answer.body
    assert "hunter2" not in caplog.text


# What the client lets through: printable ASCII but the comma.
values = st.from_regex(re.compile(r"[!-+\--~]{1,40}"), fullmatch=True)


@settings(deadline=None, max_examples=100)
@given(value=values)
def test_what_the_client_writes_the_server_reads(value: str) -> None:
    for tenant in (Tenant(invocation=value), Tenant(installation=value.replace("/", "-"))):
        assert Tenants().of([container_header(tenant)]) == tenant
    assert Tenants().of([remote_header(Tenant(token=value))]) == Tenant(token=value)


def test_an_invocation_ends_and_an_installation_does_not() -> None:
    now = 0.0
    readings = Readings(invocation_lifetime=60)
    app = ForgeApp(Recorder(), readings=readings, clock=lambda: now)

    def status(value: bytes) -> int:
        return call(app, headers=(JSON, (PROXY, value)), body=b'{"key":"k"}').status

    assert (status(b"Forge id=a"), status(b"Forge installationId=i")) == (204, 204)
    now = 59
    assert (status(b"Forge id=a"), status(b"Forge id=b")) == (204, 204)
    now = 60
    over = call(app, headers=(JSON, (PROXY, b"Forge id=a")), body=b'{"key":"k"}')
    assert over.refusal == (401, "UNAUTHORIZED")
    assert "installationId" in over.json["message"]
    assert (status(b"Forge id=b"), status(b"Forge installationId=i")) == (204, 204)


def test_ids_may_be_of_other_installations() -> None:
    backend = Recorder()
    installations = {"inv-1": "acme", "ey": "acme", "i-1": "acme"}
    app = ForgeApp(backend, installations=installations)
    for name, value in (
        (PROXY, b"Forge as=app,id=inv-1"),
        (PROXY, b"Forge as=app,installationId=i-1"),
        (BEARER, b"Bearer ey"),
        (PROXY, b"Forge as=app,id=inv-2"),
        (PROXY, b"Forge as=app,installationId=i-2"),
    ):
        call(app, headers=(JSON, (name, value)), body=b'{"key":"k"}')

    whose = [request.tenant and request.tenant.installation for request in backend.asked]
    assert whose == ["acme", "acme", "acme", None, "i-2"]


def test_lenient_readings_take_what_strict_ones_refuse() -> None:
    app = ForgeApp(Recorder(), readings=LENIENT)
    ari = b"Forge as=app,installationId=ari:cloud:ecosystem::installation/i"
    for value in (ari, b"Forge as=user,accountId=a,id=v"):
        assert call(app, headers=(JSON, (PROXY, value)), body=b'{"key":"k"}').status == 204
