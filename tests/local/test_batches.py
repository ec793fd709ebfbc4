"""Batches: each item for itself, in one answer."""

from __future__ import annotations

from typing import Any

import pytest

from .world import World

Item = dict[str, Any]


def items(count: int, **more: Any) -> list[Item]:
    return [{"key": f"k{number}", **more} for number in range(count)]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "BAD_REQUEST"),
        ({}, "BAD_REQUEST"),
        ({"items": items(1, value=1)}, "BAD_REQUEST"),
        ([None], "BAD_REQUEST"),
        ([{}], "BAD_REQUEST"),
        ([{"key": 1}], "BAD_REQUEST"),
        ([{"key": "a", "entityName": 1}], "BAD_REQUEST"),
        ([{"key": "a", "entity": "book"}], "BAD_REQUEST"),
        (items(26), "TOO_MANY_BATCH_ENTITIES"),
        (items(2) + items(1), "KEY_DUPLICATION_ERROR"),
        ([{"key": "a", "entityName": "book"}] * 2, "KEY_DUPLICATION_ERROR"),
    ],
)
@pytest.mark.parametrize("verb", ["get", "set", "delete"])
def test_a_batch_that_is_refused_as_a_whole_does_nothing(
    world: World, verb: str, body: Any, code: str
) -> None:
    world.call("set", {"key": "k0", "value": "before"})
    if verb == "set" and isinstance(body, list):
        body = [{**(item or {"x": 1}), "value": 1} for item in body]
    assert world.refused(f"batch/{verb}", body) == (400, code)
    assert world.walk("query", {}) == [[{"key": "k0", "value": "before"}]]


def test_the_same_key_may_stand_for_a_plain_value_and_entities(world: World) -> None:
    body: list[Item] = [
        {"key": "k", "value": 1},
        {"key": "k", "entityName": "book", "value": {"pages": 1}},
        {"key": "k", "entityName": "plant", "value": {"name": "fern"}},
    ]
    named = [{name: item[name] for name in item if name != "value"} for item in body]
    assert world.call("batch/set", body) == (200, {"successfulKeys": named, "failedKeys": []})
    assert world.call("batch/get", named) == (200, {"successfulKeys": body, "failedKeys": []})
    done = {"successfulKeys": named, "failedKeys": []}
    assert world.call("batch/delete", named) == (200, done)
    _, answer = world.call("batch/get", named)
    assert answer["successfulKeys"] == []
    assert [failed["error"]["code"] for failed in answer["failedKeys"]] == ["KEY_NOT_FOUND"] * 3


@pytest.mark.parametrize("verb", ["set", "get", "delete"])
def test_twenty_five_items_are_taken(world: World, verb: str) -> None:
    body = items(25, value=[1])
    world.call("batch/set", body)
    given = body if verb == "set" else items(25)
    status, answer = world.call(f"batch/{verb}", given)
    assert status == 200
    assert [item["key"] for item in answer["successfulKeys"]] == [f"k{n}" for n in range(25)]


SETS: list[tuple[Item, str]] = [
    ({"key": "", "value": 1}, "KEY_TOO_SHORT"),
    ({"key": "x" * 501, "value": 1}, "KEY_TOO_LONG"),
    ({"key": "a/b", "value": 1}, "INVALID_KEY"),
    ({"key": "a", "value": None}, "BAD_REQUEST"),
    ({"key": "b", "value": "x" * 240 * 1024}, "MAX_SIZE"),
    ({"key": "c", "entityName": "absent", "value": {}}, "SCHEMA_NOT_FOUND"),
    ({"key": "d", "entityName": "X", "value": {}}, "ENTITY_TYPE_TOO_SHORT"),
    ({"key": "e", "entityName": "book", "value": 1}, "BAD_REQUEST"),
    ({"key": "f", "entityName": "book", "value": {"pages": "1"}}, "INCORRECT_PROPERTY_TYPE"),
    ({"key": "g", "entityName": "book", "value": {"title": ""}}, "INVALID_ENTITY_VALUE"),
    ({"key": "h", "value": 1, "options": {"ttl": 1}}, "BAD_REQUEST"),
    (
        {"key": "i", "value": 1, "options": {"ttl": {"value": 0, "unit": "DAYS"}}},
        "INVALID_TTL",
    ),
    ({"key": "j", "value": 1, "options": {"keyPolicy": "OVERRIDE"}}, "BAD_REQUEST"),
    ({"key": "k", "value": 1, "options": {"returnValue": "LATEST"}}, "BAD_REQUEST"),
]


def test_what_can_be_set_is_set_and_the_rest_named_with_its_reason(world: World) -> None:
    good = [{"key": "first", "value": 1}, {"key": "last", "value": 2}]
    body = [good[0], *(item for item, _ in SETS), good[1]]
    status, answer = world.call("batch/set", body)
    assert status == 200
    assert answer["successfulKeys"] == [{"key": "first"}, {"key": "last"}]
    assert all(failed["error"].pop("message") for failed in answer["failedKeys"])
    assert answer["failedKeys"] == [
        {
            **{name: item[name] for name in ("key", "entityName") if name in item},
            "error": {"code": code},
        }
        for item, code in SETS
    ]
    assert world.walk("query", {}) == [good]
    assert world.keys("by-key") == []


@pytest.mark.parametrize("verb", ["get", "delete"])
def test_missing_keys_fail_alone(world: World, verb: str) -> None:
    world.put("here", {"pages": 1})
    here = {"key": "here", "entityName": "book"}
    body = [
        {"key": "here"},
        here,
        {"key": "a/b"},
        {"key": "k", "entityName": "absent"},
    ]
    status, answer = world.call(f"batch/{verb}", body)
    assert status == 200
    value = {"value": {"pages": 1}} if verb == "get" else {}
    assert answer["successfulKeys"] == [{**here, **value}]
    codes = [failed["error"]["code"] for failed in answer["failedKeys"]]
    assert codes == ["KEY_NOT_FOUND", "INVALID_KEY", "SCHEMA_NOT_FOUND"]
    assert world.keys("by-key") == (["here"] if verb == "get" else [])


def test_time_to_live_and_metadata_of_each_item(world: World) -> None:
    ttl = {"ttl": {"value": 1, "unit": "HOURS"}}
    world.call(
        "batch/set", [{"key": "a", "value": 1, "options": ttl}, {"key": "b", "value": 2}]
    )
    asked = {"metadataFields": ["EXPIRE_TIME"]}
    body = [{"key": "a", "options": asked}, {"key": "b", "options": asked}]
    _, answer = world.call("batch/get", body)
    assert answer["successfulKeys"] == [
        {"key": "a", "value": 1, "expireTime": "2027-01-15T09:00:00.000Z"},
        {"key": "b", "value": 2},
    ]
    world.call("batch/set", [{"key": "a", "value": 3}])
    _, answer = world.call("batch/get", body)
    assert "expireTime" not in answer["successfulKeys"][0]


def test_more_than_four_megabytes_are_refused(world: World) -> None:
    body = [{"key": f"k{number}", "value": "x" * 230_000} for number in range(19)]
    assert world.refused("batch/set", body) == (400, "MAX_SIZE")
    assert world.walk("query", {}) == [[]]
    _, answer = world.call("batch/set", body[:18])
    assert answer["failedKeys"] == []
