"""Which entities changed inside a list, dict or model: all at once, as one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from pydantic_core import to_json

from forge_orm import Attr, Entity, InvalidValue, Registry, attr
from forge_orm.model.entity import origin_of
from forge_orm.unit import UnitOfWork
from forge_orm.unit.changes import _is_mutated, mutated


class Place(BaseModel):
    street: str = Field(alias="Street", default="s")
    rooms: list[int] = []

    model_config = {"populate_by_name": True}


class House(Entity, name="house", registry=Registry()):
    name: Attr[str] = attr(default="n")
    tags: Attr[list[str]] = attr(default_factory=list)
    more: Attr[dict[str, Any]] = attr(default_factory=dict)
    place: Attr[Place | None] = attr(default=None)
    rates: Attr[list[float | None]] = attr(alias="prices", default_factory=list)


CHANGES: dict[str, Callable[[Any], object]] = {  # Any: some are wrong on purpose
    "nothing": lambda _: None,
    "a tag": lambda it: it.tags.append("new"),
    "the same tags": lambda it: it.tags.__setitem__(slice(None), [*it.tags]),
    "a key": lambda it: it.more.__setitem__("new", [1]),
    "a key that is None": lambda it: it.more.__setitem__("none", None),
    "the order of keys": lambda it: it.more.__setitem__("a", it.more.pop("a", 0)),
    "a room": lambda it: it.place and it.place.rooms.append(7),
    "a street": lambda it: it.place and vars(it.place).update(street="other"),
    "no place": lambda it: it.__dict__.__setitem__("place", None),
    "a rate of None": lambda it: it.rates.append(None),
    "None to NaN": lambda it: it.rates.__setitem__(
        slice(None), [float("nan") if rate is None else rate for rate in it.rates]
    ),
    "1 to 1.0": lambda it: it.more.update({k: float(v) for k, v in it.more.items() if v == 1}),
    "1 to True": lambda it: it.more.update({k: True for k, v in it.more.items() if v == 1}),
    "a tag of a wrong type": lambda it: it.tags.append(3),
}
values = st.fixed_dictionaries(
    {
        "tags": st.lists(st.text(max_size=3), max_size=3),
        "more": st.dictionaries(st.sampled_from("ab"), st.sampled_from([1, "x", [2], None])),
        "place": st.none() | st.builds(Place, rooms=st.lists(st.integers(0, 9), max_size=2)),
        "prices": st.lists(st.none() | st.sampled_from([0.5, 1.0]), max_size=3),
    }
)


def read(*stored: dict[str, Any], unit: UnitOfWork | None = None) -> list[House]:
    rows = [{"key": f"k{number}", "value": each} for number, each in enumerate(stored)]
    found, _ = (unit or UnitOfWork()).load_page(House, to_json({"data": rows}))
    return [*found]


def one_by_one(entity: House) -> bool:
    origin = origin_of(entity)
    assert origin is not None
    return _is_mutated(entity, origin.value(entity.key))


@settings(deadline=None, database=None, max_examples=300)
@given(st.lists(st.tuples(values, st.sampled_from([*CHANGES])), min_size=1, max_size=6))
def test_all_at_once_tells_what_one_by_one_tells(cases: list[tuple[Any, str]]) -> None:
    houses = read(*(House.__forge__.stored(House(**given)) for given, _ in cases))
    for house, (_, change) in zip(houses, cases, strict=True):
        CHANGES[change](house)
    assert [*map(id, mutated(houses))] == [*map(id, filter(one_by_one, houses))]


@pytest.mark.parametrize("change", [*CHANGES])
def test_each_change_is_told_of_one_among_many(change: str) -> None:
    given = {"tags": ["t"], "more": {"a": 1, "b": 2}, "prices": [None, 0.5]}
    place = {"Street": "s", "rooms": [1]}
    houses = read(*[{"name": "n", **given, "place": place}] * 5)
    CHANGES[change](houses[3])
    same = {"nothing", "the same tags"}
    assert [*map(id, mutated(houses))] == ([] if change in same else [id(houses[3])])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("None to NaN", r"rates .* it holds nan"),
        ("a tag of a wrong type", r"tags = \['t', 3\]"),
    ],
)
def test_a_change_that_cannot_be_stored_is_named(change: str, says: str) -> None:
    unit = UnitOfWork()
    (house,) = read({"name": "n", "tags": ["t"], "prices": [None]}, unit=unit)
    CHANGES[change](house)
    with pytest.raises(InvalidValue, match=f"^House.*{says}"):
        unit.plan("auto")
