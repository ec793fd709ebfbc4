"""A batch that is looked at column by column does what it does item by item."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from forge_orm import limits
from forge_orm.local import LENIENT, STRICT, Readings
from forge_orm.schema import AttributeType, EntitySchema, IndexSchema
from forge_orm.wire import Request, Response

from .world import BOOK, DAY, PLANT, World

Item = dict[str, Any]

PROFILES: dict[str, Readings] = {
    "strict": STRICT,
    "lenient": LENIENT,
    # The lenient readings take no batch by column, because a set may keep a time to live.
    "forgiving": replace(LENIENT, set_clears_ttl=True),
}
profiles = pytest.mark.parametrize("readings", PROFILES.values(), ids=PROFILES)


class Two:
    """Two stores of the same past: one may go by column, the other goes item by item."""

    def __init__(self, readings: Readings) -> None:
        self.taken: list[bool] = []
        self.worlds = [World(readings=readings), World(readings=readings)]
        short, long = (world.backend.engine for world in self.worlds)
        whole = short._set_alike

        def watched(items: list[Any], tenant: int) -> Response | None:
            answer = whole(items, tenant)
            self.taken.append(answer is not None)
            return answer

        short._set_alike = watched  # type: ignore[method-assign]
        long._set_alike = lambda items, tenant: None  # type: ignore[method-assign]

    def both(self, act: Callable[[World], Any]) -> Any:
        one, other = map(act, self.worlds)
        assert one == other
        return one

    def send(self, body: bytes) -> Response:
        """Send a batch to both; what they answer and hold is the same then."""
        answer: Response = self.both(
            lambda world: world.backend.send(Request("batch/set", body))
        )
        self.both(_content)
        return answer

    def set(self, items: list[Item]) -> bool:
        """Send *items* to both; whether they went by column."""
        body = json.dumps(items, ensure_ascii=False).replace(": Infinity", ": 1e999")
        self.send(body.encode())
        return self.taken[-1]


def _content(world: World) -> dict[str, list[Any]]:
    """Return every row of every table as SQLite has it, with the type of each of its cells."""
    store = world.backend._store
    names = store.read("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name", ())
    found = {name: store.read(f'SELECT * FROM "{name}" ORDER BY 1, 2', ()) for (name,) in names}
    return {
        name: [[(type(cell), repr(cell)) for cell in row] for row in rows]
        for name, rows in found.items()
        if rows
    }


@contextmanager
def two(readings: Readings) -> Iterator[Two]:
    made = Two(readings)
    with made.worlds[0], made.worlds[1]:
        yield made


def book(number: int, **attributes: Any) -> Item:
    value = {"title": "t", "shelf": "s", "pages": number, "price": 1.5, "lent": True}
    return {
        "key": f"k{number}",
        "entityName": "book",
        "value": {**value, "notes": 7, **attributes},
    }


TOO_LARGE = float("inf")  # sent as a number with such an exponent


# --- What is usual, and each thing that is not ---------------------------------------------


def nested(levels: int, *, lists: bool = False) -> Any:
    """Return a value that makes its entity so many *levels* deep."""
    value: Any = 1
    for _ in range(levels - 1):
        value = [value] if lists else {"a": value}
    return value


def sized(size: int) -> Item:
    """Return attributes that make the JSON of an entity so many bytes long."""
    rest = len(json.dumps(book(3, notes="")["value"], separators=(",", ":")))
    return {"notes": "x" * (size - rest)}


LONG = limits.RANGE_VALUE_MAX_BYTES
# With whether it goes by column; None of what may, and need not.
VALUES: dict[str, tuple[Item, bool | None]] = {
    "as all others": ({}, True),
    "visible text": ({"title": "!~ a\x7fé", "shelf": "~"}, True),
    "text after the last visible one": ({"title": "~~"}, None),
    "text with a space": ({"title": "a b", "shelf": "!"}, True),
    "text that begins blank": ({"title": " a"}, None),
    "empty text": ({"title": ""}, False),
    "blank text": ({"title": " \t"}, False),
    "blank text beyond ascii": ({"title": "\u3000\ufeff"}, False),
    "text beyond ascii": ({"title": "é"}, None),
    "text of two surrogates": ({"shelf": "\U0001d11e"}, None),
    "text with a zero": ({"title": "a\x00"}, True),
    "control text": ({"title": "\x1f"}, None),
    "a number as a text": ({"title": 1}, False),
    "a text as a number": ({"pages": "1"}, False),
    "the least integer": ({"pages": limits.INTEGER_MIN}, True),
    "the largest integer": ({"pages": limits.INTEGER_MAX}, True),
    "too small an integer": ({"pages": limits.INTEGER_MIN - 1}, False),
    "too large an integer": ({"pages": limits.INTEGER_MAX + 1}, False),
    "an integer of 17 digits": ({"pages": 2**53 + 1}, False),
    "an integer with a point": ({"pages": 5.0}, False),
    "a fraction as an integer": ({"pages": 5.5}, False),
    "a boolean as an integer": ({"pages": True}, False),
    "an integer as a float": ({"price": 5}, False),
    "a long integer as a float": ({"price": 2**70}, False),
    "a float that is an integer": ({"price": 5.0}, True),
    "zero": ({"price": 0.0}, True),
    "minus zero": ({"price": -0.0}, True),
    "the least float": ({"price": -limits.FLOAT_MIN_MAGNITUDE}, True),
    "too near to zero": ({"price": 9e-131}, False),
    "nearer to zero than doubles go": ({"price": 5e-324}, False),
    "the largest float": ({"price": limits.FLOAT_MAX_MAGNITUDE}, True),
    "too large a float": ({"price": -1e126}, False),
    "the largest double": ({"price": 1.7976931348623157e308}, False),
    "a boolean as a float": ({"price": False}, False),
    "an integer as a boolean": ({"lent": 1}, False),
    "false": ({"lent": False}, True),
    "an object": ({"notes": {"a": [1, None, "é"]}}, True),
    "a long integer of any type": ({"notes": 2**70}, True),
    "a large double of any type": ({"notes": [1e308, -0.0]}, True),
    "a number that is none": ({"notes": [{"a": TOO_LARGE}]}, False),
    "a word for such a number": ({"notes": "Infinity"}, False),
    "null of any type": ({"notes": None}, False),
    "null": ({"lent": None}, False),
    "an undeclared attribute": ({"colour": "red"}, False),
    "a reserved attribute": ({"createdAt": 1}, False),
    "an attribute like another": ({"Title": "t"}, False),
    "30 levels": ({"notes": nested(30)}, True),
    "31 levels": ({"notes": nested(31)}, True),
    "32 levels": ({"notes": nested(32)}, False),
    "33 levels": ({"notes": nested(33)}, False),
    "31 levels of lists": ({"notes": nested(31, lists=True)}, True),
    "32 levels of lists": ({"notes": nested(32, lists=True)}, False),
    "many lists": ({"notes": [[]] * 40}, False),
    "many brackets": ({"notes": "[{" * 40}, False),
    "the longest range": ({"title": "x" * LONG}, True),
    "too long a range": ({"title": "x" * (LONG + 1)}, False),
    "the longest range beyond ascii": ({"title": "é" * (LONG // 2)}, None),
    "too long a range beyond ascii": ({"title": "é" * (LONG // 2 + 1)}, False),
    "the longest partition": ({"shelf": "x" * limits.PARTITION_VALUES_MAX_BYTES}, True),
    "too long a partition": ({"shelf": "x" * (limits.PARTITION_VALUES_MAX_BYTES + 1)}, False),
    "a long text in no index": ({"notes": "x" * 5000}, True),
    "the longest value": (sized(limits.VALUE_MAX_BYTES), True),
    "too long a value": (sized(limits.VALUE_MAX_BYTES + 1), False),
    "long in bytes alone": ({"notes": "é" * (limits.VALUE_MAX_BYTES // 2)}, False),
}

Change = Callable[[Item], Any]


def _with_value(item: Item, value: Any) -> Item:
    return {**item, "value": value}


def _without(item: Item, name: str) -> Item:
    return {part: item[part] for part in item if part != name}


ITEMS: dict[str, tuple[Change, bool]] = {
    "attributes in another order": (
        lambda item: _with_value(item, dict(reversed(item["value"].items()))),
        False,
    ),
    "attributes of one type in another order": (
        lambda item: _with_value(item, {"shelf": "u", "title": "v", **item["value"]}),
        False,
    ),
    "fields in another order": (lambda item: dict(reversed(item.items())), True),
    "an attribute less": (
        lambda item: _with_value(item, _without(item["value"], "lent")),
        False,
    ),
    "no attributes": (lambda item: _with_value(item, {}), False),
    "no object": (lambda item: _with_value(item, [1]), False),
    "a null": (lambda item: _with_value(item, None), False),
    "no options": (lambda item: {**item, "options": {}}, False),
    "a time to live": (
        lambda item: {**item, "options": {"ttl": {"value": 1, "unit": "HOURS"}}},
        False,
    ),
    "a wrong time to live": (
        lambda item: {**item, "options": {"ttl": {"value": 0, "unit": "HOURS"}}},
        False,
    ),
    "an unknown field": (lambda item: {**item, "colour": "red"}, False),
    "options for a value": (
        lambda item: {**_without(item, "value"), "options": {}},
        False,
    ),
    "no value": (lambda item: _without(item, "value"), False),
    "no key": (lambda item: _without(item, "key"), False),
    "a key of 500 characters": (lambda item: {**item, "key": "k" * 500}, True),
    "a key of 501 characters": (lambda item: {**item, "key": "k" * 501}, False),
    "an empty key": (lambda item: {**item, "key": ""}, False),
    "a blank key": (lambda item: {**item, "key": " \t"}, False),
    "a key with a space": (lambda item: {**item, "key": "a b"}, True),
    "a key with a line's end": (lambda item: {**item, "key": "a\n"}, True),
    "a wrong key": (lambda item: {**item, "key": "a/b"}, False),
    "a key beyond ascii": (lambda item: {**item, "key": "é"}, False),
    "a number as a key": (lambda item: {**item, "key": 1}, False),
    "a list as a key": (lambda item: {**item, "key": ["k"]}, False),
    "the key of another": (lambda item: {**item, "key": "k1"}, False),
    "a plain key": (lambda item: _without(item, "entityName"), False),
    "null as the entity": (lambda item: {**item, "entityName": None}, False),
    "a list as the entity": (lambda item: {**item, "entityName": ["book"]}, False),
    "another entity": (
        lambda item: {**item, "entityName": "plant", "value": {"name": "fern"}},
        False,
    ),
    "an undeclared entity": (lambda item: {**item, "entityName": "nothing"}, False),
    "no item": (lambda item: None, False),
    "a text": (lambda item: "key entityName value", False),
    "a list": (lambda item: [*item], False),
}


@profiles
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("odd", "by_column"), VALUES.values(), ids=VALUES)
def test_one_value_among_usual_ones(
    readings: Readings, count: int, odd: Item, by_column: bool | None
) -> None:
    with two(readings) as stores:
        items = [book(number) for number in range(4, 3 + count)]
        items.insert(count // 2, book(3, **odd))
        taken = stores.set(items)
        if by_column is not None:
            assert taken == (by_column and readings.set_clears_ttl)


@profiles
@pytest.mark.parametrize(("change", "by_column"), ITEMS.values(), ids=ITEMS)
def test_one_item_among_usual_ones(readings: Readings, change: Change, by_column: bool) -> None:
    for place in range(3):
        with two(readings) as stores:
            items = [book(number) for number in range(1, 4)]
            items[place] = change(items[place])
            named = by_column or (change is ITEMS["the key of another"][0] and place == 0)
            assert stores.set(items) == (named and readings.set_clears_ttl)


@profiles
@pytest.mark.parametrize("name", ["nothing", "Book", "..", "e", "", "x" * 61])
def test_a_batch_of_what_nobody_declares(readings: Readings, name: str) -> None:
    with two(readings) as stores:
        assert not stores.set([{**book(number), "entityName": name} for number in range(3)])


@profiles
def test_as_many_as_a_batch_holds(readings: Readings) -> None:
    with two(readings) as stores:
        assert stores.set([book(number) for number in range(25)]) == readings.set_clears_ttl
        taken = len(stores.taken)
        stores.send(json.dumps([book(number) for number in range(26)]).encode())
        stores.send(b"[]")
        assert len(stores.taken) == taken


@profiles
def test_a_batch_of_entities_without_attributes(readings: Readings) -> None:
    with two(readings) as stores:
        items = [{**book(number), "value": {}} for number in range(3)]
        assert stores.set(items) == readings.set_clears_ttl


@profiles
def test_a_schema_that_changed(readings: Readings) -> None:
    """What is usual is worked out anew, and the columns are those of the new indexes."""
    by_notes = {"notes": IndexSchema("notes", "notes", simple=True)}
    other = EntitySchema("book", {**BOOK.attributes, "notes": AttributeType.INTEGER}, by_notes)
    narrow = EntitySchema("book", {**other.attributes, "pages": AttributeType.STRING}, by_notes)
    with two(readings) as stores:
        items = [book(number) for number in range(3)]
        for schema, taken in ((BOOK, True), (other, True), (narrow, False), (BOOK, True)):
            for world in stores.worlds:
                world.declare(schema, PLANT)
            assert stores.set(items) == (taken and readings.set_clears_ttl)


# --- Chance ---------------------------------------------------------------------------------

USUAL: dict[str, st.SearchStrategy[Any]] = {
    "title": st.sampled_from(["a", "A", "a b", "~", "x" * LONG]),
    "shelf": st.sampled_from(["s", "t"]),
    "pages": st.integers(-3, 3) | st.sampled_from([limits.INTEGER_MIN, limits.INTEGER_MAX]),
    "price": st.sampled_from([0.0, -0.0, 0.1, 2.0**53, 1e125, -1e-130]),
    "lent": st.booleans(),
    "notes": st.sampled_from([0, "", False, [], {"a": None}, nested(30), "é", 2**53 + 1]),
}
KEYS = st.sampled_from([*(f"k{number}" for number in range(8)), "K1", "k" * 500])
CHANGES: list[Change] = [
    *(change for change, _ in ITEMS.values()),
    *(
        lambda item, odd=odd: _with_value(item, {**item["value"], **odd})
        for name, (odd, _) in VALUES.items()
        if "value" not in name and "bytes" not in name  # a quarter of a megabyte each
    ),
]


@st.composite
def batches(draw: st.DrawFn) -> list[Any]:
    """Draw sets of a book that are all alike, or nearly so."""
    names = draw(st.lists(st.sampled_from([*USUAL]), min_size=1, unique=True))
    keys = draw(st.lists(KEYS, min_size=1, max_size=6, unique=True))
    items: list[Any] = [
        {"key": key, "entityName": "book", "value": {name: draw(USUAL[name]) for name in names}}
        for key in keys
    ]
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        place, change = draw(st.integers(0, len(items) - 1)), draw(st.sampled_from(CHANGES))
        try:
            items[place] = change(items[place])
        except (KeyError, TypeError, AttributeError):  # of what an earlier change took away
            continue
    return items


@given(
    st.sampled_from([*PROFILES.values()]),
    st.lists(st.tuples(batches(), st.sampled_from([0, 60, 3 * DAY])), min_size=1, max_size=3),
)
def test_batches_one_after_the_other(
    readings: Readings, history: list[tuple[list[Any], float]]
) -> None:
    """Over what was written before, some of which has expired or is gone."""
    with two(readings) as stores:
        for number in range(4):
            ttl = {"ttl": {"value": 1 + DAY * (number // 2), "unit": "SECONDS"}}
            stores.both(lambda world: world.put(f"k{number}", {"pages": 9}, **ttl))  # noqa: B023
        for items, later in history:
            taken = stores.set(items)
            event("by column" if taken else "item by item")
            for world in stores.worlds:
                world.now += later
        for index in ("by-key", "title", "pages", "price"):
            stores.both(lambda world: world.keys(index))  # noqa: B023
