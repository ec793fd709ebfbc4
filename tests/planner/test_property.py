"""Any question, any order, limit, page size and cursor: the answer is plain Python's."""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from forge_orm import Attr, Entity, Forge, LocalBackend, Registry, Session, attr, index
from forge_orm.expressions import AllOf, AnyOf, Comparison, Condition, Operator
from forge_orm.query import Search

registry = Registry("planner")
EXAMPLES = int(os.environ.get("FORGE_ORM_EXAMPLES", "300"))


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Thing(Entity, name="thing", key="thing:{label}", registry=registry):
    label: Attr[str] = attr()
    number: Attr[int] = attr()
    project: Attr[str] = attr()
    colour: Attr[Colour] = attr()
    rank: Attr[int] = attr()
    weight: Attr[float | None] = attr(default=None)
    flag: Attr[bool] = attr(default=False)
    text: Attr[str | None] = attr(default=None)
    extra: Attr[dict[str, int]] = attr(default_factory=dict)

    by_project = index(project, range=rank)
    by_colour = index(project, colour, range=number)
    by_weight = index(range=weight)
    by_text = index(flag, range=text)


PROJECTS = ["a", "b", "ü"]
TEXTS = ["x", "xy", "Xy", "éx", "y"]

things: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        project=st.sampled_from(PROJECTS),
        colour=st.sampled_from(Colour),
        rank=st.integers(-3, 3),
        weight=st.none() | st.sampled_from([-1.5, 0.0, 0.5, 2.0]),
        flag=st.booleans(),
        text=st.none() | st.sampled_from(TEXTS),
        extra=st.dictionaries(st.sampled_from(["p", "q"]), st.integers(0, 2), max_size=2),
    ),
    min_size=6,
    max_size=25,
)

numbers = st.integers(-3, 3)
weights = st.sampled_from([-1.5, 0.0, 0.5, 2.0])
ordered = st.sampled_from(["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"])


def compared(expr: Any, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda name, value: getattr(expr, name)(value), ordered, values)


thing: Any = Thing
leaves = st.one_of(
    compared(thing.number, st.integers(0, 25)),
    compared(thing.rank, numbers),
    compared(thing.weight, weights),
    compared(thing.text, st.sampled_from(TEXTS)),
    compared(thing.extra["p"], st.integers(0, 2)),
    st.sampled_from(PROJECTS).map(lambda value: thing.project == value),
    st.sampled_from(Colour).map(lambda value: thing.colour == value),
    st.booleans().map(lambda value: thing.flag == value),
    st.sampled_from([thing.project.in_(PROJECTS[:2]), thing.colour.in_(list(Colour))]),
    st.tuples(numbers, numbers).map(lambda pair: thing.rank.between(*sorted(pair))),
    st.sampled_from(
        [
            thing.text.startswith("x"),
            thing.text.contains("y"),
            thing.text.exists(),
            thing.text.missing(),
            thing.weight.missing(),
            thing.extra["q"].exists(),
            thing.key == "thing:003",
            thing.key.startswith("thing:00"),
            thing.key > "thing:007",
        ]
    ),
)
conditions: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        inner.map(lambda a: ~a),
    ),
    max_leaves=6,
)
# Alternatives that different indexes serve, and that share entities.
served = st.one_of(
    st.sampled_from(PROJECTS).map(lambda value: thing.project == value),
    st.builds(
        lambda project, rank: (thing.project == project) & (thing.rank > rank),
        st.sampled_from(PROJECTS),
        numbers,
    ),
    st.sampled_from(TEXTS).map(lambda text: (thing.flag == True) & (thing.text >= text)),  # noqa: E712
    st.integers(0, 20).map(lambda number: thing.key == f"thing:{number:03}"),
    weights.map(lambda weight: thing.weight <= weight),
)
overlapping = st.lists(served, min_size=2, max_size=4).map(
    lambda parts: functools.reduce(operator.or_, parts)
)
orders = st.none() | st.sampled_from(
    [
        thing.rank.asc(),
        thing.rank.desc(),
        thing.number.desc(),
        thing.weight.asc(),
        thing.text.desc(),
        thing.key.asc(),
    ]
)


def value_of(row: Thing, comparison: Comparison[Any]) -> Any:
    value: Any = getattr(row, comparison.attribute)
    for step in comparison.path or ():
        value = value.get(step)
    return value


def true_of(condition: Condition[Any], row: Thing) -> bool:
    """What a condition means, said once more and differently."""
    if isinstance(condition, AllOf):
        return all(true_of(part, row) for part in condition.conditions)
    if isinstance(condition, AnyOf):
        return any(true_of(part, row) for part in condition.conditions)
    assert isinstance(condition, Comparison)
    value, kind, wanted = value_of(row, condition), condition.operator, condition.values
    if kind in (Operator.EXISTS, Operator.NOT_EXISTS):
        return (value is not None) is (kind is Operator.EXISTS)
    if value is None:
        return False
    meanings: dict[Operator, Any] = {
        Operator.EQUAL_TO: lambda: value == wanted[0],
        Operator.NOT_EQUAL_TO: lambda: value != wanted[0],
        Operator.LESS_THAN: lambda: value < wanted[0],
        Operator.LESS_THAN_EQUAL_TO: lambda: value <= wanted[0],
        Operator.GREATER_THAN: lambda: value > wanted[0],
        Operator.GREATER_THAN_EQUAL_TO: lambda: value >= wanted[0],
        Operator.BETWEEN: lambda: wanted[0] <= value <= wanted[1],
        Operator.BEGINS_WITH: lambda: value.startswith(wanted[0]),
        Operator.NOT_BEGINS_WITH: lambda: not value.startswith(wanted[0]),
        Operator.CONTAINS: lambda: wanted[0] in value,
        Operator.NOT_CONTAINS: lambda: wanted[0] not in value,
    }
    return bool(meanings[kind]())


def in_order(rows: list[Thing], order: Any) -> list[Thing]:
    def place(row: Thing) -> tuple[bool, Any, str]:
        value = row.key if order.attribute == "key" else getattr(row, order.attribute)
        return value is not None, 0 if value is None else value, row.key

    return sorted(rows, key=place, reverse=order.descending)


@pytest.fixture(scope="module")
def store() -> Iterator[LocalBackend]:
    with LocalBackend(schemas=registry) as store:
        yield store


def fill(store: LocalBackend, rows: list[dict[str, Any]]) -> list[Thing]:
    with Forge(store).session() as session:
        for old in session.stream(Thing.index("by-key")):
            session.delete(old)
        session.commit()
        made = [
            Thing(label=f"{number:03}", number=number, **row) for number, row in enumerate(rows)
        ]
        session.add(*made)
    return made


def cut(session: Session, search: Search[Thing], size: int) -> list[Thing]:
    """Ask page by page, each with a cursor written and read again."""
    found: list[Thing] = []
    cursor: str | None = None
    while True:
        page = session.page(search.page_size(size).cursor(cursor))
        found.extend(page)
        if (cursor := page.cursor) is None:
            return found


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    rows=things,
    asked=st.one_of(st.lists(conditions, max_size=2), overlapping.map(lambda one: [one])),
    order=orders,
    limit=st.none() | st.integers(1, 8),
    size=st.integers(1, 9),
)
def test_a_search_answers_as_plain_python_would(
    store: LocalBackend,
    rows: list[dict[str, Any]],
    asked: list[Condition[Thing]],
    order: Any,
    limit: int | None,
    size: int,
) -> None:
    made = fill(store, rows)
    wanted = [row for row in made if all(true_of(each, row) for each in asked)]
    search = Thing.query(*asked).allow_scan()
    if order is not None:
        search, wanted = search.order(order), in_order(wanted, order)
    with Forge(store).session() as session:
        found = session.all(search if limit is None else search.limit(limit))
        paged = cut(session, search, size)
        counted = session.count(search)

    keys = [row.key for row in wanted]
    told = str(session)
    if order is None:
        assert len(found) == min(len(keys), limit or len(keys)), told
        assert {row.key for row in found} <= set(keys)
        assert sorted(row.key for row in paged) == sorted(keys)
    else:
        assert [row.key for row in found] == keys[:limit]
        assert [row.key for row in paged] == keys
    assert counted == len(keys)
