"""What is written down of a call, how it reads, and what a count says when it is wrong."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from forge_orm.errors import AnswerLost, NotSent, TransportError
from forge_orm.testing import Call, Calls, Recorder
from forge_orm.wire import Request, Response

ERROR = Response(409, b'{"code":"KEY_CONFLICT","message":"there"}')
WHERE = {"entityName": "task", "conditions": {"and": []}}

CASES: list[tuple[str, Any, str]] = [
    ("get", {"key": "k"}, "get k -> 200"),
    ("set", {"key": "k", "value": "hunter2"}, "set k -> 200"),
    ("query", {"limit": 5}, "query -> 200"),
    ("entity/get", {"entityName": "task", "key": "t:1"}, "entity/get task t:1 -> 200"),
    (
        "entity/query",
        {"entityName": "task", "indexName": "by_status", "partition": ["hunter2"]},
        "entity/query task index by_status -> 200",
    ),
    (
        "batch/set",
        [{"key": name, "entityName": "task", "value": {}} for name in "abcde"],
        "batch/set task a, b, c and 2 more -> 200",
    ),
    ("batch/get", [{"key": "a", "entityName": "task"}, {"key": "b"}], "batch/get a, b -> 200"),
    (
        "transaction",
        {
            "set": [{"key": "a", "value": "hunter2"}],
            "delete": [{"key": "b"}],
            "check": [{"key": "c", **WHERE}],
        },
        "transaction a, b, c -> 200",
    ),
    ("secret/set", {"key": "hunter2", "value": "hunter2"}, "secret/set <secret> -> 200"),
    ("secret/get", {"key": "hunter2"}, "secret/get <secret> -> 200"),
]

JUNK: list[tuple[str, bytes]] = [
    (operation, body)
    for operation in ("get", "entity/query", "batch/set", "transaction", "secret/set")
    for body in (
        b"",
        b"{",
        b"\xff",
        b"null",
        b"5",
        b"[5]",
        b"[[]]",
        b'{"key":5,"entityName":[]}',
        b'{"set":5,"delete":[5]}',
    )
]


class Scripted:
    """Answers, or raises, the same each time; in either colour."""

    def __init__(self, outcome: Response | Exception = Response(200)) -> None:  # noqa: B008
        self._outcome = outcome

    def send(self, request: Request, /) -> Response:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    async def asend(self, request: Request, /) -> Response:
        return self.send(request)


def made(*operations: str) -> Calls:
    return Calls(Call(operation, "task", keys=("k",), status=200) for operation in operations)


@pytest.mark.parametrize(("operation", "body", "line"), CASES)
def test_a_call_is_written_down_on_one_line(operation: str, body: Any, line: str) -> None:
    recorder = Recorder(Scripted())
    recorder.send(Request(operation, json.dumps(body).encode()))
    (call,) = recorder.calls

    assert str(call) == line
    assert "hunter2" not in repr(recorder.calls)


@pytest.mark.parametrize(("operation", "body"), JUNK)
def test_a_body_that_is_none_is_the_backends_affair(operation: str, body: bytes) -> None:
    recorder = Recorder(Scripted())

    assert recorder.send(Request(operation, body)).status == 200
    assert [call.operation for call in recorder.calls] == [operation]


def ask(recorder: Recorder, colour: str) -> Response:
    request = Request("get", b'{"key":"k"}')
    if colour == "sync":
        return recorder.send(request)
    return asyncio.run(recorder.asend(request))


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Response(204), None),
        (ERROR, "KEY_CONFLICT"),
        (Response(502, b"<html>"), "UNKNOWN_ERROR"),
    ],
)
def test_an_answer_is_told_and_handed_on(
    answer: Response, code: str | None, colour: str
) -> None:
    recorder = Recorder(Scripted(answer))
    assert ask(recorder, colour) is answer
    assert [*recorder.calls] == [Call("get", keys=("k",), status=answer.status, code=code)]


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("kind", [NotSent, AnswerLost])
def test_an_answer_that_did_not_come_is_told_too(
    kind: type[TransportError], colour: str
) -> None:
    recorder = Recorder(Scripted(kind("no")))
    with pytest.raises(kind):
        ask(recorder, colour)
    assert [*recorder.calls] == [Call("get", keys=("k",), code=kind.__name__)]


def test_what_is_no_answer_of_the_service_is_no_call() -> None:
    recorder = Recorder(Scripted(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        recorder.send(Request("get", b"{}"))
    assert not recorder.calls


def test_calls_are_a_sequence_that_can_be_cleared() -> None:
    calls = made("get", "set", "get")

    assert [call.operation for call in calls[1:]] == ["set", "get"]
    assert calls[0].operation == "get"
    assert len(calls.of("get")) == 2
    assert len(calls.of("get", "set", entity="task")) == 3
    assert not calls.of(entity="note")
    calls.clear()
    assert not calls
    assert repr(calls) == "Calls:\n  no calls"


@pytest.mark.parametrize(
    "asked",
    [
        {"exactly": 3},
        {"max": 3},
        {"min": 3},
        {"min": 1, "max": 4},
        {"entity": "task", "exactly": 3},
        {"entity": "note", "max": 0},
    ],
)
def test_a_right_count_says_nothing(asked: dict[str, Any]) -> None:
    made("get", "set", "get").assert_count(**asked)


@pytest.mark.parametrize(
    ("operations", "asked", "message"),
    [
        ((), {"exactly": 2}, "3 calls (all) were made, not exactly 2:"),
        (("get",), {"max": 1}, "2 calls (get) were made, not at most 1:"),
        (("set",), {"min": 2, "max": 3}, "1 calls (set) were made, not at least 2 and at most"),
        (("get", "set"), {"exactly": 0}, "3 calls (get or set) were made, not exactly 0:"),
        (
            (),
            {"entity": "note", "min": 1},
            "0 calls (all, entity note) were made, not at least",
        ),
    ],
)
def test_a_wrong_count_lists_the_calls(
    operations: tuple[str, ...], asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(AssertionError) as caught:
        made("get", "set", "get").assert_count(*operations, **asked)
    text = str(caught.value)
    assert message in text
    assert "  1. get task k -> 200\n" in text


def test_a_long_list_is_cut() -> None:
    with pytest.raises(AssertionError) as caught:
        made(*["get"] * 70).assert_count(max=1)
    assert str(caught.value).endswith("  50. get task k -> 200\n  … and 20 more")


@pytest.mark.parametrize("asked", [{}, {"exactly": 1, "max": 2}])
def test_a_count_needs_a_number(asked: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="say how many calls"):
        made("get").assert_count(**asked)
