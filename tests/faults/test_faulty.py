"""Faults in front of a backend, in both colours; and the clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from forge_orm import AsyncForge, Forge, LocalBackend
from forge_orm.errors import AnswerLost, NotSent, RateLimited
from forge_orm.faults import Faults, Faulty, MovableClock


def test_a_lost_answer_was_carried_out_and_a_dropped_call_was_not() -> None:
    store = LocalBackend(schemas=[])
    faults = Faults("drop,times=1", "lose,times=1")
    kvs = Forge(Faulty(store, faults), retry=None).kvs
    with pytest.raises(NotSent):
        kvs.set("first", 1)
    with pytest.raises(AnswerLost):
        kvs.set("second", 2)
    assert Forge(store).kvs.all() == {"second": 2}


def test_asyncio_meets_the_same_faults() -> None:
    waited: list[float] = []

    async def asleep(seconds: float) -> None:
        waited.append(seconds)

    async def play() -> None:
        store = LocalBackend(schemas=[])
        faults = Faults("latency,seconds=9,times=1", "throttle,times=1", "lose,times=1")
        async with AsyncForge(Faulty(store, faults, asleep=asleep), retry=None) as forge:
            with pytest.raises(RateLimited):
                await forge.kvs.set("k", 1)
            with pytest.raises(AnswerLost):
                await forge.kvs.set("k", 2)
            assert await forge.kvs.get("k") == 2

    asyncio.run(play())
    assert waited == [9]


def test_latency_waits_and_then_answers() -> None:
    waited: list[float] = []
    backend = Faulty(LocalBackend(schemas=[]), Faults("latency,seconds=3"), sleep=waited.append)
    assert Forge(backend).kvs.get("k") is None
    assert waited == [3]


def test_a_retry_gets_over_what_passes() -> None:
    faults = Faults("drop,times=2", "throttle,times=2,retry_after=0", "lose,times=1")
    forge = Forge(Faulty(LocalBackend(schemas=[]), faults))
    forge.kvs.set("k", 1)
    assert forge.kvs.get("k") == 1


def test_a_clock_stands_until_it_is_moved() -> None:
    clock = MovableClock(datetime(2026, 1, 1, tzinfo=UTC))
    assert clock() == clock() == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert clock.move(timedelta(days=1)) == datetime(2026, 1, 2, tzinfo=UTC)
    assert clock.move(-3600.0).hour == 23
    assert repr(clock) == "MovableClock(2026-01-01T23:00:00+00:00, standing)"


def test_a_clock_that_goes_is_moved_too() -> None:
    clock = MovableClock()
    before = clock()
    clock.move(timedelta(hours=1))
    assert 3600 <= clock() - before < 3700


def test_what_expires_is_seen_to_expire() -> None:
    clock = MovableClock(1_800_000_000)
    forge = Forge(LocalBackend(schemas=[], clock=clock))
    forge.kvs.set("k", 1, ttl=timedelta(hours=1))
    clock.move(timedelta(hours=1, days=3))
    assert forge.kvs.get("k") is None
