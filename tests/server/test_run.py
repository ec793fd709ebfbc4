"""`Served` and `serve`: starting, stopping, and what is in the way of either."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
from pydantic import SecretStr

from forge_orm import ConfigurationError, Forge, HttpBackend, NotSent, Tenant
from forge_orm.server import ForgeApp, Served, run, serve
from forge_orm.wire import Request, Response
from tests.scenarios.models import Task

PATIENCE = 20.0
ONE, TWO = Tenant(installation="one"), Tenant(installation="two")
GET = Request("get", b'{"key":"k"}')


def connect(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def test_it_serves_while_the_block_runs(app: ForgeApp) -> None:
    with Served(app) as served, HttpBackend(served.url, tenant=ONE) as backend:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", served.url)
        assert served._thread.is_alive()
        assert backend.send(GET).status == 404
    assert not served._thread.is_alive()
    with pytest.raises(NotSent):
        backend.send(GET)
    backend.close()


def test_it_stops_when_the_block_fails(app: ForgeApp) -> None:
    served = Served(app)
    with pytest.raises(ZeroDivisionError), served:
        _ = 1 / 0

    assert not served._thread.is_alive()


def test_it_can_be_started_again(app: ForgeApp) -> None:
    served = Served(app)
    for _ in range(2):
        with served, HttpBackend(served.url, tenant=ONE) as backend:
            assert backend.send(GET).status == 404


def test_several_can_run_at_once(app: ForgeApp) -> None:
    with ExitStack() as stack:
        urls = {stack.enter_context(Served(app)).url for _ in range(3)}
        for url in urls:
            backend = stack.enter_context(HttpBackend(url, tenant=ONE))
            assert backend.send(GET).status == 404

    assert len(urls) == 3


def test_idle_connections_are_closed_at_the_end(app: ForgeApp) -> None:
    with Served(app) as served:
        connection = connect(served.url)
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(1) == b"H"
    with connection, connection.makefile("rb") as rest:
        assert rest.read().endswith(b'\r\n\r\n{"status": "ok"}')


def test_a_call_under_way_is_finished() -> None:
    arrived, released = threading.Event(), threading.Event()

    class Slow:
        def send(self, request: Request, /) -> Response:
            arrived.set()
            assert released.wait(PATIENCE)
            return Response(204)

    with ThreadPoolExecutor(1) as threads:
        with Served(ForgeApp(Slow())) as served:
            backend = HttpBackend(served.url, tenant=ONE)
            call = threads.submit(backend.send, GET)
            assert arrived.wait(PATIENCE)
            served._server.should_exit = True
            released.set()
        assert call.result().status == 204
    backend.close()


def test_a_call_that_never_ends_does_not_hold_it_up(
    app: ForgeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_GRACE", 0)
    head = b"POST /forge/storage/kvs/v1/get HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n"
    head += b"content-type: application/json\r\nexpect: 100-continue\r\n"
    with Served(app) as served:
        connection = connect(served.url)
        connection.sendall(head + b"authorization: Bearer t\r\n\r\n{")
        # "Continue" is said when the application asks for the body.
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
    connection.close()

    assert not served._thread.is_alive()


def test_a_large_announced_body_is_refused_before_it_is_sent(app: ForgeApp) -> None:
    head = b"POST /forge/storage/kvs/v1/set HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n"
    head += b"content-type: application/json\r\nauthorization: Bearer t\r\n\r\n"
    with Served(app) as served, connect(served.url) as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_no_announced_length_is_read(app: ForgeApp) -> None:
    headers = {"content-type": "application/json", "authorization": "Bearer t"}
    with Served(app) as served, httpx.Client(headers=headers, trust_env=False) as client:
        url = served.url + "/forge/storage/kvs/v1/"
        done = client.post(url + "set", content=iter([b'{"key":"k",', b'"value":7}']))
        found = client.post(url + "get", content=iter([b'{"key":"k"}']))

    assert done.request.headers["transfer-encoding"] == "chunked"
    assert (done.status_code, found.json()["value"]) == (204, 7)
    assert "server" not in found.headers


def test_tenants_do_not_see_each_other_s_data(app: ForgeApp) -> None:
    with Served(app) as served, ExitStack() as stack:
        forges = [
            stack.enter_context(Forge(HttpBackend(served.url, tenant=tenant), retry=None))
            for tenant in (ONE, TWO)
        ]
        for forge, name in zip(forges, ("one", "two"), strict=True):
            forge.kvs.set("k", name)
            forge.kvs.set(f"only-{name}", name)
            forge.secrets.set("s", SecretStr(name))
            with forge.session() as session:
                session.add(Task(project=name, number=1, title=name))
                session.add(Task(project="P", number=1, title=name))
        for forge, name in zip(forges, ("one", "two"), strict=True):
            assert forge.kvs.all() == {"k": name, f"only-{name}": name}
            assert forge.secrets.get("s") == SecretStr(name)
            with forge.session() as session:
                tasks = session.all(Task.index("by-key"))
                assert {task.title for task in tasks} == {name}
                assert len(tasks) == 2
        forges[0].kvs.delete("k")
        assert forges[1].kvs.get("k") == "two"


def test_a_port_that_is_taken_is_named(app: ForgeApp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for start in (
            lambda: Served(app, port=port).__enter__(),
            lambda: serve(app, port=port),
        ):
            with pytest.raises(ConfigurationError) as caught:
                start()
            assert f"127.0.0.1 port {port}" in str(caught.value)
            assert "0 for any free one" in str(caught.value)


@pytest.mark.parametrize(
    ("host", "port"), [("192.0.2.1", 0), ("127.0.0.1", 65_536), ("127.0.0.1", -1)]
)
def test_an_address_that_cannot_be_had_is_named(app: ForgeApp, host: str, port: int) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot listen on {host} port {port}"):
        Served(app, host, port).__enter__()


def test_a_port_is_free_again_at_once(app: ForgeApp) -> None:
    with Served(app) as first, connect(first.url):
        port = int(first.url.rpartition(":")[2])
    with Served(app, port=port) as second:
        assert second.url == first.url


def test_serving_needs_its_extra(app: ForgeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigurationError, match=re.escape("forge-orm[server]")):
        Served(app).__enter__()
    with pytest.raises(ConfigurationError, match=re.escape("forge-orm[server]")):
        serve(app)


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this host has no IPv6")
def test_it_serves_over_ipv6(app: ForgeApp) -> None:
    with Served(app, "::1") as served, HttpBackend(served.url, tenant=ONE) as backend:
        assert served.url.startswith("http://[::1]:")
        assert backend.send(GET).status == 404


SERVING = """
from forge_orm import LocalBackend
from forge_orm.server import ForgeApp, serve

with LocalBackend() as local:
    serve(ForgeApp(local), started=lambda url: print(url, flush=True))
print("ended in order")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_serve_runs_until_interrupted(sent: signal.Signals) -> None:
    command = [sys.executable, "-c", SERVING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert httpx.get(url + "/health", trust_env=False).json() == {"status": "ok"}
            process.send_signal(sent)
            assert process.wait(PATIENCE) == 0
            assert process.stdout.read() == "ended in order\n"
        finally:
            process.kill()


@pytest.mark.parametrize(
    "raw",
    [
        b"no http\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nno colon\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_the_same_form(app: ForgeApp, raw: bytes) -> None:
    with Served(app) as served, connect(served.url) as connection:
        connection.sendall(raw)
        with connection.makefile("rb") as answer:
            head, _, body = answer.read().partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/json" in head
    assert json.loads(body) == {
        "code": "BAD_REQUEST",
        "message": "Invalid HTTP request received.",
    }
