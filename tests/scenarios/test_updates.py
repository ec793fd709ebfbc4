"""Saves that update and never create, under either reading of what is open."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from forge_orm import (
    Attr,
    ConditionFailed,
    Entity,
    KeyAbsent,
    KeyConflict,
    PartialCommit,
    Registry,
    SessionError,
    VersionConflict,
    attr,
)

from .faces import Face, scenario
from .models import Note, Task, make_tasks, registry
from .test_versions import Counter


class Draft(Entity, name="draft", key="draft:{number}", registry=registry):
    """One scalar is in every draft; the other an older version of the class did not know."""

    number: Attr[int] = attr()
    title: Attr[str] = attr(default="untitled")
    text: Attr[str | None] = attr(default=None)
    tags: Attr[list[str]] = attr(default_factory=list)


@scenario
async def test_what_is_stored_is_updated(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.add(Draft(number=1))
    async with forge.session() as session:
        session.update(Draft(number=1, title="unread"))
        (call,) = session.plan().calls
        assert call.path == "transaction"
        assert "update draft 'draft:1'" in str(call)
        await session.commit()
        assert not session.plan()
    async with forge.session() as session:
        draft = await session.get(Draft, "draft:1")
        assert draft.title == "unread"
        draft.tags.append("x")
        session.update(draft)
    async with forge.session() as session:
        assert (await session.get(Draft, "draft:1")).tags == ["x"]


@scenario
async def test_what_is_not_there_is_not_created_and_named(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.update(Draft(number=1))
        with pytest.raises(KeyAbsent, match="draft 'draft:1' was to be updated") as caught:
            await session.commit()
        assert (caught.value.entity, caught.value.key) == ("draft", "draft:1")
        assert [item.update for item in session.plan().items] == [True]
        session.rollback()
        assert await session.get(Draft, "draft:1") is None
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.entity, again.key, str(again)) == ("draft", "draft:1", str(caught.value))


@scenario
async def test_what_was_read_and_deleted_since_is_not_brought_back(
    forge: Any, face: Face
) -> None:
    async with forge.session() as session:
        session.add(Draft(number=1))
    async with forge.session() as session:
        draft = await session.get(Draft, "draft:1")
        async with forge.session() as other:
            other.delete_keys(Draft, "draft:1")
        draft.title = "changed"
        session.update(draft)
        with pytest.raises(KeyAbsent):
            await session.commit()
        session.rollback()
        assert await session.get(Draft, "draft:1") is None


@scenario
async def test_one_that_is_absent_stops_its_transaction_and_is_named(
    forge: Any, face: Face
) -> None:
    async with forge.session() as session:
        session.add(*[Draft(number=number) for number in (1, 3)])
    async with forge.session() as session:
        session.update(*[Draft(number=number, title="new") for number in (1, 2, 3)])
        session.add(Draft(number=9))
        with pytest.raises(KeyAbsent, match="draft:2") as caught:
            await session.commit()
        assert caught.value.outcome is not None
        codes = {each.key: type(each.error).__name__ for each in caught.value.outcome.failed}
        assert codes == {
            "draft:1": "ConditionFailed",
            "draft:2": "KeyAbsent",
            "draft:3": "ConditionFailed",
            "draft:9": "NotSent",
        }
        session.rollback()
        assert (await session.get(Draft, "draft:1")).title == "untitled"


@scenario
async def test_requirements_go_with_an_update(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.add(Draft(number=1))
    for requirement in (Draft.text.missing(), Draft.title == "untitled", Draft.number > 0):
        async with forge.session() as session:
            for number, error in ((1, None), (2, KeyAbsent)):
                draft = Draft(number=number)
                session.update(draft)
                session.require(draft, requirement)
                if error is None:
                    assert (await session.commit()).saved == 1
                    continue
                with pytest.raises(error):
                    await session.commit()
                session.rollback()
    async with forge.session() as session:
        draft = Draft(number=1)
        session.update(draft)
        session.require(draft, Draft.title == "another")
        with pytest.raises(ConditionFailed):
            await session.commit()
        session.rollback()


@scenario
async def test_a_version_that_a_client_sent_back_guards_an_update(
    forge: Any, face: Face
) -> None:
    async with forge.session() as session:
        session.add(Counter(name="a"))
    async with forge.session() as session:
        counter = Counter(name="a", count=5, revision=1)
        session.update(counter)
        await session.commit()
        assert counter.revision == 2
    async with forge.session() as session:
        session.update(Counter(name="a", count=6, revision=1))
        with pytest.raises(VersionConflict, match="version 1, and it has version 2 now"):
            await session.commit()
        session.rollback()
        session.update(Counter(name="a", count=6))
        with pytest.raises(SessionError, match="read it first, or give it the revision"):
            session.plan()
        session.rollback()
        session.update(Counter(name="b", revision=3))
        with pytest.raises(VersionConflict, match="it is gone"):
            await session.commit()
        session.rollback()


@scenario
async def test_insert_and_update_side_by_side(forge: Any, face: Face) -> None:
    tasks = make_tasks(3)
    async with forge.session() as session:
        session.insert(*tasks)
    async with forge.session() as session:
        known, new = make_tasks(2), make_tasks(4)[2:]
        session.update(*known)
        session.insert(*new)
        with pytest.raises(PartialCommit) as caught:
            await session.commit()
        assert [(each.key, type(each.error)) for each in caught.value.failed] == [
            (new[0].key, KeyConflict)
        ]
        assert [key for _, key in caught.value.saved] == [*(t.key for t in known), new[1].key]
        session.rollback()


@scenario
async def test_an_update_needs_a_transaction(forge: Any, face: Face) -> None:
    async with forge.session(atomic="never") as session:
        session.update(Note(text="x").with_key("n:1"))
        with pytest.raises(SessionError, match="conditions need a transaction"):
            await session.commit()
        session.rollback()


def test_a_class_that_may_store_nothing_cannot_be_updated() -> None:
    from forge_orm import Forge, LocalBackend

    class Loose(Entity, name="loose", registry=Registry("loose")):
        text: Attr[str | None] = attr(default=None)
        tags: Attr[list[str]] = attr(default_factory=list)

    with (
        Forge(LocalBackend(schemas=Registry("none"))) as forge,
        pytest.raises(SessionError, match="Loose has no attribute that is always stored"),
    ):
        forge.session().update(Loose().with_key("k:1"))


@scenario
async def test_a_requirement_of_an_entity_that_is_only_read(forge: Any, face: Face) -> None:
    """It is checked in the same transaction as the writes, and nothing of it is written."""
    async with forge.session() as session:
        session.add(*make_tasks(2))
    async with forge.session() as session:
        one = await session.get(Task, "task:P:0")
        two = await session.get(Task, "task:P:1")
        session.require(one, Task.title == one.title)
        two.priority = 50
        (call,) = session.plan().calls
        assert [check.key for check in call.checks] == [one.key]
        await session.commit()
        two.priority = 60
        session.require(one, Task.title == "another")
        with pytest.raises(ConditionFailed):
            await session.commit()
        session.rollback()
    async with forge.session() as session:
        assert (await session.get(Task, two.key)).priority == 50
