"""Bodies made from the OpenAPI document: what it describes, almost that, and anything."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

from tests.local.strategies import BOOKS, conditions, queries
from tests.local.world import BOOK
from tests.server.document import SCHEMAS, asked

Json = st.SearchStrategy[Any]

TEXT = st.text(max_size=20)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT
ANYTHING: Json = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)
# A few keys, so that calls meet; some of them are there from the start.
PRESENT = ["k", "k:1", "k:2", "a b", "K#_.-", "\u3000x"]
KEYS = st.sampled_from([*PRESENT, "l", "l:1", "l:2", "absent"])
SCALARS = st.sampled_from(["a", "é", "k", "", 0, 1, -7, 2.5, 1e125, 2**40, True, False])
NAMED: dict[str, Json] = {
    "Key": KEYS,
    "EntityName": st.sampled_from(["book", "book", "book", "plant", "ghost"]),
    "Value": ANYTHING.filter(lambda value: value is not None),
    "EntityValue": BOOKS | BOOKS | BOOKS | st.dictionaries(TEXT, ANYTHING, max_size=3),
    "Scalar": SCALARS,
}
FIELDS: dict[str, Json] = {
    "indexName": st.sampled_from(["by-key", *BOOK.indexes, "none"]),
    "property": st.sampled_from([*BOOK.attributes, "none"]),
}
CURSOR = "cursor of an earlier page"
"""Stands for a cursor that an earlier call answered."""


def described(operation: str) -> Json:
    """Draw bodies that the document describes."""
    made = from_schema(asked(operation))
    if operation == "entity/query":
        return made | queries()
    return made


def from_schema(schema: dict[str, Any]) -> Json:
    """Draw what a schema describes; only its keywords that the document uses are known."""
    if "$ref" in schema:
        return _referred(schema["$ref"].rpartition("/")[2])
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return st.one_of([from_schema(part) for part in schema[choice]])
    if "allOf" in schema:
        first, more = schema["allOf"]
        return from_schema({**SCHEMAS[first["$ref"].rpartition("/")[2]], **more})
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _of_type(schema)


def _referred(name: str) -> Json:
    if name in NAMED:
        return NAMED[name]
    made = from_schema(SCHEMAS[name])
    return made | conditions() if name == "Filters" else made


def _of_type(schema: dict[str, Any]) -> Json:
    match schema["type"]:
        case "object":
            return _object(schema)
        case "array":
            least, most = schema.get("minItems", 0), min(schema.get("maxItems", 4), 4)
            items = from_schema(schema["items"])
            return st.lists(items, min_size=least, max_size=most, unique_by=_key)
        case "integer":
            small = st.integers(schema["minimum"], 5)
            return small | st.integers(schema["minimum"], schema["maximum"])
        case "string":
            return st.text(min_size=schema.get("minLength", 0), max_size=8)
        case other:
            raise NotImplementedError(f"the document says type {other!r}, and this does not")


def _key(item: Any) -> Any:
    """Return what must be unique about an item: no key may come twice."""
    return item["key"] if isinstance(item, dict) and "key" in item else object()


def _object(schema: dict[str, Any]) -> Json:
    fields = {name: _field(name, part) for name, part in schema["properties"].items()}
    needed = {name: fields.pop(name) for name in schema.get("required", ())}
    made = st.fixed_dictionaries(needed, optional=fields)
    return made.filter(len) if schema.get("minProperties") else made


def _field(name: str, schema: dict[str, Any]) -> Json:
    if name in ("cursor", "after"):
        return st.just(CURSOR) | TEXT
    return FIELDS[name] if name in FIELDS and "enum" not in schema else from_schema(schema)


# --- almost -----------------------------------------------------------------------------


def nested(depth: int) -> Any:
    """Return a list in a list …, *depth* deep."""
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


NUMBERS_ODD = [
    *(0, -1, 1.0, 1.5, 100.0, 101, 1000, 1e308),
    *(2**31, 2**63, 2**64, 10**400, True, False),
]
TEXTS_ODD = [
    *("", " ", "\t", "\ufeff", "\x00", "k" * 500, "k" * 501, "k" * 250_000, "\ud800", "/"),
    *("book", "by-key", "key", "BETWEEN", "EXISTS", "DESC", "OVERRIDE", "tenants", "'", '"'),
]
LISTS_ODD = [[], [[]], [None], [True], nested(30), nested(31), nested(300), ["CREATED_AT"] * 2]
OBJECTS_ODD = [{}, {"": 0}, {"and": []}, {"or": [{}]}, {"value": 2**40, "unit": "DAYS"}]
ODD: Json = st.sampled_from([None, *NUMBERS_ODD, *TEXTS_ODD, *LISTS_ODD, *OBJECTS_ODD])


def odd_like(value: Any) -> Json:
    """Draw something odd of the type of *value*."""
    for kind, odd in ((str, TEXTS_ODD), (list, LISTS_ODD), (dict, OBJECTS_ODD)):
        if isinstance(value, kind):
            return st.sampled_from(odd)
    return st.sampled_from(NUMBERS_ODD)


NAMES = ["key", "value", "entityName", "options", "limit", "ttl", "x", "", "and", "or"]


@st.composite
def mistaken(draw: st.DrawFn, operation: str) -> Any:
    """Draw a body with a mistake or two, or what may be one."""
    whole = copy.deepcopy([draw(described(operation))])
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        inside, place = _somewhere(draw, whole)
        _change(draw, inside, place)
    return whole[0]


def _somewhere(draw: st.DrawFn, whole: list[Any]) -> tuple[Any, Any]:
    """Draw a list or object in a body and a place in it, the outer ones more often."""
    inside, place = whole, 0
    deeper = draw(st.sampled_from([0, 1, 1, 1, 2, 2, 3, 4, 6]))
    while deeper and isinstance(inside[place], list | dict) and inside[place]:
        inside, deeper = inside[place], deeper - 1
        places = range(len(inside)) if isinstance(inside, list) else list(inside)
        place = draw(st.sampled_from(places))
    return inside, place


def _change(draw: st.DrawFn, inside: Any, place: Any) -> None:
    match draw(
        st.sampled_from(["like", "like", "like", "like", "odd", "lost", "more", "again", "any"])
    ):
        case "like":
            inside[place] = copy.deepcopy(draw(odd_like(inside[place])))
        case "odd":
            inside[place] = copy.deepcopy(draw(ODD))
        case "lost" if isinstance(inside, dict) or len(inside) > 1:
            del inside[place]
        case "more" if isinstance(inside, dict):
            inside[draw(st.sampled_from(NAMES))] = copy.deepcopy(draw(ODD))
        case "again" if isinstance(inside, list):
            inside += copy.deepcopy([inside[place]] * draw(st.sampled_from([1, 24, 25, 99])))
        case _:
            inside[place] = draw(ANYTHING)


# --- bytes ------------------------------------------------------------------------------


@st.composite
def written(draw: st.DrawFn, body: Any) -> bytes:
    """Draw a way to write *body* as JSON."""
    ascii, tight = draw(st.booleans()), draw(st.booleans())
    separators = (",", ":") if tight else None
    text = json.dumps(body, ensure_ascii=ascii, separators=separators)
    return text.encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw: st.DrawFn, operation: str) -> bytes:
    """Draw the bytes of a body that something happened to."""
    body = draw(written(draw(described(operation))))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        end = start + draw(st.sampled_from([0, 1, 2, 8, len(body)]))
        body = body[:start] + draw(PIECES) + body[end:]
    return body


PIECES = st.binary(max_size=3) | st.sampled_from(
    [
        *(
            b"",
            b"NaN",
            b"-Infinity",
            b"1e999",
            b"1e-999",
            b"-0",
            b"0x1",
            b"1_0",
            b"\xff",
            b"\x00",
        ),
        *(
            b"\xef\xbb\xbf",
            b'"\\ud800"',
            b"\\u0000",
            b'"key":"l",',
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
        ),
        *(b'"', b"\\", b"//", b"[" * 300, b'{"a":' * 300, b"9" * 5000, b"0." + b"1" * 400),
    ]
)
ANY_BYTES = st.binary(max_size=60) | st.sampled_from(
    [
        b"",
        b"null",
        b"{}",
        b"[]",
        b"[{}]",
        b"\xff\xfe{\x00}\x00",
        b"[" * 50_000,
        b" " * 9_000_000,
    ]
)


@st.composite
def bodies(draw: st.DrawFn, operation: str) -> bytes:
    """Draw any body for *operation*: mostly one that is, or almost is, in order."""
    match draw(st.sampled_from("dddddddmmmmmmabB")):
        case "d":
            return draw(written(draw(described(operation))))
        case "m":
            return draw(written(draw(mistaken(operation))))
        case "a":
            return draw(written(draw(ANYTHING)))
        case "b":
            return draw(damaged(operation))
        case _:
            return draw(ANY_BYTES)
