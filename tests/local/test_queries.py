"""Queries: ranges, filters, order, limits and cursors."""

from __future__ import annotations

import random
from typing import Any

import pytest

from forge_orm.local import LENIENT, Readings

from .world import BOOK, World

Query = dict[str, Any]


def range_of(condition: str, *values: Any) -> Query:
    return {"range": {"condition": condition, "values": list(values)}}


def where(attribute: str, condition: str, *values: Any) -> Query:
    return {"property": attribute, "condition": condition, "values": list(values)}


def joined(joint: str, *clauses: Query) -> Query:
    return {"filters": {joint: list(clauses)}}


def fill(world: World, attribute: str, values: dict[str, Any]) -> None:
    """Put books that differ in one attribute, in an order that says nothing."""
    keys = list(values)
    random.Random(3).shuffle(keys)
    for key in keys:
        value = {} if values[key] is None else {attribute: values[key]}
        assert world.put(key, value)[0] == 204


TEXTS = {"t1": "A", "t2": "a", "t3": "a\x00", "t4": "ab", "t5": "b", "t6": "é"}
WIDE = {"w1": "\ud7ff", "w2": "\ue000", "w3": "\uffff", "w4": "\U0001d11e", "w5": "\U0010ffff"}
NUMBERS = {"n1": -(2**31), "n2": -1, "n3": 0, "n4": 2, "n5": 10, "n6": 2**31 - 1}
FLOATS = {"f1": -1e125, "f2": -0.5, "f3": 1e-130, "f4": 2, "f5": 2.5, "f6": 2**60, "f7": 1e125}
FLAGS = {"b1": False, "b2": True}

RANGES: list[tuple[str, dict[str, Any], Query, str]] = [
    ("title", TEXTS, {}, "t1 t2 t3 t4 t5 t6"),
    ("title", WIDE, {}, "w1 w2 w3 w4 w5"),
    ("title", TEXTS, range_of("EQUAL_TO", "a"), "t2"),
    ("title", TEXTS, range_of("LESS_THAN", "ab"), "t1 t2 t3"),
    ("title", TEXTS, range_of("LESS_THAN_EQUAL_TO", "ab"), "t1 t2 t3 t4"),
    ("title", TEXTS, range_of("GREATER_THAN", "ab"), "t5 t6"),
    ("title", TEXTS, range_of("GREATER_THAN_EQUAL_TO", "ab"), "t4 t5 t6"),
    ("title", TEXTS, range_of("BETWEEN", "a", "b"), "t2 t3 t4 t5"),
    ("title", TEXTS, range_of("BETWEEN", "b", "a"), ""),
    ("title", TEXTS, range_of("BEGINS_WITH", "a"), "t2 t3 t4"),
    ("title", TEXTS, range_of("BEGINS_WITH", "abc"), ""),
    ("title", WIDE, range_of("BEGINS_WITH", "\ud7ff"), "w1"),
    ("title", WIDE, range_of("BEGINS_WITH", "\U0010ffff"), "w5"),
    ("pages", NUMBERS, {}, "n1 n2 n3 n4 n5 n6"),
    ("pages", NUMBERS, range_of("EQUAL_TO", 2.0), "n4"),
    ("pages", NUMBERS, range_of("LESS_THAN", 2), "n1 n2 n3"),
    ("pages", NUMBERS, range_of("LESS_THAN_EQUAL_TO", 2), "n1 n2 n3 n4"),
    ("pages", NUMBERS, range_of("GREATER_THAN", 2), "n5 n6"),
    ("pages", NUMBERS, range_of("GREATER_THAN_EQUAL_TO", 2), "n4 n5 n6"),
    ("pages", NUMBERS, range_of("BETWEEN", -1, 10), "n2 n3 n4 n5"),
    ("price", FLOATS, {}, "f1 f2 f3 f4 f5 f6 f7"),
    ("price", FLOATS, range_of("EQUAL_TO", 2.0), "f4"),
    ("price", FLOATS, range_of("GREATER_THAN", 0), "f3 f4 f5 f6 f7"),
    ("price", FLOATS, range_of("BETWEEN", 2, 2.5), "f4 f5"),
    ("lent", FLAGS, {}, "b1 b2"),
    ("lent", FLAGS, range_of("EQUAL_TO", False), "b1"),
    ("lent", FLAGS, range_of("EQUAL_TO", True), "b2"),
    ("by-key", TEXTS, {}, "t1 t2 t3 t4 t5 t6 z"),
    ("by-key", TEXTS, range_of("BEGINS_WITH", "t"), "t1 t2 t3 t4 t5 t6"),
    ("by-key", TEXTS, range_of("GREATER_THAN", "t5"), "t6 z"),
    ("by-key", TEXTS, range_of("BETWEEN", "t2", "t3"), "t2 t3"),
]


@pytest.mark.parametrize(("index", "values", "query", "found"), RANGES)
def test_what_a_range_finds_in_order_both_ways(
    world: World, index: str, values: dict[str, Any], query: Query, found: str
) -> None:
    attribute = "title" if index == "by-key" else index
    fill(world, attribute, {**values, "z": None})  # z lacks the attribute: only by-key has it
    for limit in (1, 2, 100):
        assert world.keys(index, **query, limit=limit) == found.split()
        down = world.keys(index, **query, limit=limit, sort="DESC")
        assert down == found.split()[::-1]


SHELF: dict[str, Query] = {
    "a": {"title": "Moby Dick", "pages": 600, "price": 9.5, "lent": True},
    "b": {"title": "Dracula", "pages": 400, "price": 5, "lent": False},
    "c": {"title": "Mort", "pages": 300},
    "d": {"price": 0, "lent": True},
}
FILTERS: list[tuple[Query, str]] = [
    (joined("and", where("title", "EQUAL_TO", "Mort")), "c"),
    (joined("and", where("title", "NOT_EQUAL_TO", "Mort")), "a b"),
    (joined("and", where("title", "BEGINS_WITH", "Mo")), "a c"),
    (joined("and", where("title", "CONTAINS", "D")), "a b"),
    (joined("and", where("title", "CONTAINS", "d")), ""),
    (joined("and", where("title", "NOT_CONTAINS", "o")), "b"),
    (joined("and", where("title", "EXISTS", True)), "a b c"),
    (joined("and", where("title", "NOT_EXISTS", True)), "d"),
    (joined("and", where("pages", "LESS_THAN", 400)), "c"),
    (joined("and", where("pages", "LESS_THAN_EQUAL_TO", 400)), "b c"),
    (joined("and", where("pages", "GREATER_THAN", 400)), "a"),
    (joined("and", where("pages", "GREATER_THAN_EQUAL_TO", 400)), "a b"),
    (joined("and", where("pages", "BETWEEN", 300, 400)), "b c"),
    (joined("and", where("price", "EQUAL_TO", 5.0)), "b"),
    (joined("and", where("price", "EXISTS", True)), "a b d"),
    (joined("and", where("lent", "EQUAL_TO", True)), "a d"),
    (joined("and", where("lent", "NOT_EQUAL_TO", True)), "b"),
    (joined("and", where("lent", "NOT_EXISTS", True)), "c"),
    (joined("and", where("pages", "EXISTS", True), where("lent", "EQUAL_TO", True)), "a"),
    (joined("or", where("pages", "LESS_THAN", 400), where("lent", "EQUAL_TO", True)), "a c d"),
    (joined("or", where("pages", "EQUAL_TO", 1), where("pages", "EQUAL_TO", 2)), ""),
]


@pytest.mark.parametrize(("query", "found"), FILTERS)
def test_what_passes_a_filter(world: World, query: Query, found: str) -> None:
    for key, value in SHELF.items():
        world.put(key, value)
    for limit in (1, 3, 100):
        assert world.keys("by-key", **query, limit=limit) == found.split()


def test_a_filter_is_applied_after_the_page_is_read(world: World) -> None:
    for number in range(9):
        world.put(f"k{number}", {"pages": number, "lent": number in (4, 8)})
    query = joined("and", where("lent", "EQUAL_TO", True))
    assert world.pages("pages", **query, limit=2) == [[], [], ["k4"], [], ["k8"]]


def test_an_index_with_a_partition_holds_one_part_in_range_order(world: World) -> None:
    for key, shelf, pages in [("a", "x", 3), ("b", "x", 1), ("c", "y", 2), ("d", "x", 2)]:
        world.put(key, {"shelf": shelf, "pages": pages, "title": key, "lent": pages > 1})
    world.put("e", {"shelf": "x"})
    world.put("f", {"pages": 2})
    assert world.keys("by_shelf", partition=["x"]) == ["b", "d", "a"]
    assert world.keys("by_shelf", partition=["x"], **range_of("LESS_THAN", 3)) == ["b", "d"]
    assert world.keys("by_shelf", partition=["z"]) == []
    assert world.keys("by_shelf_lent", partition=["x", True]) == ["a", "d"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("readings", [Readings(), LENIENT], ids=["strict", "lenient"])
def test_pages_of_equal_range_values_lose_and_repeat_nothing(
    limit: int, readings: Readings
) -> None:
    keys = [f"k{number:02}" for number in range(14)]
    with World(readings=readings) as world:
        for number, key in enumerate(keys):
            world.put(key, {"pages": number // 5, "price": 0.1})
        for index in ("pages", "price", "by-key"):
            descending = keys[::-1]
            if not readings.ties_follow_sort and index != "by-key":
                descending = keys if index == "price" else keys[10:] + keys[5:10] + keys[:5]
            for sort, wanted in (("ASC", keys), ("DESC", descending)):
                pages = world.pages(index, limit=limit, sort=sort)
                assert [key for page in pages for key in page] == wanted
                assert all(len(page) == limit for page in pages[:-1])


def test_a_page_holds_ten_unless_another_limit_is_given(world: World) -> None:
    for number in range(101):
        world.put(f"k{number:03}", {"pages": 1})
    assert [len(page) for page in world.pages("pages")] == [10] * 10 + [1]
    assert [len(page) for page in world.pages("pages", limit=100.0)] == [100, 1]


def test_rows_written_and_deleted_between_pages_shift_nothing(world: World) -> None:
    for number in range(6):
        world.put(f"k{number}", {"pages": number})
    body = {"entityName": "book", "indexName": "pages", "limit": 2}
    _, first = world.call("entity/query", body)
    world.call("entity/delete", {"entityName": "book", "key": "k1"})
    world.put("before", {"pages": -1})
    _, second = world.call("entity/query", {**body, "cursor": first["cursor"]})
    assert [row["key"] for row in second["data"]] == ["k2", "k3"]


def test_rows_hold_key_value_and_the_metadata_asked_for(world: World) -> None:
    world.put("k", {"pages": 1}, ttl={"value": 1, "unit": "DAYS"})
    body: Query = {"entityName": "book", "indexName": "pages"}
    _, plain = world.call("entity/query", body)
    assert plain == {"data": [{"key": "k", "value": {"pages": 1}}]}
    asked = ["CREATED_AT", "UPDATED_AT", "EXPIRE_TIME"]
    _, told = world.call("entity/query", {**body, "options": {"metadataFields": asked}})
    told["data"][0].pop("value")
    assert told["data"][0].keys() == {"key", "createdAt", "updatedAt", "expireTime"}


def test_a_query_sees_its_own_installation_and_entity_only(world: World) -> None:
    body = {"entityName": "book", "indexName": "pages"}
    mine = {"entityName": "book", "key": "k", "value": {"pages": 1}}
    world.call("entity/set", mine, "one")
    world.call("entity/set", {"entityName": "plant", "key": "p", "value": {}})
    assert world.call("entity/query", body) == (200, {"data": []})
    assert [row["key"] for row in world.walk("entity/query", body, "one")[0]] == ["k"]
    assert world.keys("by-key") == []


@pytest.mark.parametrize("sort", ["ASC", "DESC"])
@pytest.mark.parametrize("index", ["by-key", *BOOK.indexes])
def test_a_query_walks_its_index_and_never_sorts(world: World, index: str, sort: str) -> None:
    partition = {"by_shelf": ["x"], "by_shelf_lent": ["x", True]}.get(index, [])
    connection = world.backend.engine.store.connection
    world.keys("by-key")
    said: list[str] = []
    connection.set_trace_callback(said.append)
    world.keys(index, partition=partition, sort=sort)
    connection.set_trace_callback(None)
    (select,) = said
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {select}")]
    assert len(plan) == 1, plan
    wanted = "sqlite_autoindex" if index == "by-key" else f"e_book|{index}|"
    assert plan[0].startswith("SEARCH")
    assert wanted in plan[0]
