"""What may be stored: keys, plain values, and entity values against their schema."""

from __future__ import annotations

import math
from typing import Any, Final

from pydantic_core import to_json

from .. import limits
from ..schema import AttributeType, EntitySchema
from .readings import Readings
from .refusal import Refusal

_PATTERN: Final = limits.KEY_PATTERN.fullmatch
_JS_SPACE: Final = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)


def check_key(key: str) -> None:
    """Refuse a key the service refuses (limits-kvs-ce)."""
    if not key:
        raise Refusal("KEY_TOO_SHORT", "key must not be empty")
    if len(key) > limits.KEY_MAX_CHARACTERS:
        raise Refusal(
            "KEY_TOO_LONG", f"key must not exceed {limits.KEY_MAX_CHARACTERS} characters"
        )
    if not _PATTERN(key):
        raise Refusal(
            "INVALID_KEY", "key may hold only letters, digits, white space and : . _ - #"
        )


def check_entity_name(name: str) -> None:
    """Refuse an entity name that could not be declared (entities-manifest)."""
    if len(name) < limits.ENTITY_NAME_MIN:
        raise Refusal("ENTITY_TYPE_TOO_SHORT", f"entityName {name!r} is too short")
    if len(name) > limits.ENTITY_NAME_MAX:
        raise Refusal("ENTITY_TYPE_TOO_LARGE", f"entityName {name[:80]!r} is too long")
    if not limits.ENTITY_NAME_PATTERN.fullmatch(name):
        raise Refusal("INVALID_ENTITY_TYPE", f"entityName {name!r} holds an invalid character")


def plain_value(value: Any, *, secret: bool = False) -> bytes:
    """Return the JSON of a plain value or secret; refuses null, depth and size."""
    if value is None:
        raise Refusal("BAD_REQUEST", "value must not be null")
    _check_depth(value, 1)
    return _sized(value)


def entity_value(schema: EntitySchema, value: dict[str, Any], readings: Readings) -> bytes:
    """Return the JSON of an entity value that fits *schema*."""
    types = schema.attributes
    absent: list[str] = []
    for name, item in value.items():
        if item is None and name in types:
            if readings.refuse_null:
                raise _invalid(f"attribute {name} of {schema.name} must not be null")
            absent.append(name)
            continue
        declared = types.get(name)
        if declared is None:
            _check_undeclared(schema, name, item, readings)
        elif not _CHECKS[declared](item):
            raise Refusal(
                "INCORRECT_PROPERTY_TYPE",
                f"property {name} of {schema.name} must be of type {declared}",
            )
        elif (
            declared is AttributeType.STRING
            and readings.refuse_blank
            and not item.strip(_JS_SPACE)
        ):
            raise _invalid(f"attribute {name} of {schema.name} must not be blank")
    if absent:
        value = {name: item for name, item in value.items() if name not in absent}
    return _sized(value)


def _check_undeclared(schema: EntitySchema, name: str, item: Any, readings: Readings) -> None:
    if readings.refuse_undeclared:
        raise _invalid(f"attribute {name} is not declared for {schema.name}")
    _check_depth(item, 2)


def _invalid(message: str) -> Refusal:
    return Refusal("INVALID_ENTITY_VALUE", message)


def _is_string(value: Any) -> bool:
    return type(value) is str


def _is_integer(value: Any) -> bool:
    if type(value) is float:
        return value.is_integer() and limits.INTEGER_MIN <= value <= limits.INTEGER_MAX
    return type(value) is int and limits.INTEGER_MIN <= value <= limits.INTEGER_MAX


def _is_float(value: Any) -> bool:
    if type(value) not in (int, float):
        return False
    return value == 0 or (
        limits.FLOAT_MIN_MAGNITUDE <= abs(value) <= limits.FLOAT_MAX_MAGNITUDE
    )


def _is_boolean(value: Any) -> bool:
    return type(value) is bool


def _is_any(value: Any) -> bool:
    _check_depth(value, 2)
    return True


_CHECKS: Final = {
    AttributeType.STRING: _is_string,
    AttributeType.INTEGER: _is_integer,
    AttributeType.FLOAT: _is_float,
    AttributeType.BOOLEAN: _is_boolean,
    AttributeType.ANY: _is_any,
}


def fits(declared: AttributeType, value: Any) -> bool:
    """Whether *value* may be compared with an attribute of the type *declared*."""
    return _CHECKS[declared](value)


def column(value: Any) -> Any:
    """Return the form of an attribute that SQLite orders as the service does."""
    if type(value) is bool:
        return int(value)
    return float(value) if type(value) is int and abs(value) >= 2**63 else value


def _check_depth(value: Any, depth: int) -> None:
    kind = type(value)
    if kind is float and not math.isfinite(value):
        raise Refusal("BAD_REQUEST", "a number is out of range")
    if kind is not dict and kind is not list:
        return
    if depth > limits.VALUE_MAX_DEPTH:
        raise Refusal(
            "MAX_DEPTH", f"value is nested deeper than {limits.VALUE_MAX_DEPTH} levels"
        )
    for part in value.values() if kind is dict else value:
        _check_depth(part, depth + 1)


def _sized(value: Any) -> bytes:
    body = to_json(value)
    if len(body) > limits.VALUE_MAX_BYTES:
        raise Refusal(
            "MAX_SIZE", f"value is {len(body)} bytes; at most {limits.VALUE_MAX_BYTES}"
        )
    return body
