"""A thousand dirty entities are forty calls, and several of them are under way at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from forge_orm import AsyncForge, Forge, HttpBackend, LocalBackend, Tenant
from forge_orm.drivers import WIDTH
from forge_orm.server import ForgeApp, Served
from forge_orm.testing import Recorder
from forge_orm.wire import Request, Response

from .script import Task, registry

COUNT, CALLS = 1000, 40


class Peak:
    """Counts how many calls are under way at once."""

    def __init__(self, backend: Any) -> None:
        self.backend, self.now, self.most = backend, 0, 0

    def send(self, request: Request, /) -> Response:
        return self._left(self.backend.send(self._entered(request)))

    async def asend(self, request: Request, /) -> Response:
        self._entered(request)
        await asyncio.sleep(0.001)  # as any network would
        return self._left(await self.backend.asend(request))

    def _entered(self, request: Request) -> Request:
        self.now += 1
        self.most = max(self.most, self.now)
        return request

    def _left(self, response: Response) -> Response:
        self.now -= 1
        return response


@pytest.fixture(params=["embedded", "http"])
def backend(request: pytest.FixtureRequest) -> Iterator[Any]:
    with ExitStack() as stack:
        store = stack.enter_context(LocalBackend(schemas=registry))
        if request.param == "http":
            served = stack.enter_context(Served(ForgeApp(store)))
            tenant = Tenant(installation="i-1")
            yield stack.enter_context(HttpBackend(served.url, tenant=tenant))
        else:
            yield store


def test_blocking_it_is_one_call_after_the_other(backend: Any) -> None:
    peak = Peak(backend)
    recorder = Recorder(peak)
    with Forge(recorder, retry=None).session() as session:
        session.add(*[Task(number=number) for number in range(COUNT)])
        session.commit()
        for task in session.all(Task.index("by-key")):
            task.rank += 1
        plan = session.plan()
        assert [len(plan.calls), len(plan.items), len(plan.stages)] == [CALLS, COUNT, 1]
        assert plan.units >= CALLS
        recorder.calls.clear()
        assert session.commit().calls == CALLS
    recorder.calls.assert_count("batch/set", exactly=CALLS)
    recorder.calls.assert_count(exactly=CALLS)
    assert peak.most == 1


def test_awaiting_they_overlap(backend: Any) -> None:
    peak = Peak(backend)
    recorder = Recorder(peak)

    async def main() -> None:
        async with AsyncForge(recorder, retry=None).session() as session:
            session.add(*[Task(number=number) for number in range(COUNT)])
            await session.commit()
            for task in await session.all(Task.index("by-key")):
                task.rank += 1
            recorder.calls.clear()
            peak.most = 0
            assert (await session.commit()).calls == CALLS
        if isinstance(backend, HttpBackend):
            await backend.aclose()

    asyncio.run(main())
    recorder.calls.assert_count("batch/set", exactly=CALLS)
    recorder.calls.assert_count(exactly=CALLS)
    assert peak.most == WIDTH
    written = {key for call in recorder.calls for key in call.keys}
    assert len(written) == COUNT


def test_saves_of_one_entity_keep_their_order(backend: Any) -> None:
    async def main() -> None:
        forge = AsyncForge(backend, retry=None)
        async with forge.session() as session:
            tasks = [Task(number=number) for number in range(60)]
            session.add(*tasks)
            for rank in range(1, 6):
                await session.commit()
                for task in tasks:
                    task.rank = rank
        async with forge.session() as session:
            found = await session.all(Task.index("by-key"))
            assert [task.rank for task in found] == [5] * 60
        if isinstance(backend, HttpBackend):
            await backend.aclose()

    asyncio.run(main())
