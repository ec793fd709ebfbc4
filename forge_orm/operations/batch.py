"""Up to 25 items in one call: ``/batch/get``, ``/batch/set``, ``/batch/delete``.

The service runs the items side by side and answers 200 even if some or all failed; each
failure comes with its code. Source: storage-reference/entities-batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from ..errors import ItemFailure, KeyNotFound, service_error
from ..wire import Json, MetadataField, Request, Response
from .core import (
    NONSENSE,
    Operation,
    Stored,
    checked,
    json_object,
    metadata_options,
    nonsense,
    stored_row,
    ttl_payload,
)


class BatchItem(NamedTuple):
    """One item of a batch. Without *entity* it is a plain key; *value* is JSON."""

    key: str
    entity: str | None = None
    value: bytes = b""
    ttl: timedelta | None = None


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of each item: (entity, key) of the done ones, and the failures."""

    done: tuple[tuple[str | None, str], ...]
    failed: tuple[ItemFailure, ...]


def batch_set(items: Sequence[BatchItem]) -> Operation[BatchOutcome]:
    """``/batch/set``: store every item."""
    body = b"[%s]" % b",".join([_set_item(item) for item in items])
    return Operation(Request("batch/set", body), _read_outcome)


def batch_delete(items: Sequence[BatchItem]) -> Operation[BatchOutcome]:
    """``/batch/delete``: remove every item; one that is not there is done."""
    body = b"[%s]" % b",".join([json_object(_name(item)) for item in items])
    return Operation(Request("batch/delete", body), _read_deleted)


def batch_get(
    items: Sequence[BatchItem], metadata: Sequence[MetadataField] = ()
) -> Operation[bytes]:
    """``/batch/get``: the rows that were found and the keys that were not, as JSON."""
    options = metadata_options(metadata)
    body = b"[%s]" % b",".join([json_object({**_name(item), **options}) for item in items])
    return Operation(Request("batch/get", body), _read_bytes)


def read_batch_rows(body: bytes) -> tuple[list[Stored[Any]], list[ItemFailure]]:
    """Read the answer of a ``/batch/get`` of plain keys; raises `AnswerLost`."""
    try:
        answer = from_json(body)
        rows = [stored_row(row) for row in answer["successfulKeys"]]
        return rows, read_failures(answer["failedKeys"])
    except NONSENSE as error:
        raise nonsense("batch/get", body) from error


def failures_of_get(failures: Sequence[ItemFailure]) -> list[ItemFailure]:
    """Return the failures of a get other than a key that does not exist."""
    return [failure for failure in failures if not isinstance(failure.error, KeyNotFound)]


def _name(item: BatchItem) -> dict[str, Json]:
    if item.entity is None:
        return {"key": item.key}
    return {"key": item.key, "entityName": item.entity}


def _set_item(item: BatchItem) -> bytes:
    key, entity, value, ttl = item
    if ttl is None and entity is not None:  # as below; most items are like this
        named = to_json(key), to_json(entity), value
        return b'{"key":%s,"entityName":%s,"value":%s}' % named
    members = _name(item)
    if item.ttl is not None:
        members["options"] = {"ttl": ttl_payload(item.ttl)}
    return json_object(members, value=item.value)


def _read_bytes(response: Response) -> bytes:
    return checked(response).body


def _read_outcome(response: Response) -> BatchOutcome:
    answer = from_json(checked(response).body)
    done = tuple((row.get("entityName"), row["key"]) for row in answer["successfulKeys"])
    return BatchOutcome(done, tuple(read_failures(answer["failedKeys"])))


def _read_deleted(response: Response) -> BatchOutcome:
    outcome = _read_outcome(response)
    absent = [item for item in outcome.failed if isinstance(item.error, KeyNotFound)]
    return BatchOutcome(
        (*outcome.done, *((item.entity, item.key) for item in absent)),
        tuple(item for item in outcome.failed if item not in absent),
    )


def read_failures(rows: Sequence[dict[str, Any]]) -> list[ItemFailure]:
    """Read the ``failedKeys`` of an answer."""
    return [_failure(row) for row in rows]


def _failure(row: dict[str, Any]) -> ItemFailure:
    error = row["error"]
    reason = service_error(str(error.get("code")), str(error.get("message", "")))
    return ItemFailure(row.get("entityName"), row["key"], reason)
