"""Running the local Forge on uvicorn: until interrupted, or beside a test."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Final, Self

from ..errors import ConfigurationError
from .asgi import ForgeApp

if TYPE_CHECKING:
    import uvicorn

# Longer than a client keeps an idle connection: the side that closes first knows of it.
_KEEP_ALIVE: Final = 75
_GRACE: Final = 5
_PORT_MAX: Final = 65_535


def serve(
    app: ForgeApp,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    started: Callable[[str], object] | None = None,
) -> None:
    """Serve *app* until interrupted (SIGINT, SIGTERM).

    Port 0 is any free one; *started* is told the URL once calls are accepted.

    Raises:
        ConfigurationError: the extra ``server`` is missing, or the port is taken.
    """
    server = _server(app)
    with _listen(host, port) as listener:
        if started is not None:
            started(_url(listener))
        with _until_interrupted():
            server.run(sockets=[listener])


@contextlib.contextmanager
def _until_interrupted() -> Generator[None]:
    """Let the block be ended by SIGINT or SIGTERM, and what follows it come to pass.

    uvicorn ends in order, then raises the signal again that ended it.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler) if main else None
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


class Served:
    """Serves an application in a thread while the block runs, for tests and notebooks.

    Attributes:
        url: where it is served, without a trailing slash.
    """

    def __init__(self, app: ForgeApp, host: str = "127.0.0.1", port: int = 0) -> None:
        """Take what to serve; port 0 is any free one."""
        self._app = app
        self._address = host, port
        self.url = ""

    def __enter__(self) -> Self:
        """Start serving; calls are accepted from here on."""
        self._server = _server(self._app)
        self._listener = _listen(*self._address)
        self.url = _url(self._listener)
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._listener]},
            name="forge-orm-server",
            daemon=True,
        )
        self._thread.start()
        while self._thread.is_alive() and not self._server.started:
            time.sleep(0.002)
        return self

    def __exit__(self, *exc: object) -> None:
        """Finish the calls under way, close every connection and stop the thread."""
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()


def _server(app: ForgeApp) -> uvicorn.Server:
    try:
        import uvicorn

        from .protocol import Protocol
    except ImportError as error:
        raise ConfigurationError(
            "serving needs uvicorn: pip install 'forge-orm[server]'"
        ) from error
    logging.getLogger("uvicorn.error").addFilter(_is_no_drop)
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
    )
    return uvicorn.Server(config)


def _is_no_drop(record: logging.LogRecord) -> bool:
    """Whether uvicorn says something else than that an answer was dropped, on purpose."""
    return not record.getMessage().startswith("ASGI callable returned without completing")


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= _PORT_MAX:  # which bind() says in an OverflowError
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: ports are 1 to {_PORT_MAX}, and 0 is any "
            "free one"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror or error}. "
            "Choose another port, or 0 for any free one"
        ) from error
    # Inherited by every connection: an answer is written in two parts, and the second would
    # wait 40 ms for the first to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
