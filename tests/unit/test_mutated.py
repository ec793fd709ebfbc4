"""Which entities changed inside a list, dict or model: all at once, as one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from pydantic_core import to_json

from forge_orm import Attr, Entity, Registry, attr
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


def read(cls: Any, *stored: dict[str, Any]) -> list[Any]:
    rows = [{"key": f"k{number}", "value": each} for number, each in enumerate(stored)]
    found, _ = UnitOfWork().load_page(cls, to_json({"data": rows}))
    return [*found]


def one_by_one(entity: House) -> bool | type[Exception]:
    origin = origin_of(entity)
    assert origin is not None
    try:
        return _is_mutated(entity, origin.value(entity.key))
    except ValueError as error:
        return type(error)


@settings(deadline=None, database=None, max_examples=300)
@given(st.lists(st.tuples(values, st.sampled_from([*CHANGES])), min_size=1, max_size=6))
def test_all_at_once_tells_what_one_by_one_tells(cases: list[tuple[Any, str]]) -> None:
    houses = read(House, *(House.__forge__.stored(House(**given)) for given, _ in cases))
    for house, (_, change) in zip(houses, cases, strict=True):
        CHANGES[change](house)
    told = [one_by_one(house) for house in houses]
    if all(isinstance(each, bool) for each in told):
        changed = [id(house) for house, each in zip(houses, told, strict=True) if each]
        assert [*map(id, mutated(houses))] == changed
    else:
        with pytest.raises(ValueError, match="serialize"):
            list(mutated(houses))


@pytest.mark.parametrize("change", [*CHANGES])
def test_each_change_is_told_of_one_among_many(change: str) -> None:
    given = {"tags": ["t"], "more": {"a": 1, "b": 2}, "prices": [None, 0.5]}
    place = {"Street": "s", "rooms": [1]}
    houses = read(House, *[{"name": "n", **given, "place": place}] * 5)
    CHANGES[change](houses[3])
    same = {"nothing", "the same tags"}
    if change == "a tag of a wrong type":
        with pytest.raises(ValueError, match="serialize"):
            list(mutated(houses))
        return
    found = list(mutated(houses))
    assert found == ([] if change in same else [houses[3]])
