"""Conversations written down: what the library is to say, and what it hears in return."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from forge_orm import Attr, Entity, Registry, Session, TransportError, attr, index
from forge_orm.drivers import Channel
from forge_orm.flows import Outcome
from forge_orm.unit import Atomic
from forge_orm.wire import Request, Response

registry = Registry("scripted")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Place(BaseModel):
    city: str
    lines: list[str] = []


class Task(Entity, name="task", key="task:{number}", registry=registry):
    number: Attr[int] = attr()
    title: Attr[str] = attr(default="t")
    rank: Attr[int] = attr(default=0)
    who: Attr[str | None] = attr(default=None)
    due: Attr[datetime] = attr(default=NOON)
    tags: Attr[list[str]] = attr(default_factory=list)
    place: Attr[Place | None] = attr(default=None)

    by_title = index(title, range=rank)


class Flat(Entity, name="flat", key="flat:{number}", registry=registry):
    """Nothing in it can change without being assigned."""

    number: Attr[int] = attr()
    text: Attr[str] = attr(default="x")


# --- What the service says ------------------------------------------------------------------


def says(value: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(value).encode())


def refusal(code: str, status: int = 400, message: str = "words") -> Response:
    return says({"code": code, "message": message}, status)


def stored(number: int, **attributes: Any) -> dict[str, Any]:
    """Return the row of a task as the service keeps it."""
    value = {"number": number, "title": "t", "rank": 0, "due": "2026-01-01T12:00:00.000000Z"}
    return {"key": f"task:{number}", "value": value | {"tags": []} | attributes}


def page(*rows: Mapping[str, Any], cursor: str | None = None) -> Response:
    return says({"data": rows} | ({} if cursor is None else {"cursor": cursor}))


def done(request: Request, **failed: tuple[str, str]) -> Response:
    """Answer a write; in a batch, the keys in *failed* (``task_1`` is ``task:1``) fail."""
    if not request.operation.startswith("batch/"):
        return Response(204)
    errors = {
        key.replace("_", ":"): {"code": code, "message": words}
        for key, (code, words) in failed.items()
    }
    done: list[Any] = []
    undone: list[Any] = []
    for item in items(request):
        name = {"key": item["key"], "entityName": item["entityName"]}
        error = errors.get(item["key"])
        undone.append({**name, "error": error}) if error else done.append(name)
    return says({"successfulKeys": done, "failedKeys": undone})


def absent(request: Request) -> Response:
    """Answer a batch get: nothing is stored."""
    return rows()(request)


def rows(*stored: Mapping[str, Any]) -> Callable[[Request], Response]:
    """Return an answer to a batch get: the rows in *stored* are there, the others not."""

    def answer(request: Request) -> Response:
        there = {row["key"]: row["value"] for row in stored}
        error = {"code": "KEY_NOT_FOUND", "message": "words"}
        asked = {item["key"]: item for item in items(request)}
        found = [asked[key] | {"value": there[key]} for key in asked if key in there]
        missing = [asked[key] | {"error": error} for key in asked if key not in there]
        return says({"successfulKeys": found, "failedKeys": missing})

    return answer


# --- What the library says ------------------------------------------------------------------


def said(request: Request) -> Any:
    """Return the body of *request*."""
    return json.loads(request.body)


def items(request: Request) -> list[Any]:
    """Return what a batch or a single call is about."""
    body = said(request)
    return body if isinstance(body, list) else [body]


def keys(request: Request) -> list[str]:
    """Return the keys a request names."""
    return [item["key"] for item in items(request)]


Reply = Outcome | BaseException | Callable[[Request], Response]


@dataclass(frozen=True)
class Line:
    """One request as it must be, and the reply to it."""

    operation: str
    reply: Reply
    body: Any = None


class Scripted:
    """A backend of either colour that follows a script to the letter."""

    def __init__(self, *lines: Line) -> None:
        self._lines = list(lines)
        self.heard: list[Request] = []

    def expect(self, *lines: Line) -> None:
        self._lines += lines

    def send(self, request: Request, /) -> Response:
        assert self._lines, f"nothing more was expected, but {request}"
        line = self._lines.pop(0)
        self.heard.append(request)
        assert request.operation == line.operation, f"{request}, not {line.operation}"
        if line.body is not None:
            assert said(request) == line.body
        if isinstance(line.reply, BaseException):
            raise line.reply
        return line.reply if isinstance(line.reply, Response) else line.reply(request)

    async def asend(self, request: Request, /) -> Response:
        return self.send(request)

    def finish(self) -> None:
        assert [line.operation for line in self._lines] == []


@contextmanager
def session(*lines: Line, atomic: Atomic = "auto") -> Iterator[tuple[Session, Scripted]]:
    """Open a session that follows a script; all of it must have been said at the end."""
    script = Scripted(*lines)
    yield Session(Channel(script, None), atomic), script
    script.finish()


def read_tasks(
    held: Session, script: Scripted, rows: Sequence[Mapping[str, Any]]
) -> list[Task]:
    """Let *held* read *rows*."""
    script.expect(Line("entity/query", page(*rows)))
    return held.all(Task.index("by-key"))


LOST = TransportError("no answer")
