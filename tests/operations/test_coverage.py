"""Every field of the REST reference is said by some request and read from its answer."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from forge_orm import operations as ops
from forge_orm.expressions import Operator
from forge_orm.operations import BatchItem, Operation, Setting
from forge_orm.operations.batch import read_batch_rows
from forge_orm.operations.core import Stored
from forge_orm.unit.unit import UnitOfWork
from forge_orm.wire import ALL_METADATA, OPERATIONS, Response

from .test_requests import BARE, FULL, NONE_SAID, Task

# The fields of "Forge KVS", from the reference of the APIs for Forge Containers; ``[]`` is
# an item of a list.
META = "options.metadataFields[]"
TTL = "options.ttl.value options.ttl.unit"
SET = f"key value {TTL} options.keyPolicy options.returnValue options.returnMetadataFields[]"
TERM = "property condition values[]"
TIMES = "createdAt updatedAt expireTime"
FAILED = "failedKeys[].key failedKeys[].entityName failedKeys[].error.code"
FAILED = f"{FAILED} failedKeys[].error.message"
DONE = f"successfulKeys[].key successfulKeys[].entityName {FAILED}"
PAGE = "data[].key data[].value data[].createdAt data[].updatedAt data[].expireTime cursor"


def within(place: str, fields: str) -> str:
    return " ".join(f"{place}.{field}" for field in fields.split())


REQUESTS = {
    "get": f"key {META}",
    "set": SET,
    "delete": "key",
    "query": f"limit after {within('where[]', TERM)} {META}",
    "secret/get": f"key {META}",
    "secret/set": SET,
    "secret/delete": "key",
    "entity/get": f"entityName key {META}",
    "entity/set": f"entityName {SET}",
    "entity/delete": "entityName key",
    "entity/query": (
        "entityName indexName partition[] range.condition range.values[] sort cursor limit "
        f"{within('filters.and[]', TERM)} {META}"
    ),
    "batch/get": within("[]", f"key entityName {META}"),
    "batch/set": within("[]", f"key entityName value {TTL}"),
    "batch/delete": within("[]", "key entityName"),
    "transaction": " ".join(
        [
            within("set[]", f"key entityName value {TTL}"),
            within("delete[]", "key entityName"),
            within("check[]", "key entityName"),
            *(
                within(f"{part}[].conditions.and[]", TERM)
                for part in ("set", "delete", "check")
            ),
        ]
    ),
}
ANSWERS = {
    "get": f"key value {TIMES}",
    "set": f"key value {TIMES}",
    "query": PAGE,
    "secret/get": f"key value {TIMES}",
    "secret/set": f"key value {TIMES}",
    "entity/get": f"key value {TIMES}",
    "entity/set": f"key value {TIMES}",
    "entity/query": PAGE,
    "batch/get": f"{within('successfulKeys[]', f'key value {TIMES}')} {FAILED}",
    "batch/set": DONE,
    "batch/delete": DONE,
}
NO_ANSWER = {"delete", "secret/delete", "entity/delete", "transaction"}
# Sent back although the request named it: not looked at.
ECHOED = {"entity/get": "entityName", "entity/set": "entityName"}


def paths(value: Any, place: str = "") -> Iterator[str]:
    """Yield the place of every leaf of a JSON value."""
    if isinstance(value, dict) and place.rpartition(".")[2] != "value":
        for name, part in value.items():
            yield from paths(part, f"{place}.{name}" if place else name)
    elif isinstance(value, list) and place.rpartition(".")[2] != "value":
        for part in value:
            yield from paths(part, f"{place}[]")
    else:
        yield place


def test_the_tables_name_every_operation() -> None:
    assert set(REQUESTS) == set(OPERATIONS)
    assert set(ANSWERS) | NO_ANSWER == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_requests_say_every_field_and_no_other(operation: str) -> None:
    said = {
        place
        for each, path, _ in [*BARE, *FULL]
        if path == operation
        for place in paths(json.loads(each.request.body))
    }
    assert said == set(REQUESTS[operation].split())


ROW: dict[str, Any] = {
    "key": "k",
    "value": {"project": "P", "due": 1},
    "createdAt": 1767268800000,
    "updatedAt": 1767268801000,
    "expireTime": "2026-01-02T12:00:00Z",
}
OTHER_ROW = {
    "key": "l",
    "value": {"project": "Q", "due": 1},
    "createdAt": 1,
    "updatedAt": 2,
    "expireTime": "2027-01-02T12:00:00Z",
}
FAILURE = {"key": "f", "entityName": "task", "error": {"code": "MAX_SIZE", "message": "why"}}
OTHER = OTHER_ROW | {
    "entityName": "note",
    "cursor": "d",
    "code": "KEY_CONFLICT",
    "message": "because",
}
PAGE_BODY = {"data": [ROW], "cursor": "c"}
DONE_BODY = {"successfulKeys": [{"key": "k", "entityName": "task"}], "failedKeys": [FAILURE]}
FOUND_BODY = {"successfulKeys": [ROW | {"entityName": "task"}], "failedKeys": [FAILURE]}
RETURNING = Setting(returns="LATEST")
READERS: dict[str, tuple[Operation[Any], Any]] = {
    "get": (ops.get("k"), ROW),
    "set": (ops.set("k", b"1", RETURNING), ROW),
    "query": (ops.query(rows=1), PAGE_BODY),
    "secret/get": (ops.get("k", space="secret/"), ROW),
    "secret/set": (ops.set("k", b"1", RETURNING, space="secret/"), ROW),
    "entity/get": (ops.entity_get("task", "k"), ROW | {"entityName": "task"}),
    "entity/set": (ops.entity_set("task", "k", b"{}", RETURNING), ROW | {"entityName": "task"}),
    "entity/query": (ops.entity_query(NONE_SAID, rows=1), PAGE_BODY),
    "batch/get": (ops.batch_get([BatchItem("k")]), FOUND_BODY),
    "batch/set": (ops.batch_set([BatchItem("k")]), DONE_BODY),
    "batch/delete": (ops.batch_delete([BatchItem("k")]), DONE_BODY),
}


def shown(task: Task) -> Any:
    return Stored(task.key, task.model_dump(), task.metadata)


def read_entities(operation: str, body: bytes) -> Any:
    """What a session makes of an answer that is handed on as bytes."""
    unit = UnitOfWork()
    if operation == "entity/get":
        return shown(unit.load_row(Task, body, ALL_METADATA))
    if operation == "entity/query":
        tasks, cursor = unit.load_page(Task, body, ALL_METADATA)
        return [*map(shown, tasks)], cursor
    tasks, failed = unit.load_batch(Task, body, ALL_METADATA)
    return [*map(shown, tasks)], [str(each) for each in read_batch_rows(body)[1]], len(failed)


def read(operation: str, body: Any) -> str:
    decoded: Any = READERS[operation][0].decode(Response(200, json.dumps(body).encode()))
    if isinstance(decoded, bytes):
        decoded = read_entities(operation, decoded)
    if isinstance(decoded, Stored):  # a secret's value does not show
        decoded = decoded.key, decoded.value, decoded.metadata
    return repr(decoded)


def changed(body: Any, place: str) -> Any:
    """Return *body* with another value at *place*."""
    twin = copy.deepcopy(body)
    part, *names = twin, *place.replace("[]", ".0").split(".")
    for name in names[:-1]:
        part = part[int(name)] if name.isdigit() else part[name]
    assert part[names[-1]] != OTHER[names[-1]]
    part[names[-1]] = OTHER[names[-1]]
    return twin


@pytest.mark.parametrize(
    ("operation", "place"),
    [(operation, place) for operation, said in ANSWERS.items() for place in said.split()],
)
def test_each_field_of_an_answer_is_read(operation: str, place: str) -> None:
    body = READERS[operation][1]

    assert read(operation, body) == read(operation, copy.deepcopy(body))
    assert read(operation, changed(body, place)) != read(operation, body)


@pytest.mark.parametrize(("operation", "place"), ECHOED.items())
def test_what_only_repeats_the_request_is_not_looked_at(operation: str, place: str) -> None:
    body = READERS[operation][1]

    assert read(operation, changed(body, place)) == read(operation, body)


KEY = Task.index("by-key")
CONDITIONS: dict[str, Any] = {
    "EQUAL_TO": Task.project == "a",
    "NOT_EQUAL_TO": Task.project != "a",
    "LESS_THAN": Task.project < "a",
    "LESS_THAN_EQUAL_TO": Task.project <= "a",
    "GREATER_THAN": Task.project > "a",
    "GREATER_THAN_EQUAL_TO": Task.project >= "a",
    "BETWEEN": Task.project.between("a", "b"),
    "BEGINS_WITH": Task.project.startswith("a"),
    "CONTAINS": Task.project.contains("a"),
    "NOT_CONTAINS": ~Task.project.contains("a"),
    "EXISTS": Task.project.exists(),
    "NOT_EXISTS": Task.project.missing(),
}


def test_every_condition_of_the_service_can_be_said() -> None:
    assert set(CONDITIONS) == set(Operator) - {Operator.NOT_BEGINS_WITH}  # only of a search
    for name, condition in CONDITIONS.items():
        body = ops.entity_query(KEY.filter(condition).spec, rows=1).request.body
        assert json.loads(body)["filters"]["and"][0]["condition"] == name
