"""The two loops that move a flow along: the only code that knows sync from async."""

from __future__ import annotations

import logging
import random
from time import time
from typing import Any, Final, TypeVar

from .closing import close
from .errors import ForgeError, SessionError, TransportError
from .flows import Errand, HookedFlow, Outcome, RoundTrip
from .observe import Watch, is_watched
from .unit.expiry import Now
from .wire import AsyncBackend, Backend, Request, Response, Tenant

T = TypeVar("T")

_log: Final = logging.getLogger("forge_orm.session")

WIDTH = 10
"""Calls of one round trip under way at once; more make httpx's pool slower, not faster."""


def run(flow: HookedFlow[T], backend: Backend, tenant: Tenant | None = None) -> T:
    """Drive *flow* to its result, blocking on each round trip."""
    if is_watched():
        backend = Watch(backend)
    try:
        step = next(flow)
        while True:
            if not isinstance(step, Errand):
                step = flow.send(_send_all(step, backend, tenant))
            elif (error := _call(step)) is None:
                step = flow.send(())
            else:
                step = flow.throw(error)
    except StopIteration as stop:
        result: T = stop.value
        return result
    except BaseException:
        flow.close()  # now, not when it is collected: an interrupted flush has to hear of it
        raise


def _send_all(
    requests: RoundTrip, backend: Backend, tenant: Tenant | None
) -> tuple[Outcome, ...]:
    if len(requests) == 1:
        (request,) = requests
        try:
            return (backend.send(request if tenant is None else _addressed(request, tenant)),)
        except TransportError as error:
            return (error,)
    return tuple([_send(_addressed(request, tenant), backend) for request in requests])


def _send(request: Request, backend: Backend) -> Outcome:
    try:
        return backend.send(request)
    except TransportError as error:
        return error


def _call(errand: Errand) -> BaseException | None:
    try:
        result = errand()
    except BaseException as error:  # the flow's to handle, or to let pass
        return error
    if not hasattr(result, "__await__"):
        return None
    close(result)  # else Python would warn that it was never awaited
    return SessionError(f"{errand.name} is to be awaited, and a blocking session cannot")


async def arun(flow: HookedFlow[T], backend: AsyncBackend, tenant: Tenant | None = None) -> T:
    """Drive *flow* to its result, awaiting each round trip."""
    if is_watched():
        backend = Watch(backend)
    try:
        step = next(flow)
        while True:
            if not isinstance(step, Errand):
                step = flow.send(await _asend_all(step, backend, tenant))
            elif (error := await _acall(step)) is None:
                step = flow.send(())
            else:
                step = flow.throw(error)
    except StopIteration as stop:
        result: T = stop.value
        return result
    except BaseException:
        flow.close()  # now, not when it is collected: an interrupted flush has to hear of it
        raise


async def _asend_all(
    requests: RoundTrip, backend: AsyncBackend, tenant: Tenant | None
) -> tuple[Outcome, ...]:
    if len(requests) == 1:
        return (await _asend(_addressed(requests[0], tenant), backend),)
    from asyncio import Semaphore, gather

    room = Semaphore(WIDTH)

    async def send(request: Request) -> Outcome:
        async with room:
            return await _asend(_addressed(request, tenant), backend)

    # Every request runs to its end before anything is raised: a write on its way cannot be
    # called back by abandoning its task.
    outcomes = await gather(*[send(request) for request in requests], return_exceptions=True)
    return tuple([_outcome(outcome) for outcome in outcomes])


async def _acall(errand: Errand) -> BaseException | None:
    try:
        result: Any = errand()
        if hasattr(result, "__await__"):
            await result
    except BaseException as error:  # the flow's to handle, or to let pass
        return error
    return None


def _outcome(outcome: Outcome | BaseException) -> Outcome:
    if isinstance(outcome, Response | TransportError):
        return outcome
    raise outcome


async def _asend(request: Request, backend: AsyncBackend) -> Outcome:
    try:
        return await backend.asend(request)
    except TransportError as error:
        return error


def _addressed(request: Request, tenant: Tenant | None) -> Request:
    return request if tenant is None else request._replace(tenant=tenant)


def pause(attempt: int, error: ForgeError) -> float:
    """Return the seconds to wait after a conflict: up to 5 ms, doubled up to half a second.

    The wait is left to chance, so that writers who collided do not collide again.
    """
    _log.info("run: %s in attempt %d; again", type(error).__name__, attempt + 1)
    return random.uniform(0, min(0.5, 0.005 * 2**attempt))


async def asleep(seconds: float) -> None:
    """Wait; who only blocks does not pay for importing asyncio."""
    from asyncio import sleep

    await sleep(seconds)


class Channel:
    """A blocking backend and the tenant to speak for: what a session holds."""

    __slots__ = ("backend", "now", "tenant")

    def __init__(self, backend: Backend, tenant: Tenant | None, now: Now = time) -> None:
        """Speak to *backend* for *tenant*; *now* returns the Unix time."""
        self.backend, self.tenant, self.now = backend, tenant, now

    def run(self, flow: HookedFlow[T]) -> T:
        """Drive *flow* to its result."""
        return run(flow, self.backend, self.tenant)

    def ask(self, request: Request) -> Response:
        """Make one call; raises the `TransportError` where no answer came back."""
        backend = Watch(self.backend) if is_watched() else self.backend
        tenant = self.tenant
        return backend.send(request if tenant is None else _addressed(request, tenant))


class AsyncChannel:
    """An awaiting backend and the tenant to speak for."""

    __slots__ = ("backend", "now", "tenant")

    def __init__(self, backend: AsyncBackend, tenant: Tenant | None, now: Now = time) -> None:
        """Speak to *backend* for *tenant*; *now* returns the Unix time."""
        self.backend, self.tenant, self.now = backend, tenant, now

    async def run(self, flow: HookedFlow[T]) -> T:
        """Drive *flow* to its result."""
        return await arun(flow, self.backend, self.tenant)

    async def ask(self, request: Request) -> Response:
        """Make one call; raises the `TransportError` where no answer came back."""
        backend = Watch(self.backend) if is_watched() else self.backend
        return await backend.asend(_addressed(request, self.tenant))
