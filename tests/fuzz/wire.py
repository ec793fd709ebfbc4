"""Calls over a real connection, written by hand so that anything can be sent."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import Self

from hypothesis import strategies as st

from tests.server.asgi import JSON, PREFIX

from .bodies import PIECES
from .calls import ONE, Call, calls

PATIENCE = 10.0


class Wire:
    """A connection that is kept alive, and opened again where the server closed it."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._address = host, int(port)
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    def exchange(self, call: Call) -> tuple[int, Mapping[str, str], bytes]:
        """Make one call; return status, headers and body."""
        if self._socket is None:
            self._socket = self._connect()
        with contextlib.suppress(ConnectionError):  # a body that is too large need not be read
            self._socket.sendall(written(call))
        with HTTPResponse(self._socket, method=call.method) as answer:
            answer.begin()
            body = answer.read()
            ends = answer.will_close
        if ends:
            self._close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body

    def shout(self, raw: bytes) -> bytes:
        """Send *raw* and no more; return everything that comes until the server hangs up."""
        with self._connect() as connection, connection.makefile("rb") as coming:
            try:
                connection.sendall(raw)
                with contextlib.suppress(OSError):  # it may have hung up already
                    connection.shutdown(socket.SHUT_WR)
                return coming.read()
            except ConnectionError:
                return b""

    def _connect(self) -> socket.socket:
        return socket.create_connection(self._address, timeout=PATIENCE)

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def written(call: Call) -> bytes:
    """Return *call* as HTTP has it."""
    length = b"%d" % len(call.body)
    headers = ((b"host", b"x"), *call.headers, (b"content-length", length))
    lines = [f"{call.method} {call.path} HTTP/1.1".encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"", call.body])


def answers(raw: bytes) -> list[int]:
    """Return the statuses of the answers in *raw*."""
    return [int(part[:3]) for part in raw.split(b"HTTP/1.1 ")[1:]]


HTTP_PIECES = PIECES | st.sampled_from(
    [
        *(b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b":", b"%", b"%00", b"%2e%2e/", b"?", b"#"),
        *(
            b"HTTP/1.1",
            b"HTTP/1.0",
            b"HTTP/9.9",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\xc3\xa9",
        ),
        *(
            b"transfer-encoding: chunked\r\n",
            b"content-length: 5\r\n",
            b"content-length: -1\r\n",
        ),
        *(b"connection: close\r\n", b"connection: upgrade\r\nupgrade: websocket\r\n"),
        *(b"expect: 100-continue\r\n", b"0\r\n\r\n", b"ffffffff\r\n", b"x: " + b"y" * 70_000),
    ]
)


@st.composite
def shouts(draw: st.DrawFn) -> bytes:
    """Draw a call as HTTP has it, with pieces of it lost and others put in."""
    plain = Call("get", b'{"key":"k"}', (JSON, ONE), path=PREFIX + "get")
    raw = written(draw(st.just(plain) | calls()))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, min(len(raw), 400)))
        end = start + draw(st.sampled_from([0, 0, 1, 4, 40, len(raw)]))
        raw = raw[:start] + draw(HTTP_PIECES) + raw[end:]
    return raw


class Complaints(logging.Handler):
    """Keeps what the server logs as an error."""

    LOGGERS = ("uvicorn.error", "asyncio", "forge_orm.server")

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(logging.Formatter().format(record))

    def __enter__(self) -> Self:
        for name in self.LOGGERS:
            logging.getLogger(name).addHandler(self)
        return self

    def __exit__(self, *exc: object) -> None:
        for name in self.LOGGERS:
            logging.getLogger(name).removeHandler(self)
