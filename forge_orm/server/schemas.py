"""The schemas of the storage API's document: values, options, conditions and answers.

Their names are those of the reference ("Forge KVS", APIs for Forge Containers). Answers are
left open, since the service may say more; what is sent is closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from .. import limits
from ..wire import MetadataField
from .codes import CODES

Part: TypeAlias = dict[str, Any]
"""A part of the document."""

_RANGES: Final = (
    "BEGINS_WITH",
    "BETWEEN",
    "EQUAL_TO",
    "GREATER_THAN",
    "GREATER_THAN_EQUAL_TO",
    "LESS_THAN",
    "LESS_THAN_EQUAL_TO",
)
_FILTERS: Final = (
    *_RANGES,
    "NOT_EQUAL_TO",
    "EXISTS",
    "NOT_EXISTS",
    "CONTAINS",
    "NOT_CONTAINS",
)


def ref(name: str) -> Part:
    """Point to a schema of `schemas`."""
    return {"$ref": f"#/components/schemas/{name}"}


def one_of(values: Iterable[str], said: str = "") -> Part:
    """Describe a text that is one of *values*."""
    return said_of({"type": "string", "enum": list(values)}, said)


def list_of(items: Part, least: int = 0, most: int | None = None) -> Part:
    """Describe a list of *items*, *least* to *most* of them."""
    part: Part = {"type": "array", "items": items}
    if least:
        part["minItems"] = least
    if most is not None:
        part["maxItems"] = most
    return part


def said_of(part: Part, said: str) -> Part:
    """Add what is *said* of a part for people."""
    return {**part, "description": said} if said else part


def answered(required: str, **properties: Part) -> Part:
    """Describe an object that has *required*, names separated by spaces, and maybe more."""
    return {"type": "object", "required": required.split(), "properties": properties}


def closed(required: str = "", **properties: Part) -> Part:
    """Describe an object that has no field but these."""
    part = answered(required, **properties)
    if not required:
        del part["required"]
    return {**part, "additionalProperties": False}


def _named(pattern: re.Pattern[str], least: int, most: int, said: str) -> Part:
    """Describe a text that *pattern* matches as a whole, in JavaScript's dialect."""
    whole = f"^(?:{pattern.pattern})$".replace(r"\Z", "$")
    text: Part = {"type": "string", "minLength": least, "maxLength": most, "pattern": whole}
    return said_of(text, said)


def schemas() -> dict[str, Part]:
    """Return the schemas of the document by their names."""
    return {
        **_values(),
        **_options(),
        **_conditions(),
        **_answers(),
        **_batches(),
        **_transactions(),
    }


def _values() -> dict[str, Part]:
    size, depth = limits.VALUE_MAX_BYTES, limits.VALUE_MAX_DEPTH
    bounds = f"At most {size} bytes of JSON, nested at most {depth} levels deep."
    kinds = ("string", "boolean", "number", "array", "object")
    return {
        "Key": _named(
            limits.KEY_PATTERN, 1, limits.KEY_MAX_CHARACTERS, "Not only white space."
        ),
        "EntityName": _named(
            limits.ENTITY_NAME_PATTERN,
            limits.ENTITY_NAME_MIN,
            limits.ENTITY_NAME_MAX,
            "An entity of the manifest.",
        ),
        "Value": said_of({"type": list(kinds)}, f"Anything but null. {bounds}"),
        "EntityValue": said_of(
            {"type": "object"}, f"The declared attributes, none of them null. {bounds}"
        ),
        "Scalar": {"type": ["string", "number", "boolean"]},
        "MetadataField": one_of(MetadataField),
    }


def _options() -> dict[str, Part]:
    fields = list_of(ref("MetadataField"))
    returned = "Needs the key policy OVERRIDE."
    return {
        "TTL": said_of(
            closed(
                "value unit",
                value={"type": "integer", "minimum": 1, "maximum": limits.TTL_MAX_SECONDS},
                unit=one_of(("SECONDS", "MINUTES", "HOURS", "DAYS")),
            ),
            "The time to live from this write on, at most one year; what expired may be read "
            f"for {limits.TTL_DELETION_LAG_SECONDS // 3600} hours more.",
        ),
        "GetOptions": closed(metadataFields=fields),
        "SetOptions": closed(ttl=ref("TTL")),
        "ExtendedSetOptions": closed(
            ttl=ref("TTL"),
            keyPolicy=one_of(("OVERRIDE", "FAIL_IF_EXISTS"), "OVERRIDE by default."),
            returnValue=one_of(("PREVIOUS", "LATEST"), returned),
            returnMetadataFields=said_of(fields, f"Needs returnValue. {returned}"),
        ),
    }


def _conditions() -> dict[str, Part]:
    # One of and, or, so that the most there may be is the most of either.
    clauses = list_of(ref("FilterCondition"), 1, limits.CONDITIONS_MAX)
    values = list_of(ref("Scalar"), 1, 2)
    both = "Two values for BETWEEN, true for EXISTS and NOT_EXISTS, else one of the "
    return {
        "WhereCondition": closed(
            "property condition values",
            property=one_of(("key",)),
            condition=one_of(("BEGINS_WITH",)),
            values=list_of({"type": "string", "minLength": 1}, 1, 1),
        ),
        "RangeCondition": closed(
            "condition values",
            condition=one_of(_RANGES, "What the range attribute's type allows."),
            values=said_of(values, "Two values for BETWEEN, else one."),
        ),
        "FilterCondition": closed(
            "property condition values",
            property={"type": "string", "description": "An attribute, of any type but any."},
            condition=one_of(_FILTERS, "What the attribute's type allows."),
            values=said_of(values, f"{both}attribute's type."),
        ),
        "AndFilterSchema": closed("and", **{"and": clauses}),
        "OrFilterSchema": closed("or", **{"or": clauses}),
        "Filters": {"oneOf": [ref("AndFilterSchema"), ref("OrFilterSchema")]},
    }


def _row(required: str = "key value", **more: Part) -> Part:
    """Describe a row as answered: its times only where they were asked for."""
    at: Part = {"type": "integer", "description": "Unix time in milliseconds."}
    expires = {"type": "string", "format": "date-time"}
    return answered(
        required,
        key=ref("Key"),
        value=ref("Value"),
        **more,
        createdAt=at,
        updatedAt=at,
        expireTime=said_of(expires, "In UTC; absent without a time to live."),
    )


def _answers() -> dict[str, Part]:
    entity = {"value": ref("EntityValue"), "entityName": ref("EntityName")}
    row = _row("key value entityName")
    row["properties"].update(entity)
    cursor = {"type": "string", "description": "Absent from the last page, and opaque."}
    return {
        "GetResponseSchema": _row(),
        "SetResponseSchema": _row(),
        "EntityGetResponseSchema": row,
        "EntitySetResponseSchema": row,
        "QueryResponseSchema": answered(
            "data", data=list_of(_row(), most=limits.PAGE_MAX), cursor=cursor
        ),
        "Error": answered(
            "code message",
            code={"type": "string", "examples": list(CODES)},
            message={"type": "string", "description": "For people; it may change."},
        ),
    }


def _batches() -> dict[str, Part]:
    key, name = {"key": ref("Key")}, {"entityName": ref("EntityName")}
    get, set = {"options": ref("GetOptions")}, {"options": ref("SetOptions")}
    value, entity = {"value": ref("Value")}, {"value": ref("EntityValue")}
    # The items of an answer name what was asked, also where that could be no key at all.
    text: Part = {"type": "string"}
    asked: dict[str, Part] = {"key": text, "entityName": text}
    failed = list_of(answered("key error", **asked, error=ref("Error")))
    done, found = list_of(answered("key", **asked)), list_of(_row(entityName=text))
    outcome = "successfulKeys failedKeys"
    return {
        "BatchGetTypedItemSchema": closed("key entityName", **key, **name, **get),
        "BatchGetUntypedItemSchema": closed("key", **key, **get),
        "BatchSetTypedItemSchema": closed(
            "key value entityName", **key, **entity, **name, **set
        ),
        "BatchSetUntypedItemSchema": closed("key value", **key, **value, **set),
        "BatchDeleteTypedItemSchema": closed("key entityName", **key, **name),
        "BatchDeleteUntypedItemSchema": closed("key", **key),
        "BatchGetResponseSchema": answered(outcome, successfulKeys=found, failedKeys=failed),
        "BatchSetResponseSchema": answered(outcome, successfulKeys=done, failedKeys=failed),
        "BatchDeleteResponseSchema": answered(outcome, successfulKeys=done, failedKeys=failed),
    }


def _transactions() -> dict[str, Part]:
    key, name = {"key": ref("Key")}, {"entityName": ref("EntityName")}
    conditions, options = {"conditions": ref("Filters")}, {"options": ref("SetOptions")}
    value, entity = {"value": ref("Value")}, {"value": ref("EntityValue")}
    return {
        "SetTransactionTypedItemSchema": closed(
            "key value entityName", **key, **entity, **name, **conditions, **options
        ),
        "SetTransactionUntypedItemSchema": closed("key value", **key, **value, **options),
        "BaseTransactionTypedItemSchema": closed("key entityName", **key, **name, **conditions),
        "BaseTransactionUntypedItemSchema": closed("key", **key),
    }
