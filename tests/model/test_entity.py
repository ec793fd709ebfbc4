"""Entities as objects: their key, copies, pickles, equality, and what they show."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from forge_orm import Attr, Entity, InvalidValue, Metadata, Registry, attr, index
from forge_orm.unit.unit import UnitOfWork
from forge_orm.wire import ALL_METADATA

registry = Registry("entities")


class Place(BaseModel):
    city: str


class Task(Entity, name="task", key="task:{project}:{ulid}", registry=registry):
    project: Attr[str] = attr()
    title: Attr[str] = attr(default="t")
    tags: Attr[list[str]] = attr(default_factory=list)
    place: Attr[Place | None] = attr(default=None)

    by_title = index(range=title)


class Note(Entity, name="note", registry=registry):
    text: Attr[str] = attr()


class Strict(Entity, name="strict", registry=registry):
    model_config = ConfigDict(frozen=True, extra="forbid")
    text: Attr[str] = attr()


CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def read(unit: UnitOfWork | None = None) -> Task:
    """Return a task as a session reads it."""
    value = {"project": "P", "title": "old", "tags": ["a"], "place": {"city": "Zürich"}}
    row = {"key": "task:P:1", "value": value, "createdAt": int(CREATED.timestamp() * 1000)}
    body = json.dumps(row).encode()
    return (unit or UnitOfWork()).load_row(Task, body, ALL_METADATA)


@pytest.mark.parametrize("task", [Task(project="P"), read()], ids=["new", "read"])
def test_a_key_is_read_only(task: Task) -> None:
    key = task.key

    with pytest.raises(AttributeError, match=r"Task\.key is read-only; see with_key"):
        task.key = "other"
    assert task.key == key


def test_a_key_is_no_attribute() -> None:
    task = Task(project="P").with_key("k")

    assert "key" not in Task.model_fields
    assert set(task.model_dump()) == {"project", "title", "tags", "place"}
    assert Task.__forge__.stored(task) == {"project": "P", "title": "t", "tags": []}
    assert repr(Task.key) == "Task.key"


def test_an_explicit_key_is_given_once() -> None:
    task = Task(project="P")

    assert task.with_key("mine") is task
    assert task.with_key("mine").key == "mine"
    with pytest.raises(InvalidValue, match="Task already has the key 'mine'"):
        task.with_key("other")


@pytest.mark.parametrize("key", ["", "a/b", " ", "k" * 501], ids=lambda key: key[:3])
def test_a_key_the_service_refuses_is_not_given(key: str) -> None:
    note = Note(text="t")
    with pytest.raises(InvalidValue, match="Note key"):
        note.with_key(key)

    assert note.with_key("k").key == "k"


COPIES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    lambda entity: pickle.loads(pickle.dumps(entity)),
    lambda entity: entity.model_copy(),
    lambda entity: entity.model_copy(deep=True),
]


@pytest.mark.parametrize("duplicate", COPIES)
def test_a_copy_has_the_key_and_metadata_and_no_session_watches_it(
    duplicate: Callable[[Task], Task],
) -> None:
    unit = UnitOfWork()
    task = read(unit)
    twin = duplicate(task)

    assert twin == task
    assert twin is not task
    assert (twin.key, twin.metadata) == (task.key, Metadata(created_at=CREATED))
    twin.title = "of the copy"
    assert not unit.plan("auto").items
    task.title = "of the original"
    assert [item.entity for item in unit.plan("auto").items] == [task]


@pytest.mark.parametrize("duplicate", COPIES)
def test_a_copy_of_a_new_entity_has_no_key_yet(duplicate: Callable[[Task], Task]) -> None:
    task = Task(project="P", tags=["a"])
    twin = duplicate(task)

    assert twin == task
    assert twin.key != task.key


def test_a_deep_copy_shares_nothing() -> None:
    task = read()
    shallow, deep = copy.copy(task), copy.deepcopy(task)
    task.tags.append("b")

    assert shallow.tags == ["a", "b"]
    assert deep.tags == ["a"]


def test_equality_is_of_class_attributes_and_keys_where_both_have_one() -> None:
    one, two = Task(project="P").with_key("1"), Task(project="P").with_key("2")
    new = Task(project="P")

    assert one != two
    assert one == new
    assert new == Task(project="P")
    assert new != Task(project="Q")
    assert one == Task(project="P").with_key("1")
    assert Note(text="t") != Strict(text="t")
    assert one != "1"


def test_what_is_read_equals_what_was_made() -> None:
    made = Task(project="P", title="old", tags=["a"], place=Place(city="Zürich"))

    assert read() == made.with_key("task:P:1")
    assert type(read()) is Task
    assert isinstance(read().place, Place)


def test_a_representation_begins_with_the_key_where_there_is_one() -> None:
    assert repr(Note(text="ü")) == "Note(text='ü')"
    assert repr(Note(text="ü").with_key("k")) == "Note(key='k', text='ü')"
    assert str(Note(text="ü").with_key("k")) == "key='k' text='ü'"


def test_metadata_is_there_where_the_read_asked_for_it() -> None:
    assert Task(project="P").metadata == Metadata(None, None, None)
    assert read().metadata == Metadata(created_at=CREATED)
    with pytest.raises(AttributeError):
        read().metadata = Metadata()  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]


def test_a_class_keeps_pydantics_rules() -> None:
    with pytest.raises(ValidationError, match="project"):
        Task.model_validate({"project": 3})
    with pytest.raises(ValidationError, match="Extra inputs"):
        Strict.model_validate({"text": "t", "more": 1})
    with pytest.raises(ValidationError, match="frozen"):
        Strict(text="t").text = "u"


def test_a_frozen_entity_has_a_key_all_the_same() -> None:
    strict = Strict(text="t").with_key("k")

    assert strict.key == "k"
    assert pickle.loads(pickle.dumps(strict)).key == "k"
    with pytest.raises(AttributeError, match="read-only"):
        strict.key = "l"


def test_an_attribute_named_on_its_class_is_an_operand() -> None:
    assert repr(Task.title) == "Task.title"
    assert Task.title.name == "title"
    assert not hasattr(Task, "unheard_of")
    with pytest.raises(AttributeError, match="unheard_of"):
        _ = Task.unheard_of  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
