"""`Refusal`: an answer that is an error, raised wherever the reason is found."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from ..wire import Response


class Refusal(Exception):
    """The service's ``{code, message}`` with its HTTP status; never leaves the engine."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        """Answer *status* with *code* and *message*."""
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

    def body(self) -> dict[str, Any]:
        """Return what the answer, or a failed item of a batch, says."""
        return {"code": self.code, "message": self.message}

    def response(self) -> Response:
        """Return the whole answer."""
        return Response(self.status, to_json(self.body()), JSON)


JSON = {"content-type": "application/json; charset=utf-8"}
"""The headers of an answer that has a body."""


def bad_request(message: str) -> Refusal:
    """Return the refusal of a body that breaks its schema."""
    return Refusal("BAD_REQUEST", message)


def key_not_found() -> Refusal:
    """Return the refusal of a key that does not exist."""
    return Refusal("KEY_NOT_FOUND", "Provided key does not exist", 404)
