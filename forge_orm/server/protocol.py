"""uvicorn's protocol, refusing what is no HTTP in the form of every other refusal."""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .refusals import answer

_HEAD: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json; charset=utf-8\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n"
)


class Protocol(HttpToolsProtocol):
    """Speaks HTTP/1.1 for an ASGI application."""

    def send_400_response(self, msg: str) -> None:
        """Answer what could not be read as HTTP, and hang up."""
        body = answer(400, {"code": "BAD_REQUEST", "message": msg}).body
        self.transport.write(_HEAD % len(body) + body)
        self.transport.close()
