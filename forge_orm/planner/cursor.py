"""The cursor of a search: where each of its reads goes on, sealed against mix-ups."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from ..errors import CursorError
from ..wire import Scalar

VERSION: Final = 1
_SEAL: Final = 12


@dataclass(frozen=True, slots=True)
class Position:
    """How far a search is: the page each read is on, and the last entity that was given.

    *pages* holds the service's cursor of each read's current page: None at its beginning,
    `DONE` at its end. *last* is (order value, key), None before the first.
    """

    pages: tuple[str | None, ...]
    last: tuple[Scalar, str] | None = None


DONE: Final = ""
"""In place of a service's cursor: the read has come to its end."""


def write_cursor(fingerprint: str, position: Position) -> str:
    """Return *position* as URL-safe text, bound to the search of *fingerprint*."""
    last = None if position.last is None else list(position.last)
    body = json.dumps([VERSION, fingerprint, list(position.pages), last], ensure_ascii=False)
    data = body.encode()
    return base64.urlsafe_b64encode(_seal(data) + data).decode().rstrip("=")


def read_cursor(text: str, fingerprint: str, reads: int) -> Position:
    """Read what `write_cursor` wrote.

    Raises:
        CursorError: it is no cursor, was changed, is of another version, or of another
            search.
    """
    version, asked, pages, last = _opened(text)
    if version != VERSION:
        raise CursorError(
            f"the cursor is of version {version}, this library reads {VERSION}: start again"
        )
    if asked != fingerprint or len(pages) != reads:
        raise CursorError(
            "the cursor belongs to another search: go on with the same conditions, order and "
            "page size it was made with"
        )
    return Position(tuple(pages), None if last is None else (last[0], last[1]))


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
        raise CursorError(f"the cursor {text[:20]!r} is no cursor of a search") from None
    return found


def _seal(data: bytes) -> bytes:
    """Return a checksum: a cursor is no secret, it must only not be mistaken."""
    return hashlib.sha256(b"forge_orm cursor" + data).digest()[:_SEAL]
