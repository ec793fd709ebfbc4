"""The budget: no minute sees more than the limit, nobody is overtaken, figures are right."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_orm import (
    AnswerLost,
    AsyncForge,
    Attr,
    Budget,
    BudgetUsage,
    ConfigurationError,
    Entity,
    Forge,
    LocalBackend,
    NotSent,
    PartialCommit,
    Registry,
    RetryPolicy,
    Tenant,
    attr,
    capture,
)
from forge_orm.backends import Retrying, Throttled
from forge_orm.backends.bucket import SLOWEST, Bucket
from forge_orm.faults import Capacity
from forge_orm.testing import Recorder
from forge_orm.wire import Request, Response

from .colours import COLOURS, Scripted
from .virtual import VirtualTime, run_in

registry = Registry("budget")
ONE, TWO = Tenant(installation="one"), Tenant(installation="two")
REFUSED = Response(429, b'{"code":"RATE_LIMIT_EXCEEDED","message":"slow"}')
SET = Request("set", b'{"key":"k","value":1}', tenant=ONE)
GET = Request("get", b'{"key":"k"}', tenant=ONE)


class Blob(Entity, name="blob", key="blob:{number}", registry=registry):
    number: Attr[int] = attr()
    text: Attr[str] = attr(default="x")


def large(count: int) -> list[Blob]:
    """Entities of 8 KB, of which a batch of 25 is 20 units."""
    return [Blob(number=number, text="x" * 8000) for number in range(count)]


def answered(kilobytes: int) -> Response:
    return Response(200, b"x" * kilobytes * 1024)


# --- The arithmetic -------------------------------------------------------------------------


@given(
    burst=st.floats(0.05, 0.95),
    calls=st.lists(
        st.tuples(st.floats(0, 30, allow_subnormal=False), st.integers(1, 60)), max_size=60
    ),
)
def test_no_minute_is_given_more_than_the_limit(
    burst: float, calls: list[tuple[float, int]]
) -> None:
    limit = 100.0
    bucket, now = Bucket(limit * burst, limit * (1 - burst) / 60, 0.0), 0.0
    given_at: list[tuple[float, int]] = []
    for pause, cost in calls:
        now += pause
        given_at.append((now + bucket.take(cost, now), cost))
    for start, _ in given_at:
        minute = [cost for at, cost in given_at if start <= at < start + 60]
        assert sum(minute) <= limit + max(minute) + 1e-6  # the first was saved up for


def test_who_comes_later_is_served_later() -> None:
    bucket = Bucket(10, 1.0, 0.0)
    waits = [bucket.take(5, 0.0) for _ in range(5)]
    assert waits == [0.0, 0.0, 5.0, 10.0, 15.0]
    assert bucket.take(1, 15.0) == 1.0
    bucket.give_back(1)
    assert bucket.take(1, 15.0) == 1.0


def test_a_refusal_empties_the_bucket_and_halves_the_pace_for_a_while() -> None:
    bucket = Bucket(10, 1.0, 0.0)
    assert bucket.refuse(0.0, taken=0.0, retry_after=4.0)
    assert (bucket.level, bucket.pace) == (-2.0, 0.5)
    assert not bucket.refuse(1.0, taken=0.0, retry_after=0.0)  # sent before the first came
    assert bucket.pace > 0.5
    assert bucket.pace < 0.51
    bucket.advance(70.0)
    assert bucket.pace == 1.0


def test_many_refusals_do_not_stop_everything() -> None:
    bucket = Bucket(10, 1.0, 0.0)
    for second in range(1, 20):
        bucket.refuse(float(second), taken=float(second), retry_after=0.0)
    assert SLOWEST <= bucket.pace < 2 * SLOWEST
    assert bucket.take(1, 20.0) < 20


# --- Charging -------------------------------------------------------------------------------


def spent(budget: Budget, tenant: Tenant | None = ONE) -> tuple[int, int]:
    usage = budget.usage(tenant)
    return usage.reads, usage.writes


def test_writes_are_charged_by_their_request_and_reads_by_their_answer() -> None:
    budget = Budget(clock=VirtualTime())
    for request, outcome in [
        (SET, Response(204)),
        (SET._replace(body=b"x" * 25 * 1024), Response(204)),
        (GET, answered(35)),
        (GET, Response(404)),
    ]:
        budget.leave(budget.enter(request), outcome)
    assert spent(budget) == (5, 4)
    assert spent(budget, TWO) == (0, 0)
    usage = budget.usage(ONE)
    assert (usage.reads_left, usage.writes_left) == (795, 796)


@pytest.mark.parametrize(
    ("outcome", "sent", "cost"),
    [
        (Response(204), True, 1),
        (Response(400), True, 1),
        (Response(429), True, 0),
        (Response(503), True, 0),
        (NotSent("no"), True, 0),
        (AnswerLost("no"), True, 1),
        (KeyboardInterrupt(), True, 1),
        (KeyboardInterrupt(), False, 0),
    ],
)
def test_a_call_that_did_nothing_costs_nothing(
    outcome: Response | BaseException, sent: bool, cost: int
) -> None:
    budget = Budget(clock=VirtualTime())
    ticket = budget.enter(SET)
    ticket.sent = sent
    budget.leave(ticket, outcome)
    assert spent(budget) == (0, cost)
    if outcome != Response(429):
        assert budget.usage(ONE).writes_left == 800 - cost


def test_reads_are_expected_to_be_as_large_as_they_were() -> None:
    budget = Budget(reads=60, burst=0.5, clock=VirtualTime())
    budget.leave(budget.enter(GET), answered(100))
    assert budget.enter(GET).charged == 10
    assert budget.usage(ONE).reads_left == 10
    assert [budget.enter(GET).wait for _ in range(2)] == [0.0, 20.0]


def test_what_is_a_minute_old_counts_no_more() -> None:
    time = VirtualTime()
    budget = Budget(clock=time)
    for second in (0.0, 20.0, 20.5, 50.0):
        time.now = second
        budget.leave(budget.enter(SET), Response(204))
    assert spent(budget) == (0, 4)
    time.now = 65.0
    assert spent(budget) == (0, 3)
    time.now = 200.0
    assert budget.usage(ONE) == BudgetUsage(reads_left=800, writes_left=800)


def test_calls_a_second_are_limited_too() -> None:
    budget = Budget(requests=100, clock=VirtualTime())
    waits = [budget.enter(GET).wait for _ in range(22)]
    assert waits[:20] == [0.0] * 20
    assert waits[20:] == pytest.approx([1 / 80, 2 / 80])


def test_a_share_is_a_part_of_everything() -> None:
    budget = Budget(share=0.25, clock=VirtualTime())
    budget.leave(budget.enter(SET), Response(204))
    assert budget.usage(ONE).writes_left == 199


def test_several_items_may_be_charged_one_by_one() -> None:
    batch = Request("batch/set", b'[{"key":"a","value":1},{"key":"b","value":1}]', tenant=ONE)
    budget = Budget(rounded_once=False, clock=VirtualTime())
    budget.leave(budget.enter(batch), Response(200, b'{"successfulKeys":[],"failedKeys":[]}'))
    assert spent(budget) == (0, 2)


@pytest.mark.parametrize(
    "options",
    [{"reads": 0}, {"writes": -1}, {"requests": 0}, {"share": 0}, {"share": 2}, {"burst": 1}],
)
def test_numbers_that_make_no_budget_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"share is above 0 and at most 1"):
        Budget(**options)


# --- Installations --------------------------------------------------------------------------


def test_each_installation_has_its_own_however_it_is_named() -> None:
    budget = Budget(writes=10, burst=0.5, clock=VirtualTime())
    for tenant in (ONE, TWO, Tenant(invocation="i"), Tenant(token="hunter2"), None):
        for _ in range(5):
            ticket = budget.enter(SET._replace(tenant=tenant))
            assert ticket.wait == 0
            budget.leave(ticket, Response(204))
        assert spent(budget, tenant) == (0, 5)
    both = Tenant(installation="one", invocation="another")
    assert budget.enter(SET._replace(tenant=both)).wait > 0
    assert repr(budget) == (
        "Budget(4000 read and 10 write units a minute; spent in the last one: 0 and 25, "
        "by 5 installations)"
    )


def test_invocations_of_long_ago_are_forgotten() -> None:
    time = VirtualTime()
    budget = Budget(clock=time)
    for number in range(5000):
        time.now += 0.1
        request = SET._replace(tenant=Tenant(invocation=f"i-{number}"))
        budget.leave(budget.enter(request), Response(204))
    assert len(budget._accounts) < 1500  # those of a minute are 600
    assert "hunter2" not in repr(budget)


# --- Waiting, in both colours ---------------------------------------------------------------


def held(time: VirtualTime, backend: Any, **limits: Any) -> Throttled:
    return Throttled(backend, Budget(clock=time, **limits), sleep=time.sleep)


def ask(colour: str, time: VirtualTime, backend: Any, *requests: Request) -> None:
    async def main() -> None:
        for request in requests:
            await backend.asend(request)

    if colour == "async":
        run_in(time, main())
        return
    for request in requests:
        backend.send(request)


@pytest.mark.parametrize("colour", COLOURS)
def test_calls_go_on_at_the_pace_at_which_units_come_in(
    colour: str, caplog: pytest.LogCaptureFixture
) -> None:
    time = VirtualTime()
    backend = held(time, Scripted(Response(204)), writes=60, burst=0.1)
    with caplog.at_level(logging.DEBUG, "forge_orm.budget"):
        ask(colour, time, backend, *[SET] * 15)
    assert time.now == pytest.approx(9 / 0.9)
    usage = backend.budget.usage(ONE)
    assert (usage.writes, usage.waits, usage.refused) == (15, 9, 0)
    assert usage.waited == pytest.approx(time.now)
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING"] + ["DEBUG"] * 8
    assert caplog.messages[0] == "set waits 1.11 s for the budget"


@pytest.mark.parametrize("colour", COLOURS)
def test_what_is_captured_tells_the_wait(colour: str) -> None:
    time = VirtualTime()
    backend = held(time, Scripted(Response(204)), writes=60, burst=0.02)

    async def main() -> None:
        await AsyncForge(backend, retry=None).kvs.delete("k")
        await AsyncForge(backend, retry=None).kvs.delete("k")

    with capture() as calls:
        if colour == "async":
            run_in(time, main())
        else:
            forge = Forge(backend, retry=None)
            forge.kvs.delete("k")
            forge.kvs.delete("k")
    assert [round(call.waited) for call in calls] == [0, 816]


@pytest.mark.parametrize("colour", COLOURS)
def test_a_refusal_is_learned_from(colour: str, caplog: pytest.LogCaptureFixture) -> None:
    time = VirtualTime()
    asked = Response(429, REFUSED.body, {"retry-after": "5"})
    backend = held(time, Scripted(asked, Response(204)), writes=600)
    with caplog.at_level(logging.WARNING, "forge_orm.budget"):
        ask(colour, time, backend, SET, SET)
    usage = backend.budget.usage(ONE)
    assert (usage.refused, usage.writes) == (1, 1)
    assert 0.5 < usage.pace < 0.6
    assert 5.0 < time.now < 5.5
    assert caplog.messages[0] == (
        "set was refused within the budget; writes go on at 50% of the pace"
    )


def test_a_refusal_of_some_items_of_a_batch_is_learned_from() -> None:
    budget = Budget(clock=VirtualTime())
    batch = Request("batch/set", b'[{"key":"a","value":1},{"key":"b","value":1}]', tenant=ONE)
    for code, refused in (("KEY_TOO_LONG", 0), ("TOO_MANY_REQUESTS", 1)):
        answer = (
            b'{"successfulKeys":[{"key":"a"}],"failedKeys":[{"key":"b","error":{"code":"%s",'
            b'"message":"m"}}]}' % code.encode()
        )
        budget.leave(budget.enter(batch), Response(200, answer))
        assert budget.usage(ONE).refused == refused
    assert budget.usage(ONE).pace == 0.5


def test_a_wait_that_is_broken_off_gives_its_units_back() -> None:
    time = VirtualTime()

    async def main() -> Throttled:
        backend = Throttled(Scripted(Response(204)), Budget(writes=60, burst=0.02, clock=time))
        await backend.asend(SET)
        waiting = asyncio.ensure_future(backend.asend(SET))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return backend

    backend = run_in(time, main())
    assert spent(backend.budget) == (0, 1)
    assert backend.budget.enter(SET).wait < 1


@pytest.mark.parametrize("options", [{"retry": None}, {}])
def test_a_forge_charges_each_attempt(options: dict[str, Any]) -> None:
    budget = Budget()
    forge = Forge(LocalBackend(schemas=registry), budget=budget, **options)
    with forge.session(tenant=ONE) as session:
        session.add(Blob(number=1))
    assert spent(budget) == (0, 1)
    assert "Throttled" in repr(forge._sender)


def test_a_backend_of_one_colour_says_so() -> None:
    class OnlyBlocking:
        def send(self, request: Request, /) -> Response:
            return Response(204)

    class OnlyAwaiting:
        async def asend(self, request: Request, /) -> Response:
            return Response(204)

    with pytest.raises(ConfigurationError, match="has no asend"):
        asyncio.run(Throttled(OnlyBlocking(), Budget()).asend(SET))
    with pytest.raises(ConfigurationError, match="has no send"):
        Throttled(OnlyAwaiting(), Budget()).send(SET)


# --- Against the local Forge's own limits ---------------------------------------------------


class Service:
    """The local Forge with the service's limits, in a time of its own."""

    def __init__(self, time: VirtualTime, **limits: Any) -> None:
        self.time = time
        store = LocalBackend(schemas=registry)
        self.capacity = Capacity(store, clock=time, **limits)
        self.recorder = Recorder(self.capacity)

    @property
    def refused(self) -> int:
        return sum(call.status == 429 for call in self.recorder.calls)

    def forge(self, budget: Budget | None, *, retry: bool = False) -> Forge:
        backend: Any = self.recorder
        if budget is not None:
            backend = Throttled(backend, budget, sleep=self.time.sleep)
        if retry:
            policy = RetryPolicy(attempts=60, max_elapsed=1e6)
            backend = Retrying(backend, policy, sleep=self.time.sleep, clock=self.time)
        return Forge(backend, retry=None)


def test_without_a_budget_the_service_refuses_a_bulk_write() -> None:
    service = Service(VirtualTime())
    with pytest.raises(PartialCommit) as caught, service.forge(None).session() as session:
        session.add(*large(6000))
    assert caught.value.failed[0].code == "REQUEST_THROTTLED"
    assert service.refused == 40


def test_with_a_budget_the_same_bulk_write_is_never_refused() -> None:
    """6,000 entities of 8 KB are 4,800 units: more than a minute has."""
    time = VirtualTime()
    service, budget = Service(time), Budget(clock=time)
    with service.forge(budget).session() as session:
        session.add(*large(6000))
    assert service.refused == 0
    service.recorder.calls.assert_count("batch/set", exactly=240)
    assert time.now == pytest.approx(4000 / (3200 / 60), rel=0.01)  # all but the burst
    usage = budget.usage()
    assert usage.writes <= 4000
    assert usage.refused == 0


def test_in_asyncio_too_where_calls_are_under_way_together() -> None:
    time = VirtualTime()
    service, budget = Service(time, writes=400), Budget(writes=400, clock=time)

    async def main() -> None:
        forge = AsyncForge(Throttled(service.recorder, budget), retry=None)
        async with forge.session() as session:
            session.add(*large(750))

    run_in(time, main())
    assert service.refused == 0
    assert budget.usage().waits > 0


def test_a_bulk_read_is_never_refused_although_its_size_is_not_known_before() -> None:
    time = VirtualTime()
    service, budget = Service(time, reads=400), Budget(reads=400, clock=time)
    forge = service.forge(budget)
    with forge.session() as session:
        session.add(*large(500))
    with forge.session() as session:
        for _ in range(2):
            assert sum(1 for _ in session.stream(Blob.index("by-key").page_size(25))) == 500
    assert service.refused == 0
    assert budget.usage().waits > 0


def test_sessions_in_threads_share_it_and_none_is_overtaken() -> None:
    threads, each = 8, 40
    time = VirtualTime(threads)
    service, budget = Service(time, writes=120), Budget(writes=120, burst=0.02, clock=time)
    forge = service.forge(budget)

    def work(number: int) -> None:
        for step in range(each):
            with forge.session() as session:
                session.add(Blob(number=1000 * number + step))

    ends = time.run(*[lambda number=number: work(number) for number in range(threads)])
    assert service.refused == 0
    service.recorder.calls.assert_count(exactly=threads * each)
    assert max(ends) - min(ends) < 0.1 * max(ends)
    assert max(ends) == pytest.approx((threads * each - 2.4) / (117.6 / 60), rel=0.01)


def test_several_processes_with_a_share_each_are_never_refused() -> None:
    time = VirtualTime(4)
    service = Service(time, writes=120)
    forges = [service.forge(Budget(writes=120, share=0.25, clock=time)) for _ in range(4)]

    def work(number: int) -> None:
        for step in range(40):
            with forges[number].session() as session:
                session.add(Blob(number=1000 * number + step))

    time.run(*[lambda number=number: work(number) for number in range(4)])
    assert service.refused == 0


def test_several_that_do_not_know_of_each_other_learn_from_refusals() -> None:
    """Each believes it has all of it; everything is saved, and refusals stay few."""
    time = VirtualTime(3)
    service = Service(time, writes=120)
    budgets = [Budget(writes=120, clock=time) for _ in range(3)]
    forges = [service.forge(budget, retry=True) for budget in budgets]

    def work(number: int) -> None:
        for step in range(120):
            with forges[number].session() as session:
                session.add(Blob(number=1000 * number + step))

    time.run(*[lambda number=number: work(number) for number in range(3)])
    assert sum(call.status == 204 for call in service.recorder.calls) == 360
    assert 0 < service.refused < 120
    assert sum(budget.usage().refused for budget in budgets) == service.refused
