"""A flush that is cut off, and entities that change while it is under way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from forge_orm import AsyncSession
from forge_orm.drivers import AsyncChannel, arun
from forge_orm.flows import Flow, writes
from forge_orm.unit import UnitOfWork
from forge_orm.wire import Request, Response

from .script import Line, Task, done, items, keys, page, session, stored
from .test_flush import WAYS


@pytest.mark.parametrize("fill", WAYS)
def test_an_interrupted_flush_leaves_everything_pending(fill: Any) -> None:
    with session() as (held, script):
        fill(held, script)
        everything = str(held.plan())
        path = held.plan().calls[0].path
        script.expect(Line(path, KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            held.flush()
        assert str(held.plan()) == everything


def test_a_change_made_while_a_write_is_on_its_way_is_a_change_still() -> None:
    unit = UnitOfWork()
    assigned = unit.load_row(Task, page(stored(1)).body[10:-2])
    added = Task(number=2)
    unit.add(added)
    assigned.rank = 1
    flow = writes.flush(unit, "auto")
    (request,) = next(flow)
    assert {item["key"]: item["value"]["rank"] for item in items(request)} == {
        "task:1": 1,
        "task:2": 0,
    }
    assigned.rank, added.rank = 2, 3
    assigned.tags.append("x")
    with pytest.raises(StopIteration):
        flow.send((done(request),))
    plan = unit.plan("auto")
    assert {item.address[1]: item.attributes for item in plan.items} == {
        "task:1": ("rank", "tags"),
        "task:2": ("rank",),
    }
    assert keys(plan.calls[0].operation.request) == ["task:1", "task:2"]


class Slow:
    """A backend that answers when it is told to."""

    def __init__(self) -> None:
        self.heard: list[Request] = []
        self.arrived = asyncio.Event()
        self.go = asyncio.Event()

    async def asend(self, request: Request, /) -> Response:
        self.heard.append(request)
        self.arrived.set()
        await self.go.wait()
        return done(request)


def test_a_cancelled_flush_leaves_everything_pending() -> None:
    async def main() -> None:
        backend = Slow()
        held = AsyncSession(AsyncChannel(backend, None))
        held.add(*[Task(number=number) for number in range(30)])
        everything = held.plan()
        flush = asyncio.create_task(held.flush())
        await backend.arrived.wait()
        flush.cancel()
        with pytest.raises(asyncio.CancelledError):
            await flush
        assert str(held.plan()) == str(everything)
        backend.go.set()
        assert (await held.flush()).saved == 30
        assert not held.plan()

    asyncio.run(main())


def test_what_is_added_while_a_flush_is_under_way_is_for_the_next() -> None:
    async def main() -> None:
        backend = Slow()
        held = AsyncSession(AsyncChannel(backend, None))
        held.add(Task(number=1))
        flush = asyncio.create_task(held.flush())
        await backend.arrived.wait()
        held.add(Task(number=2))
        backend.go.set()
        assert (await flush).saved == 1
        assert [item.address[1] for item in held.plan().items] == ["task:2"]

    asyncio.run(main())


def test_a_call_under_way_is_waited_for_before_another_call_s_error_is_raised() -> None:
    ended: list[str] = []

    class Mixed:
        async def asend(self, request: Request, /) -> Response:
            if request.operation == "fails":
                ended.append("fails")
                raise ZeroDivisionError
            while not ended:
                await asyncio.sleep(0)
            for _ in range(5):
                await asyncio.sleep(0)
            ended.append("slow")
            return Response(200)

    def flow() -> Flow[None]:
        yield Request("slow", b""), Request("fails", b"")

    with pytest.raises(ZeroDivisionError):
        asyncio.run(arun(flow(), Mixed()))
    assert ended == ["fails", "slow"]
