"""Transactions: everything or nothing, under conditions on what is stored."""

from __future__ import annotations

from typing import Any

import pytest

from forge_orm.local import STRICT

from .test_queries import FILTERS, SHELF, where
from .world import DAY, T0, World

Item = dict[str, Any]


def book(key: str, value: Item | None = None, *, on: Item | None = None, **more: Any) -> Item:
    item: Item = {"entityName": "book", "key": key, **more}
    if value is not None:
        item["value"] = value
    return item if on is None else {**item, "conditions": {"and": [on]}}


def everything(world: World) -> list[Any]:
    """Return all that is stored, with its metadata."""
    asked = {"options": {"metadataFields": ["CREATED_AT", "UPDATED_AT", "EXPIRE_TIME"]}}
    plants = {"entityName": "plant", "indexName": "by-key", **asked}
    books = {"entityName": "book", "indexName": "by-key", **asked}
    found = [world.walk("query", asked)]
    return found + [world.walk("entity/query", body) for body in (books, plants)]


@pytest.fixture
def stocked(world: World) -> World:
    """Return a world with books and a plain key, which a refusal must leave as they are."""
    for key, value in SHELF.items():
        world.put(key, value)
    world.call("set", {"key": "plain", "value": 1})
    world.now += 60
    return world


PRESENT, ABSENT = where("pages", "EXISTS", True), where("pages", "NOT_EXISTS", True)


def test_sets_deletes_and_checks_of_every_store_land_together(stocked: World) -> None:
    body = {
        "set": [
            book("new", {"pages": 7}),
            book("a", {"pages": 601}, on=where("pages", "EQUAL_TO", 600)),
            {"key": "other", "value": [1]},
            {"entityName": "plant", "key": "p", "value": {"name": "fern"}},
        ],
        "delete": [book("b", on=PRESENT), {"key": "plain"}, book("never there")],
        "check": [book("c", on=PRESENT)],
    }
    assert stocked.call("transaction", body) == (204, None)
    assert stocked.keys("by-key") == ["a", "c", "d", "new"]
    assert stocked.keys("pages") == ["new", "c", "a"]
    assert stocked.call("get", {"key": "other"})[1]["value"] == [1]
    assert stocked.call("get", {"key": "plain"})[0] == 404
    assert stocked.call("entity/get", {"entityName": "plant", "key": "p"})[0] == 200
    told = stocked.take("a", "CREATED_AT", "UPDATED_AT")
    assert (told["createdAt"], told["updatedAt"]) == (T0 * 1000, T0 * 1000 + 60_000)


WRITES = {"set": [book("new", {"pages": 1}), {"key": "plain", "value": 2}]}
FALSE = where("title", "EQUAL_TO", "no such title")
LOST: list[tuple[str, Item]] = [
    ("a set", {"set": [*WRITES["set"], book("a", {}, on=FALSE)]}),
    ("a delete", {**WRITES, "delete": [book("a", on=FALSE)]}),
    ("a check", {**WRITES, "check": [book("a", on=FALSE)]}),
    ("one of two", {**WRITES, "check": [book("a", on=PRESENT), book("d", on=PRESENT)]}),
    (
        "absent attribute",
        {**WRITES, "check": [book("d", on=where("title", "NOT_EQUAL_TO", "a"))]},
    ),
    ("absent item", {**WRITES, "check": [book("absent", on=PRESENT)]}),
    ("insert if absent", {"set": [*WRITES["set"], book("absent", {}, on=ABSENT)]}),
    ("absent delete", {**WRITES, "delete": [book("absent", on=ABSENT)]}),
]


@pytest.mark.parametrize("body", [body for _, body in LOST], ids=[name for name, _ in LOST])
def test_a_condition_that_is_false_stops_everything(stocked: World, body: Item) -> None:
    before = everything(stocked)
    assert stocked.refused("transaction", body) == (400, "CONDITIONAL_CHECK_FAILED")
    assert everything(stocked) == before


@pytest.mark.parametrize(("query", "found"), FILTERS)
def test_a_condition_is_true_of_what_a_filter_finds(
    stocked: World, query: Item, found: str
) -> None:
    passed: list[str] = []
    for key in SHELF:
        check = {"entityName": "book", "key": key, "conditions": query["filters"]}
        status, answer = stocked.call("transaction", {"check": [check]})
        assert status == 204 or answer["code"] == "CONDITIONAL_CHECK_FAILED"
        passed += [key] if status == 204 else []
    assert passed == found.split()


NO_CONDITION: Item = {"entityName": "book", "key": "a"}
PLAIN: Item = {"key": "plain"}
BAD: list[tuple[Item, int, str]] = [
    ({}, 400, "INVALID_TRANSACTION_REQUEST"),
    ({"set": [], "delete": [], "check": []}, 400, "INVALID_TRANSACTION_REQUEST"),
    ({"get": [PLAIN]}, 400, "BAD_REQUEST"),
    ({"set": None}, 400, "BAD_REQUEST"),
    ({"delete": PLAIN}, 400, "BAD_REQUEST"),
    ({"delete": [None]}, 400, "BAD_REQUEST"),
    ({"delete": [{"entityName": "book"}]}, 400, "BAD_REQUEST"),
    ({"delete": [{"key": 1}]}, 400, "BAD_REQUEST"),
    ({"delete": [{"key": "a", "entityName": None}]}, 400, "BAD_REQUEST"),
    ({"delete": [{**PLAIN, "value": 1}]}, 400, "BAD_REQUEST"),
    ({"set": [PLAIN]}, 400, "BAD_REQUEST"),
    ({"set": [{**PLAIN, "value": None}]}, 400, "BAD_REQUEST"),
    ({"check": [NO_CONDITION]}, 400, "BAD_REQUEST"),
    ({"check": [{**PLAIN, "conditions": {"and": [PRESENT]}}]}, 400, "BAD_REQUEST"),
    ({"delete": [{**PLAIN, "conditions": {"and": [PRESENT]}}]}, 400, "BAD_REQUEST"),
    ({"check": [{**NO_CONDITION, "conditions": {}}]}, 400, "EMPTY_FILTER_OPERATOR"),
    ({"check": [{**NO_CONDITION, "conditions": {"or": []}}]}, 400, "EMPTY_FILTER_OPERATOR"),
    ({"check": [book("a", on=where("notes", "EXISTS", True))]}, 422, "UNPROCESSABLE_ENTITY"),
    ({"check": [book("a", on=where("colour", "EXISTS", True))]}, 400, "BAD_REQUEST"),
    ({"check": [book("a", on=where("pages", "EQUAL_TO", "1"))]}, 400, "INVALID_FILTER_VALUES"),
    ({"delete": [{"key": "a/b"}]}, 400, "INVALID_KEY"),
    ({"delete": [{"key": ""}]}, 400, "KEY_TOO_SHORT"),
    ({"delete": [{"key": "x", "entityName": "absent"}]}, 404, "SCHEMA_NOT_FOUND"),
    ({"check": [{**book("x", on=PRESENT), "key": "a/b"}]}, 400, "INVALID_KEY"),
    ({"set": [book("a", {"pages": "1"})]}, 400, "INCORRECT_PROPERTY_TYPE"),
    ({"set": [book("a", {"title": ""})]}, 400, "INVALID_ENTITY_VALUE"),
    ({"set": [{**NO_CONDITION, "value": 3}]}, 400, "BAD_REQUEST"),
    ({"set": [book("a", {}, options={"keyPolicy": "OVERRIDE"})]}, 400, "BAD_REQUEST"),
    ({"set": [book("a", {}, options={"returnValue": "LATEST"})]}, 400, "BAD_REQUEST"),
    (
        {"set": [book("a", {}, options={"ttl": {"value": 0, "unit": "DAYS"}})]},
        400,
        "INVALID_TTL",
    ),
    ({"set": [book("a", {})], "delete": [book("a")]}, 400, "KEY_DUPLICATION_ERROR"),
    ({"check": [book("a", on=PRESENT)], "delete": [book("a")]}, 400, "KEY_DUPLICATION_ERROR"),
    ({"set": [book("a", {}), {"key": "a", "value": 1}]}, 400, "KEY_DUPLICATION_ERROR"),
    ({"delete": [{"key": f"k{n}"} for n in range(26)]}, 422, "UNPROCESSABLE_ENTITY"),
]


@pytest.mark.parametrize(("body", "status", "code"), BAD)
def test_a_transaction_the_service_does_not_take_writes_nothing(
    stocked: World, body: Item, status: int, code: str
) -> None:
    valid = [book("new", {"pages": 1})]
    joined = {**body, "set": [*valid, *body["set"]]} if body.get("set") else body
    before = everything(stocked)
    assert stocked.refused("transaction", joined) == (status, code)
    assert everything(stocked) == before


def test_twenty_five_operations_are_taken_whatever_their_kind(stocked: World) -> None:
    body = {
        "set": [book(f"s{n}", {"pages": n}) for n in range(12)],
        "delete": [{"key": f"d{n}"} for n in range(12)],
        "check": [book("a", on=PRESENT)],
    }
    assert stocked.call("transaction", body) == (204, None)
    one_more = {**body, "check": [book("a", on=PRESENT), book("b", on=PRESENT)]}
    assert stocked.refused("transaction", one_more) == (422, "UNPROCESSABLE_ENTITY")


def test_more_than_four_megabytes_are_refused(stocked: World) -> None:
    sets = [{"key": f"k{n}", "value": "x" * 230_000} for n in range(19)]
    before = everything(stocked)
    assert stocked.refused("transaction", {"set": sets}) == (400, "MAX_SIZE")
    assert everything(stocked) == before
    assert stocked.call("transaction", {"set": sets[:18]}) == (204, None)


def test_a_time_to_live_is_set_and_cleared(stocked: World) -> None:
    ttl = {"ttl": {"value": 2, "unit": "HOURS"}}
    stocked.call("transaction", {"set": [book("a", {"pages": 1}, options=ttl)]})
    assert stocked.take("a", "EXPIRE_TIME")["expireTime"] == "2027-01-15T10:01:00.000Z"
    stocked.call("transaction", {"set": [book("a", {"pages": 2})]})
    assert "expireTime" not in stocked.take("a", "EXPIRE_TIME")


def test_a_row_that_is_gone_is_absent_to_a_condition(world: World) -> None:
    assert STRICT.absent_item_fails
    world.put("a", {"pages": 1}, ttl={"value": 1, "unit": "SECONDS"})
    check = {"check": [book("a", on=PRESENT)]}
    world.now += DAY
    assert world.call("transaction", check) == (204, None)
    world.now += DAY
    world.now += 1
    assert world.refused("transaction", check) == (400, "CONDITIONAL_CHECK_FAILED")


def test_conditions_are_tested_on_what_is_stored_not_on_what_is_written(world: World) -> None:
    world.put("a", {"pages": 1})
    was_one = where("pages", "EQUAL_TO", 1)
    again = {"set": [book("a", {"pages": 2}, on=was_one)]}
    assert world.call("transaction", again) == (204, None)
    assert world.refused("transaction", again) == (400, "CONDITIONAL_CHECK_FAILED")


def test_a_transaction_of_one_installation_leaves_the_others(stocked: World) -> None:
    before = everything(stocked)
    body = {"set": [book("a", {"pages": 9})], "delete": [PLAIN]}
    assert stocked.call("transaction", body, "elsewhere") == (204, None)
    assert everything(stocked) == before


def test_an_error_on_the_way_undoes_what_was_written(stocked: World) -> None:
    before = everything(stocked)
    with pytest.raises(ZeroDivisionError), stocked.backend.engine.store.writing() as connection:
        connection.execute('DELETE FROM "keys"')
        connection.execute('DELETE FROM "e_book"')
        raise ZeroDivisionError
    assert everything(stocked) == before
    assert stocked.call("set", {"key": "plain", "value": 2}) == (204, None)
