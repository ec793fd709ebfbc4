"""What queries refuse, and cursors that are not theirs."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any

import pytest

from .test_queries import Query, joined, range_of, where
from .world import World

LENT = where("lent", "EQUAL_TO", True)

REFUSED: list[tuple[Query, int, str]] = [
    ({"indexName": "absent"}, 400, "INVALID_ENTITY_INDEX"),
    ({"indexName": "shelf"}, 400, "INVALID_ENTITY_INDEX"),
    ({"indexName": None}, 400, "BAD_REQUEST"),
    ({"limit": 0}, 400, "COMPLEX_QUERY_PAGE_LIMIT_NOT_IN_RANGE"),
    ({"limit": -1}, 400, "COMPLEX_QUERY_PAGE_LIMIT_NOT_IN_RANGE"),
    ({"limit": 101}, 400, "COMPLEX_QUERY_PAGE_LIMIT_NOT_IN_RANGE"),
    ({"limit": "5"}, 400, "BAD_REQUEST"),
    ({"limit": 1.5}, 400, "BAD_REQUEST"),
    ({"limit": True}, 400, "BAD_REQUEST"),
    ({"sort": "asc"}, 400, "BAD_REQUEST"),
    ({"sort": 1}, 400, "BAD_REQUEST"),
    ({"where": []}, 400, "BAD_REQUEST"),
    ({"metadataFields": ["CREATED_AT"]}, 400, "BAD_REQUEST"),
    ({"options": {"metadataFields": ["SIZE"]}}, 400, "BAD_REQUEST"),
    ({"options": {"metadataFields": [["CREATED_AT"]]}}, 400, "BAD_REQUEST"),
    ({"range": []}, 400, "BAD_REQUEST"),
    ({"range": {"condition": "EQUAL_TO"}}, 400, "BAD_REQUEST"),
    ({"range": {"condition": "EQUAL_TO", "values": 1}}, 400, "BAD_REQUEST"),
    (range_of("NOT_EQUAL_TO", 1), 400, "INVALID_FILTER_CONDITION"),
    (range_of("EXISTS", True), 400, "INVALID_FILTER_CONDITION"),
    (range_of("CONTAINS", "a"), 400, "INVALID_FILTER_CONDITION"),
    (range_of("BEGINS_WITH", 1), 400, "INVALID_FILTER_CONDITION"),
    ({"indexName": "lent", **range_of("LESS_THAN", True)}, 400, "INVALID_FILTER_CONDITION"),
    ({"indexName": "title", **range_of("CONTAINS", "a")}, 400, "INVALID_FILTER_CONDITION"),
    (range_of("EQUAL_TO"), 400, "INVALID_FILTER_VALUES"),
    (range_of("EQUAL_TO", 1, 2), 400, "INVALID_FILTER_VALUES"),
    (range_of("EQUAL_TO", "1"), 400, "INVALID_FILTER_VALUES"),
    (range_of("EQUAL_TO", True), 400, "INVALID_FILTER_VALUES"),
    (range_of("BETWEEN", 1), 400, "INSUFFICIENT_FILTER_VALUES"),
    (range_of("BETWEEN", 1, 2, 3), 400, "INVALID_FILTER_VALUES"),
    ({"partition": "x"}, 400, "BAD_REQUEST"),
    ({"partition": [1]}, 400, "INVALID_PARTITION"),
    ({"indexName": "by_shelf"}, 400, "INVALID_PARTITION"),
    ({"indexName": "by_shelf", "partition": []}, 400, "INVALID_PARTITION"),
    ({"indexName": "by_shelf", "partition": [1]}, 400, "INVALID_PARTITION"),
    ({"indexName": "by_shelf", "partition": [None]}, 400, "INVALID_PARTITION"),
    ({"indexName": "by_shelf", "partition": ["x", "y"]}, 400, "INVALID_PARTITION"),
    ({"indexName": "by_shelf_lent", "partition": ["x"]}, 400, "INVALID_PARTITION"),
    ({"indexName": "by_shelf_lent", "partition": [True, "x"]}, 400, "INVALID_PARTITION"),
    ({"filters": {}}, 400, "EMPTY_FILTER_OPERATOR"),
    (joined("and"), 400, "EMPTY_FILTER_OPERATOR"),
    (joined("or"), 400, "EMPTY_FILTER_OPERATOR"),
    (joined("not", LENT), 400, "BAD_REQUEST"),
    ({"filters": [LENT]}, 400, "BAD_REQUEST"),
    ({"filters": {"and": [LENT], "or": [LENT]}}, 400, "INVALID_FILTER_OPERATORS_COMBINATION"),
    (joined("and", {"or": [LENT]}), 400, "BAD_REQUEST"),
    (joined("and", {**LENT, "not": True}), 400, "BAD_REQUEST"),
    (joined("and", where("lent", "IN", True)), 400, "INVALID_FILTER_CONDITION"),
    (joined("and", where("lent", "LESS_THAN", True)), 400, "INVALID_FILTER_CONDITION"),
    (joined("and", where("price", "CONTAINS", 1)), 400, "INVALID_FILTER_CONDITION"),
    (joined("and", where("price", "BEGINS_WITH", 1)), 400, "INVALID_FILTER_CONDITION"),
    (joined("and", where("lent", "EQUAL_TO", 1)), 400, "INVALID_FILTER_VALUES"),
    (joined("and", where("lent", "EQUAL_TO")), 400, "INVALID_FILTER_VALUES"),
    (joined("and", where("price", "EQUAL_TO", None)), 400, "INVALID_FILTER_VALUES"),
    (joined("and", where("price", "BETWEEN", 1)), 400, "INSUFFICIENT_FILTER_VALUES"),
    (joined("and", where("colour", "EQUAL_TO", "red")), 400, "BAD_REQUEST"),
    (joined("and", where("key", "EQUAL_TO", "k")), 400, "BAD_REQUEST"),
    (joined("and", where("createdAt", "LESS_THAN", 1)), 400, "BAD_REQUEST"),
    (joined("and", where("notes", "EXISTS", True)), 422, "UNPROCESSABLE_ENTITY"),
    (joined("and", where("pages", "EXISTS", True)), 400, "BAD_REQUEST"),
    (joined("or", *[LENT] * 101), 400, "BAD_REQUEST"),
    ({**joined("or", *[LENT] * 100), **range_of("EQUAL_TO", 1)}, 400, "BAD_REQUEST"),
]


@pytest.mark.parametrize(("query", "status", "code"), REFUSED)
def test_a_query_the_service_does_not_take(
    world: World, query: Query, status: int, code: str
) -> None:
    body = {"entityName": "book", "indexName": "pages", **query}
    assert world.refused("entity/query", body) == (status, code)


def test_a_hundred_conditions_are_taken(world: World) -> None:
    world.put("k", {"pages": 1, "lent": True})
    assert world.keys("pages", **joined("and", *[LENT] * 100)) == ["k"]
    most = {**joined("and", *[LENT] * 99), **range_of("EQUAL_TO", 1)}
    assert world.keys("pages", **most) == ["k"]


BASE: Query = {
    "entityName": "book",
    "indexName": "by_shelf",
    "partition": ["x"],
    "limit": 2,
    **range_of("GREATER_THAN", 0),
    **joined("and", where("price", "NOT_EXISTS", True)),
}
OTHERS: dict[str, Query] = {
    "index": {"indexName": "by-key", "partition": [], **range_of("GREATER_THAN", "a")},
    "partition": {"partition": ["y"]},
    "operand": range_of("GREATER_THAN", 1),
    "operator": range_of("GREATER_THAN_EQUAL_TO", 0),
    "filter": joined("and", where("price", "EXISTS", True)),
    "joint": joined("or", where("price", "NOT_EXISTS", True)),
    "order": {"sort": "DESC"},
    "limit": {"limit": 3},
}


@pytest.fixture
def cursor(world: World) -> str:
    for number in range(4):
        world.put(f"k{number}", {"shelf": "x", "pages": number + 1})
    _, answer = world.call("entity/query", BASE)
    assert [row["key"] for row in answer["data"]] == ["k0", "k1"]
    return str(answer["cursor"])


def test_a_cursor_goes_on_with_its_query(world: World, cursor: str) -> None:
    for _ in range(2):
        _, answer = world.call("entity/query", {**BASE, "sort": "ASC", "cursor": cursor})
        assert [row["key"] for row in answer["data"]] == ["k2", "k3"]


@pytest.mark.parametrize("part", OTHERS)
def test_a_cursor_of_another_query_is_refused(world: World, cursor: str, part: str) -> None:
    other = {**BASE, **OTHERS[part]}
    assert world.call("entity/query", other)[0] == 200
    refused = world.refused("entity/query", {**other, "cursor": cursor})
    assert refused == (400, "INVALID_CURSOR")


def test_a_cursor_of_another_endpoint_or_entity_is_refused(world: World, cursor: str) -> None:
    assert world.refused("query", {"after": cursor}) == (400, "INVALID_CURSOR")
    plants = {"entityName": "plant", "indexName": "by-key", "cursor": cursor}
    assert world.refused("entity/query", plants) == (400, "INVALID_CURSOR")


@pytest.mark.parametrize("garbage", ["", "x", "é", "====", "AAAA" * 20, "%%%"])
def test_garbage_is_no_cursor(world: World, cursor: str, garbage: str) -> None:
    for given in (garbage, cursor[:-4], cursor[4:]):
        refused = world.refused("entity/query", {**BASE, "cursor": given})
        assert refused == (400, "INVALID_CURSOR")
    forged = urlsafe_b64encode(b"\0" * 8 + b'["k"]').decode()
    assert world.refused("query", {"after": forged}) == (400, "INVALID_CURSOR")


@pytest.mark.parametrize("given", [1, None, ["x"]])
def test_a_cursor_is_a_text(world: World, given: Any) -> None:
    assert world.refused("entity/query", {**BASE, "cursor": given}) == (400, "BAD_REQUEST")
    assert world.refused("query", {"after": given}) == (400, "BAD_REQUEST")
