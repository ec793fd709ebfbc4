"""Every switch: the strict answer, the lenient one, and that no other switch changes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from forge_orm.local import LENIENT, STRICT, Readings

from .test_queries import joined, where
from .world import DAY, World

Case = Callable[[World], Any]
"""Does something in a world and returns what shows the difference."""

HOUR_LONG = {"value": 1, "unit": "HOURS"}


def code_of(answer: tuple[int, Any]) -> str:
    """Return the code of what was refused, else OK."""
    status, body = answer
    return "OK" if status < 300 else str(body["code"])


def insert(world: World) -> str:
    return code_of(world.put("k", {"pages": 2}, keyPolicy="FAIL_IF_EXISTS"))


def check(world: World, *clauses: dict[str, Any]) -> str:
    item = {"entityName": "book", "key": "k", "conditions": {"and": list(clauses)}}
    return code_of(world.call("transaction", {"check": [item]}))


def limit_before_filters(world: World) -> Any:
    for number in range(6):
        world.put(f"k{number}", {"pages": number, "lent": number >= 4})
    query = joined("and", where("lent", "EQUAL_TO", True))
    _, answer = world.call(
        "entity/query", {"entityName": "book", "indexName": "pages", "limit": 1, **query}
    )
    return [row["key"] for row in answer["data"]]


def cursor_after_full_page(world: World) -> Any:
    world.put("k", {"pages": 1})
    return len(world.pages("pages", limit=1))


def cursor_bound_to_limit(world: World) -> Any:
    for number in range(4):
        world.put(f"k{number}", {"pages": number})
    body = {"entityName": "book", "indexName": "pages", "limit": 1}
    _, answer = world.call("entity/query", body)
    return code_of(world.call("entity/query", {**body, "limit": 2, "cursor": answer["cursor"]}))


def refuse_undeclared(world: World) -> Any:
    told = code_of(world.put("k", {"pages": 1, "colour": None}))
    return told, (world.take("k") or {}).get("value")


def refuse_null(world: World) -> Any:
    told = code_of(world.put("k", {"pages": 1, "title": None, "notes": None}))
    return told, (world.take("k") or {}).get("value")


def refuse_blank(world: World) -> Any:
    return code_of(world.put("k", {"title": " "})), world.keys("title")


def absent_item_fails(world: World) -> Any:
    return [check(world, where("pages", kind, True)) for kind in ("NOT_EXISTS", "EXISTS")]


def absent_attribute_fails(world: World) -> Any:
    world.put("k", {"pages": 1})
    other, lacks = where("title", "NOT_EQUAL_TO", "a"), where("title", "NOT_CONTAINS", "a")
    equal = where("title", "EQUAL_TO", "a")
    found = (
        world.keys("by-key", **joined("and", other)),
        world.keys("pages", **joined("or", equal)),
    )
    return found, check(world, other), check(world, lacks), check(world, equal)


def refuse_index_filters(world: World) -> Any:
    body = {"entityName": "book", "indexName": "by_shelf", "partition": ["x"]}
    told = [where("shelf", "EQUAL_TO", "x"), where("pages", "EXISTS", True)]
    return [code_of(world.call("entity/query", {**body, **joined("and", one)})) for one in told]


def refuse_by_key_partition(world: World) -> Any:
    body = {"entityName": "book", "indexName": "by-key", "partition": ["x"]}
    return code_of(world.call("entity/query", body))


def set_clears_ttl(world: World) -> Any:
    """By each of the three ways to write, for each kind of store."""
    writes: list[Callable[[Any], tuple[int, Any]]] = [
        lambda item: world.call("entity/set" if "entityName" in item else "set", item),
        lambda item: world.call("batch/set", [item]),
        lambda item: world.call("transaction", {"set": [item]}),
    ]
    told: set[bool] = set()
    for write in writes:
        for item in ({"entityName": "book", "key": "k", "value": {}}, {"key": "k", "value": 1}):
            write({**item, "options": {"ttl": HOUR_LONG}})
            write(item)
            body = {"key": "k", "options": {"metadataFields": ["EXPIRE_TIME"]}}
            entity = {"entityName": "book"} if "entityName" in item else {}
            path = "entity/get" if entity else "get"
            told.add("expireTime" in world.call(path, {**entity, **body})[1])
    return told


def expired_conflicts(world: World) -> Any:
    world.put("k", {"pages": 1}, ttl=HOUR_LONG)
    world.now += 3599
    early = insert(world)
    world.now += DAY
    return early, insert(world)


def expired_visible(world: World) -> Any:
    world.put("k", {"pages": 1}, ttl=HOUR_LONG)
    world.now += 3600
    return world.take("k") is not None, world.keys("pages"), world.keys("by-key")


def delete_reports_absent(world: World) -> Any:
    told = [
        code_of(world.call("entity/delete", {"entityName": "book", "key": "k"})),
        code_of(world.call("delete", {"key": "k"})),
        code_of(world.call("secret/delete", {"key": "k"})),
    ]
    _, answer = world.call("batch/delete", [{"key": "k"}])
    return told, len(answer["successfulKeys"])


def one_key_per_transaction(world: World) -> Any:
    sets = [{"entityName": "book", "key": "k", "value": {}}, {"key": "k", "value": 1}]
    return code_of(world.call("transaction", {"set": sets}))


BAD, FAILED, ABSENT = "INVALID_ENTITY_VALUE", "CONDITIONAL_CHECK_FAILED", "KEY_NOT_FOUND"
ANSWERS: list[tuple[Case, Any, Any]] = [
    (limit_before_filters, [], ["k4"]),
    (cursor_after_full_page, 2, 1),
    (cursor_bound_to_limit, "INVALID_CURSOR", "OK"),
    (refuse_undeclared, (BAD, None), ("OK", {"pages": 1, "colour": None})),
    (refuse_null, (BAD, None), ("OK", {"pages": 1})),
    (refuse_blank, (BAD, []), ("OK", ["k"])),
    (absent_item_fails, [FAILED, FAILED], ["OK", FAILED]),
    (
        absent_attribute_fails,
        (([], []), FAILED, FAILED, FAILED),
        ((["k"], []), "OK", "OK", FAILED),
    ),
    (refuse_index_filters, ["BAD_REQUEST", "BAD_REQUEST"], ["OK", "OK"]),
    (refuse_by_key_partition, "INVALID_PARTITION", "OK"),
    (set_clears_ttl, {False}, {True}),
    (expired_conflicts, ("KEY_CONFLICT", "KEY_CONFLICT"), ("KEY_CONFLICT", "OK")),
    (expired_visible, (True, ["k"], ["k"]), (False, [], [])),
    (delete_reports_absent, ([ABSENT, ABSENT, ABSENT], 0), (["OK", "OK", "OK"], 1)),
    (one_key_per_transaction, "KEY_DUPLICATION_ERROR", "OK"),
]


def test_there_is_a_case_for_every_switch() -> None:
    assert [case.__name__ for case, _, _ in ANSWERS] == [one.name for one in fields(Readings)]


@pytest.mark.parametrize("others", [STRICT, LENIENT], ids=["others-strict", "others-lenient"])
@pytest.mark.parametrize(
    ("case", "strict", "lenient"), ANSWERS, ids=[case.__name__ for case, _, _ in ANSWERS]
)
def test_a_switch_alone_decides(
    case: Case, strict: Any, lenient: Any, others: Readings
) -> None:
    for value, answer in ((True, strict), (False, lenient)):
        with World(readings=replace(others, **{case.__name__: value})) as world:
            assert case(world) == answer


def test_the_default_is_strict(world: World) -> None:
    assert world.backend.engine.readings == STRICT
    assert all(getattr(STRICT, one.name) for one in fields(Readings))
    assert not any(getattr(LENIENT, one.name) for one in fields(Readings))
