"""``/transaction``: up to 25 sets, deletes and checks that all happen or none.

Conditions are possible on entities only, never on plain keys.
Source: storage-reference/entities-transactions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic_core import from_json, to_json

from .. import limits
from ..expressions import Condition
from ..query import compile_conditions
from ..wire import Json, Request
from .core import Operation, done, json_object, ttl_payload


@dataclass(frozen=True, slots=True)
class Write:
    """A set (*value* is JSON) or a delete (*value* is None), under *conditions*."""

    key: str
    entity: str | None = None
    value: bytes | None = None
    ttl: timedelta | None = None
    conditions: tuple[Condition[Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on an entity that is not written."""

    key: str
    entity: str
    conditions: tuple[Condition[Any], ...]


def transaction(writes: Sequence[Write], checks: Sequence[Check] = ()) -> Operation[None]:
    """Carry out *writes* if every condition and check holds, else nothing.

    Empty lists are left out, as the service wants. Never sent twice by itself: after a
    lost answer a condition would be tested against the transaction's own effect.
    """
    sets = [_write(write) for write in writes if write.value is not None]
    deletes = [_write(write) for write in writes if write.value is None]
    tests = [json_object(_named(check)) for check in checks]
    groups = {"set": sets, "delete": deletes, "check": tests}
    raw = {name: b"[%s]" % b",".join(items) for name, items in groups.items() if items}
    return Operation(Request("transaction", json_object({}, **raw), repeatable=False), done)


def signed(operation: Operation[Any], key: str, ttl: timedelta) -> Operation[Any] | None:
    """Return a transaction that sets the plain *key* besides, for as long as *ttl*.

    None where *operation* is none, or has no room for one more.
    """
    if operation.request.operation != "transaction":
        return None
    groups = from_json(operation.request.body)
    if sum(map(len, groups.values())) == limits.TRANSACTION_MAX_ITEMS:
        return None
    receipt: Json = {"key": key, "value": True, "options": {"ttl": ttl_payload(ttl)}}
    body = to_json({**groups, "set": [*groups.get("set", ()), receipt]})
    if len(body) > limits.PAYLOAD_MAX_BYTES:
        return None
    return operation._replace(request=operation.request._replace(body=body))


def _write(write: Write) -> bytes:
    members = _named(write)
    if write.ttl is not None:
        members["options"] = {"ttl": ttl_payload(write.ttl)}
    return json_object(members, **({} if write.value is None else {"value": write.value}))


def _named(item: Write | Check) -> dict[str, Json]:
    members: dict[str, Json] = {"key": item.key}
    if item.entity is not None:
        members["entityName"] = item.entity
    if item.conditions:
        members["conditions"] = compile_conditions(item.conditions)
    return members
