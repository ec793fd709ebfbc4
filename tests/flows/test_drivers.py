"""The two drivers: one result from either, calls side by side, no answer hidden."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from forge_orm import AnswerLost, AsyncSession, Session, Tenant, TransportError
from forge_orm.drivers import WIDTH, AsyncChannel, Channel, arun, run
from forge_orm.flows import Flow, Outcome
from forge_orm.wire import Request, Response

from .script import Line, Scripted, Task, done, keys, says, stored

Drive = Callable[[Flow[Any], Any, Tenant | None], Any]


def _blocking(flow: Flow[Any], backend: Any, tenant: Tenant | None = None) -> Any:
    return run(flow, backend, tenant)


def _awaiting(flow: Flow[Any], backend: Any, tenant: Tenant | None = None) -> Any:
    return asyncio.run(arun(flow, backend, tenant))


DRIVERS: list[Drive] = [_blocking, _awaiting]
pytestmark = pytest.mark.parametrize("drive", DRIVERS)


def requests(*operations: str) -> tuple[Request, ...]:
    return tuple(Request(operation, b"{}") for operation in operations)


def conversation(*rounds: tuple[Request, ...]) -> Flow[list[tuple[Outcome, ...]]]:
    heard: list[tuple[Outcome, ...]] = []
    for each in rounds:
        answers = yield each
        heard += [answers]
    return heard


def test_rounds_follow_each_other_and_answers_keep_their_order(drive: Drive) -> None:
    script = Scripted(*[Line(name, Response(200, name.encode())) for name in "abcd"])
    rounds = requests("a"), requests("b", "c"), requests("d")
    heard = drive(conversation(*rounds), script, None)
    assert [[answer.body for answer in answers] for answers in heard] == [
        [b"a"],
        [b"b", b"c"],
        [b"d"],
    ]
    script.finish()


def test_a_conversation_without_a_call_needs_no_backend(drive: Drive) -> None:
    assert drive(conversation(), object(), None) == []


def test_a_lost_answer_does_not_hide_the_others(drive: Drive) -> None:
    lost = AnswerLost("lost")
    script = Scripted(
        Line("a", Response(200)), Line("b", lost), Line("c", Response(204)), Line("d", lost)
    )
    heard = drive(conversation(requests("a", "b", "c"), requests("d")), script, None)
    assert heard == [(Response(200), lost, Response(204)), (lost,)]


def test_another_error_ends_the_conversation_and_it_hears_of_it(drive: Drive) -> None:
    ended: list[str] = []

    def flow() -> Flow[None]:
        try:
            yield requests("a", "b")
        finally:
            ended.append("ended")

    script = Scripted(Line("a", ZeroDivisionError("bug")), Line("b", Response(200)))
    with pytest.raises(ZeroDivisionError) as caught:
        drive(flow(), script, None)
    assert ended == ["ended"], caught


@pytest.mark.parametrize("count", [1, 3])
def test_every_request_is_for_the_tenant(drive: Drive, count: int) -> None:
    tenant = Tenant(installation="i-1")
    script = Scripted(*[Line("a", Response(200)) for _ in range(count)])
    drive(conversation(requests(*"a" * count)), script, tenant)
    assert [request.tenant for request in script.heard] == [tenant] * count


class Crowd:
    """A backend that answers nobody until as many as can be are waiting."""

    def __init__(self, total: int) -> None:
        self.left = total
        self.waiting: list[asyncio.Future[None]] = []
        self.crowds: list[int] = []

    def send(self, request: Request, /) -> Response:
        self.crowds.append(1)
        return self._answer(request)

    async def asend(self, request: Request, /) -> Response:
        mine = asyncio.get_running_loop().create_future()
        self.waiting.append(mine)
        if len(self.waiting) == min(WIDTH, self.left):
            asyncio.get_running_loop().call_later(0, self._let_go)
        await mine
        return self._answer(request)

    def _let_go(self) -> None:
        self.crowds.append(len(self.waiting))
        self.left -= len(self.waiting)
        crowd, self.waiting = self.waiting, []
        for each in crowd:
            each.set_result(None)

    def _answer(self, request: Request) -> Response:
        if request.operation == "batch/get":
            rows = [stored(int(key.removeprefix("task:"))) for key in keys(request)]
            return says({"successfulKeys": rows, "failedKeys": []})
        return done(request)


@pytest.mark.parametrize(
    ("calls", "crowds"), [(1, [1]), (9, [9]), (10, [10]), (25, [10, 10, 5])]
)
def test_independent_calls_overlap_as_far_as_the_width(
    drive: Drive, calls: int, crowds: list[int]
) -> None:
    names = [f"task:{number}" for number in range(25 * calls)]

    async def awaiting(backend: Crowd) -> list[str]:
        return list(await AsyncSession(AsyncChannel(backend, None)).get_many(Task, names))

    backend = Crowd(calls)
    if drive is _blocking:
        found = list(Session(Channel(backend, None)).get_many(Task, names))
        crowds = [1] * calls
    else:
        found = asyncio.run(asyncio.wait_for(awaiting(backend), 20))
    assert found == names
    assert backend.crowds == crowds


def test_writes_overlap_too_and_each_is_answered_for(drive: Drive) -> None:
    tasks = [Task(number=number) for number in range(60)]
    backend = Crowd(3)

    async def awaiting() -> Any:
        held = AsyncSession(AsyncChannel(backend, None))
        held.add(*tasks)
        return await asyncio.wait_for(held.flush(), 20)

    if drive is _blocking:
        held = Session(Channel(backend, None))
        held.add(*tasks)
        report = held.flush()
    else:
        report = asyncio.run(awaiting())
    assert (report.saved, report.calls) == (60, 3)
    assert backend.crowds == ([1, 1, 1] if drive is _blocking else [3])


def test_a_transport_error_is_an_outcome_not_an_exception(drive: Drive) -> None:
    script = Scripted(Line("a", TransportError("x")))
    ((outcome,),) = drive(conversation(requests("a")), script, None)
    assert isinstance(outcome, TransportError)
