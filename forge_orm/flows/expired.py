# pyright: reportUnusedCallResult=true
"""Creating an entity where an expired one is in the way, which the service still holds."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from ..errors import Conflict, ForgeError, KeyConflict
from ..expressions import Condition, KeyCondition, Operator
from ..model.entity import Metadata, read_metadata
from ..operations import Write, entity_get, transaction
from ..unit import PlannedCall, UnitOfWork, WriteItem
from ..wire import MetadataField
from .core import Flow, answer, perform


def in_the_way(
    unit: UnitOfWork, call: PlannedCall, error: KeyConflict
) -> Flow[tuple[WriteItem, ForgeError | None] | None]:
    """Look at what refused a creation; if it has expired, write over it.

    The service deletes up to 48 hours late (kvs-api), and does not say whether a creation
    sees what has expired. Writing over it is safe only with a version: of two who try, one
    finds the version changed. Return the write with its error, or None if it was not tried.
    """
    (item, *_), mapping = call.items, call.items[0].mapping
    if not item.create or MetadataField.EXPIRE_TIME not in mapping.lifetime.metadata:
        return None
    row = yield from _read(item)
    metadata = read_metadata(row)
    if not unit.is_past(metadata.expires_at):
        return None
    if mapping.version is None:
        error.add_note(_advice(item, metadata))
        return None
    over = _over(item, row["value"].get(mapping.version.name))
    try:
        return (yield from _write(over))
    except GeneratorExit:  # interrupted: it may be written
        unit.unconfirmed(call, [over], unknown=True)
        raise


def _read(item: WriteItem) -> Flow[dict[str, Any]]:
    """Read what is in the way; nothing, if that cannot be told."""
    try:
        body = yield from perform(entity_get(*item.address, (MetadataField.EXPIRE_TIME,)))
    except ForgeError:
        return {}
    return {} if body is None else from_json(body)


def _advice(item: WriteItem, metadata: Metadata) -> str:
    entity, key = item.address
    return (
        f"the {entity} {key!r} in the way expired at {metadata.expires_at}; the service has "
        "not deleted it yet. A class with a version() is created over it; else delete it "
        "with a condition, and insert again"
    )


def _over(item: WriteItem, before: int | None) -> WriteItem:
    """Return the creation as a save of what is there in the version *before*."""
    operator = Operator.NOT_EXISTS if before is None else Operator.EQUAL_TO
    values = () if before is None else (before,)
    same: Condition[Any] = KeyCondition(str(item.version_name), operator, values)
    return item.numbered((before or 0) + 1).under((same,))._replace(create=False)


def _write(over: WriteItem) -> Flow[tuple[WriteItem, ForgeError | None] | None]:
    entity, key = over.address
    write = Write(key, entity, over.value, over.ttl, over.conditions)
    operation = transaction([write])
    (outcome,) = yield (operation.request,)
    try:
        operation.read(answer(outcome))
    except Conflict:
        return None  # somebody else did
    except ForgeError as error:
        return over, error
    return over, None
