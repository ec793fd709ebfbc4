"""What the random histories are made of."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from forge_orm.schema import AttributeType

from .world import BOOK, DAY, HOUR

TEXTS = st.sampled_from(["a", "A", "ab", "b", "a b", "é", "z", "\uffff", "\U0001d11e", "a\x00"])
INTEGERS = st.sampled_from([-(2**31), -1, 0, 1, 2, 10, 2**31 - 1])
FLOATS = st.sampled_from([-1e125, -1.5, -1e-130, 0, -0.0, 0.1, 2, 2.0, 2**53 + 1, 2.0**53])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "title": TEXTS,
    "shelf": TEXTS,
    "pages": INTEGERS,
    "price": FLOATS,
    "lent": st.booleans(),
    "notes": st.sampled_from([{"x": [1, None]}, "", 7]),
}
ODD: dict[str, st.SearchStrategy[Any]] = {
    "title": st.sampled_from(["", " \t", None]),
    "pages": st.none(),
    "colour": st.just("red"),
    "notes": st.none(),
}
BOOKS = st.fixed_dictionaries({}, optional=VALUES)
ODD_BOOKS = st.builds(
    lambda book, odd: {**book, **odd}, BOOKS, st.fixed_dictionaries({}, optional=ODD)
)
KEYS = st.sampled_from(["k", "k:10", "k:2", "K", "x y"])
TENANTS = st.sampled_from(["one", "one", "one", "two"])
PLAIN: st.SearchStrategy[Any] = st.sampled_from(["", 0, False, [], {"a": None}, "text"])
NAMES = st.tuples(TENANTS, st.sampled_from(["book", None]), st.sampled_from(["k", "k:2"]))
TTLS = st.sampled_from([None, None, 1, HOUR, 2 * DAY])

ORDERED = ["LESS_THAN", "LESS_THAN_EQUAL_TO", "GREATER_THAN", "GREATER_THAN_EQUAL_TO"]
TEXTUAL = ["CONTAINS", "NOT_CONTAINS", "BEGINS_WITH"]


def _operators(attribute: str) -> list[str]:
    declared = BOOK.attributes.get(attribute, AttributeType.STRING)
    found = ["EQUAL_TO"]
    if declared is not AttributeType.BOOLEAN:
        found += [*ORDERED, "BETWEEN"]
    return found + (["BEGINS_WITH"] if declared is AttributeType.STRING else [])


@st.composite
def ranges(draw: st.DrawFn, attribute: str) -> dict[str, Any]:
    operand = VALUES.get(attribute, KEYS)
    condition = draw(st.sampled_from(_operators(attribute)))
    count = 2 if condition == "BETWEEN" else 1
    return {"condition": condition, "values": [draw(operand) for _ in range(count)]}


@st.composite
def clauses(draw: st.DrawFn) -> dict[str, Any]:
    attribute = draw(st.sampled_from(["title", "shelf", "pages", "price", "lent"]))
    more = ["NOT_EQUAL_TO", "EXISTS", "NOT_EXISTS"]
    if BOOK.attributes[attribute] is AttributeType.STRING:
        more += TEXTUAL
    if draw(st.booleans()):
        return {"property": attribute, **draw(ranges(attribute))}
    condition = draw(st.sampled_from(more))
    value = True if condition.endswith("EXISTS") else draw(VALUES[attribute])
    return {"property": attribute, "condition": condition, "values": [value]}


def conditions() -> st.SearchStrategy[dict[str, Any]]:
    some = st.lists(clauses(), min_size=1, max_size=3)
    return st.dictionaries(st.sampled_from(["and", "or"]), some, min_size=1, max_size=1)


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    index = draw(st.sampled_from(["by-key", *BOOK.indexes]))
    known = BOOK.index(index)
    assert known is not None
    query: dict[str, Any] = {
        "entityName": "book",
        "indexName": index,
        "limit": draw(st.sampled_from([1, 2, 3, 100])),
        "sort": draw(st.sampled_from(["ASC", "DESC"])),
        "partition": [draw(VALUES[name]) for name in known.partition],
    }
    if draw(st.booleans()):
        query["range"] = draw(ranges(known.range))
    if draw(st.booleans()):
        query["filters"] = draw(conditions())
    return query
