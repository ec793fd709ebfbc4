"""Whatever stands around a backend closes it at the end of its block, if it can be closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from forge_orm import AsyncForge, Budget, Forge
from forge_orm.backends import Retrying, Throttled
from forge_orm.faults import Faults, Faulty
from forge_orm.wire import Request, Response


class Both:
    """A backend of both colours with nothing to close."""

    def send(self, request: Request, /) -> Response:
        return Response(204)

    async def asend(self, request: Request, /) -> Response:
        return Response(204)


class Closable(Both):
    def __init__(self) -> None:
        self.closed: list[str] = []

    def close(self) -> None:
        self.closed.append("close")

    async def aclose(self) -> None:
        self.closed.append("aclose")


AROUND: dict[str, Callable[[Both], Any]] = {
    "Retrying": Retrying,
    "Throttled": lambda backend: Throttled(backend, Budget()),
    "Faulty": lambda backend: Faulty(backend, Faults()),
}


@pytest.mark.parametrize("around", [*AROUND.values(), Forge], ids=[*AROUND, "Forge"])
def test_a_block_closes_what_is_inside(around: Callable[[Both], Any]) -> None:
    backend = Closable()
    outer = around(backend)
    with outer as entered:
        assert entered is outer
        assert backend.closed == []
    assert backend.closed == ["close"]

    with around(Both()):
        pass


@pytest.mark.parametrize("around", [*AROUND.values(), AsyncForge], ids=[*AROUND, "AsyncForge"])
def test_a_block_that_awaits_closes_what_is_inside(around: Callable[[Both], Any]) -> None:
    backend = Closable()

    async def blocks() -> None:
        outer = around(backend)
        async with outer as entered:
            assert entered is outer
            assert backend.closed == []
        assert backend.closed == ["aclose"]

        async with around(Both()):
            pass

    asyncio.run(blocks())


def test_a_block_that_fails_closes_too() -> None:
    backend = Closable()
    with pytest.raises(KeyError), Faulty(backend, Faults()):
        raise KeyError
    assert backend.closed == ["close"]
