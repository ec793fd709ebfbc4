"""Entities by key: what is kept, what is returned, when it ends, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from forge_orm.local import LocalBackend
from forge_orm.schema import AttributeType, EntitySchema, IndexSchema
from forge_orm.wire import Request

from .world import DAY, HOUR, T0, World

ALL = ("CREATED_AT", "UPDATED_AT", "EXPIRE_TIME")
MS = int(T0 * 1000)


def of_book(key: Any = "k", **more: Any) -> dict[str, Any]:
    return {"entityName": "book", "key": key, **more}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"title": "☃ \U0001d11e \x00 text"},
        {"title": " a "},
        {"pages": -(2**31), "lent": False},
        {"pages": 2**31 - 1, "lent": True},
        {"price": 0},
        {"price": 1e-130},
        {"price": -9.99e125},
        {"price": 2**60},
        {"price": 0.1},
        {"notes": {"x": [1, None, {"y": ""}]}},
        {"notes": ""},
        {"notes": nested(30)},
        {"notes": "[{" * 100},
        {"notes": "x" * (240 * 1024 - len('{"notes":""}'))},
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_value_of_the_declared_types_comes_back_as_it_was(world: World, value: Any) -> None:
    assert world.put("k", value) == (204, None)
    assert world.take("k") == {"entityName": "book", "key": "k", "value": value}


@pytest.mark.parametrize(
    "key", ["a", "aZ09:._-#", "a b", "x" * 500, " a", "\ufeffa", "557058:6f1e", "a\tb\u2003"]
)
def test_keys_of_the_allowed_characters(world: World, key: str) -> None:
    assert world.put(key, {"pages": 1})[0] == 204
    assert world.take(key)["key"] == key
    assert world.keys("by-key") == [key]


def test_indexed_texts_may_be_as_long_as_an_index_takes(world: World) -> None:
    assert world.put("k", {"title": "é" * 450, "shelf": "x" * 1700})[0] == 204


def test_a_set_replaces_the_whole_value_and_a_delete_ends_it(world: World) -> None:
    world.put("k", {"title": "a", "pages": 1})
    world.put("k", {"pages": 2})
    assert world.take("k")["value"] == {"pages": 2}
    assert world.keys("title") == []
    assert world.call("entity/delete", of_book()) == (204, None)
    assert world.take("k") is None
    assert world.keys("by-key") == []


def test_installations_entities_and_stores_have_their_own_keys(world: World) -> None:
    value = {"value": {"pages": 1}}
    for tenant in ("one", "two"):
        assert world.call("entity/set", of_book(**value), tenant) == (204, None)
    assert world.call("entity/delete", of_book(), "one") == (204, None)
    assert world.call("entity/get", of_book(), "two")[0] == 200
    assert world.call("entity/get", of_book())[0] == 404
    assert world.call("get", {"key": "k"}, "two")[0] == 404
    assert world.call("entity/get", {**of_book(), "entityName": "plant"}, "two")[0] == 404


def test_an_insert_conflicts_with_what_is_there(world: World) -> None:
    first = of_book(value={"pages": 1}, options={"keyPolicy": "FAIL_IF_EXISTS"})
    assert world.call("entity/set", first) == (204, None)
    second = {**first, "value": {"pages": 2}}
    assert world.refused("entity/set", second) == (409, "KEY_CONFLICT")
    assert world.take("k")["value"] == {"pages": 1}
    assert world.put("k", {"pages": 3}, keyPolicy="OVERRIDE") == (204, None)


def test_a_set_returns_what_was_or_what_is(world: World) -> None:
    asked: dict[str, Any] = {"returnMetadataFields": list(ALL)}
    assert world.put("k", {"pages": 1}, returnValue="PREVIOUS", **asked) == (204, None)
    world.now += 5
    ttl = {"value": 1, "unit": "MINUTES"}
    status, before = world.put("k", {"pages": 2}, ttl=ttl, returnValue="PREVIOUS", **asked)
    assert status == 200
    assert before == of_book(value={"pages": 1}, createdAt=MS, updatedAt=MS)
    status, after = world.put("k", {"pages": 3}, ttl=ttl, returnValue="LATEST", **asked)
    end = "2027-01-15T08:01:05.000Z"
    assert after == of_book(
        value={"pages": 3}, createdAt=MS, updatedAt=MS + 5000, expireTime=end
    )
    assert world.put("k", {"pages": 4}, returnValue="PREVIOUS")[1] == of_book(
        value={"pages": 3}
    )


def test_metadata_is_told_where_it_is_asked_for(world: World) -> None:
    world.put("k", {"pages": 1}, ttl={"value": 1, "unit": "DAYS"})
    plain = of_book(value={"pages": 1})
    assert world.take("k") == plain
    assert world.take("k", "UPDATED_AT") == {**plain, "updatedAt": MS}
    assert world.take("k", *ALL, *ALL).keys() == {
        *plain,
        "createdAt",
        "updatedAt",
        "expireTime",
    }


@pytest.mark.parametrize(
    ("value", "unit", "seconds"),
    [(1, "SECONDS", 1), (2, "MINUTES", 120), (3, "HOURS", 3 * HOUR), (365, "DAYS", 365 * DAY)],
)
def test_an_expired_row_is_read_for_two_more_days(
    world: World, value: int, unit: str, seconds: int
) -> None:
    world.put("k", {"pages": 1}, ttl={"value": value, "unit": unit})
    world.now = T0 + seconds + 2 * DAY - 0.001
    assert world.take("k") is not None
    assert world.keys("pages") == world.keys("by-key") == ["k"]
    world.now = T0 + seconds + 2 * DAY
    assert world.take("k") is None
    assert world.keys("pages") == world.keys("by-key") == []
    assert world.refused("entity/delete", of_book()) == (404, "KEY_NOT_FOUND")


def test_a_row_written_over_one_that_is_gone_is_new(world: World) -> None:
    options = {"ttl": {"value": 1, "unit": "SECONDS"}}
    world.put("k", {"pages": 1}, **options)
    world.now += 3 * DAY
    insert = of_book(value={"pages": 2}, options={"keyPolicy": "FAIL_IF_EXISTS"})
    assert world.call("entity/set", insert) == (204, None)
    later = int(world.now * 1000)
    assert world.take("k", *ALL) == of_book(
        value={"pages": 2}, createdAt=later, updatedAt=later
    )


def test_rows_written_under_an_older_schema_are_found_by_a_new_index(tmp_path: Any) -> None:
    kinds = {"a": AttributeType.INTEGER, "B": AttributeType.STRING, "b": AttributeType.STRING}
    first = EntitySchema("thing", kinds, {"a": IndexSchema("a", "a", simple=True)})
    later = EntitySchema(
        "thing", kinds, {**first.indexes, "by_b": IndexSchema("by_b", "B", ("b",))}
    )
    set_one = b'{"entityName":"thing","key":"k","value":{"a":1,"B":"x","b":"y"}}'
    query = b'{"entityName":"thing","indexName":"by_b","partition":["y"]}'
    with LocalBackend(tmp_path / "a.db", schemas=[first]) as backend:
        assert backend.send(Request("entity/set", set_one)).status == 204
        assert b"INVALID_ENTITY_INDEX" in backend.send(Request("entity/query", query)).body
    with LocalBackend(tmp_path / "a.db", schemas=[later]) as backend:
        found = backend.send(Request("entity/query", query)).body
        assert found == b'{"data":[{"key":"k","value":{"a":1,"B":"x","b":"y"}}]}'
