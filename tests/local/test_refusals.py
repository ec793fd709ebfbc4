"""What the entity operations refuse: the status and code of each."""

from __future__ import annotations

from typing import Any

import pytest

from .test_entities import nested, of_book
from .world import World

ODD_KEYS: list[Any] = [None, 1, True, ["k"], {}]
BAD_KEYS: list[tuple[Any, str]] = [
    ("", "KEY_TOO_SHORT"),
    ("x" * 501, "KEY_TOO_LONG"),
    (" \t", "INVALID_KEY"),
    *((f"a{char}", "INVALID_KEY") for char in "/@|+=,()~%é\x00\x1c\x85\U0001d11e"),
    *((other, "BAD_REQUEST") for other in ODD_KEYS),
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
    ({"pages": 2.0**31}, "INCORRECT_PROPERTY_TYPE"),
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
    more: dict[str, Any] = {"set": {"key": "k", "value": {}}, "query": {"indexName": "by-key"}}
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
