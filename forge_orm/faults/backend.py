"""A backend whose calls go wrong as its `Faults` say."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from ..closing import Closing, aclose, close
from ..errors import TransportError
from ..wire import AsyncBackend, Backend, Request, Response
from .rules import Effect, Faults


class Faulty(Closing):
    """Puts *faults* in front of *backend*, in either colour.

    Over HTTP the server does this itself (``ForgeApp(faults=…)``), and drops real
    connections; here a dropped call raises `NotSent`, a lost answer `AnswerLost`.
    """

    def __init__(
        self,
        backend: Backend | AsyncBackend,
        faults: Faults,
        *,
        sleep: Callable[[float], object] = time.sleep,
        asleep: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        """Wrap *backend*; *sleep* and *asleep* wait a number of seconds."""
        self.backend, self.faults = backend, faults
        self._sleep, self._asleep = sleep, asleep or _asleep

    def send(self, request: Request, /) -> Response:
        """Answer one request, blocking, unless something goes wrong."""
        effect = self.faults.effect(request)
        if effect.delay:
            self._sleep(effect.delay)
        if effect.instead is not None:
            return _given(effect)
        backend: Any = self.backend
        return effect.answer(backend.send(effect.request))

    async def asend(self, request: Request, /) -> Response:
        """Answer one request, awaiting, unless something goes wrong."""
        effect = self.faults.effect(request)
        if effect.delay:
            await self._asleep(effect.delay)
        if effect.instead is not None:
            return _given(effect)
        backend: Any = self.backend
        return effect.answer(await backend.asend(effect.request))

    def close(self) -> None:
        """Close the backend."""
        close(self.backend)

    async def aclose(self) -> None:
        """Close the backend."""
        await aclose(self.backend)

    def __repr__(self) -> str:
        """Show the backend and the faults."""
        return f"Faulty({self.backend!r}, {self.faults!r})"


def _given(effect: Effect) -> Response:
    instead = effect.instead
    if isinstance(instead, TransportError):
        raise instead
    assert instead is not None
    return instead


async def _asleep(seconds: float) -> None:
    from asyncio import sleep

    await sleep(seconds)
