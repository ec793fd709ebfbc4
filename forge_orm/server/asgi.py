"""The local Forge as an ASGI application: the storage API's paths, answered by a backend."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from ..errors import TransportError
from ..faults import Effect, Faults
from ..limits import PAYLOAD_MAX_BYTES
from ..local import STRICT, Readings
from ..wire import OPERATIONS, Backend, Request, Response
from .admin import PREFIX as ADMIN
from .admin import Admin
from .log import RequestLog
from .openapi import PREFIX, description
from .refusals import Refusal, answer, not_allowed
from .tenants import Tenants

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = Mapping[bytes, bytes]

BODY_MAX_BYTES: Final = 2 * PAYLOAD_MAX_BYTES
"""More than any call the service takes: escapes in JSON may double a payload."""

_PAGES: Final[Mapping[str, Callable[[], Mapping[str, object]]]] = {
    "/health": lambda: {"status": "ok"},
    "/openapi.json": description,
}
_JSON: Final = b"application/json"
_log: Final = logging.getLogger("forge_orm.server")


class ForgeApp:
    """Answers the storage API over ASGI from any backend, usually a `LocalBackend`.

    The backend is called on the event loop: the embedded store answers in tens of
    microseconds, less than handing the call to a thread and back would take, and it writes
    one call at a time in any case. A write that waits for another process's lock holds up
    everybody; a stand-in for one developer or one test run can live with that.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        faults: Faults | None = None,
        admin: Admin | None = None,
        log: RequestLog | None = None,
        readings: Readings = STRICT,
        installations: Mapping[str, str] = MappingProxyType({}),
        clock: Callable[[], float] = time.time,
        body_max_bytes: int = BODY_MAX_BYTES,
    ) -> None:
        """Serve *backend*, which stays the caller's to close.

        *faults* let calls go wrong; *admin* serves what tests ask for below ``/admin``, and
        brings its faults along; *log* is told of every call to the storage API. *readings*
        say which headers are taken, *installations* whom an invocation id, a token or an
        installation id is for, where that is not itself; *clock* returns the Unix time.
        """
        self._backend = backend
        self._admin = admin
        brought = None if admin is None else admin.faults
        self._faults = brought if faults is None else faults  # an empty `Faults` is false
        self._log = log
        self._tenants = Tenants(readings, installations, clock)
        self._body_max = body_max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call, or the server's start and end (ASGI)."""
        kind = scope["type"]
        if kind == "http":
            response = await self._answer(scope, receive)
            await (_drop(send) if response is None else _reply(send, response))
        elif kind == "lifespan":
            await _live(receive, send)
        else:
            await send({"type": "websocket.close"})

    async def _answer(self, scope: Scope, receive: Receive) -> Response | None:
        """Answer one call; None where the connection is to end without an answer."""
        path: str = scope["path"]
        if not path.startswith(PREFIX):
            try:
                return await self._other(scope, receive)
            except Refusal as refusal:
                return refusal.response
        begun = time.perf_counter()
        request = Request(path.removeprefix(PREFIX), b"")
        outcome: Response | TransportError
        try:
            request = await self._request(scope, receive)
            if self._faults:
                outcome = await self._struck(self._faults.effect(request))
            else:
                outcome = self._perform(request)
        except Refusal as refusal:
            outcome = refusal.response
        except TransportError as error:
            outcome = error
        if self._log is not None:
            self._log.note(request, outcome, begun)
        return outcome if isinstance(outcome, Response) else None

    async def _other(self, scope: Scope, receive: Receive) -> Response:
        """Answer what is not part of the storage API."""
        path, method = scope["path"], scope["method"]
        if path in _PAGES:
            if method != "GET":
                raise not_allowed(method, path, "GET")
            return answer(200, _PAGES[path]())
        if self._admin is not None and (path == ADMIN or path.startswith(f"{ADMIN}/")):
            body = await _body(receive, dict(scope["headers"]), self._body_max)
            return self._admin.answer(method, path, body)
        raise _unknown(path)

    async def _struck(self, effect: Effect) -> Response:
        """Carry out a call, or not, as its fault has it."""
        if effect.delay:
            await asyncio.sleep(effect.delay)
        if isinstance(effect.instead, TransportError):
            raise effect.instead
        return effect.instead or effect.answer(self._perform(effect.request))

    async def _request(self, scope: Scope, receive: Receive) -> Request:
        operation = _operation(scope)
        tenant = self._tenants.of(scope["headers"])
        headers: Headers = dict(scope["headers"])
        _check_json(headers)
        body = await _body(receive, headers, self._body_max)
        return Request(operation, body, tenant=tenant)

    def _perform(self, request: Request) -> Response:
        try:
            return self._backend.send(request)
        except TransportError:
            raise
        except Exception as error:
            # An error about a secret may quote it.
            trace = None if request.is_secret else error
            kind = type(error).__name__
            _log.error("%s raised %s", request.operation, kind, exc_info=trace)
            message = f"the local store raised {kind}; the server's log says more"
            raise Refusal(500, "INTERNAL_SERVER_ERROR", message) from error


def _operation(scope: Scope) -> str:
    """Return the operation a call is for; each is a POST."""
    path: str = scope["path"]
    operation = path.removeprefix(PREFIX)
    # Not NOT_FOUND: that code says that a key does not exist, and a client believes it.
    if operation not in OPERATIONS:
        raise _unknown(path)
    if scope["method"] != "POST":
        raise not_allowed(scope["method"], path, "POST")
    return operation


def _unknown(path: str) -> Refusal:
    message = f"there is no {path}; the paths are {PREFIX}<operation>, with one of "
    return Refusal(404, "UNKNOWN_OPERATION", message + ", ".join(OPERATIONS))


def _check_json(headers: Headers) -> None:
    given = headers.get(b"content-type", b"")
    if given != _JSON and given.partition(b";")[0].strip().lower() != _JSON:
        message = f"content-type is {given.decode('latin-1')!r}: send application/json"
        raise Refusal(415, "UNSUPPORTED_MEDIA_TYPE", message)


async def _body(receive: Receive, headers: Headers, most: int) -> bytes:
    """Read the body, up to *most* bytes, whether or not its length was announced."""
    size = _announced(headers)
    chunks: list[bytes] = []
    received, more = 0, True
    while more and size <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "BAD_REQUEST", "the call ended before its body did")
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
        received += len(chunks[-1])
        size = max(size, received)
    if size > most:
        problem = f"the body has more than {most} bytes, the most any call may have"
        raise Refusal(413, "PAYLOAD_TOO_LARGE", problem)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _announced(headers: Headers) -> int:
    length = headers.get(b"content-length", b"")
    # Twenty digits are past any bound; int() refuses thousands.
    return int(length.lstrip(b"0")[:20] or 0) if length.isdigit() else 0


async def _reply(send: Send, response: Response) -> None:
    headers = [(name.encode(), value.encode()) for name, value in response.headers.items()]
    if response.status != 204:
        headers.append((b"content-length", b"%d" % len(response.body)))
    headers.append((b"x-b3-traceid", b"%016x" % random.getrandbits(64)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _drop(send: Send) -> None:
    """End the connection: the server does so where an answer announced never comes."""
    headers = [(b"content-length", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _live(receive: Receive, send: Send) -> None:
    """Agree to start and to stop: the backend has its own life."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
