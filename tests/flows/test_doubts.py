"""After a lost answer: found out by reading, sent again if it was not done, never twice."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from forge_orm import (
    AnswerLost,
    Attr,
    ConditionFailed,
    Entity,
    ForgeError,
    KeyConflict,
    NotSent,
    PartialCommit,
    Session,
    VersionConflict,
    attr,
    version,
)
from forge_orm.wire import Request, Response

from .script import (
    Line,
    Task,
    absent,
    done,
    keys,
    page,
    read_tasks,
    refusal,
    registry,
    rows,
    said,
    says,
    session,
    stored,
)

LOST = AnswerLost("no answer came")
REFUSED = refusal("CONDITIONAL_CHECK_FAILED")
Answer = Callable[[Request], Response]


class Counter(Entity, name="counter", key="counter:{name}", registry=registry):
    name: Attr[str] = attr()
    count: Attr[int] = attr(default=0)
    revision: Attr[int] = version()


def row(revision: int, count: int, name: str = "a") -> dict[str, Any]:
    value = {"name": name, "count": count, "revision": revision}
    return {"key": f"counter:{name}", "value": value}


def read_counter(held: Session, script: Any) -> Counter:
    script.expect(Line("entity/query", page(row(3, 5))))
    return held.one(Counter.index("by-key"))


def _counted(held: Session, script: Any) -> None:
    read_counter(held, script).count += 1


def _uncounted(held: Session, script: Any) -> None:
    held.delete(read_counter(held, script))


def _inserted(held: Session, script: Any) -> None:
    held.add(Counter(name="a", count=6))


def _assigned(held: Session, script: Any) -> None:
    read_tasks(held, script, [stored(1)])[0].rank = 1


def _added(held: Session, script: Any) -> None:
    held.add(Task(number=1, rank=1))


def _created(held: Session, script: Any) -> None:
    held.insert(Task(number=1, rank=1))


def _deleted(held: Session, script: Any) -> None:
    held.delete(*read_tasks(held, script, [stored(1)]))


def _deleted_by_key(held: Session, script: Any) -> None:
    held.delete_keys(Task, "task:1")


OURS, BEFORE, OTHER = rows(stored(1, rank=1)), rows(stored(1)), rows(stored(1, rank=9))
CASES: list[tuple[Callable[[Session, Any], None], str, Answer, str]] = [
    (_counted, "transaction", rows(row(3, 5)), "failed"),
    (_counted, "transaction", rows(row(4, 6)), "saved"),
    (_counted, "transaction", rows(row(4, 99)), "failed"),
    (_counted, "transaction", rows(row(5, 7)), "unknown"),
    (_counted, "transaction", absent, "unknown"),
    (_uncounted, "transaction", rows(row(3, 5)), "failed"),
    (_uncounted, "transaction", rows(row(4, 5)), "unknown"),
    (_uncounted, "transaction", absent, "saved"),
    (_inserted, "entity/set", absent, "failed"),
    (_inserted, "entity/set", rows(row(1, 6)), "saved"),
    (_inserted, "entity/set", rows(row(1, 7)), "failed"),
    (_inserted, "entity/set", rows(row(2, 7)), "unknown"),
    (_assigned, "entity/set", BEFORE, "failed"),
    (_assigned, "entity/set", OURS, "saved"),
    (_assigned, "entity/set", OTHER, "unknown"),
    (_assigned, "entity/set", absent, "unknown"),
    (_added, "entity/set", absent, "failed"),
    (_added, "entity/set", OURS, "saved"),
    (_added, "entity/set", OTHER, "unknown"),
    (_created, "entity/set", absent, "failed"),
    (_created, "entity/set", OURS, "saved"),
    (_created, "entity/set", OTHER, "unknown"),
    (_deleted, "entity/delete", absent, "saved"),
    (_deleted, "entity/delete", BEFORE, "failed"),
    (_deleted, "entity/delete", OTHER, "unknown"),
    (_deleted_by_key, "entity/delete", absent, "saved"),
    (_deleted_by_key, "entity/delete", OTHER, "failed"),
]


@pytest.mark.parametrize(("fill", "path", "found", "verdict"), CASES)
def test_reading_tells_what_became_of_a_write(
    fill: Callable[[Session, Any], None], path: str, found: Answer, verdict: str
) -> None:
    with session() as (held, script):
        fill(held, script)
        script.expect(Line(path, LOST))
        with pytest.raises(AnswerLost) as caught:
            held.commit()
        assert caught.value.outcome is not None
        (unknown,) = caught.value.outcome.unknown
        assert not caught.value.outcome.failed
        before = len(held.plan().items)

        script.expect(Line("batch/get", found))
        outcome = held.resolve()
        told = {
            "saved": [key for _, key in outcome.saved],
            "failed": [each.key for each in outcome.failed],
            "unknown": [each.key for each in outcome.unknown],
        }
        assert told == {kind: [unknown.key] * (kind == verdict) for kind in told}
        assert len(held.plan().items) == (0 if verdict == "saved" else before) <= 1
        assert all(not each.unknown for each in outcome.failed)


@pytest.mark.parametrize("verb", [Session.commit, Session.retry])
@pytest.mark.parametrize("fill", [_counted, _inserted, _created])
def test_what_must_not_happen_twice_is_looked_up_before_it_is_sent_again(
    fill: Callable[[Session, Any], None], verb: Callable[[Session], Any]
) -> None:
    with session() as (held, script):
        fill(held, script)
        (call,) = held.plan().calls
        (item,) = call.items
        script.expect(Line(call.path, LOST))
        with pytest.raises(AnswerLost):
            held.commit()
        assert held.plan().unknown == (item,)
        assert "unknown, to be read first: " in str(held.plan())
        script.expect(Line("batch/get", rows({"key": item.name[1], "value": item.stored})))
        assert verb(held).saved == 1
        assert not held.plan()
        assert not held.plan().unknown


@pytest.mark.parametrize("verb", [Session.commit, Session.retry])
def test_a_save_that_cannot_be_decided_stops_the_next_commit(
    verb: Callable[[Session], Any],
) -> None:
    with session() as (held, script):
        counter = read_counter(held, script)
        counter.count += 1
        script.expect(Line("transaction", LOST), Line("batch/get", rows(row(5, 7))))
        with pytest.raises(AnswerLost):
            held.commit()
        with pytest.raises(PartialCommit) as caught:
            verb(held)
        assert [each.key for each in caught.value.unknown] == ["counter:a"]
        assert not caught.value.failed
        assert "reading does not tell" in caught.value.unknown[0].message
        script.expect(Line("entity/get", says(row(5, 7))))
        held.refresh(counter)
        counter.count += 1
        script.expect(Line("transaction", Response(204)))
        assert held.commit().saved == 1
        assert counter.revision == 6


def test_somebody_else_s_save_is_a_conflict_after_all() -> None:
    with session() as (held, script):
        read_counter(held, script).count += 1
        script.expect(Line("transaction", LOST), Line("batch/get", rows(row(4, 99))))
        with pytest.raises(AnswerLost):
            held.commit()
        (failure,) = held.resolve().failed
        assert isinstance(failure.error, VersionConflict)
        assert (failure.error.expected, failure.error.actual) == (3, 4)


@pytest.mark.parametrize(
    ("fill", "refusal_of"),
    [(_counted, REFUSED), (_inserted, refusal("KEY_CONFLICT", 409))],
)
def test_a_write_that_arrives_late_is_no_conflict_with_oneself(
    fill: Callable[[Session, Any], None], refusal_of: Response
) -> None:
    """It was not there when it was looked for, and was when it was sent again."""
    with session() as (held, script):
        fill(held, script)
        (call,) = held.plan().calls
        (item,) = call.items
        looked = rows(row(3, 5)) if fill is _counted else absent
        script.expect(
            Line(call.path, LOST),
            Line("batch/get", looked),
            Line(call.path, refusal_of),
            Line("batch/get", rows({"key": item.name[1], "value": item.stored})),
        )
        with pytest.raises(AnswerLost):
            held.commit()
        assert held.commit().saved == 1
        assert not held.plan()


def test_a_conflict_with_somebody_else_is_one_however_often_it_is_tried() -> None:
    with session() as (held, script):
        _inserted(held, script)
        taken = refusal("KEY_CONFLICT", 409)
        script.expect(Line("entity/set", taken), Line("entity/set", taken))
        for _ in range(2):
            with pytest.raises(KeyConflict):
                held.commit()


def test_the_writes_of_a_transaction_share_their_fate() -> None:
    with session(atomic="always") as (held, script):
        one, two = read_tasks(held, script, [stored(1), stored(2)])
        one.rank = two.rank = 1
        held.add(Task(number=3))
        script.expect(Line("transaction", LOST))
        with pytest.raises(AnswerLost):
            held.commit()
        # Somebody changed one since; the others tell that all of it was done.
        script.expect(Line("batch/get", rows(stored(1, rank=7), stored(2, rank=1), stored(3))))
        assert len(held.resolve().saved) == 3
        assert not held.plan()


def test_writes_of_a_transaction_that_contradict_each_other_stay_unknown() -> None:
    with session(atomic="always") as (held, script):
        for task in read_tasks(held, script, [stored(1), stored(2)]):
            task.rank = 1
        script.expect(Line("transaction", LOST))
        with pytest.raises(AnswerLost):
            held.commit()
        script.expect(Line("batch/get", rows(stored(1, rank=1), stored(2))))
        assert len(held.resolve().unknown) == 2


def test_a_requirement_of_a_transaction_found_saved_is_met() -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, [stored(1)])
        held.require(task, Task.rank == 0)
        task.rank = 1
        script.expect(Line("transaction", LOST), Line("batch/get", OURS))
        with pytest.raises(AnswerLost):
            held.commit()
        held.resolve()
        assert not held.plan()
        held.add(Task(number=2))
        assert [call.path for call in held.plan().calls] == ["entity/set"]


def test_retry_sends_what_failed_and_nothing_that_came_later() -> None:
    with session() as (held, script):
        held.add(*[Task(number=number) for number in range(3)])
        script.expect(
            Line("batch/set", lambda request: done(request, task_1=("MAX_SIZE", "large")))
        )
        with pytest.raises(PartialCommit):
            held.commit()
        held.add(Task(number=7))
        script.expect(Line("entity/set", done))
        assert held.retry().saved == 1
        assert keys(script.heard[-1]) == ["task:1"]
        assert [item.name[1] for item in held.plan().items] == ["task:7"]
        assert held.retry().calls == 0


def test_a_retry_that_fails_can_be_tried_again() -> None:
    with session() as (held, script):
        held.add(*[Task(number=number) for number in range(30)])
        script.expect(Line("batch/set", done), Line("batch/set", NotSent("no way")))
        with pytest.raises(PartialCommit):
            held.commit()
        script.expect(Line("batch/set", NotSent("no way")), Line("batch/set", done))
        with pytest.raises(NotSent) as caught:
            held.retry()
        assert caught.value.outcome is not None
        assert len(caught.value.outcome.failed) == 5
        assert held.retry().saved == 5


def test_what_was_changed_since_is_still_a_change() -> None:
    with session() as (held, script):
        counter = read_counter(held, script)
        counter.count += 1
        script.expect(Line("transaction", LOST))
        with pytest.raises(AnswerLost):
            held.commit()
        counter.count += 10
        script.expect(Line("batch/get", rows(row(4, 6))), Line("transaction", Response(204)))
        held.commit()
        (write,) = said(script.heard[-1])["set"]
        assert write["value"] == {"name": "a", "count": 16, "revision": 5}


def test_an_insert_that_may_have_happened_can_be_deleted() -> None:
    with session() as (held, script):
        task = Task(number=1)
        held.insert(task)
        script.expect(Line("entity/set", LOST))
        with pytest.raises(AnswerLost):
            held.commit()
        held.delete(task)
        script.expect(Line("batch/get", rows(stored(1))), Line("entity/delete", done))
        assert held.commit().deleted == 1


def test_an_insert_asked_for_twice_is_saved_once() -> None:
    with session() as (held, script):
        task = Task(number=1)
        held.insert(task)
        script.expect(Line("entity/set", LOST), Line("batch/get", rows(stored(1))))
        with pytest.raises(AnswerLost):
            held.commit()
        held.insert(task)
        held.commit()
        assert not held.plan()


@pytest.mark.parametrize("answer", [NotSent("no way"), refusal("INTERNAL_SERVER_ERROR", 500)])
def test_what_cannot_be_read_stays_unknown(answer: Any) -> None:
    with session() as (held, script):
        _counted(held, script)
        script.expect(Line("transaction", LOST), Line("batch/get", answer))
        with pytest.raises(AnswerLost):
            held.commit()
        assert len(held.resolve().unknown) == 1
        assert len(held.plan().unknown) == 1


def test_an_interrupted_commit_is_looked_up_as_a_lost_answer_is() -> None:
    with session() as (held, script):
        _counted(held, script)
        script.expect(Line("transaction", KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            held.commit()
        script.expect(Line("batch/get", rows(row(4, 6))))
        assert held.commit().saved == 1


def test_forgetting_ends_a_doubt() -> None:
    with session() as (held, script):
        counter = read_counter(held, script)
        counter.count += 1
        script.expect(Line("transaction", LOST))
        with pytest.raises(AnswerLost):
            held.commit()
        held.expunge(counter)
        assert not held.plan()
        assert held.resolve().unknown == ()
        held.rollback()


def test_an_outcome_tells_three_kinds_apart() -> None:
    with session() as (held, script):
        held.add(*[Task(number=number) for number in range(60)])
        script.expect(
            Line("batch/set", done),
            Line("batch/set", LOST),
            Line("batch/set", lambda request: done(request, task_55=("MAX_SIZE", "large"))),
        )
        with pytest.raises(PartialCommit) as caught:
            held.commit()
        error = caught.value
        assert [len(error.saved), len(error.failed), len(error.unknown)] == [34, 1, 25]
        assert error.outcome is not None
        assert error.outcome.failed == error.failed
        again = pickle.loads(pickle.dumps(error))
        assert [each.key for each in again.unknown] == [each.key for each in error.unknown]


def test_a_condition_that_fails_alone_is_what_failed() -> None:
    with session() as (held, script):
        held.add(Task(number=1), condition=Task.rank == 0)
        held.add(Task(number=2))
        script.expect(Line("transaction", REFUSED))
        with pytest.raises(ConditionFailed) as caught:
            held.commit()
        assert caught.value.outcome is not None
        assert [(each.key, each.code) for each in caught.value.outcome.failed] == [
            ("task:1", "CONDITIONAL_CHECK_FAILED"),
            ("task:2", "NotSent"),
        ]


@pytest.mark.parametrize(
    "reply",
    [
        LOST,
        NotSent("no way"),
        refusal("INTERNAL_SERVER_ERROR", 500),
        refusal("KEY_CONFLICT", 409),
    ],
)
def test_an_error_is_pickled_with_its_outcome(reply: Any) -> None:
    with session() as (held, script):
        held.insert(Task(number=1))
        script.expect(Line("entity/set", reply))
        with pytest.raises(ForgeError) as caught:
            held.commit()
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value)
    assert again.outcome is not None
    (each,) = (*again.outcome.failed, *again.outcome.unknown)
    assert each.error is again
    assert str(again) == str(caught.value)


def test_a_touch_leaves_nothing_to_see_and_is_sent_again() -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, [stored(1)])
        held.touch(task, ttl=timedelta(hours=1))
        (call,) = held.plan().calls
        script.expect(Line(call.path, LOST), Line("batch/get", BEFORE))
        with pytest.raises(AnswerLost):
            held.commit()
        assert [each.key for each in held.resolve().unknown] == ["task:1"]
        script.expect(Line(call.path, Response(204)))
        assert held.commit().saved == 1
        assert not held.plan()
