"""Late queries and used up capacity."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from forge_orm import (
    AsyncForge,
    Attr,
    Entity,
    Forge,
    LocalBackend,
    RateLimited,
    Registry,
    Tenant,
    attr,
    index,
)
from forge_orm.faults import Capacity, MovableClock, Stale
from forge_orm.units import units_of

registry = Registry("limits")


class Thing(Entity, name="thing", key="thing:{n}", registry=registry):
    n: Attr[int] = attr()
    rank: Attr[int] = attr(default=0)

    by_rank = index(range=rank)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(1_800_000_000)


@pytest.fixture
def store(clock: MovableClock) -> Iterator[LocalBackend]:
    with LocalBackend(schemas=registry, clock=clock) as store:
        yield store


def ranks(forge: Forge) -> list[tuple[int, int]]:
    with forge.session() as session:
        return [(thing.n, thing.rank) for thing in session.all(Thing.by_rank())]


def test_a_query_sees_new_changed_and_deleted_rows_late(
    clock: MovableClock, store: LocalBackend
) -> None:
    with Forge(store).session() as session:
        session.add(Thing(n=1), Thing(n=2))
    forge = Forge(Stale(store, 5, clock=clock))
    with forge.session() as session:
        one = session.get(Thing, "thing:1")
        assert one is not None
        one.rank = 9
        session.delete_keys(Thing, "thing:2")
        session.add(Thing(n=3, rank=1))
        session.add(one, condition=Thing.rank == 0)
    assert ranks(forge) == [(1, 0), (2, 0)]
    with forge.session() as session:
        changed = session.get(Thing, "thing:1")
        assert changed is not None
        assert changed.rank == 9
    clock.move(timedelta(seconds=5))
    assert ranks(forge) == [(3, 1), (1, 9)]


def test_asyncio_is_as_late(clock: MovableClock, store: LocalBackend) -> None:
    async def main() -> list[object]:
        forge = AsyncForge(Stale(store, 5, clock=clock))
        await forge.kvs.set("k", 1)
        before = await forge.kvs.all()
        clock.move(6)
        return [before, await forge.kvs.all()]

    assert asyncio.run(main()) == [{}, {"k": 1}]


@pytest.mark.parametrize(
    ("size", "units"), [(0, 1), (1, 1), (10240, 1), (10241, 2), (65 * 1024, 7)]
)
def test_a_unit_is_ten_kilobytes_rounded_up(size: int, units: int) -> None:
    assert units_of(size) == units


def test_an_installation_that_used_its_units_is_throttled_until_the_minute_is_over(
    clock: MovableClock, store: LocalBackend
) -> None:
    capacity = Capacity(store, reads=3, writes=2, clock=clock)
    one, two = (
        Forge(capacity, tenant=Tenant(installation=name), retry=None) for name in ("a", "b")
    )
    one.kvs.set("k", "x" * 15_000)
    with pytest.raises(RateLimited, match="REQUEST_THROTTLED"):
        one.kvs.set("k", 1)
    assert one.kvs.get("k") == "x" * 15_000
    assert capacity.usage(Tenant(installation="a")).reads == 2
    one.kvs.get("k")
    with pytest.raises(RateLimited):
        one.kvs.get("k")
    two.kvs.set("k", 1)
    clock.move(60)
    one.kvs.set("k", 1)
