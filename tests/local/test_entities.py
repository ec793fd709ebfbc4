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
        {"pages": 5.0},
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


BAD_KEYS = [
    ("", "KEY_TOO_SHORT"),
    ("x" * 501, "KEY_TOO_LONG"),
    (" \t", "INVALID_KEY"),
    *((f"a{char}", "INVALID_KEY") for char in "/@|+=,()~%é\x00\x1c\x85\U0001d11e"),
    *((key, "BAD_REQUEST") for key in (None, 1, True, ["k"], {})),
]


@pytest.mark.parametrize(("key", "code"), BAD_KEYS)
@pytest.mark.parametrize("verb", ["get", "set", "delete"])
def test_a_key_the_service_does_not_take(world: World, verb: str, key: Any, code: str) -> None:
    value = {"value": {"pages": 1}} if verb == "set" else {}
    assert world.refused(f"entity/{verb}", of_book(key, **value)) == (400, code)


BAD_VALUES: list[tuple[Any, str]] = [
    (None, "BAD_REQUEST"),
    ([], "BAD_REQUEST"),
    ("text", "BAD_REQUEST"),
    ({"title": 1}, "INCORRECT_PROPERTY_TYPE"),
    ({"title": ["a"]}, "INCORRECT_PROPERTY_TYPE"),
    ({"title": ""}, "INVALID_ENTITY_VALUE"),
    ({"title": " \n\u3000"}, "INVALID_ENTITY_VALUE"),
    ({"title": None}, "INVALID_ENTITY_VALUE"),
    ({"notes": None}, "INVALID_ENTITY_VALUE"),
    ({"colour": "red"}, "INVALID_ENTITY_VALUE"),
    ({"Title": "a"}, "INVALID_ENTITY_VALUE"),
    ({"pages": 2**31}, "INCORRECT_PROPERTY_TYPE"),
    ({"pages": -(2**31) - 1}, "INCORRECT_PROPERTY_TYPE"),
    ({"pages": 1.5}, "INCORRECT_PROPERTY_TYPE"),
    ({"pages": "5"}, "INCORRECT_PROPERTY_TYPE"),
    ({"pages": True}, "INCORRECT_PROPERTY_TYPE"),
    ({"price": True}, "INCORRECT_PROPERTY_TYPE"),
    ({"price": "1"}, "INCORRECT_PROPERTY_TYPE"),
    ({"price": 1e126}, "INCORRECT_PROPERTY_TYPE"),
    ({"price": 1e-131}, "INCORRECT_PROPERTY_TYPE"),
    ({"lent": 1}, "INCORRECT_PROPERTY_TYPE"),
    ({"lent": "true"}, "INCORRECT_PROPERTY_TYPE"),
    ({"notes": nested(31)}, "MAX_DEPTH"),
    ({"notes": "x" * 240 * 1024}, "MAX_SIZE"),
    ({"notes": "é" * 121 * 1024}, "MAX_SIZE"),
    ({"title": "x" * 901}, "INVALID_ENTITY_VALUE"),
    ({"shelf": "é" * 851, "pages": 1}, "INVALID_ENTITY_VALUE"),
]


@pytest.mark.parametrize(("value", "code"), BAD_VALUES, ids=lambda part: str(part)[:30])
def test_a_value_the_schema_does_not_take(world: World, value: Any, code: str) -> None:
    world.put("k", {"pages": 1})
    assert world.refused("entity/set", of_book(value=value)) == (400, code)
    assert world.take("k")["value"] == {"pages": 1}


def test_indexed_texts_may_be_as_long_as_an_index_takes(world: World) -> None:
    assert world.put("k", {"title": "é" * 450, "shelf": "x" * 1700})[0] == 204


BAD_NAMES = [
    ("absent", 404, "SCHEMA_NOT_FOUND"),
    ("ab", 400, "ENTITY_TYPE_TOO_SHORT"),
    ("x" * 61, 400, "ENTITY_TYPE_TOO_LARGE"),
    ("Book", 400, "INVALID_ENTITY_TYPE"),
    ("bo/ok", 400, "INVALID_ENTITY_TYPE"),
    (3, 400, "BAD_REQUEST"),
]


@pytest.mark.parametrize(("name", "status", "code"), BAD_NAMES)
@pytest.mark.parametrize("verb", ["get", "set", "delete", "query"])
def test_an_entity_that_is_not_declared(
    world: World, verb: str, name: Any, status: int, code: str
) -> None:
    more = {"set": {"key": "k", "value": {}}, "query": {"indexName": "by-key"}}
    body = {"entityName": name, **more.get(verb, {"key": "k"})}
    assert world.refused(f"entity/{verb}", body) == (status, code)


BAD_OPTIONS = [
    ({"ttl": 60}, "BAD_REQUEST"),
    ({"ttl": {"value": 1}}, "BAD_REQUEST"),
    ({"ttl": {"value": 1, "unit": "WEEKS"}}, "BAD_REQUEST"),
    ({"ttl": {"value": 1, "unit": "seconds"}}, "BAD_REQUEST"),
    ({"ttl": {"value": 0, "unit": "SECONDS"}}, "INVALID_TTL"),
    ({"ttl": {"value": -1, "unit": "SECONDS"}}, "INVALID_TTL"),
    ({"ttl": {"value": 1.5, "unit": "SECONDS"}}, "INVALID_TTL"),
    ({"ttl": {"value": "1", "unit": "SECONDS"}}, "INVALID_TTL"),
    ({"ttl": {"value": True, "unit": "SECONDS"}}, "INVALID_TTL"),
    ({"ttl": {"value": 366, "unit": "DAYS"}}, "INVALID_TTL"),
    ({"keyPolicy": "KEEP"}, "BAD_REQUEST"),
    ({"returnValue": "BOTH"}, "BAD_REQUEST"),
    ({"returnMetadataFields": ["CREATED_AT"]}, "BAD_REQUEST"),
    ({"returnValue": "LATEST", "returnMetadataFields": ["createdAt"]}, "BAD_REQUEST"),
    ({"metadataFields": ["CREATED_AT"]}, "BAD_REQUEST"),
    (
        {"keyPolicy": "FAIL_IF_EXISTS", "returnValue": "LATEST"},
        "INVALID_KEY_POLICY_RETURN_VALUE_COMBINATION",
    ),
]


@pytest.mark.parametrize(("options", "code"), BAD_OPTIONS)
def test_options_a_set_does_not_take(world: World, options: Any, code: str) -> None:
    body = of_book(value={"pages": 1}, options=options)
    assert world.refused("entity/set", body) == (400, code)
    assert world.take("k") is None


@pytest.mark.parametrize("options", [[], {"metadataFields": "CREATED_AT"}, {"x": 1}, None])
def test_options_a_get_does_not_take(world: World, options: Any) -> None:
    assert world.refused("entity/get", of_book(options=options)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"NaN", b"\xff", b'{"key":"\\ud800"}', b"[" * 5000]
)
@pytest.mark.parametrize("verb", ["get", "set", "delete", "query"])
def test_a_body_that_is_no_json_object(world: World, verb: str, body: bytes) -> None:
    status, answer = world.raw(f"entity/{verb}", body)
    assert (status, answer["code"]) == (400, "BAD_REQUEST")


def test_fields_nobody_knows_and_operations_that_are_not_there(world: World) -> None:
    assert world.refused("entity/get", of_book(extra=1)) == (400, "BAD_REQUEST")
    assert world.refused("entity/get", {"key": "k"}) == (400, "BAD_REQUEST")
    assert world.refused("entity/put", of_book()) == (404, "NOT_FOUND")


def test_a_missing_key(world: World) -> None:
    assert world.refused("entity/get", of_book()) == (404, "KEY_NOT_FOUND")
    assert world.refused("entity/delete", of_book()) == (404, "KEY_NOT_FOUND")


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
