"""One object for one key, and how long the session holds it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from weakref import ref

import pytest

from forge_orm import (
    Metadata,
    MetadataField,
    Session,
    SessionError,
)
from forge_orm.unit.identity import IdentityMap

from ..flows.script import Flat, Line, Task, done, page, read_tasks, says, session, stored


def test_two_objects_of_one_key_are_refused() -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, [stored(1)])
        with pytest.raises(SessionError, match="another object"):
            held.add(Task(number=1))
        held.expunge(task)
        held.add(Task(number=1, rank=2))
        assert [item.name for item in held.plan().items] == [(Task, "task:1")]


def test_a_known_key_is_read_without_losing_its_changes() -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, [stored(1)])
        task.rank = 1
        script.expect(Line("entity/query", page(stored(1, rank=9), stored(2))))
        first, second = held.all(Task.index("by-key"))
        assert first is task
        assert (task.rank, second.number) == (1, 2)
        script.expect(Line("entity/get", says(stored(3))))
        assert held.get(Task, "task:3") is held.get(Task, "task:3")


SOON, LATER = "2126-06-01T12:00:00.000Z", "2126-06-01T13:00:00.000Z"


CREATED, UPDATED, EXPIRES = MetadataField


@pytest.mark.parametrize(
    ("before", "asked", "read", "known"),
    [
        ({"createdAt": 1}, [UPDATED], {"updatedAt": 2}, (1, 2, None)),
        ({"createdAt": 1, "updatedAt": 2}, [UPDATED], {"updatedAt": 3}, (1, 3, None)),
        ({"createdAt": 1, "updatedAt": 2}, [EXPIRES], {"expireTime": SOON}, (1, 2, SOON)),
        ({"expireTime": SOON}, [CREATED], {"createdAt": 1}, (1, None, SOON)),
        ({"expireTime": SOON}, [UPDATED], {"updatedAt": 2}, (None, 2, SOON)),
        ({"expireTime": SOON}, [EXPIRES], {"expireTime": LATER}, (None, None, LATER)),
        ({"expireTime": SOON}, [EXPIRES], {}, (None, None, None)),
        ({"expireTime": SOON}, [], {}, (None, None, SOON)),
        (
            {"updatedAt": 2, "expireTime": SOON},
            [CREATED, UPDATED],
            {"createdAt": 1, "updatedAt": 3},
            (1, 3, SOON),
        ),
        (
            {"updatedAt": 2, "expireTime": SOON},
            [CREATED, UPDATED, EXPIRES],
            {"createdAt": 1, "updatedAt": 2},
            (1, 2, None),
        ),
    ],
)
def test_only_the_metadata_that_was_asked_for_is_renewed(
    before: dict[str, Any],
    asked: list[MetadataField],
    read: dict[str, Any],
    known: tuple[Any, ...],
) -> None:
    every = Task.index("by-key")
    with session() as (held, script):
        script.expect(Line("entity/query", page(stored(1) | before, stored(2))))
        first, second = held.all(every.metadata())
        script.expect(Line("entity/query", page(stored(1) | read)))
        held.all(every.metadata(*asked) if asked else every)
        created, updated, expires = known
        assert first.metadata == Metadata(
            None if created is None else datetime.fromtimestamp(created, UTC),
            None if updated is None else datetime.fromtimestamp(updated, UTC),
            None if expires is None else datetime.fromisoformat(expires),
        )
        assert second.metadata == Metadata()


def test_what_was_asked_for_is_told_beside_the_metadata() -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, [stored(1)])
        assert task.metadata.asked == frozenset()
        for asked, known in ((EXPIRES, {EXPIRES}), (CREATED, {EXPIRES, CREATED})):
            script.expect(Line("entity/get", says(stored(1))))
            for _ in range(2):  # the second is answered by the session
                assert held.get(Task, "task:1", metadata=[asked]) is task
            assert task.metadata.asked == known
        assert task.metadata == Metadata()
        assert "asked" not in repr(task.metadata)
        task.rank = 1
        script.expect(Line("entity/set", done))
        held.commit()
        assert task.metadata.asked == {EXPIRES, CREATED}
        script.expect(Line("entity/get", says(stored(1, rank=1))))
        held.get(Task, "task:1", metadata=[UPDATED])
        task.rank = 2
        script.expect(Line("entity/set", done))
        held.commit()
        assert task.metadata.asked == {EXPIRES, CREATED}  # the update time is older now


def test_what_is_read_is_held() -> None:
    with session() as (held, script):
        watched = ref(read_tasks(held, script, [stored(1)])[0])
        gc.collect()
        assert watched() is not None
        held.rollback()
        gc.collect()
        assert watched() is None


def test_a_stream_holds_one_page() -> None:
    pages = [[stored(10 * tens + ones) for ones in range(10)] for tens in range(20)]
    cursors = [*map(str, range(19)), None]
    lines = [
        Line("entity/query", page(*rows, cursor=cursor))
        for rows, cursor in zip(pages, cursors, strict=True)
    ]
    most, seen = 0, list[ref[Task]]()
    with session(*lines) as (held, _):
        for number, task in enumerate(held.stream(Task.index("by-key"))):
            assert task.number == number
            seen.append(ref(task))
            del task
            gc.collect(0)
            most = max(most, sum(each() is not None for each in seen))
        gc.collect()
        assert len(seen) == 200
        assert [each for each in seen if each() is not None] == []
    # The page under way, and the one that has just been passed.
    assert most <= 20


def test_a_stream_keeps_what_was_changed_or_is_pending() -> None:
    rows = [stored(number) for number in range(6)]
    with session(Line("entity/query", page(*rows))) as (held, script):
        for task in held.stream(Task.index("by-key")):
            match task.number:
                case 1:
                    task.rank = 9
                case 2:
                    task.tags.append("x")
                case 3:
                    held.delete(task)
                case 4:
                    held.require(task, Task.rank == 0)
                case _:
                    pass
        gc.collect()
        assert len(held.plan().items) == 3
        script.expect(Line("transaction", says({})))
        report = held.flush()
        assert (report.saved, report.deleted) == (2, 1)


def test_a_released_entity_is_still_the_one_of_its_key_while_anybody_has_it() -> None:
    with session(Line("entity/query", page(stored(1), stored(2)))) as (held, script):
        first, second = held.stream(Task.index("by-key"))
        assert held.get(Task, "task:1") is first
        assert read_tasks(held, script, [stored(2, rank=5)]) == [second]
        second.rank = 7
        first.tags.append("late")
        script.expect(Line("batch/set", done))
        assert held.flush().saved == 2


def test_a_released_entity_that_nobody_has_is_read_again() -> None:
    with session(Line("entity/query", page(stored(1)))) as (held, script):
        assert sum(1 for _ in held.stream(Task.index("by-key"))) == 1
        gc.collect()
        script.expect(Line("entity/get", says(stored(1, rank=4))))
        again = held.get(Task, "task:1")
        assert again is not None
        assert again.rank == 4


# --- Ways out of the session ----------------------------------------------------------------


def _expunge(held: Session, task: Task) -> None:
    held.expunge(task)


def _rollback(held: Session, task: Task) -> None:
    held.rollback()


WAYS: list[Callable[[Session, Task], None]] = [_expunge, _rollback]


@pytest.mark.parametrize("leave", WAYS)
def test_an_entity_that_left_is_not_written_and_its_key_read_anew(
    leave: Callable[[Session, Task], None],
) -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, [stored(1)])
        task.rank = 1
        held.require(task, Task.rank == 0)
        leave(held, task)
        task.rank = 2
        task.tags.append("x")
        assert not held.plan()
        (other,) = read_tasks(held, script, [stored(1)])
        assert other is not task
        assert (other.rank, task.rank) == (0, 2)


@pytest.mark.parametrize("leave", WAYS)
@pytest.mark.parametrize("how", ["add", "delete"])
def test_what_was_pending_for_it_is_dropped(
    leave: Callable[[Session, Task], None], how: str
) -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, [stored(1)])
        held.delete(task) if how == "delete" else held.add(task, condition=Task.rank == 0)
        assert held.plan()
        leave(held, task)
        assert not held.plan()


# --- The map itself -------------------------------------------------------------------------


def test_the_same_key_of_two_classes_is_two_entities() -> None:
    known = IdentityMap()
    task, flat = Task(number=1).with_key("same"), Flat(number=1).with_key("same")
    known.put(Task, "same", task)
    known.put(Flat, "same", flat)
    assert known.find(Task, "same") is task
    assert known.find(Flat, "same") is flat
    known.remove(Task, "same")
    assert known.find(Task, "same") is None
    assert (len(known), {*known.classes()} >= {Flat}) == (1, True)


def test_two_rows_of_one_answer_with_one_key_are_one_object() -> None:
    with session() as (held, script):
        read_tasks(held, script, [stored(1)])
        found = read_tasks(held, script, [stored(2), stored(1), stored(2)])
        assert len({id(task) for task in found if task.number == 2}) == 1
