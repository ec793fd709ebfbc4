"""One call of an ASGI application, without a server in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from forge_orm.server import ForgeApp

PREFIX = "/forge/storage/kvs/v1/"
JSON = (b"content-type", b"application/json")
ONE = (b"forge-proxy-authorization", b"Forge as=app,installationId=one")
HEADERS = (JSON, ONE)


@dataclass
class Answer:
    """What the application sent."""

    status: int
    headers: dict[str, str]
    body: bytes
    read: int
    """How many parts of the body the application asked for."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str]:
        """The status and the code, where this is an error in the service's form."""
        content = self.json
        assert set(content) == {"code", "message"}
        assert all(isinstance(part, str) and part for part in content.values())
        assert self.headers["content-type"].partition(";")[0] == "application/json"
        return self.status, content["code"]


def call(
    app: ForgeApp,
    path: str = PREFIX + "get",
    body: bytes | Sequence[bytes] = b'{"key":"k"}',
    *,
    method: str = "POST",
    headers: Iterable[tuple[bytes, bytes]] = HEADERS,
    gone: bool = False,
) -> Answer:
    """Make one call; *body* may come in parts, and with *gone* the client hangs up after."""
    parts = [body] if isinstance(body, bytes) else list(body)
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": True} for part in parts
    ]
    if gone:
        messages.append({"type": "http.disconnect"})
    else:
        messages[-1]["more_body"] = False
    waiting = iter(messages)
    sent: list[Any] = []
    read = 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return next(waiting)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "headers": list(headers)}
    asyncio.run(app(scope, receive, send))
    start, end = sent
    assert (start["type"], end["type"]) == ("http.response.start", "http.response.body")
    said = {name.decode(): value.decode() for name, value in start["headers"]}
    assert len(said) == len(start["headers"])
    if start["status"] != 204:
        assert said["content-length"] == str(len(end["body"]))
    return Answer(start["status"], said, end["body"], read)
