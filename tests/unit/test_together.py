"""What a commit writes together is what it would write of each entity by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_core import from_json

from forge_orm import Attr, Entity, InvalidValue, Registry, attr
from forge_orm.unit import UnitOfWork

registry = Registry("together")


class Grade(StrEnum):
    LOW = "low"
    HIGH = "high"


class Part(BaseModel):
    name: str
    weight: float | None = None


class Thing(Entity, name="thing", registry=registry):
    name: Attr[str] = attr()
    grade: Attr[Grade] = attr()
    count: Attr[int] = attr()
    size: Attr[float] = attr()
    made: Attr[datetime] = attr()
    note: Attr[str | None] = attr()
    parts: Attr[list[Part]] = attr()
    tags: Attr[dict[str, Any]] = attr()


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: bool(text.strip())
)
# Parts that look like the beginning of a thing, since a body is cut at such places.
parts = st.builds(Part, name=texts | st.just('a"},{"name":"b'), weight=st.none() | st.just(1.5))
things = st.builds(
    Thing,
    name=texts,
    grade=st.sampled_from(Grade),
    count=st.integers(-(2**31), 2**31 - 1),
    size=st.floats(-1e100, 1e100, allow_subnormal=False).map(lambda it: round(it, 3)),
    made=st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC)),
    note=st.none() | texts,
    parts=st.lists(parts, max_size=3),
    tags=st.dictionaries(st.just("name") | texts, st.integers() | texts, max_size=2),
)


def keyed(found: list[Thing]) -> list[Thing]:
    return [thing.with_key(f"thing:{number}") for number, thing in enumerate(found)]


@settings(deadline=None, max_examples=150)
@given(st.lists(things, min_size=1, max_size=6), st.booleans())
def test_a_commit_writes_each_entity_as_it_is_written_by_itself(
    found: list[Thing], alike: bool
) -> None:
    if alike:
        found = [*found, *(thing.model_copy() for thing in found)]
    mapping, unit = Thing.__forge__, UnitOfWork()
    for thing in keyed(found):
        unit.add(thing)
    items = unit.plan("auto").items
    assert [item.entity for item in items] == found
    for item in items:
        assert item.value is not None
        each = item.entity
        assert isinstance(each, Thing)
        assert from_json(item.value) == item.stored == mapping.stored(each)
        assert item.value == mapping.write(each, each.key)


def thing(**values: Any) -> Thing:
    usual: dict[str, Any] = {
        "name": "n",
        "grade": Grade.LOW,
        "count": 1,
        "size": 0.5,
        "made": datetime(2026, 1, 1, tzinfo=UTC),
        "note": "text",
        "parts": [],
        "tags": {},
    }
    return Thing(**{**usual, **values})


WRONG = [
    ("name", " "),
    ("name", ""),
    ("name", 5),
    ("name", None),
    ("grade", "low"),
    ("count", 2**31),
    ("count", True),
    ("count", 1.5),
    ("size", float("nan")),
    ("size", 1e200),
    ("made", datetime(2026, 1, 1)),
    ("parts", [1]),
    ("parts", [Part.model_construct(name=3)]),
    ("parts", [Part(name="a", weight=float("nan"))]),
    ("tags", {"a": float("inf")}),
    ("tags", {"a": "x" * 300_000}),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_one_wrong_value_among_many_is_refused_by_name(field: str, value: Any) -> None:
    unit, many = UnitOfWork(), keyed([thing() for _ in range(5)])
    for each in many:
        unit.add(each)
    unit.plan("auto")
    setattr(many[3], field, value)
    with pytest.raises(InvalidValue, match=f"Thing.{field} = |Thing 'thing:3'"):
        unit.plan("auto")
