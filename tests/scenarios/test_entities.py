"""Entities through every face: saved, found, queried, changed, deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from forge_orm import (
    ConditionFailed,
    InvalidValue,
    KeyConflict,
    MetadataField,
    PartialCommit,
    QueryError,
    SessionError,
)
from forge_orm.errors import ServiceError

from .faces import Face, scenario
from .models import NOON, Address, Note, Status, Task, make_tasks


async def fill(forge: Any, count: int) -> list[Task]:
    tasks = make_tasks(count)
    async with forge.session() as session:
        session.add(*tasks)
    return tasks


@scenario
async def test_what_is_saved_is_found_again(forge: Any, face: Face) -> None:
    place = Address(city="Zürich", lines=["a", "b"])
    task = Task(project="P", number=1, title="☃ snow", place=place, tags=["x"])
    async with forge.session() as session:
        session.add(task)
    async with forge.session() as session:
        found = await session.get(Task, task.key)

    assert found == task
    assert found is not task
    assert found.place == place


@scenario
async def test_an_absent_key_is_none(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        assert await session.get(Task, "task:P:404") is None
        assert await session.get_many(Task, ["task:P:404", "task:P:405"]) == {}


@scenario
async def test_one_key_is_one_object(forge: Any, face: Face) -> None:
    (task,) = await fill(forge, 1)
    async with forge.session() as session:
        first = await session.get(Task, task.key)
        many = await session.get_many(Task, [task.key])
        (queried,) = await session.all(Task.index("by-key"))

    assert first is many[task.key] is queried


@scenario
async def test_many_keys_come_in_their_order_in_batches(forge: Any, face: Face) -> None:
    tasks = await fill(forge, 60)
    keys = [task.key for task in reversed(tasks)]
    async with forge.session() as session:
        found = await session.get_many(Task, [*keys, "task:P:404", keys[0]])

    assert list(found) == keys


@scenario
async def test_an_index_query_is_ordered_by_its_range(forge: Any, face: Face) -> None:
    tasks = await fill(forge, 30)
    open_tasks = [task for task in tasks if task.status is Status.OPEN]
    async with forge.session() as session:
        query = Task.by_status("P", Status.OPEN)
        assert await session.all(query) == open_tasks
        assert await session.all(query.descending()) == open_tasks[::-1]
        assert await session.all(query.since(NOON + timedelta(hours=10))) == [
            task for task in open_tasks if task.number >= 10
        ]
        low, high = NOON + timedelta(hours=4), NOON + timedelta(hours=10)
        numbers = [task.number for task in await session.all(query.between(low, high))]
        assert numbers == [4, 5, 7, 8, 10]
        assert await session.all(query.equal_to(low)) == [tasks[4]]
        numbers = [task.number for task in await session.all(query.after(low).limit(2))]
        assert numbers == [5, 7]


@scenario
async def test_every_filter_of_the_service(forge: Any, face: Face) -> None:
    tasks = await fill(forge, 30)
    by_key = Task.index("by-key")
    cases: list[tuple[Any, Any]] = [
        (Task.priority == 3, lambda task: task.priority == 3),
        (Task.priority != 3, lambda task: task.priority != 3),
        (Task.priority > 3, lambda task: task.priority > 3),
        (Task.priority >= 3, lambda task: task.priority >= 3),
        (Task.weight < 1.5, lambda task: task.weight < 1.5),
        (Task.weight <= 1.5, lambda task: task.weight <= 1.5),
        (Task.due.between(NOON, NOON + timedelta(hours=3)), lambda task: task.number <= 3),
        (Task.title.startswith("title 000"), lambda task: task.number < 10),
        (Task.title.contains("9"), lambda task: "9" in task.title),
        (~Task.title.contains("9"), lambda task: "9" not in task.title),
        (Task.assignee.exists(), lambda task: task.assignee is not None),
        (Task.assignee == None, lambda task: task.assignee is None),  # noqa: E711
        (
            Task.assignee != "user 1",
            lambda task: task.assignee is not None and task.assignee != "user 1",
        ),
        (Task.urgent == True, lambda task: task.urgent),  # noqa: E712
        (Task.status.in_([Status.DONE]), lambda task: task.status is Status.DONE),
        (
            Task.priority.in_([1, 2]),
            lambda task: task.priority in (1, 2),
        ),
        (
            (Task.priority > 3) & (Task.urgent == True),  # noqa: E712
            lambda task: task.priority > 3 and task.urgent,
        ),
        (
            (Task.priority > 5) | (Task.assignee.missing()),
            lambda task: task.priority > 5 or task.assignee is None,
        ),
    ]
    for condition, holds in cases:
        async with forge.session() as session:
            found = {task.number for task in await session.all(by_key.filter(condition))}
        assert found == {task.number for task in tasks if holds(task)}, condition


@scenario
async def test_first_looks_past_empty_pages(forge: Any, face: Face) -> None:
    await fill(forge, 120)
    query = Task.index("title").filter(Task.priority == 6, Task.weight > 14).page_size(10)
    async with forge.session() as session:
        found = await session.first(query)
        assert await session.first(query.filter(Task.urgent == False)) is None  # noqa: E712
        assert await session.exists(query)
        assert not await session.exists(query.filter(Task.weight > 1000))

    assert found.number == 118


@scenario
async def test_limit_is_what_the_caller_gets(forge: Any, face: Face) -> None:
    await fill(forge, 120)
    query = Task.index("title").filter(Task.priority == 6)
    async with forge.session() as session:
        assert len(await session.all(query.limit(5).page_size(7))) == 5
        assert len(await session.all(Task.index("title").limit(111))) == 111
        assert await session.count(query) == 17
        assert await session.count(query, at_most=4) == 4


@scenario
async def test_pages_lose_and_repeat_nothing(forge: Any, face: Face) -> None:
    tasks = await fill(forge, 47)
    for size in (1, 10, 47, 100):
        seen: list[int] = []
        cursor = None
        while True:
            async with forge.session() as session:
                query = Task.index("title").page_size(size).cursor(cursor)
                page = await session.page(query)
            assert len(page) <= size
            seen += [task.number for task in page]
            if (cursor := page.cursor) is None:
                break
        assert seen == [task.number for task in tasks]


@scenario
async def test_a_stream_follows_every_page_and_its_changes_are_saved(
    forge: Any, face: Face
) -> None:
    await fill(forge, 230)
    async with forge.session() as session:
        async for task in session.stream(Task.index("title")):
            if task.number % 100 == 0:
                task.tags.append("round")
            if task.number == 150:
                task.priority = 99
    async with forge.session() as session:
        changed = await session.get_many(Task, [f"task:P:{n}" for n in (0, 100, 150, 200)])

    assert [task.tags for task in changed.values()] == [["round"], ["round"], [], ["round"]]
    assert changed["task:P:150"].priority == 99


@scenario
async def test_one_wants_exactly_one(forge: Any, face: Face) -> None:
    await fill(forge, 3)
    async with forge.session() as session:
        assert (await session.one(Task.index("title").limit(1))).number == 0
        with pytest.raises(QueryError, match="more than one"):
            await session.one(Task.index("title"))
        with pytest.raises(QueryError, match="found no match"):
            await session.one(Task.by_assignee("nobody"))


@scenario
async def test_only_what_changed_is_written(forge: Any, face: Face) -> None:
    tasks = await fill(forge, 3)
    async with forge.session() as session:
        loaded = await session.all(Task.index("title"))
        loaded[0].priority = loaded[0].priority
        loaded[1].tags.append("new")
        plan = session.plan()
        report = await session.commit()

    assert [item.attributes for item in plan.items] == [("tags",)]
    assert (report.saved, report.calls) == (1, 1)
    async with forge.session() as session:
        assert (await session.get(Task, tasks[1].key)).tags == ["new"]
        assert not session.plan()


@scenario
async def test_deletes_and_what_is_no_longer_there(forge: Any, face: Face) -> None:
    tasks = await fill(forge, 4)
    async with forge.session() as session:
        session.delete(await session.get(Task, tasks[0].key))
        session.delete_keys(Task, tasks[1].key, "task:P:404")
        assert await session.get(Task, tasks[0].key) is None
    async with forge.session() as session:
        assert await session.all(Task.index("title")) == tasks[2:]


@scenario
async def test_an_exception_sends_nothing(forge: Any, face: Face) -> None:
    (task,) = await fill(forge, 1)
    with pytest.raises(ZeroDivisionError):
        async with forge.session() as session:
            loaded = await session.get(Task, task.key)
            loaded.title = "changed"
            session.add(Task(project="P", number=2, title="new"))
            raise ZeroDivisionError
    async with forge.session() as session:
        assert await session.all(Task.index("title")) == [task]


@scenario
async def test_refresh_and_expunge(forge: Any, face: Face) -> None:
    (task,) = await fill(forge, 1)
    async with forge.session() as session, forge.session() as other:
        mine = await session.get(Task, task.key)
        theirs = await other.get(Task, task.key)
        theirs.title = "theirs"
        await other.commit()
        mine.title = "mine"
        await session.refresh(mine)
        assert mine.title == "theirs"
        assert not session.plan()
        mine.title = "not saved"
        session.expunge(mine)
        assert not session.plan()
    async with forge.session() as session:
        gone = await session.get(Task, task.key)
        async with forge.session() as other:
            other.delete_keys(Task, task.key)
        with pytest.raises(SessionError, match="no longer stored"):
            await session.refresh(gone)


@scenario
async def test_an_atomic_session_is_one_transaction_or_nothing(forge: Any, face: Face) -> None:
    tasks = await fill(forge, 2)
    async with forge.session(atomic="always") as session:
        session.add(Task(project="P", number=7, title="seven"))
        session.delete(await session.get(Task, tasks[0].key))
        assert [call.path for call in session.plan().calls] == ["transaction"]
    async with forge.session() as session:
        assert {task.number for task in await session.all(Task.index("title"))} == {1, 7}

    async with forge.session(atomic="always") as session:
        session.add(*make_tasks(26, "Q"))
        with pytest.raises(SessionError, match="26 operations"):
            session.plan()
        session.rollback()


@scenario
async def test_a_condition_guards_the_write(forge: Any, face: Face) -> None:
    (task,) = await fill(forge, 1)
    async with forge.session() as session:
        loaded = await session.get(Task, task.key)
        loaded.title = "won"
        session.add(loaded, condition=Task.status == Status.DONE)
        assert [call.path for call in session.plan().calls] == ["transaction"]
    async with forge.session() as session:
        loaded = await session.get(Task, task.key)
        loaded.title = "lost"
        session.require(loaded, Task.status == Status.OPEN)
        with pytest.raises(ConditionFailed) as caught:
            await session.commit()
        assert caught.value.code == "CONDITIONAL_CHECK_FAILED"
        assert session.plan()
        session.rollback()
    async with forge.session() as session:
        loaded = await session.get(Task, task.key)
        assert loaded.title == "won"
        session.delete(loaded, condition=Task.status == Status.DONE)
    async with forge.session() as session:
        assert await session.get(Task, task.key) is None


@scenario
async def test_a_requirement_on_something_only_read(forge: Any, face: Face) -> None:
    first, second = await fill(forge, 2)
    async with forge.session() as session:
        read = await session.get(Task, first.key)
        written = await session.get(Task, second.key)
        written.title = "guarded"
        session.require(read, Task.status == Status.OPEN)
        with pytest.raises(ConditionFailed):
            await session.commit()
        session.rollback()
    async with forge.session() as session:
        assert (await session.get(Task, second.key)).title == second.title


@scenario
async def test_time_to_live(forge: Any, face: Face) -> None:
    note = Note(text="soon gone").with_key("n1")
    async with forge.session() as session:
        session.add(note, ttl=timedelta(minutes=1))
    async with forge.session() as session:
        found = await session.get(Note, "n1", metadata=MetadataField)
        expires = found.metadata.expires_at
        assert expires.timestamp() == pytest.approx(face.now + 60, abs=1)
    face.now += 3 * 24 * 60 * 60
    async with forge.session() as session:
        assert await session.get(Note, "n1") is None


@scenario
async def test_metadata_comes_on_request(forge: Any, face: Face) -> None:
    (task,) = await fill(forge, 1)
    created = face.now
    face.now += 10
    async with forge.session() as session:
        loaded = await session.get(Task, task.key)
        assert loaded.metadata.created_at is None
        loaded.priority = 5
    async with forge.session() as session:
        (found,) = await session.all(Task.index("title").metadata())
        assert found.metadata.created_at.timestamp() == created
        assert found.metadata.updated_at.timestamp() == created + 10
        assert found.metadata.expires_at is None


@scenario
async def test_a_partial_failure_names_each_and_keeps_it_pending(
    forge: Any, face: Face
) -> None:
    if face.store == "http":
        return  # the failure is made by reaching into the schema of the in-process store
    async with forge.session() as session:
        good = Task(project="P", number=1, title="good")
        bad = Task(project="P", number=2, title="bad")
        session.add(good, bad)
        broken = bad.__class__.__forge__.stored(bad)
        broken["priority"] = "not a number"
        with pytest.MonkeyPatch.context() as patch:
            mapping = Task.__forge__
            write, wrong = mapping.write, mapping.dump(broken, bad.key)
            patch.setattr(
                mapping,
                "write_each",
                lambda each: [wrong if one is bad else write(one, one.key) for one in each],
            )
            with pytest.raises(PartialCommit) as caught:
                await session.commit()
        assert caught.value.saved == (("task", good.key),)
        (failure,) = caught.value.failed
        assert (failure.entity, failure.key) == ("task", bad.key)
        assert isinstance(failure.error, ServiceError)
        assert [item.address[1] for item in session.plan().items] == [bad.key]
    async with forge.session() as session:
        assert len(await session.all(Task.index("title"))) == 2


@scenario
async def test_what_the_service_cannot_store_is_refused_before_any_call(
    forge: Any, face: Face
) -> None:
    cases: list[tuple[Any, str]] = [
        (
            Task(project="P", number=1, title=" "),
            r"Task\.title = ' ' cannot be stored: .*blank",
        ),
        (Task(project="P", number=1, title="x", priority=2**31), "32-bit"),
        (Task(project="P", number=1, title="x", weight=float("nan")), "float"),
        (Task(project="P", number=1, title="x" * 250_000), "KiB"),
        (Task(project="P", number=1, title="x", due=NOON.replace(tzinfo=None)), "time zone"),
    ]
    for task, message in cases:
        async with forge.session() as session:
            session.add(Task(project="P", number=99, title="fine"), task)
            with pytest.raises(InvalidValue, match=message):
                await session.commit()
            session.rollback()
    async with forge.session() as session:
        assert await session.all(Task.index("title")) == []


@scenario
async def test_insert_creates_and_never_overwrites(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.insert(Task(project="P", number=1, title="first"))
        assert [call.path for call in session.plan().calls] == ["entity/set"]
    with pytest.raises(KeyConflict):
        async with forge.session() as session:
            session.insert(Task(project="P", number=1, title="second"))
    async with forge.session() as session:
        task = await session.get(Task, "task:P:1")
        with pytest.raises(SessionError, match="cannot be inserted"):
            session.insert(task)
        session.delete(task)
        assert [call.path for call in session.plan().calls] == ["entity/delete"]

    assert task.title == "first"
    async with forge.session() as session:
        assert await session.get(Task, task.key) is None


@scenario
async def test_an_insert_is_no_part_of_a_transaction(forge: Any, face: Face) -> None:
    async with forge.session(atomic="always") as session:
        session.insert(Task(project="P", number=1, title="first"))
        with pytest.raises(SessionError, match="cannot be part of a transaction"):
            session.plan()
        session.rollback()
