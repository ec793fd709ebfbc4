"""The cursor of an answer: where each of its reads goes on, sealed against mix-ups."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ..errors import CursorError
from ..wire import Scalar

VERSION: Final = 2
_SEAL: Final = 12

Place: TypeAlias = "tuple[Scalar | None, str]"
"""Where an entity stands in an order: the value of the attribute, and the key."""

DONE: Final = ""
"""In place of a service's cursor: the read has come to its end."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one read is: the service's cursor of the page it is on, and the last given.

    *page* is None at the beginning and `DONE` at the end; *last* is None where no entity of
    the page was given yet.
    """

    page: str | None = None
    last: Place | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """How far an answer is: a mark for each read, or a place to go on from, or back from.

    *rows* is how many rows the calls read: the service's cursors are bound to it.
    """

    marks: tuple[Mark, ...] = ()
    place: Place | None = None
    back: bool = False
    rows: int | None = None


def write_cursor(fingerprint: str, position: Position) -> str:
    """Return *position* as URL-safe text, bound to the question of *fingerprint*."""
    marks = [[mark.page, mark.last] for mark in position.marks]
    said = [VERSION, fingerprint, marks, position.place, position.back, position.rows]
    data = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_seal(data) + data).decode().rstrip("=")


def read_cursor(text: str, fingerprint: str, reads: int) -> Position:
    """Read what `write_cursor` wrote.

    Raises:
        CursorError: it is no cursor, was changed, is of another version, or of another
            question.
    """
    version, *said = _opened(text)
    if version != VERSION:
        raise CursorError(
            f"the cursor is of version {version}, this library reads {VERSION}: start again"
        )
    asked, marks, place, back, rows = said
    if asked != fingerprint or (marks and len(marks) != reads):
        raise CursorError(
            "the cursor belongs to another question: go on with the same entity, conditions, "
            "order and metadata it was made with, or start again with .cursor(None)"
        )
    found = tuple(Mark(page, _place(last)) for page, last in marks)
    return Position(found, _place(place), back, rows)


def _place(said: Any) -> Place | None:
    return None if said is None else (said[0], said[1])


def fingerprint_of(*parts: Any) -> str:
    """Return a short text that stands for *parts*."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _opened(text: str) -> list[Any]:
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        seal, data = sealed[:_SEAL], sealed[_SEAL:]
        if seal != _seal(data):
            raise CursorError(f"the cursor {text[:20]!r}… is no cursor, or was changed")
        found: list[Any] = json.loads(data)
    except ValueError as error:
        if isinstance(error, CursorError):
            raise
        raise CursorError(f"the cursor {text[:20]!r} is no cursor of this library") from None
    return found


def _seal(data: bytes) -> bytes:
    """Return a checksum: a cursor is no secret, it must only not be mistaken."""
    return hashlib.sha256(b"forge_orm cursor" + data).digest()[:_SEAL]
