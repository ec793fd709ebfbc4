"""What `ForgeApp` answers by itself, to calls that never reach the store, and to all others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from forge_orm.server import ForgeApp
from forge_orm.wire import OPERATIONS

from .asgi import HEADERS, JSON, ONE, PREFIX, call


def test_what_is_set_is_read(app: ForgeApp) -> None:
    done = call(app, PREFIX + "set", b'{"key":"k","value":[1,"\xe2\x98\x83"]}')
    found = call(app)

    assert (done.status, done.body) == (204, b"")
    assert done.headers.keys() == {"x-b3-traceid"}
    assert found.status == 200
    assert found.headers["content-type"].startswith("application/json")
    assert (found.json["key"], found.json["value"]) == ("k", [1, "☃"])


def test_a_body_may_come_in_parts(app: ForgeApp) -> None:
    call(app, PREFIX + "set", [b'{"key":', b"", b'"k","val', b'ue":1}'])

    assert call(app).json["value"] == 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_reaches_the_store(app: ForgeApp, operation: str) -> None:
    answer = call(app, PREFIX + operation, b'{"unheard":1,"limit":"of"}')

    assert answer.refusal[0] == 400  # and not 404: it was the store that refused


def test_health_needs_nobody(app: ForgeApp) -> None:
    answer = call(app, "/health", b"", method="GET", headers=())

    assert (answer.status, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/health", "/openapi.json"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "get"])
def test_what_is_only_read_takes_get(app: ForgeApp, path: str, method: str) -> None:
    answer = call(app, path, method=method, headers=())

    assert answer.refusal == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET"
    assert answer.json["message"] == f"{path} takes GET, not {method}"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/get",
        PREFIX,
        PREFIX + "Get",
        PREFIX + "get/",
        PREFIX + "/get",
        PREFIX + "entity",
        PREFIX + "secret/query",
        PREFIX + "../v1/get",
        PREFIX + "get\r\n",
        PREFIX + "☃",
        "/forge/storage/kvs/v2/get",
        "/x" + PREFIX + "get",
        "get",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_an_unknown_path_is_no_absent_key(app: ForgeApp, path: str, method: str) -> None:
    answer = call(app, path, method=method)

    assert answer.refusal == (404, "UNKNOWN_OPERATION")
    assert "entity/query" in answer.json["message"]
    assert answer.read == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "post"])
def test_only_post_is_taken(app: ForgeApp, method: str) -> None:
    answer = call(app, method=method)

    assert answer.refusal == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "kind", [b"application/json", b"Application/JSON", b"application/json; charset=utf-8"]
)
def test_json_by_any_name_is_taken(app: ForgeApp, kind: bytes) -> None:
    answer = call(app, headers=((b"content-type", kind), ONE))

    assert answer.refusal == (404, "KEY_NOT_FOUND")


@pytest.mark.parametrize(
    "kind",
    [None, b"", b"text/plain", b"application/jsonp", b"application/x-www-form-urlencoded"],
)
def test_another_content_type_is_refused(app: ForgeApp, kind: bytes | None) -> None:
    said = () if kind is None else ((b"content-type", kind),)
    answer = call(app, headers=(*said, ONE))

    assert answer.refusal == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert answer.read == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"key":"k"',
        b'{"key":"k"}}',
        b"{'key':'k'}",
        b'{"key":"\xff"}',
        b'{"key":"k",}',
        b"key=k",
        b"null",
        b"[]",
        b'"k"',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:12]),
)
@pytest.mark.parametrize("operation", ["get", "set", "entity/query", "transaction"])
def test_what_is_not_a_json_object_is_refused(
    app: ForgeApp, operation: str, body: bytes
) -> None:
    assert call(app, PREFIX + operation, body).refusal[0] == 400


@pytest.mark.parametrize("size", [9, 10, 11, 1000])
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("part", [1, 4, 1000])
def test_a_body_too_large_is_refused_announced_or_not(
    app: ForgeApp, size: int, announced: bool, part: int
) -> None:
    small = ForgeApp(app._backend, body_max_bytes=10)
    body = b" " * size
    said = ((b"content-length", b"%d" % size),) if announced else ()
    parts = [body[start : start + part] for start in range(0, size, part)]
    answer = call(small, body=parts, headers=(*HEADERS, *said))

    if size <= 10:
        assert answer.refusal[0] == 400  # read, and found to be no JSON
    else:
        assert answer.refusal == (413, "PAYLOAD_TOO_LARGE")
        assert "10 bytes" in answer.json["message"]
        # What is announced is not read; what is not, no further than needed.
        assert answer.read == (0 if announced else 11 // part + (11 % part > 0))


@pytest.mark.parametrize(
    "length", [b"", b"-1", b"ten", b"\xb2", b"1e9", b"0", b"0" * 5000, b"+5", b"1_0"]
)
def test_a_length_that_is_none_is_measured_instead(app: ForgeApp, length: bytes) -> None:
    answer = call(app, headers=(*HEADERS, (b"content-length", length)))

    assert answer.refusal == (404, "KEY_NOT_FOUND")


def test_a_length_past_all_bounds_is_too_large(app: ForgeApp) -> None:
    answer = call(app, headers=(*HEADERS, (b"content-length", b"9" * 5000)))

    assert answer.refusal == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("parts", [[b""], [b'{"key"'], [b'{"key":"k"}']])
def test_a_client_that_hangs_up_early_changes_nothing(
    app: ForgeApp, parts: list[bytes]
) -> None:
    answer = call(app, PREFIX + "delete", parts, gone=True)

    assert answer.refusal == (400, "BAD_REQUEST")


def test_path_and_method_are_told_before_credentials(app: ForgeApp) -> None:
    nobody = (JSON,)

    assert call(app, "/x", headers=nobody).status == 404
    assert call(app, method="GET", headers=nobody).status == 405
    assert call(app, headers=nobody).status == 401


def test_the_life_of_the_server_is_agreed_to(app: ForgeApp) -> None:
    coming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return next(coming)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(app({"type": "lifespan"}, receive, send))
    asyncio.run(app({"type": "websocket", "path": PREFIX}, receive, send))

    assert sent == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
        "websocket.close",
    ]
