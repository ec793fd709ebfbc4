"""What becomes of pending writes when calls fail: nothing is lost, nothing is said twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from forge_orm import (
    AnswerLost,
    ConditionFailed,
    ForgeError,
    NotSent,
    PartialCommit,
    RateLimited,
    ServiceError,
    Session,
    TransportError,
)
from forge_orm.errors import RejectedValue, ServiceFault
from forge_orm.wire import Request, Response

from .script import (
    Line,
    Reply,
    Task,
    absent,
    done,
    page,
    read_tasks,
    refusal,
    said,
    says,
    session,
    stored,
)

NOT_SENT, LOST = NotSent("no way there"), AnswerLost("no answer came")


def fail(**failed: tuple[str, str]) -> Callable[[Request], Response]:
    return lambda request: done(request, **failed)


def pending(held: Session) -> list[str]:
    """Return the keys that are still to be written."""
    return sorted(item.address[1] for item in held.plan().items)


def _new(held: Session, script: Any) -> list[Task]:
    tasks = [Task(number=number) for number in range(4)]
    held.add(*tasks)
    return tasks


def _with_ttl(held: Session, script: Any) -> list[Task]:
    tasks = [Task(number=number) for number in range(4)]
    held.add(*tasks, ttl=timedelta(seconds=7))
    return tasks


def _assigned(held: Session, script: Any) -> list[Task]:
    tasks = read_tasks(held, script, [stored(number) for number in range(4)])
    for task in tasks:
        task.rank = 1
    return tasks


def _mutated(held: Session, script: Any) -> list[Task]:
    tasks = read_tasks(held, script, [stored(number) for number in range(4)])
    for task in tasks:
        task.tags.append("x")
    return tasks


def _deleted(held: Session, script: Any) -> list[Task]:
    tasks = read_tasks(held, script, [stored(number) for number in range(4)])
    held.delete(*tasks)
    return tasks


WAYS = [_new, _with_ttl, _assigned, _mutated, _deleted]


@pytest.mark.parametrize("fill", WAYS)
def test_a_partial_failure_names_each_and_only_those_are_sent_again(fill: Any) -> None:
    with session() as (held, script):
        fill(held, script)
        verb = "delete" if fill is _deleted else "set"
        answer = fail(task_1=("MAX_SIZE", "too large"), task_3=("REQUEST_THROTTLED", "slow"))
        script.expect(Line(f"batch/{verb}", answer))
        before = {item["key"]: item for item in said(held.plan().calls[0].operation.request)}
        with pytest.raises(PartialCommit) as caught:
            held.flush()
        assert caught.value.saved == (("task", "task:0"), ("task", "task:2"))
        assert [
            (each.entity, each.key, each.code, each.message, each.retryable)
            for each in caught.value.failed
        ] == [
            ("task", "task:1", "MAX_SIZE", "too large", False),
            ("task", "task:3", "REQUEST_THROTTLED", "slow", True),
        ]
        assert "task 'task:1': MAX_SIZE: too large" in str(caught.value)
        assert pending(held) == ["task:1", "task:3"]

        script.expect(Line(f"batch/{verb}", done))
        report = held.flush()
        assert said(script.heard[-1]) == [before["task:1"], before["task:3"]]
        assert (report.saved + report.deleted, report.calls) == (2, 1)
        assert not held.plan()


REPLIES: list[tuple[Reply, type[ForgeError], bool]] = [
    (NOT_SENT, NotSent, False),
    (LOST, AnswerLost, True),
    (refusal("INTERNAL_SERVER_ERROR", 500), ServiceFault, True),
    (refusal("TOO_MANY_REQUESTS", 429), RateLimited, False),
    (refusal("MAX_SIZE"), RejectedValue, False),
]


@pytest.mark.parametrize("fill", WAYS)
@pytest.mark.parametrize(("reply", "error", "unknown"), REPLIES)
def test_the_only_call_that_fails_raises_its_error_and_all_stays_pending(
    fill: Any, reply: Reply, error: type[ForgeError], unknown: bool
) -> None:
    with session() as (held, script):
        fill(held, script)
        everything = held.plan()
        path = "batch/delete" if fill is _deleted else "batch/set"
        script.expect(Line(path, reply))
        with pytest.raises(error) as caught:
            held.flush()
        assert any("in batch/" in note for note in caught.value.__notes__)
        assert held.plan().calls[0].operation.request == everything.calls[0].operation.request
        script.expect(Line(path, done))
        held.flush()
        assert not held.plan()


@pytest.mark.parametrize(("reply", "error", "unknown"), REPLIES)
def test_one_call_of_several_that_fails_is_a_partial_commit(
    reply: Reply, error: type[ForgeError], unknown: bool
) -> None:
    with session() as (held, script):
        held.add(*[Task(number=number) for number in range(60)])
        script.expect(Line("batch/set", done), Line("batch/set", reply))
        script.expect(Line("batch/set", fail(task_55=("MAX_SIZE", "m"))))
        with pytest.raises(PartialCommit) as caught:
            held.flush()
        failed = {each.key: each for each in (*caught.value.failed, *caught.value.unknown)}
        assert {each.key for each in caught.value.unknown} == (
            {f"task:{number}" for number in range(25, 50)} if unknown else set()
        )
        assert set(failed) == {f"task:{number}" for number in (*range(25, 50), 55)}
        assert type(failed["task:30"].error) is error
        assert failed["task:30"].unknown is unknown
        assert ("may have been saved" in str(failed["task:30"])) is unknown
        assert failed["task:55"].code == "MAX_SIZE"
        assert len(caught.value.saved) == 34
        assert pending(held) == sorted(failed)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (refusal("CONDITIONAL_CHECK_FAILED"), ConditionFailed),
        (LOST, AnswerLost),
        (NOT_SENT, NotSent),
        (refusal("BAD_REQUEST"), ServiceError),
    ],
)
def test_a_transaction_that_fails_stops_the_batches_after_it(
    reply: Reply, error: type[ForgeError]
) -> None:
    with session() as (held, script):
        held.add(Task(number=1), condition=Task.rank == 0)
        held.add(Task(number=2), Task(number=3))
        script.expect(Line("transaction", reply))
        with pytest.raises(error) as caught:
            held.flush()
        assert "2 other writes were not sent" in caught.value.__notes__
        assert pending(held) == ["task:1", "task:2", "task:3"]
        if reply is LOST:  # it is not sent again before it is known that it was not done
            script.expect(Line("batch/get", absent))
        script.expect(Line("transaction", says({})), Line("batch/set", done))
        assert held.flush().saved == 3


@pytest.mark.parametrize("reply", [refusal("CONDITIONAL_CHECK_FAILED"), LOST])
def test_requirements_hold_until_a_flush_succeeds(reply: Reply) -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, [stored(1)])
        held.require(task, Task.rank == 0)
        held.add(Task(number=2))
        script.expect(Line("transaction", reply))
        with pytest.raises((ConditionFailed, TransportError)):
            held.flush()
        if reply is LOST:
            script.expect(Line("batch/get", absent))
        script.expect(Line("transaction", says({})))
        held.flush()
        assert script.heard[-1] == script.heard[1]
        assert not script.heard[-1].repeatable
        held.add(Task(number=3))
        script.expect(Line("entity/set", done))
        held.flush()


@pytest.mark.parametrize("again", [Session.add, Session.insert])
@pytest.mark.parametrize("once", [Session.add, Session.insert])
def test_a_new_entity_that_failed_may_be_added_again(once: Any, again: Any) -> None:
    with session() as (held, script):
        task = Task(number=1)
        once(held, task)
        script.expect(Line("entity/set", LOST))
        with pytest.raises(AnswerLost):
            held.flush()
        again(held, task)
        (item,) = held.plan().items
        assert item.create is (again is Session.insert)


def test_a_deletion_of_what_is_gone_is_done() -> None:
    with session() as (held, script):
        held.delete_keys(Task, "task:1", "task:2")
        script.expect(Line("batch/delete", fail(task_1=("KEY_NOT_FOUND", "gone"))))
        assert held.flush().deleted == 2


def test_a_second_transaction_that_fails_leaves_the_rest_unsent() -> None:
    with session() as (held, script):
        for number in range(26):
            held.add(Task(number=number), condition=Task.rank == 0)
        held.add(Task(number=30))
        script.expect(
            Line("transaction", says({})),
            Line("transaction", refusal("CONDITIONAL_CHECK_FAILED")),
        )
        with pytest.raises(PartialCommit) as caught:
            held.flush()
        assert len(caught.value.saved) == 25
        assert [(each.key, each.code) for each in caught.value.failed] == [
            ("task:25", "CONDITIONAL_CHECK_FAILED"),
            ("task:30", "NotSent"),
        ]


@pytest.mark.parametrize(
    ("answer", "lost"),
    [
        ({"successfulKeys": [{"key": "task:1"}], "failedKeys": []}, ["task:2"]),
        (
            {
                "successfulKeys": [{"key": "task:1", "entityName": "task"}],
                "failedKeys": [
                    {"key": "task:2", "error": {"code": "MAX_SIZE", "message": "m"}}
                ],
            },
            ["task:2"],
        ),
        ({"successfulKeys": [], "failedKeys": []}, ["task:1", "task:2"]),
    ],
)
def test_only_what_the_answer_names_is_saved(answer: dict[str, Any], lost: list[str]) -> None:
    with session() as (held, script):
        held.add(Task(number=1), Task(number=2))
        script.expect(Line("batch/set", says(answer)))
        with pytest.raises(PartialCommit) as caught:
            held.flush()
        unsaved = caught.value.failed or caught.value.unknown
        assert [each.key for each in unsaved] == lost
        assert pending(held) == lost


def test_a_page_of_a_bulk_change_that_is_saved_in_part_says_so() -> None:
    with session() as (held, script):
        script.expect(
            Line("entity/query", page(stored(1), stored(2))),
            Line("batch/set", fail(task_1=("MAX_SIZE", "m"))),
        )
        with pytest.raises(PartialCommit) as caught:
            held.update_all(Task.index("by-key"), lambda task: setattr(task, "rank", 1))
        (note,) = caught.value.__notes__
        assert note.startswith("0 entities were done; go on with .cursor(")
        assert note.endswith("of the page there, 1 were saved (error.outcome.saved)")
        assert caught.value.saved == (("task", "task:2"),)
