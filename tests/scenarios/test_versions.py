"""Versions: a save that would undo somebody else's is refused, and named."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from forge_orm import (
    AnswerLost,
    Attr,
    ConditionFailed,
    DeclarationError,
    Entity,
    KeyConflict,
    PartialCommit,
    Registry,
    VersionConflict,
    attr,
    version,
)

from .faces import Face, scenario
from .models import registry


class Counter(Entity, name="counter", key="counter:{name}", registry=registry):
    name: Attr[str] = attr()
    count: Attr[int] = attr(default=0)
    seen: Attr[list[str]] = attr(default_factory=list)
    revision: Attr[int] = version()


async def saved(forge: Any, *names: str) -> None:
    async with forge.session() as session:
        session.add(*[Counter(name=name) for name in names])


@scenario
async def test_each_save_counts(forge: Any, face: Face) -> None:
    counter = Counter(name="a")
    async with forge.session() as session:
        session.add(counter)
        assert [call.path for call in session.plan().calls] == ["entity/set"]
        await session.commit()
        assert counter.revision == 1
        counter.seen.append("x")
        await session.commit()
        assert counter.revision == 2
        assert not session.plan()
    async with forge.session() as session:
        assert (await session.get(Counter, counter.key)).revision == 2


@scenario
async def test_a_stale_save_is_refused_with_both_versions(forge: Any, face: Face) -> None:
    await saved(forge, "a")
    async with forge.session() as slow:
        stale = await slow.get(Counter, "counter:a")
        async with forge.session() as fast:
            (await fast.get(Counter, "counter:a")).count = 5
        stale.count = 1
        with pytest.raises(VersionConflict) as raised:
            await slow.commit()
        assert slow.plan().items[0].attributes == ("count",)
        await slow.refresh(stale)
        assert (stale.count, stale.revision) == (5, 2)
        stale.count += 1

    error = raised.value
    assert (error.entity, error.key, error.expected, error.actual) == (
        "counter",
        "counter:a",
        1,
        2,
    )
    assert pickle.loads(pickle.dumps(error)).args == error.args
    async with forge.session() as session:
        assert (await session.get(Counter, "counter:a")).count == 6


@scenario
async def test_a_stale_delete_and_one_of_what_is_gone(forge: Any, face: Face) -> None:
    await saved(forge, "a", "b")
    async with forge.session() as slow:
        both = await slow.get_many(Counter, ["counter:a", "counter:b"])
        async with forge.session() as fast:
            (await fast.get(Counter, "counter:a")).count = 5
            fast.delete(await fast.get(Counter, "counter:b"))
        slow.delete(both["counter:a"])
        with pytest.raises(VersionConflict, match="has version 2 now"):
            await slow.commit()
        slow.rollback()
    async with forge.session() as slow:
        gone = both["counter:b"]
        slow.add(gone)
        with pytest.raises((VersionConflict, PartialCommit, ConditionFailed)):
            gone.count = 1
            slow.delete(gone)
            slow.require(gone, Counter.revision == 1)
            await slow.commit()
        slow.rollback()


@scenario
async def test_a_new_one_is_never_written_over_another(forge: Any, face: Face) -> None:
    await saved(forge, "a")
    with pytest.raises(KeyConflict):
        await saved(forge, "a")


@scenario
async def test_one_stale_entity_stops_its_transaction_and_is_named(
    forge: Any, face: Face
) -> None:
    await saved(forge, "a", "b", "c")
    async with forge.session() as slow:
        found = [await slow.get(Counter, f"counter:{name}") for name in "abc"]
        async with forge.session() as fast:
            (await fast.get(Counter, "counter:b")).count = 5
        for counter in found:
            counter.count = 9
        with pytest.raises(VersionConflict, match="'counter:b' was read with version 1"):
            await slow.commit()
        slow.rollback()
    async with forge.session() as session:
        stored = await session.get_many(Counter, [f"counter:{name}" for name in "abc"])
    assert [counter.count for counter in stored.values()] == [0, 5, 0]


@scenario
async def test_work_is_repeated_after_a_conflict_and_not_for_ever(
    forge: Any, face: Face
) -> None:
    await saved(forge, "a")
    tried: list[int] = []

    async def change(session: Any, collisions: int) -> str:
        counter = await session.get(Counter, "counter:a")
        tried.append(counter.revision)
        if len(tried) <= collisions:
            async with forge.session() as other:
                (await other.get(Counter, "counter:a")).count += 10
        counter.count += 1
        return "done"

    if face.colour == "sync":
        return  # the blocking twin takes a blocking function: tests/races
    assert await forge.run(lambda session: change(session, 2)) == "done"
    assert tried == [1, 2, 3]
    tried.clear()
    with pytest.raises(VersionConflict):
        await forge.run(lambda session: change(session, 99), retries=2)
    assert len(tried) == 3


def test_a_version_is_one_integer() -> None:
    with pytest.raises(DeclarationError, match="more than one version: one, two"):

        class Twice(Entity, name="twice", registry=Registry("versions")):
            one: Attr[int] = version()
            two: Attr[int] = version()


def test_a_lost_answer_is_no_conflict() -> None:
    assert not issubclass(AnswerLost, VersionConflict.__mro__[1])
