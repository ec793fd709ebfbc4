"""Nothing is lost, overwritten or half done without being named."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel, Field, SecretStr

from forge_orm import (
    AsyncForge,
    Attr,
    ConditionFailed,
    Entity,
    Forge,
    InvalidValue,
    LocalBackend,
    Metadata,
    MetadataField,
    QueryError,
    SessionError,
    attr,
)

from .faces import Face, scenario
from .models import Note, Task, make_tasks, registry


async def fill(forge: Any, count: int) -> list[Task]:
    tasks = make_tasks(count)
    async with forge.session() as session:
        session.add(*tasks)
    return tasks


@scenario
async def test_a_requirement_that_fails_lets_nothing_be_written(forge: Any, face: Face) -> None:
    await fill(forge, 3)
    async with forge.session() as session:
        tasks = await session.all(Task.index("title"))
        for task in tasks:
            task.priority = 50
        session.require(tasks[0], Task.title == "another")
        assert [call.path for call in session.plan().calls] == ["transaction"]
        with pytest.raises(ConditionFailed):
            await session.commit()
        session.rollback()
    async with forge.session() as session:
        assert {task.priority for task in await session.all(Task.index("title"))} == {0, 1, 2}


@scenario
async def test_a_requirement_and_too_many_writes_are_refused_before_any_call(
    forge: Any, face: Face
) -> None:
    tasks = await fill(forge, 30)
    async with forge.session() as session:
        found = await session.get_many(Task, [task.key for task in tasks])
        for task in found.values():
            task.priority = 50
        session.require(found[tasks[0].key], Task.title.exists())
        with pytest.raises(SessionError, match="30 operations do not fit one transaction"):
            await session.commit()
        session.rollback()


@scenario
async def test_what_is_added_and_deleted_is_not_there_afterwards(
    forge: Any, face: Face
) -> None:
    (task,) = await fill(forge, 1)
    async with forge.session() as session:
        again = make_tasks(1)[0]
        session.add(again)
        session.delete(again)
    async with forge.session() as session:
        assert await session.get(Task, task.key) is None


@scenario
async def test_a_key_that_its_attributes_contradict_is_refused(forge: Any, face: Face) -> None:
    await fill(forge, 1)
    async with forge.session() as session:
        task = await session.get(Task, "task:P:0")
        task.project = "Q"
        with pytest.raises(InvalidValue, match="project = 'Q' is part of the key"):
            await session.commit()
        session.rollback()
        task = await session.get(Task, "task:P:0")
        moved = task.model_copy(update={"project": "Q"})
        session.add(moved)
        assert moved.key == "task:Q:0"
    async with forge.session() as session:
        assert len(await session.all(Task.index("by-key"))) == 2


@scenario
async def test_a_page_holds_no_more_than_its_limit(forge: Any, face: Face) -> None:
    await fill(forge, 40)
    query = Task.index("by-key").filter(Task.title.exists()).limit(5)
    async with forge.session() as session:
        assert len(await session.page(query)) == 5
        assert len(await session.page(query.page_size(20))) == 5


@scenario
async def test_metadata_of_a_known_entity_is_read_when_asked_for(
    forge: Any, face: Face
) -> None:
    (task,) = await fill(forge, 1)
    every = tuple(MetadataField)
    asked: list[Callable[[Any], Awaitable[Any]]] = [
        lambda session: session.get(Task, task.key, metadata=every),
        lambda session: session.get_many(Task, [task.key], metadata=every),
        lambda session: session.all(Task.index("by-key").metadata()),
    ]
    for ask in asked:
        async with forge.session() as session:
            known = await session.get(Task, task.key)
            known.priority = 5
            assert [known.metadata.created_at] == [None]
            await ask(session)
            assert [known.metadata.created_at] != [None]
            assert known.priority == 5
            session.rollback()


@scenario
async def test_metadata_that_was_known_is_kept_when_another_field_is_read(
    forge: Any, face: Face
) -> None:
    created = datetime.fromtimestamp(face.now, UTC)
    expires = created + timedelta(hours=1)
    async with forge.session() as session:
        session.add(Note(text="a"), key="n", ttl=timedelta(hours=1))
    field = MetadataField
    async with forge.session() as session:
        note = await session.get(Note, "n", metadata=[field.EXPIRE_TIME])
        assert note.metadata == Metadata(expires_at=expires)
        await session.get(Note, "n", metadata=[field.CREATED_AT])
        assert note.metadata == Metadata(created, None, expires)
        await session.get_many(Note, ["n"], metadata=[field.UPDATED_AT])
        assert note.metadata == Metadata(created, created, expires)

        face.now += 60
        updated = datetime.fromtimestamp(face.now, UTC)
        async with forge.session() as other:
            other.add(Note(text="b"), key="n")
        await session.all(Note.index("by-key").metadata(field.UPDATED_AT))
        assert note.metadata == Metadata(created, updated, expires)
        await session.all(Note.index("by-key"))
        assert note.metadata == Metadata(created, updated, expires)
        await session.get_many(Note, ["n", "absent"])
        assert note.metadata == Metadata(created, updated, expires)
        assert note.text == "a"
        await session.refresh(note)
        assert (note.text, note.metadata.created_at) == ("b", created)


@scenario
async def test_an_expiry_that_was_not_asked_for_is_asked_for(forge: Any, face: Face) -> None:
    field = MetadataField
    expires = datetime.fromtimestamp(face.now, UTC) + timedelta(hours=1)
    async with forge.session() as session:
        session.add(Note(text="a"), key="n", ttl=timedelta(hours=1))
    before: list[Callable[[Any], Awaitable[Any]]] = [
        lambda session: session.get(Note, "n", metadata=[field.CREATED_AT]),
        lambda session: session.get_many(Note, ["n"]),
        lambda session: session.get_many(Note, ["n"], metadata=[field.UPDATED_AT]),
        lambda session: session.all(Note.index("by-key").metadata(field.CREATED_AT)),
    ]
    asked: list[Callable[[Any], Awaitable[Any]]] = [
        lambda session: session.get(Note, "n", metadata=[field.EXPIRE_TIME]),
        lambda session: session.get_many(Note, ["n"], metadata=[field.EXPIRE_TIME]),
    ]
    for read in before:
        for ask in asked:
            async with forge.session() as session:
                await read(session)
                note = await session.get(Note, "n")
                assert note.metadata.expires_at is None
                await ask(session)
                assert note.metadata.expires_at == expires


@scenario
async def test_that_there_is_no_expiry_is_known_once_it_was_asked_for(
    forge: Any, face: Face
) -> None:
    async with forge.session() as session:
        session.add(Note(text="a"), key="n")
    async with forge.session() as session:
        note = await session.get(Note, "n", metadata=[MetadataField.EXPIRE_TIME])
        async with forge.session() as other:
            other.add(Note(text="b"), key="n", ttl=timedelta(hours=1))
        await session.get(Note, "n", metadata=[MetadataField.EXPIRE_TIME])
        assert note.metadata.expires_at is None  # from the session, as any known entity
        await session.refresh(note)
        assert note.metadata.expires_at is not None


@scenario
async def test_a_copy_that_has_metadata_is_saved_as_one_without(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        note = Note(text="a").with_key("n")
        session.add(note, ttl=timedelta(hours=1))
    assert note.metadata.expires_at is not None
    async with forge.session() as session:
        session.add(note.model_copy(update={"text": "b"}))
    async with forge.session() as session:
        assert (await session.get(Note, "n")).text == "b"


@scenario
async def test_a_refresh_reads_the_metadata_that_was_known(forge: Any, face: Face) -> None:
    start = datetime.fromtimestamp(face.now, UTC)
    async with forge.session() as session:
        session.add(Note(text="a"), key="n", ttl=timedelta(hours=1))
    for asked in MetadataField:
        async with forge.session() as session:
            note = await session.get(Note, "n", metadata=[asked])
            await session.refresh(note)
            assert note.metadata == Metadata(start, start, start + timedelta(hours=1))


@scenario
async def test_one_key_of_two_entities_is_committed_in_two_transactions(
    forge: Any, face: Face
) -> None:
    (task,) = await fill(forge, 1)
    async with forge.session() as session:
        session.add(Note(text="first").with_key(task.key))
    async with forge.session() as session:
        found = await session.get(Task, task.key)
        note = await session.get(Note, task.key)
        found.priority, note.text = 5, "second"
        session.add(found, condition=Task.priority == 0)
        session.add(note, condition=Note.text == "first")
        assert [call.path for call in session.plan().calls] == ["transaction", "transaction"]
    async with forge.session(atomic="always") as session:
        found = await session.get(Task, task.key)
        note = await session.get(Note, task.key)
        assert (found.priority, note.text) == (5, "second")
        found.priority, note.text = 6, "third"
        with pytest.raises(SessionError, match="task and note both have the key 'task:P:0'"):
            session.plan()
        session.rollback()


@scenario
async def test_a_condition_the_service_cannot_test_is_refused_at_once(
    forge: Any, face: Face
) -> None:
    (task,) = await fill(forge, 1)
    wrong: list[tuple[Any, type[Exception], str]] = [
        (Note.text == "x", QueryError, "is about Note"),
        (Task.key == task.key, QueryError, "not the key"),
        (True, TypeError, "expected a condition"),
        ((Task.priority > 1) | ((Task.priority < 0) & Task.title.exists()), QueryError, "flat"),
    ]
    async with forge.session() as session:
        for condition, error, said in wrong:
            with pytest.raises(error, match=said):
                session.add(task, condition=condition)
            with pytest.raises(error, match=said):
                session.require(task, condition)
        assert not session.plan()


class Prefs(BaseModel):
    dark: bool = Field(default=False, alias="isDark")


@scenario
async def test_a_typed_value_is_stored_by_its_aliases(forge: Any, face: Face) -> None:
    prefs = forge.kvs.typed("prefs:", Prefs, ttl=timedelta(hours=1))
    await prefs.set("a", Prefs(isDark=True))
    assert (await prefs.get("a")).dark
    assert await forge.kvs.get("prefs:a") == {"isDark": True}
    with pytest.raises(InvalidValue, match="time to live of 0:00:00"):
        await prefs.set("a", Prefs(), ttl=timedelta(0))
    with pytest.raises(InvalidValue, match="is a timedelta, not 60"):
        await forge.kvs.set("a", 1, ttl=60)


@scenario
async def test_first_mistakes_are_explained(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        for wrong in (Task, Task.by_status, "task"):
            with pytest.raises(TypeError, match="expected a query"):
                await session.all(wrong)
        with pytest.raises(TypeError, match=r"with a star, add\(\*tasks\)"):
            session.add([])
        with pytest.raises(TypeError, match="delete_keys"):
            session.delete("task:P:1")
        with pytest.raises(InvalidValue, match="5 is no text"):
            await session.get(Task, 5)
        task: Any = Task  # type checkers find these by themselves
        with pytest.raises(TypeError, match=r"\.asc\(\) or .*\.desc\(\)"):
            task.index("title").order(task.title)
        with pytest.raises(TypeError, match="ask it of a session"):
            list(task.index("title"))
        with pytest.raises(AttributeError, match="'Task' has no attribute 'titel'"):
            task.titel  # noqa: B018
        colour: Any = AsyncForge if face.colour == "async" else Forge
        for backend in ("app.db", LocalBackend):
            with pytest.raises(TypeError, match="takes a backend"):
                colour(backend)


class Token(
    Entity, name="token", key="token:{user}", ttl=timedelta(hours=1), registry=registry
):
    user: Attr[str] = attr()
    uses: Attr[int] = attr(default=0)
    extra: Attr[dict[str, Any]] = attr(default_factory=dict)


@scenario
async def test_a_class_says_how_long_its_entities_live_after_each_save(
    forge: Any, face: Face
) -> None:
    async def left() -> float:
        async with forge.session() as session:
            token = await session.get(Token, "token:ann", metadata=tuple(MetadataField))
            return float(token.metadata.expires_at.timestamp() - face.now)

    async with forge.session() as session:
        session.add(Token(user="ann"))
    assert await left() == 3600
    face.now += 1800
    async with forge.session() as session:
        (await session.get(Token, "token:ann")).uses += 1
    assert await left() == 3600
    async with forge.session() as session:
        session.add(await session.get(Token, "token:ann"), ttl=timedelta(minutes=1))
    assert await left() == 60


@scenario
async def test_what_json_would_hide_is_refused(forge: Any, face: Face) -> None:
    for hidden in ({"a": [SecretStr("x")]}, {"a": float("nan")}, {"a": {"b": float("inf")}}):
        async with forge.session() as session:
            session.add(Token(user="ann", extra=hidden))
            with pytest.raises(InvalidValue, match="cannot be stored: it holds"):
                await session.commit()
            session.rollback()
