"""Cursors: the position after a page, sealed with what was asked."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from pydantic_core import from_json, to_json

from .refusal import Refusal


def fingerprint(*asked: Any) -> str:
    """Return a short digest of what a query asks for."""
    return hashlib.blake2b(to_json(asked), digest_size=8).hexdigest()


def make(asked: str, position: tuple[Any, ...]) -> str:
    """Return the cursor after the row at *position*."""
    body = to_json([asked, *position])
    return urlsafe_b64encode(_seal(body) + body).decode()


def read(cursor: str, asked: str) -> tuple[Any, ...]:
    """Return the position in *cursor*; refuses one that was not made for *asked*."""
    try:
        raw = urlsafe_b64decode(cursor.encode())
        seal, body = raw[:8], raw[8:]
        found = from_json(body)
        if seal == _seal(body) and found[0] == asked:
            return tuple(found[1:])
    except (ValueError, IndexError, KeyError, TypeError):
        pass
    raise Refusal("INVALID_CURSOR", "the cursor is not one of this query")


def _seal(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=8).digest()
