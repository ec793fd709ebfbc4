"""What may be stored: keys, plain values, and entity values against their schema."""

from __future__ import annotations

import math
from typing import Any, Final, cast

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


def plain_value(value: Any, readings: Readings) -> bytes:
    """Return the JSON of a plain value; refuses null, depth and size."""
    if value is None:
        raise Refusal("BAD_REQUEST", "value must not be null")
    return _sized(value, readings)


def secret_value(value: Any, readings: Readings) -> bytes:
    """Return the JSON of a secret; refuses null, depth and size."""
    stored = plain_value(value, readings)
    if readings.small_secrets:
        _check_size(_size(stored, readings), limits.SECRET_MAX_BYTES)
    return stored


def is_blank(text: str) -> bool:
    """Whether there is nothing but white space in *text*, as JavaScript has it."""
    return not text.strip(_JS_SPACE)


def may_be_deep(body: bytes) -> bool:
    """Whether *body* holds as many brackets as it takes to be too deep, which few do."""
    return body.count(b"{") + body.count(b"[") > limits.VALUE_MAX_DEPTH


class EntityChecker:
    """What an entity's values must be, worked out once for its schema."""

    def __init__(self, schema: EntitySchema, readings: Readings) -> None:
        """Check values against *schema* as *readings* say."""
        self.schema, self._readings = schema, readings
        self._checks = {name: _CHECKS[kind] for name, kind in schema.attributes.items()}
        if readings.refuse_decimal_point:
            self._checks = {
                name: _is_plain_integer if check is _is_integer else check
                for name, check in self._checks.items()
            }

    def stored(self, value: dict[str, Any]) -> bytes:
        """Return the JSON of an entity value that is in order."""
        checks, refuse_blank = self._checks, self._readings.refuse_blank
        absent: list[str] = []
        for name, item in value.items():
            check = checks.get(name)
            if check is _is_string:
                if item.__class__ is str and "!" <= item[:1] <= "~":
                    continue  # text that begins with a visible character is not blank
            elif check is _is_any and item is not None:
                continue
            if item is None and check is not None:
                absent.append(name)
            elif check is None:
                self._check_undeclared(name)
            elif not check(item):
                raise self._wrong_type(name)
            elif check is _is_string and refuse_blank and is_blank(str(item)):
                raise _invalid(f"attribute {name} of {self.schema.name} must not be blank")
        return _sized(self._without(value, absent) if absent else value, self._readings)

    def _without(self, value: dict[str, Any], absent: list[str]) -> dict[str, Any]:
        if self._readings.refuse_null:
            raise _invalid(f"attribute {absent[0]} of {self.schema.name} must not be null")
        return {name: item for name, item in value.items() if name not in absent}

    def _check_undeclared(self, name: str) -> None:
        if name in limits.RESERVED_ATTRIBUTES and self._readings.refuse_reserved:
            raise Refusal(
                "INVALID_ENTITY_ATTRIBUTE", f"attribute name {name} is reserved by the service"
            )
        if self._readings.refuse_undeclared:
            raise _invalid(f"attribute {name} is not declared for {self.schema.name}")

    def _wrong_type(self, name: str) -> Refusal:
        declared = self.schema.attributes[name]
        return Refusal(
            "INCORRECT_PROPERTY_TYPE",
            f"property {name} of {self.schema.name} must be of type {declared}",
        )


def _invalid(message: str) -> Refusal:
    return Refusal("INVALID_ENTITY_VALUE", message)


def _is_string(value: Any) -> bool:
    return type(value) is str


def _is_integer(value: Any) -> bool:
    if type(value) is float:
        return value.is_integer() and limits.INTEGER_MIN <= value <= limits.INTEGER_MAX
    return type(value) is int and limits.INTEGER_MIN <= value <= limits.INTEGER_MAX


def _is_plain_integer(value: Any) -> bool:
    return type(value) is int and limits.INTEGER_MIN <= value <= limits.INTEGER_MAX


def _is_float(value: Any) -> bool:
    if type(value) is not int and type(value) is not float:
        return False
    low, high = limits.FLOAT_MIN_MAGNITUDE, limits.FLOAT_MAX_MAGNITUDE
    return value == 0 or low <= abs(value) <= high


def _is_boolean(value: Any) -> bool:
    return type(value) is bool


def _is_any(_: Any) -> bool:
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
    """Return the form of an attribute that SQLite orders as the service does.

    It is the value itself but for whole numbers of more than 64 bits.
    """
    return float(value) if value.__class__ is int and not -(2**63) < value < 2**63 else value


def utf16(text: str) -> bytes:
    """Return bytes that are in the order in which JavaScript has texts."""
    return text.encode("utf-16-be", "surrogatepass")


def _check_depth(value: Any, depth: int, most: int) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise Refusal("BAD_REQUEST", "a number is out of range")
    if not isinstance(value, dict | list):
        return
    nested = cast("dict[str, Any] | list[Any]", value)
    if depth > most:
        raise Refusal("MAX_DEPTH", f"value is nested deeper than {most} levels")
    for part in nested.values() if isinstance(nested, dict) else nested:
        _check_depth(part, depth + 1, most)


def _sized(value: Any, readings: Readings) -> bytes:
    body = to_json(value)
    if may_be_deep(body) or (b"I" in body and b"Infinity" in body):
        _check_depth(value, 1, limits.VALUE_MAX_DEPTH + (not readings.depth_of_31))
    if len(body) > limits.VALUE_MAX_BYTES:
        _check_size(_size(body, readings), limits.VALUE_MAX_BYTES)
    return body


def _size(body: bytes, readings: Readings) -> int:
    return len(body) if readings.size_in_bytes else len(body.decode())


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise Refusal("MAX_SIZE", f"value is {size} bytes; at most {most}")
