"""The shape of request bodies: which fields there may be, and of which JSON type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias, cast

from pydantic_core import from_json

from .. import limits
from .readings import Readings
from .refusal import Refusal, bad_request

Shape: TypeAlias = Mapping[str, type[Any]]
"""Field names and the JSON types they must have; ``object`` is any."""

_METADATA: Final = {
    "CREATED_AT": "createdAt",
    "UPDATED_AT": "updatedAt",
    "EXPIRE_TIME": "expireTime",
}
_FIELDS: Final = tuple(_METADATA)  # `in` on a tuple takes what cannot be hashed
# To find a whole number of 16 digits: a search of the text, with digits made equal and all
# that may stand before a number, takes a tenth of the time that a regular expression does.
_ALIKE: Final = bytes.maketrans(b"123456789,[- \t\r\n", b"000000000:::::::")
_LONG_NUMBER: Final = b":" + b"0" * 16
_EXACT: Final = 2**53  # up to here a double has every whole number
_SECONDS: Final = {"SECONDS": 1, "MINUTES": 60, "HOURS": 3600, "DAYS": 86400}


def parse(body: bytes, readings: Readings) -> Any:
    """Parse a body as JSON proper: no NaN, no infinity."""
    try:
        found = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise bad_request(f"the body is not JSON: {error}") from None
    if readings.round_numbers and _LONG_NUMBER in body.translate(_ALIKE):
        return _rounded(found)
    return found


def _rounded(value: Any) -> Any:
    """Return *value* with its whole numbers as a double holds them."""
    if type(value) is int and abs(value) > _EXACT:
        try:
            return int(float(value))
        except OverflowError:
            raise bad_request("a number is out of range") from None
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_rounded(part) for part in cast("list[Any]", value)]
    return value


def fields(body: Any, required: Shape, optional: Shape, what: str = "body") -> dict[str, Any]:
    """Return *body* as an object that has these fields, of these types, and no others."""
    if not isinstance(body, dict):
        raise bad_request(f"{what} must be an object")
    named = cast("dict[str, Any]", body)
    for name, kind in required.items():
        if name not in named:
            raise bad_request(f"{what}: {name} is required")
        if kind is not object and type(named[name]) is not kind:
            raise bad_request(f"{what}: {name} must be of type {_name(kind)}")
    if len(named) > len(required):
        _check_optional(named, required, optional, what)
    return named


def _check_optional(body: dict[str, Any], required: Shape, optional: Shape, what: str) -> None:
    for name, value in body.items():
        if name in required:
            continue
        if name not in optional:
            raise bad_request(f"{what}: {name} is not a known field")
        if type(value) is not optional[name] and optional[name] is not object:
            raise bad_request(f"{what}: {name} must be of type {_name(optional[name])}")


def _name(kind: type[Any]) -> str:
    return {str: "string", dict: "object", list: "array", int: "integer"}.get(kind, "any")


def metadata_fields(options: Any, name: str = "metadataFields") -> tuple[str, ...]:
    """Return the response fields asked for by ``options.metadataFields``."""
    if not options or name not in options:
        return ()
    asked = cast("list[str]", options[name])
    if not isinstance(options[name], list) or not all(field in _FIELDS for field in asked):
        raise bad_request(f"{name} must be a list of {', '.join(_METADATA)}")
    return tuple(dict.fromkeys(_METADATA[field] for field in asked))


def get_options(body: dict[str, Any]) -> tuple[str, ...]:
    """Return the metadata a read asks for."""
    if "options" not in body:
        return ()
    options = fields(body["options"], {}, {"metadataFields": list}, "options")
    return metadata_fields(options)


class SetOptions(NamedTuple):
    """The options of a set. *ttl* is in seconds."""

    ttl: int | None = None
    fail_if_exists: bool = False
    returns: str | None = None
    metadata: tuple[str, ...] = ()


_PLAIN: Final = SetOptions()


def set_options(body: dict[str, Any], *, extended: bool) -> SetOptions:
    """Read the options of a set; only an *extended* one has more than ``ttl``."""
    if "options" not in body:
        return _PLAIN
    more = {"keyPolicy": str, "returnValue": str, "returnMetadataFields": list}
    known = {"ttl": object, **(more if extended else {})}
    options = fields(body["options"], {}, known, "options")
    policy = _one_of(options, "keyPolicy", ("OVERRIDE", "FAIL_IF_EXISTS"))
    returns = _one_of(options, "returnValue", ("PREVIOUS", "LATEST"))
    asked = metadata_fields(options, "returnMetadataFields")
    if (returns or asked) and policy == "FAIL_IF_EXISTS":
        raise Refusal(
            "INVALID_KEY_POLICY_RETURN_VALUE_COMBINATION",
            "returnValue and returnMetadataFields need the key policy OVERRIDE",
        )
    if asked and not returns:
        raise bad_request("returnMetadataFields needs returnValue")
    return SetOptions(_ttl(options), policy == "FAIL_IF_EXISTS", returns, asked)


def _one_of(options: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str | None:
    value = options.get(name)
    if value is not None and value not in allowed:
        raise bad_request(f"{name} must be one of {', '.join(allowed)}")
    return value


def _ttl(options: dict[str, Any]) -> int | None:
    if "ttl" not in options:
        return None
    ttl = fields(options["ttl"], {"value": object, "unit": str}, {}, "ttl")
    if ttl["unit"] not in _SECONDS:
        raise bad_request("ttl: unit must be one of " + ", ".join(_SECONDS))
    value = ttl["value"]
    if type(value) is not int or value < 1:
        raise Refusal("INVALID_TTL", "ttl value must be a positive integer")
    seconds = value * _SECONDS[ttl["unit"]]
    if seconds > limits.TTL_MAX_SECONDS:
        raise Refusal("INVALID_TTL", "ttl must not be longer than one year")
    return seconds


def batch(body: bytes, readings: Readings, *, of_sets: bool) -> list[Any]:
    """Return the items of a batch: 1 to 25, in at most 4 MB."""
    _check_payload(body)
    items = parse(body, readings)
    if not isinstance(items, list) or not items:
        raise bad_request("the body must be an array of at least one item")
    items = cast("list[Any]", items)
    if len(items) > limits.BATCH_MAX_ITEMS:
        own = (
            "TOO_MANY_BATCH_ENTITIES" if of_sets or readings.own_batch_codes else "BAD_REQUEST"
        )
        raise Refusal(own, f"{len(items)} items; at most {limits.BATCH_MAX_ITEMS}")
    return items


def transaction(body: bytes, readings: Readings) -> dict[str, list[Any]]:
    """Return the lists of a transaction: together 1 to 25 operations, in at most 4 MB."""
    _check_payload(body)
    groups = fields(parse(body, readings), {}, {"set": list, "delete": list, "check": list})
    count = sum(map(len, groups.values()))
    if not count:
        raise Refusal("INVALID_TRANSACTION_REQUEST", "one of set, delete, check is required")
    if count > limits.TRANSACTION_MAX_ITEMS:
        limit = limits.TRANSACTION_MAX_ITEMS
        raise Refusal("UNPROCESSABLE_ENTITY", f"{count} operations; at most {limit}", 422)
    return groups


def _check_payload(body: bytes) -> None:
    if len(body) > limits.PAYLOAD_MAX_BYTES:
        raise Refusal("MAX_SIZE", f"{len(body)} bytes; at most {limits.PAYLOAD_MAX_BYTES}")
