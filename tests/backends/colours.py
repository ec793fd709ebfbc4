"""One exchange in either colour, and a backend that plays a script."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self, TypeVar

from forge_orm import AsyncForge, Forge
from forge_orm.wire import Request, Response
from tests.scenarios.faces import Awaited

T = TypeVar("T")

COLOURS = ("sync", "async")


async def exchange(colour: str, backend: Any, request: Request) -> Response:
    """Send *request* in this colour."""
    response = await backend.asend(request) if colour == "async" else backend.send(request)
    assert isinstance(response, Response)
    return response


def ask(colour: str, backend: Any, *requests: Request) -> list[Response]:
    """Send *requests* one after the other, then close the backend, as a program would."""

    async def main() -> list[Response]:
        async with backend:
            return [await exchange(colour, backend, request) for request in requests]

    return asyncio.run(main())


def play(colour: str, backend: Any, scene: Callable[[Any], Awaitable[T]], **options: Any) -> T:
    """Run *scene* with a forge of this colour over *backend*."""

    async def main() -> T:
        forge = AsyncForge if colour == "async" else lambda *a, **k: Awaited(Forge(*a, **k))
        async with forge(backend, **options) as it:
            return await scene(it)

    return asyncio.run(main())


class Scripted:
    """A backend that gives the outcomes of its script in turn, then the last one for ever."""

    def __init__(self, *outcomes: Response | Exception) -> None:
        self.asked: list[Request] = []
        self._outcomes: Sequence[Response | Exception] = outcomes

    def send(self, request: Request, /) -> Response:
        self.asked.append(request)
        outcome = self._outcomes[min(len(self.asked), len(self._outcomes)) - 1]
        if isinstance(outcome, Exception):
            # A fresh one each time: notes and tracebacks are added to what is raised.
            raise type(outcome)(*outcome.args)
        return outcome

    async def asend(self, request: Request, /) -> Response:
        return self.send(request)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None
