"""Every switch: the strict answer, the lenient one, and that no other switch changes it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from forge_orm.cli.watch import ManifestSource
from forge_orm.errors import ConfigurationError
from forge_orm.faults import Capacity
from forge_orm.local import (
    FAST,
    LENIENT,
    PROFILES,
    STRICT,
    SWITCHES,
    Readings,
    read_readings,
)
from forge_orm.schema import IndexSchema
from forge_orm.server.refusals import Refusal
from forge_orm.server.tenants import Tenants
from forge_orm.wire import Request

from .test_queries import joined, where
from .world import BOOK, DAY, World

Case = Callable[[World], Any]
"""Does something in a world and returns what shows the difference."""

MANIFEST = """
app:
  storage:
    entities:
      - name: task
        attributes: {title: {type: string}, due: {type: integer}}
        indexes: [due]
"""
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


def cursor_bound_to_query(world: World) -> Any:
    for number in range(4):
        world.put(f"k{number}", {"pages": number, "price": number})
    body = {"entityName": "book", "indexName": "pages", "limit": 1}
    _, answer = world.call("entity/query", body)
    body["cursor"] = answer["cursor"]
    others: list[dict[str, Any]] = [
        {"sort": "DESC"},
        joined("and", where("price", "EXISTS", True)),
        {"range": {"condition": "LESS_THAN", "values": [3]}},
        {"indexName": "price"},
    ]
    return [code_of(world.call("entity/query", {**body, **other})) for other in others]


def refuse_undeclared(world: World) -> Any:
    told = code_of(world.put("k", {"pages": 1, "colour": None}))
    return told, (world.take("k") or {}).get("value")


def refuse_reserved(world: World) -> Any:
    """Where it is not refused for its name, it may be for not being declared."""
    told = code_of(world.put("k", {"pages": 1, "createdAt": 1}))
    return told == "INVALID_ENTITY_ATTRIBUTE"


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


def own_batch_codes(world: World) -> Any:
    keys = [{"key": f"k{number}"} for number in range(26)]
    return [
        code_of(world.call("batch/get", keys)),
        code_of(world.call("batch/delete", keys)),
        code_of(world.call("batch/set", [{**item, "value": 1} for item in keys])),
        code_of(world.call("batch/get", keys[:1] * 2)),
        code_of(world.call("batch/get", [])),
    ]


def schema_before_key(world: World) -> Any:
    """Wherever an entity and a key are named."""
    named = {"entityName": "ghost", "key": "a/b"}
    valued = {**named, "value": {}}
    condition = {"conditions": {"and": [where("pages", "EXISTS", True)]}}
    told = [world.call(f"entity/{verb}", named) for verb in ("get", "delete")]
    told.append(world.call("entity/set", valued))
    told += [
        world.call("transaction", {group: [item]})
        for group, item in (("set", valued), ("delete", named), ("check", named | condition))
    ]
    failed = [
        world.call(f"batch/{verb}", [item])[1]["failedKeys"][0]["error"]["code"]
        for verb, item in (("get", named), ("set", valued), ("delete", named))
    ]
    return {*map(code_of, told), *failed}


def absent_range_hides(world: World) -> Any:
    """An item without pages comes first, so at the end of a descending order."""
    for number in (2, 1):
        world.put(f"k{number}", {"pages": number, "shelf": "s"})
    world.put("k4", {})
    world.put("k3", {"shelf": "s"})
    up = world.pages("pages", limit=1)
    down = world.pages("by_shelf", limit=1, partition=["s"], sort="DESC")
    below = {"condition": "LESS_THAN", "values": [2]}
    ranged = world.keys("pages", range=below)
    return *(
        ["".join(key[1] for page in pages for key in page) for pages in (up, down)]
    ), ranged


def nothing_is_204(world: World) -> Any:
    book = {"entityName": "book", "key": "k", "value": {}}
    calls = [("set", {"key": "k", "value": 1}), ("entity/set", book)]
    calls += [("delete", {"key": "k"}), ("transaction", {"set": [book]})]
    return {world.call(*call) for call in calls}


def refuse_decimal_point(world: World) -> Any:
    told = [code_of(world.put("k", {"pages": pages})) for pages in (5.0, 5.5, 5)]
    return told, code_of(world.put("k", {"price": 5.0}))


def round_numbers(world: World) -> Any:
    last = 2**53 + 1
    world.call("set", {"key": "k", "value": [last, {"x": -last}, str(last), 2**60]})
    _, answer = world.call("get", {"key": "k"})
    world.put("k", {"price": last})
    equal = [{"condition": "EQUAL_TO", "values": [value]} for value in (last, last - 1)]
    found = [world.keys("price", range=one) for one in equal]
    return answer["value"], found, code_of(world.call("set", {"key": "k", "value": 10**400}))


def ties_follow_sort(world: World) -> Any:
    for number in range(6):
        world.put(f"k{number}", {"pages": number // 3})
    down = world.pages("pages", limit=2, sort="DESC")
    up, by_key = world.keys("pages"), world.keys("by-key", sort="DESC")
    assert up == by_key[::-1]
    return "".join(key[1] for page in down for key in page)


def utf8_order(world: World) -> Any:
    """A character past U+FFFF is of two units, each of them before U+E000."""
    texts = ["\uffee", "\U0001f600", "\U0001f600a", "\uffeea", "a"]
    for number, text in enumerate(texts):
        world.put(f"k{number}", {"title": text})
    pages = world.pages("title", limit=2), world.pages("title", limit=2, sort="DESC")
    ranges = [("LESS_THAN", texts[0]), ("BEGINS_WITH", texts[1]), ("BETWEEN", "a", "\uffee")]
    found = [
        world.keys("title", range={"condition": name, "values": values})
        for name, *values in ranges
    ]
    assert found == [
        sorted(keys, key=found[number].index)
        for number, (name, *values) in enumerate(ranges)
        for keys in [world.keys("by-key", **joined("and", where("title", name, *values)))]
    ]
    return ["".join(key[1] for page in one for key in page) for one in pages], found


def size_in_bytes(world: World) -> Any:
    fits, over = "é" * (240 * 1024 - 2), "é" * (240 * 1024 - 1)
    return [code_of(world.call("set", {"key": "k", "value": text})) for text in (fits, over)]


def depth_of_31(world: World) -> Any:
    values = [eval("[" * depth + "]" * depth) for depth in (31, 32, 33)]
    return [code_of(world.call("set", {"key": "k", "value": value})) for value in values]


def small_secrets(world: World) -> Any:
    texts = ["x" * (kib * 1024 - 2) for kib in (128, 129, 240, 241)]
    return [code_of(world.call("secret/set", {"key": "k", "value": text})) for text in texts]


def refuse_odd_limit(world: World) -> Any:
    for number in range(12):
        world.call("set", {"key": f"k{number}", "value": 1})
    told: list[Any] = []
    for limit in (0, 2.5, 101, "2"):
        answer = world.call("query", {"limit": limit})
        told.append(len(answer[1]["data"]) if answer[0] == 200 else code_of(answer))
    entity = {"entityName": "book", "indexName": "pages", "limit": 0}
    return told, code_of(world.call("entity/query", entity))


def building_is_unknown(world: World) -> Any:
    """An index is added to rows that are there."""
    world.put("k", {"pages": 1})
    world.declare(replace(BOOK, indexes={**BOOK.indexes, "new": IndexSchema("new", "price")}))
    query = {"entityName": "book", "indexName": "new"}
    told = [world.call("entity/query", query)]
    world.now += world.index_delay
    told.append(world.call("entity/query", query))
    return [(status, answer.get("code")) for status, answer in told], world.keys("pages")


def refuse_any_conditions(world: World) -> Any:
    world.put("k", {"pages": 1, "notes": 5})
    told = [
        check(world, where("notes", *condition))
        for condition in (
            ("EQUAL_TO", 5),
            ("GREATER_THAN", 4.5),
            ("GREATER_THAN", "4"),
            ("NOT_EQUAL_TO", "5"),
            ("EQUAL_TO", True),
            ("CONTAINS", "5"),
        )
    ]
    world.put("k", {"notes": [1]})
    told += [check(world, where("notes", kind, [1])) for kind in ("EQUAL_TO", "LESS_THAN")]
    query = {"entityName": "book", "indexName": "by-key"}
    filters = joined("and", where("notes", "EQUAL_TO", 5))
    return told, world.call("entity/query", {**query, **filters})[0]


def units_rounded_once(world: World) -> Any:
    once = world.backend.engine.readings.units_rounded_once
    capacity = Capacity(world.backend, rounded_once=once, clock=lambda: world.now)
    items = [{"key": f"k{number}", "value": number} for number in range(3)]
    for operation, body in (
        ("batch/set", items),
        ("batch/get", [{"key": "k1"}, {"key": "absent"}]),
        ("transaction", {"set": items[:1], "delete": [{"key": "k1"}]}),
        ("set", items[0]),
    ):
        capacity.send(Request(operation, json.dumps(body).encode()))
    usage = capacity.usage()
    return usage.reads, usage.writes


def silent_throttle(world: World) -> Any:
    tells = not world.backend.engine.readings.silent_throttle
    world.now += 12.5
    capacity = Capacity(world.backend, writes=0, retry_after=tells, clock=lambda: world.now)
    return capacity.send(Request("set", b"{}")).retry_after


def refuse_redefined(world: World) -> Any:
    refuse = world.backend.engine.readings.refuse_redefined
    with TemporaryDirectory() as folder:
        path = Path(folder, "manifest.yml")
        path.write_text(MANIFEST)
        source = ManifestSource(path, str, refuse_redefined=refuse)
        told: list[bool] = []
        for text in (
            MANIFEST.replace("integer", "float"),
            MANIFEST.replace("[due]", "[{name: due, range: [title]}]"),
        ):
            path.write_text(text)
            told.append(source.look())
        return told


def times_in_milliseconds(world: World) -> Any:
    world.now += 0.5
    world.put("k", {"pages": 1})
    told = world.take("k", "CREATED_AT", "UPDATED_AT")
    return {told["createdAt"], told["updatedAt"]}


def refuse_ari(world: World) -> Any:
    ari = "ari:cloud:ecosystem::installation/one"
    return credential(world, f"Forge as=app,installationId={ari}")


def refuse_user(world: World) -> Any:
    return credential(world, "Forge as=user,accountId=a,installationId=one")


def credential(world: World, text: str) -> Any:
    """Return whom a header speaks for, or the status of the refusal."""
    headers = [(b"forge-proxy-authorization", text.encode())]
    try:
        return Tenants(world.backend.engine.readings).of(headers).installation
    except Refusal as refusal:
        return refusal.response.status


BAD, FAILED, ABSENT = "INVALID_ENTITY_VALUE", "CONDITIONAL_CHECK_FAILED", "KEY_NOT_FOUND"
WRONG, ODD = "INCORRECT_PROPERTY_TYPE", "LIST_QUERY_LIMIT_EXCEEDED"
LONG = "TOO_MANY_BATCH_ENTITIES"
PAGE = "COMPLEX_QUERY_PAGE_LIMIT_NOT_IN_RANGE"
ANSWERS: list[tuple[Case, Any, Any]] = [
    (limit_before_filters, [], ["k4"]),
    (cursor_after_full_page, 2, 1),
    (cursor_bound_to_limit, "INVALID_CURSOR", "OK"),
    (cursor_bound_to_query, ["INVALID_CURSOR"] * 4, ["OK", "OK", "OK", "INVALID_CURSOR"]),
    (refuse_undeclared, (BAD, None), ("OK", {"pages": 1, "colour": None})),
    (refuse_reserved, True, False),
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
    (
        own_batch_codes,
        [LONG, LONG, LONG, "KEY_DUPLICATION_ERROR", "BAD_REQUEST"],
        ["BAD_REQUEST", "BAD_REQUEST", LONG, "BAD_REQUEST", "BAD_REQUEST"],
    ),
    (schema_before_key, {"SCHEMA_NOT_FOUND"}, {"INVALID_KEY"}),
    (absent_range_hides, ("12", "21", ["k1"]), ("3412", "213", ["k1"])),
    (nothing_is_204, {(204, None)}, {(200, None)}),
    (
        refuse_decimal_point,
        ([WRONG, WRONG, "OK"], "OK"),
        (["OK", WRONG, "OK"], "OK"),
    ),
    (
        round_numbers,
        (
            [2**53, {"x": -(2**53)}, str(2**53 + 1), 2**60],
            [["k"], ["k"]],
            "BAD_REQUEST",
        ),
        ([2**53 + 1, {"x": -(2**53) - 1}, str(2**53 + 1), 2**60], [["k"], []], "OK"),
    ),
    (ties_follow_sort, "543210", "345012"),
    (
        utf8_order,
        (["40312", "21304"], [["k4"], ["k1", "k2"], ["k4", "k0"]]),
        (["41203", "30214"], [["k4", "k1", "k2"], ["k1", "k2"], ["k4", "k1", "k2", "k0"]]),
    ),
    (size_in_bytes, ["MAX_SIZE", "MAX_SIZE"], ["OK", "MAX_SIZE"]),
    (depth_of_31, ["OK", "MAX_DEPTH", "MAX_DEPTH"], ["OK", "OK", "MAX_DEPTH"]),
    (
        small_secrets,
        ["OK", "MAX_SIZE", "MAX_SIZE", "MAX_SIZE"],
        ["OK", "OK", "OK", "MAX_SIZE"],
    ),
    (
        refuse_odd_limit,
        ([ODD, "BAD_REQUEST", ODD, "BAD_REQUEST"], PAGE),
        ([10, 2, ODD, "BAD_REQUEST"], PAGE),
    ),
    (
        building_is_unknown,
        ([(400, "INVALID_ENTITY_INDEX"), (200, None)], ["k"]),
        ([(503, "SERVICE_UNAVAILABLE"), (200, None)], ["k"]),
    ),
    (
        refuse_any_conditions,
        (["UNPROCESSABLE_ENTITY"] * 8, 422),
        (
            ["OK", "OK", FAILED, "OK", FAILED, "INVALID_FILTER_CONDITION", "OK", FAILED],
            422,
        ),
    ),
    (units_rounded_once, (1, 3), (2, 6)),
    (silent_throttle, None, 48),
    (refuse_redefined, [False, False], [True, True]),
    (times_in_milliseconds, {1_800_000_000_500}, {1_800_000_000}),
    (refuse_ari, 401, "one"),
    (refuse_user, 403, "one"),
]


def test_there_is_a_case_for_every_switch() -> None:
    switches = [name for name, kind in SWITCHES.items() if kind is bool]
    assert [case.__name__ for case, _, _ in ANSWERS] == switches


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
    switches = [name for name, kind in SWITCHES.items() if kind is bool]
    assert all(getattr(STRICT, name) for name in switches)
    assert [name for name in switches if getattr(LENIENT, name)] == ["utf8_order"]


def test_the_fast_profile_refuses_what_the_strict_one_refuses() -> None:
    differing = {name for name in SWITCHES if getattr(FAST, name) != getattr(STRICT, name)}
    assert differing == {"cursor_after_full_page"}


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ([], {}),
        (["refuse_null=off"], {"refuse_null": False}),
        (["refuse-null=FALSE"], {"refuse_null": False}),
        (
            ["refuse_null=no", "expired_visible=0", "refuse_null=yes"],
            {"expired_visible": False},
        ),
        ([" invocation_lifetime = 1.5 "], {"invocation_lifetime": 1.5}),
    ],
)
def test_readings_are_read_from_text(settings: list[str], changed: dict[str, Any]) -> None:
    assert read_readings(settings) == replace(STRICT, **changed)


def test_readings_change_a_profile() -> None:
    assert read_readings(["refuse_null=on"], LENIENT) == replace(LENIENT, refuse_null=True)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("refuse_nil=on", "no reading has that name; there are limit_before_filters, "),
        ("refuse_nil=on", "invocation_lifetime (seconds)"),
        ("refuse_null", "say refuse_null=on or refuse_null=off"),
        ("refuse_null=maybe", "say refuse_null=on or refuse_null=off"),
        ("invocation_lifetime=soon", "say how many seconds, as in invocation_lifetime=0.5"),
        ("invocation_lifetime=-1", "say how many seconds"),
        ("invocation_lifetime=inf", "say how many seconds"),
        ("invocation_lifetime=nan", "say how many seconds"),
    ],
)
def test_what_is_no_reading_is_a_sentence(setting: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_readings([setting])
    assert said in str(caught.value)


def test_the_page_about_open_questions_has_every_switch_as_it_is() -> None:
    page = Path(__file__).parents[2] / "docs/guides/open-questions.md"
    rows = re.findall(r"^\| .* \| `(\w+)` \| (.*) \|$", page.read_text("utf-8"), re.MULTILINE)
    told = [
        (name, " | ".join(_word(getattr(each, name)) for each in PROFILES.values()))
        for name in SWITCHES
    ]
    assert rows == told


def _word(value: bool | float) -> str:
    return ("off", "on")[value] if isinstance(value, bool) else f"{value:g}"
