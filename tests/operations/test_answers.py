"""What each documented answer means, the partial failures and the errors included."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from forge_orm import Attr, CorruptValue, Entity, Metadata, Registry, Stored, attr
from forge_orm import errors as err
from forge_orm import operations as ops
from forge_orm.operations import (
    BatchItem,
    BatchOutcome,
    Operation,
    Setting,
    StoredSecret,
    Write,
)
from forge_orm.operations.batch import failures_of_get, read_batch_rows
from forge_orm.unit.unit import UnitOfWork
from forge_orm.wire import ALL_METADATA, Response


class Task(Entity, name="task", registry=Registry()):
    title: Attr[str] = attr()
    note: Attr[str | None] = attr(default=None)


TIMES = {
    "createdAt": 1767268800000,
    "updatedAt": 1767268800,  # the reference does not say which unit; both are told apart
    "expireTime": "2026-01-02T13:00:00.500+01:00",
}
READ = Metadata(
    created_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    updated_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    expires_at=datetime(2026, 1, 2, 12, 0, 0, 500_000, tzinfo=UTC),
)
BARE: dict[str, Any] = {"key": "k", "value": [1, "ü"]}
NOTHING = Response(204)
GET, SECRET = ops.get("k"), ops.get("k", space="secret/")
SET, ENTITY_SET = ops.set("k", b"1"), ops.entity_set("task", "k", b"{}")
QUERY, TRANSACTION = ops.query(rows=2), ops.transaction([Write("k")])
DELETES: list[Operation[Any]] = [
    ops.delete("k"),
    ops.delete("k", space="secret/"),
    ops.entity_delete("task", "k"),
]


def answer(body: object, status: int = 200) -> Response:
    return Response(status, json.dumps(body, ensure_ascii=False).encode())


def error(code: str, status: int = 400, **more: object) -> Response:
    return answer({"code": code, "message": "why", **more}, status)


def failed(key: str, code: str, **more: str) -> dict[str, Any]:
    return {"key": key, "error": {"code": code, "message": "why"}, **more}


@pytest.mark.parametrize("operation", [GET, SECRET, SET, ops.set("k", b"1", space="secret/")])
def test_a_value_comes_with_its_key_and_the_metadata_that_is_there(
    operation: Operation[Stored[Any] | None],
) -> None:
    kind = StoredSecret if operation.request.is_secret else Stored
    assert operation.decode(answer(BARE | {"unheard of": 1})) == kind("k", [1, "ü"])
    assert operation.decode(answer(BARE | TIMES)) == kind("k", [1, "ü"], READ)


def test_a_secret_does_not_show_whatever_its_type() -> None:
    for operation in (SECRET, ops.set("k", b"1", Setting(returns="LATEST"), space="secret/")):
        stored = operation.decode(answer(BARE | TIMES))
        assert stored is not None
        assert stored.value == [1, "ü"]
        assert "ü" not in repr(stored)
        assert "value=<secret>" in repr(stored)


@pytest.mark.parametrize("operation", [SET, ENTITY_SET, *DELETES, TRANSACTION])
@pytest.mark.parametrize("response", [NOTHING, Response(200)])
def test_an_empty_answer_is_nothing(operation: Operation[Any], response: Response) -> None:
    assert operation.decode(response) is None


def test_a_set_entity_may_come_back() -> None:
    operation = ops.entity_set("task", "k", b"{}", Setting(returns="PREVIOUS"))
    row = {"key": "k", "value": {"title": "t"}, "entityName": "task", **TIMES}

    assert operation.decode(answer(row)) == Stored("k", {"title": "t"}, READ)


@pytest.mark.parametrize("code", ["KEY_NOT_FOUND", "NOT_FOUND"])
@pytest.mark.parametrize(
    "operation",
    [GET, SECRET, ops.entity_get("task", "k"), *DELETES],
    ids=lambda each: each.request.operation,
)
def test_a_missing_key_is_none_to_get_and_done_to_delete(
    operation: Operation[Any], code: str
) -> None:
    assert operation.decode(error(code, 404)) is None


def test_an_unknown_entity_is_not_a_missing_key() -> None:
    for operation in (ops.entity_get("task", "k"), ops.entity_delete("task", "k")):
        with pytest.raises(err.SchemaNotFound):
            operation.decode(error("SCHEMA_NOT_FOUND", 404))


def test_a_page_ends_where_there_is_no_cursor() -> None:
    page = QUERY.decode(answer({"data": [BARE, {**BARE, **TIMES}], "cursor": "c"}))
    last = QUERY.decode(answer({"data": []}))

    assert page.items == (Stored("k", [1, "ü"]), Stored("k", [1, "ü"], READ))
    assert (page.cursor, last.cursor, last.items) == ("c", None, ())


def test_a_row_of_an_entity_is_read_into_its_class() -> None:
    row = {"key": "k", "value": {"title": "ü"}, "entityName": "task"}
    body = ops.entity_get("task", "k").decode(answer(row | TIMES))
    assert body is not None
    bare = UnitOfWork().load_row(Task, body)
    full = UnitOfWork().load_row(Task, body, ALL_METADATA)

    assert bare == full == Task(title="ü").with_key("k")
    assert (bare.metadata, full.metadata) == (Metadata(), READ)


def test_a_page_of_entities_is_read_with_its_cursor() -> None:
    rows = [{"key": key, "value": {"title": key}, **TIMES} for key in "ab"]
    operation = ops.entity_query(Task.index("by-key").spec, rows=2)
    body = operation.decode(answer({"data": rows, "cursor": "c"}))
    tasks, cursor = UnitOfWork().load_page(Task, body, ALL_METADATA)

    assert [(task.key, task.title, task.metadata) for task in tasks] == [
        ("a", "a", READ),
        ("b", "b", READ),
    ]
    assert cursor == "c"
    assert UnitOfWork().load_page(Task, b'{"data":[]}') == ([], None)


def test_a_batch_of_entities_holds_what_was_found_and_what_was_not() -> None:
    body = ops.batch_get([BatchItem("a", "task")]).decode(
        answer(
            {
                "successfulKeys": [
                    {"key": "a", "entityName": "task", "value": {"title": "t"}, **TIMES}
                ],
                "failedKeys": [failed("b", "KEY_NOT_FOUND", entityName="task")],
            }
        )
    )
    (task,), missing = UnitOfWork().load_batch(Task, body, ALL_METADATA)

    assert (task.key, task.title, task.metadata) == ("a", "t", READ)
    assert [row["key"] for row in missing] == ["b"]


def test_a_batch_get_of_plain_keys_tells_absence_from_failure() -> None:
    rows, failures = read_batch_rows(
        answer(
            {
                "successfulKeys": [BARE | TIMES],
                "failedKeys": [failed("b", "KEY_NOT_FOUND"), failed("c", "REQUEST_THROTTLED")],
            }
        ).body
    )
    (throttled,) = failures_of_get(failures)

    assert rows == [Stored("k", [1, "ü"], READ)]
    assert [failure.key for failure in failures] == ["b", "c"]
    assert (throttled.key, throttled.code) == ("c", "REQUEST_THROTTLED")
    assert throttled.retryable


PARTLY = {
    "successfulKeys": [{"key": "a", "entityName": "task"}, {"key": "p"}],
    "failedKeys": [
        failed("b", "INCORRECT_PROPERTY_TYPE", entityName="task"),
        failed("q", "KEY_NOT_FOUND"),
        failed("r", "BRAND_NEW_CODE"),
    ],
}


def seen(outcome: BatchOutcome) -> list[tuple[str | None, str, type[Exception]]]:
    return [(item.entity, item.key, type(item.error)) for item in outcome.failed]


def test_a_batch_set_says_what_was_done_and_why_the_rest_was_not() -> None:
    outcome = ops.batch_set([BatchItem("a", "task", b"{}")]).decode(answer(PARTLY))

    assert outcome.done == (("task", "a"), (None, "p"))
    assert seen(outcome) == [
        ("task", "b", err.RejectedValue),
        (None, "q", err.KeyNotFound),
        (None, "r", err.ServiceError),
    ]
    assert str(outcome.failed[0]) == "task 'b': INCORRECT_PROPERTY_TYPE: why"


def test_a_batch_delete_of_a_missing_key_is_done() -> None:
    outcome = ops.batch_delete([BatchItem("a", "task")]).decode(answer(PARTLY))

    assert outcome.done == (("task", "a"), (None, "p"), (None, "q"))
    assert [key for _, key, _ in seen(outcome)] == ["b", "r"]


SIMPLE: list[Operation[Any]] = [GET, SECRET, SET, ENTITY_SET, QUERY, TRANSACTION]
EVERY: list[Operation[Any]] = [
    *SIMPLE,
    *DELETES,
    ops.entity_get("task", "k"),
    ops.entity_query(Task.index("by-key").spec, rows=1),
    *(make([BatchItem("k")]) for make in (ops.batch_get, ops.batch_set, ops.batch_delete)),
]


@pytest.mark.parametrize("operation", EVERY, ids=lambda each: each.request.operation)
def test_an_error_answer_is_raised_with_all_it_said(operation: Operation[Any]) -> None:
    body = {"code": "RATE_LIMIT_EXCEEDED", "message": "slow", "context": {"a": 1}, "b": 2}
    response = answer(body, 429)._replace(headers={"x-b3-traceid": "t1"})
    with pytest.raises(err.RateLimited) as raised:
        operation.decode(response)

    said = raised.value
    assert (said.code, said.message, said.status) == ("RATE_LIMIT_EXCEEDED", "slow", 429)
    assert (said.context, said.trace_id) == ({"a": 1, "b": 2}, "t1")
    assert str(said) == "RATE_LIMIT_EXCEEDED [429]: slow (trace t1)"


PAGE = b"<html>sign in</html>"


@pytest.mark.parametrize(
    "read",
    [
        lambda body: GET.read(Response(200, body)),
        lambda body: SET.read(Response(200, body)),
        lambda body: QUERY.read(Response(200, body)),
        lambda body: ops.batch_set([]).read(Response(200, body)),
        lambda body: read_batch_rows(body),
        lambda body: UnitOfWork().load_row(Task, body),
        lambda body: UnitOfWork().load_page(Task, body),
        lambda body: UnitOfWork().load_batch(Task, body),
    ],
    ids=["get", "set", "query", "batch/set", "batch/get", "row", "page", "batch"],
)
@pytest.mark.parametrize("body", [PAGE, b"{}", b"[]", b"OK", b"null"])
def test_a_success_of_another_shape_is_no_answer(
    read: Callable[[bytes], Any], body: bytes
) -> None:
    with pytest.raises(err.AnswerLost, match="not what the service documents"):
        read(body)


def test_an_error_that_is_no_json_is_kept_as_text() -> None:
    with pytest.raises(err.ServiceFault, match="sign in") as raised:
        GET.read(Response(502, PAGE))

    assert raised.value.code == "UNKNOWN_ERROR"


def test_a_secret_is_not_quoted_by_the_error_about_its_answer() -> None:
    with pytest.raises(err.AnswerLost) as raised:
        SECRET.read(Response(200, b'{"value": "hush"'))

    assert raised.value.__cause__ is None
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("body", [b"what of value=hush?", b'{"key": "k", "value": "hush"}'])
def test_a_secret_is_not_quoted_from_an_error_that_repeats_the_request(body: bytes) -> None:
    for operation in (SECRET, ops.set("k", b'"hush"', space="secret/")):
        with pytest.raises(err.ServiceFault, match="gave no reason") as raised:
            operation.read(Response(502, body, {"x-trace-id": "t1"}))

        assert raised.value.trace_id == "t1"
        assert "hush" not in repr(raised.value)


def test_a_stored_value_that_does_not_fit_is_named() -> None:
    row = {"key": "bad", "value": {"title": 3}}
    with pytest.raises(CorruptValue, match="stored task 'bad' does not fit Task"):
        UnitOfWork().load_row(Task, answer(row).body)


def test_of_many_things_that_do_not_fit_some_are_named_and_all_counted() -> None:
    class Table(Entity, name="table", registry=Registry()):
        cells: Attr[list[int]] = attr()

    row = {"key": "bad", "value": {"cells": ["?"] * 50}}
    with pytest.raises(CorruptValue, match=r"cells\.19: [^;]*; and 30 more\.") as raised:
        UnitOfWork().load_row(Table, answer(row).body)

    assert "cells.20" not in str(raised.value)
