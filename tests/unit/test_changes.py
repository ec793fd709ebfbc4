"""What a flush writes: what differs from what was read, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from forge_orm import Entity, InvalidValue, KeyConflict, RateLimited, Session
from forge_orm.drivers import Channel

from ..flows.script import (
    NOON,
    Flat,
    Line,
    Place,
    Task,
    done,
    items,
    read_tasks,
    refusal,
    session,
    stored,
)

Step = Callable[[Task], object]


def _change(task: Task, *steps: Step) -> None:
    for step in steps:
        step(task)


def _setting(**values: Any) -> Step:
    def assign(task: Task) -> None:
        for name, value in values.items():
            setattr(task, name, value)

    return assign


def _place(task: Task) -> Place:
    assert task.place is not None
    return task.place


HELD = stored(1, tags=["a"], place={"city": "Bern", "lines": ["x"]}, who="u1")

CHANGES: list[tuple[str, list[Step], set[str]]] = [
    ("nothing", [], set()),
    ("the same value", [_setting(rank=0, title="t", due=NOON, tags=["a"])], set()),
    ("another and back", [_setting(rank=3), _setting(rank=0)], set()),
    ("an equal nested value", [_setting(place=Place(city="Bern", lines=["x"]))], set()),
    ("one attribute", [_setting(rank=3)], {"rank"}),
    ("two attributes", [_setting(rank=3, title="u")], {"rank", "title"}),
    ("an encoded one", [_setting(due=NOON + timedelta(days=1))], {"due"}),
    ("an optional one to None", [_setting(who=None)], {"who"}),
    ("inside a list", [lambda task: task.tags.append("b")], {"tags"}),
    ("a list and back", [lambda t: t.tags.append("b"), lambda t: t.tags.pop()], set()),
    ("inside a model", [lambda task: setattr(_place(task), "city", "Chur")], {"place"}),
    ("a list inside a model", [lambda task: _place(task).lines.clear()], {"place"}),
    ("a new object inside", [_setting(place=Place(city="Chur"))], {"place"}),
    (
        "inside and outside",
        [_setting(rank=1), lambda task: task.tags.append("b")],
        {"rank", "tags"},
    ),
]


@pytest.mark.parametrize(("what", "steps", "differing"), CHANGES)
def test_a_change_is_what_differs(what: str, steps: list[Step], differing: set[str]) -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, [HELD])
        _change(task, *steps)
        planned = held.plan().items
        assert {name for item in planned for name in item.attributes} == differing
        assert len(planned) == bool(differing)
        if planned:
            script.expect(Line("entity/set", done))
        assert held.flush().saved == len(planned)


@pytest.mark.parametrize(("what", "steps", "differing"), CHANGES)
def test_after_a_flush_nothing_is_left_to_write(
    what: str, steps: list[Step], differing: set[str]
) -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, [HELD])
        _change(task, *steps)
        if differing:
            script.expect(Line("entity/set", done))
        held.flush()
        assert not held.plan()
        task.tags.append("later")
        assert [item.attributes for item in held.plan().items] == [("tags",)]


def test_the_whole_value_of_only_the_changed_entities_is_sent() -> None:
    with session() as (held, script):
        tasks = read_tasks(held, script, [stored(number) for number in range(5)])
        tasks[1].rank = 7
        tasks[3].tags.append("x")
        rows = stored(1, rank=7), stored(3, tags=["x"])
        script.expect(Line("batch/set", done, [{**row, "entityName": "task"} for row in rows]))
        assert held.flush().saved == 2


def test_attributes_stored_by_other_code_are_kept() -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, [stored(1, colour="red", deep={"a": [1, None]})])
        task.rank = 1
        script.expect(Line("entity/set", done))
        held.flush()
        task.rank = 2
        script.expect(Line("entity/set", done))
        held.flush()
        for request, rank in zip(script.heard[1:], (1, 2), strict=True):
            (item,) = items(request)
            assert item["value"] == {
                **stored(1, rank=rank)["value"],
                "colour": "red",
                "deep": {"a": [1, None]},
            }


def _closed(held: Session, task: Task) -> None:
    held.close()


def _expunged(held: Session, task: Task) -> None:
    task.rank = 3
    held.expunge(task)


@pytest.mark.parametrize("leave", [None, _closed, _expunged])
@pytest.mark.parametrize("answer", [done, refusal("SLOW", 429)])
def test_they_are_kept_by_every_way_of_writing_a_read_entity(
    leave: Callable[[Session, Task], None] | None, answer: Any
) -> None:
    with session() as (first, script):
        (task,) = read_tasks(first, script, [stored(1, colour="red")])
        held = first
        if leave is not None:
            leave(first, task)
            held = Session(Channel(script, None))
        for _ in range(2):
            held.add(task, ttl=timedelta(seconds=9))
            script.expect(Line("entity/set", answer))
            with suppress(RateLimited):
                held.flush()
        for request in script.heard[1:]:
            (item,) = items(request)
            assert item["value"]["colour"] == "red"
            assert item["options"] == {"ttl": {"value": 9, "unit": "SECONDS"}}


@pytest.mark.parametrize("written", [{}, {"rank": 0}, {"tags": [], "who": None}])
def test_a_default_that_was_never_stored_is_no_change(written: dict[str, Any]) -> None:
    row = {"key": "task:1", "value": {"number": 1, **written}}
    with session() as (held, script):
        (task,) = read_tasks(held, script, [row])
        assert (task.title, task.tags, task.who) == ("t", [], None)
        task.title = "t"
        assert not held.plan()
        task.title = "u"
        assert [item.attributes for item in held.plan().items] == [("title",)]


@pytest.mark.parametrize("cls", [Task, Flat])
def test_a_new_entity_is_written_once(cls: type[Any]) -> None:
    entity: Entity = cls(number=1)
    with session(Line("entity/set", done)) as (held, _):
        held.add(entity)
        held.add(entity)
        assert (held.flush().saved, held.flush().saved) == (1, 0)


def test_an_added_entity_is_written_as_it_is_at_the_flush() -> None:
    task = Task(number=1)
    with session(Line("entity/set", done, {**stored(1, rank=2), "entityName": "task"})) as (
        held,
        _,
    ):
        held.add(task)
        task.rank = 2
        held.flush()
        assert not held.plan()


def test_a_read_entity_that_is_added_is_written_only_if_it_changed() -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, [stored(1)])
        held.add(task)
        assert not held.plan()


def test_an_assignment_that_is_refused_changes_nothing() -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, [stored(1)])
        with pytest.raises(AttributeError, match="read-only"):
            setattr(task, "key", "task:2")  # noqa: B010 - a checker refuses it too
        with pytest.raises(ValueError, match="no field"):
            setattr(task, "titel", "x")  # noqa: B010 - likewise
        assert not held.plan()


def test_one_value_that_cannot_be_stored_stops_everything() -> None:
    with session() as (held, script):
        good, bad = read_tasks(held, script, [stored(1), stored(2)])
        good.rank, bad.rank = 1, 2**31
        with pytest.raises(InvalidValue, match=r"task:2.*rank|rank.*2147483648"):
            held.flush()
        bad.rank = 2
        script.expect(Line("batch/set", done))
        assert held.flush().saved == 2


def _deleted(held: Session, task: Task) -> None:
    held.delete(task)


def _deleted_by_key(held: Session, task: Task) -> None:
    held.delete_keys(Task, task.key)


@pytest.mark.parametrize("delete", [_deleted, _deleted_by_key])
def test_a_deleted_entity_is_not_written_however_it_changed(
    delete: Callable[[Session, Task], None],
) -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, [stored(1)])
        task.rank = 1
        delete(held, task)
        task.tags.append("x")
        assert held.get(Task, task.key) is None
        script.expect(Line("entity/delete", done, {"key": "task:1", "entityName": "task"}))
        assert held.flush().deleted == 1
        task.rank = 5
        assert not held.plan()


def test_an_inserted_entity_that_is_deleted_again_is_forgotten() -> None:
    task = Task(number=1)
    with session() as (held, _):
        held.insert(task)
        held.delete(task)
        assert not held.plan()
        held.add(Task(number=1))


def test_an_added_entity_that_is_deleted_again_is_deleted() -> None:
    """It may have been stored before: add() writes whether or not the key exists."""
    task = Task(number=1)
    with session() as (held, script):
        held.delete_keys(Task, task.key)
        held.add(task)
        held.delete(task)
        script.expect(Line("entity/delete", done, {"key": "task:1", "entityName": "task"}))
        held.flush()


def test_giving_up_an_insert_deletes_nobody_elses_row() -> None:
    task = Task(number=1)
    with session() as (held, script):
        held.insert(task)
        script.expect(Line("entity/set", refusal("KEY_CONFLICT", 409)))
        with pytest.raises(KeyConflict):
            held.flush()
        held.delete(task)
        assert not held.plan()
