"""`Throttled`: a backend that keeps calls within a `Budget`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from ..observe import note_wait
from ..wire import AsyncBackend, Backend, Request, Response
from .budget import Budget
from .wrapping import Wrapping, wait


class Throttled(Wrapping):
    """Lets calls wait, in either colour, until *budget* has the units for them.

    It belongs below what tries again, so that each attempt is charged and each refusal is
    learned from: `Forge` with ``budget=`` sees to that.
    """

    def __init__(
        self,
        backend: Backend | AsyncBackend,
        budget: Budget,
        *,
        sleep: Callable[[float], object] = time.sleep,
        asleep: Callable[[float], Awaitable[object]] = wait,
    ) -> None:
        """Wrap *backend*; *sleep* and *asleep* wait a number of seconds."""
        super().__init__(backend)
        self.budget = budget
        self._sleep, self._asleep = sleep, asleep

    def send(self, request: Request, /) -> Response:
        """Answer one request, blocking, once there are units for it."""
        ticket = self.budget.enter(request)
        try:
            if ticket.wait:
                note_wait(ticket.wait)
                self._sleep(ticket.wait)
            ticket.sent = True
            response = self._blocking.send(request)
        except BaseException as error:
            self.budget.leave(ticket, error)
            raise
        self.budget.leave(ticket, response)
        return response

    async def asend(self, request: Request, /) -> Response:
        """Answer one request, awaiting, once there are units for it."""
        ticket = self.budget.enter(request)
        try:
            if ticket.wait:
                note_wait(ticket.wait)
                await self._asleep(ticket.wait)
            ticket.sent = True
            response = await self._awaiting.asend(request)
        except BaseException as error:
            self.budget.leave(ticket, error)
            raise
        self.budget.leave(ticket, response)
        return response

    def __repr__(self) -> str:
        """Name the wrapped backend and the budget."""
        return f"Throttled({self._backend!r}, {self.budget!r})"
