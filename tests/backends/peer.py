"""A peer on a real socket that plays a script, one part for each connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self, TypeAlias

Part: TypeAlias = Callable[[socket.socket], None]

PATIENCE = 20.0
"""Seconds after which a test that hangs fails instead."""


def read_request(connection: socket.socket) -> bytes:
    """Read one request, body and all; b"" where the client hung up instead."""
    read = b""
    while b"\r\n\r\n" not in read:
        chunk = connection.recv(65536)
        if not chunk:
            return read
        read += chunk
    head, _, body = read.partition(b"\r\n\r\n")
    lines = [line.lower() for line in head.split(b"\r\n")]
    size = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    while len(body) < size:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def message(body: bytes = b'{"key":"k","value":1}', *headers: bytes) -> bytes:
    """Return a whole answer, to the byte."""
    lines = [b"HTTP/1.1 200 OK", b"content-length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


def says(*answers: bytes) -> Part:
    """Answer a request with each of *answers*, then hang up."""

    def part(connection: socket.socket) -> None:
        for answer in answers:
            if read_request(connection):
                connection.sendall(answer)

    return part


def listens(*answers: bytes) -> Part:
    """Answer a request with each of *answers*, then wait for the client to hang up."""

    def part(connection: socket.socket) -> None:
        says(*answers)(connection)
        while connection.recv(65536):
            pass

    return part


def holds(*answers: bytes) -> Part:
    """As `listens`, and fail if a further request comes over this connection."""

    def part(connection: socket.socket) -> None:
        says(*answers)(connection)
        assert connection.recv(65536) == b"", "a request came over a connection given up"

    return part


def resets(connection: socket.socket) -> None:
    """Read a request and break the connection, without the courtesy of closing it."""
    read_request(connection)
    linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def hangs_up(_connection: socket.socket) -> None:
    """Close at once, with nothing read."""


class Peer:
    """Plays *parts*, one for each connection in the order they come, each in a thread.

    Leaving the block waits for every part to end, and fails if one failed, or if there
    were more or fewer connections than parts.
    """

    def __init__(self, *parts: Part) -> None:
        self._parts = parts
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self.ended = [threading.Event() for _ in parts]

    @property
    def url(self) -> str:
        host, port = self._listener.getsockname()
        return f"http://{host}:{port}"

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:  # nobody will come for the parts that are left
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:  # grows while the first one runs
            thread.join()
        self._listener.setblocking(False)
        try:
            self._listener.accept()[0].close()
        except OSError:  # as it should be
            pass
        else:
            self._failures.append(AssertionError("more connections than parts"))
        self._listener.close()
        if error is None:
            assert not self._failures, self._failures

    def _start(self, play: Callable[[], None]) -> None:
        def run() -> None:
            try:
                play()
            except (OSError, AssertionError) as error:
                self._failures.append(error)

        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        for part, ended in zip(self._parts, self.ended, strict=True):
            connection, _ = self._listener.accept()
            connection.settimeout(PATIENCE)
            self._start(partial(_play, connection, part, ended))


def _play(connection: socket.socket, part: Part, ended: threading.Event) -> None:
    try:
        with connection:
            part(connection)
    finally:
        ended.set()
