"""What the server answers by itself, before the store is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ..wire import Response


def answer(
    status: int, content: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> Response:
    """Build a JSON answer."""
    body = json.dumps(content).encode()
    return Response(
        status, body, {"content-type": "application/json; charset=utf-8", **(headers or {})}
    )


class Refusal(Exception):
    """Ends the reading of a call with an answer in the service's ``{code, message}`` form."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Prepare the answer."""
        super().__init__(message)
        self.response = answer(status, {"code": code, "message": message}, headers)


def not_allowed(method: str, path: str, *taken: str) -> Refusal:
    """Refuse a method that *path* does not take, and name those it does."""
    message = f"{path} takes {' or '.join(taken)}, not {method}"
    return Refusal(405, "METHOD_NOT_ALLOWED", message, {"allow": ", ".join(taken)})


def unauthorized(message: str) -> Refusal:
    """Refuse a call that does not say, or not clearly, for whom it is made."""
    return Refusal(401, "UNAUTHORIZED", message)
