"""Reading by key: many at once, none twice, and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from forge_orm import (
    AnswerLost,
    CorruptValue,
    ForgeError,
    MetadataField,
    PartialRead,
    Session,
    SessionError,
)
from forge_orm.errors import RateLimited
from forge_orm.flows import reads
from forge_orm.unit import UnitOfWork
from forge_orm.wire import Response

from .script import (
    Line,
    Task,
    done,
    keys,
    page,
    read_tasks,
    refusal,
    said,
    says,
    session,
    stored,
)

QUERY = Task.by_title("t")


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [stored(number) for number in numbers]


def test_many_keys_are_asked_25_at_a_time_together_each_once() -> None:
    unit = UnitOfWork()
    wanted = [f"task:{number}" for number in range(60)]
    flow = reads.get_many(unit, Task, [*wanted, *wanted[:9]])
    requests = next(flow)
    assert [request.operation for request in requests] == ["batch/get"] * 3
    assert [key for request in requests for key in keys(request)] == wanted
    assert [len(keys(request)) for request in requests] == [25, 25, 10]
    absent = {"key": "task:3", "entityName": "task", "error": {"code": "KEY_NOT_FOUND"}}
    replies = [
        says({"successfulKeys": [stored(n) for n in numbers if n != 3], "failedKeys": failed})
        for numbers, failed in (
            (range(24, -1, -1), [absent]),
            (range(25, 50), []),
            (range(50, 60), []),
        )
    ]
    with pytest.raises(StopIteration) as stop:
        flow.send(tuple(replies))
    assert list(stop.value.value) == [key for key in wanted if key != "task:3"]


def test_known_keys_and_deleted_ones_are_not_asked_for() -> None:
    with session() as (held, script):
        first, second = read_tasks(held, script, rows(1, 2))
        new = Task(number=3)
        held.add(new)
        held.delete(second)
        assert held.get(Task, "task:1") is first
        assert held.get(Task, "task:2") is None
        assert held.get(Task, "task:3") is new
        found = held.get_many(Task, ["task:3", "task:2", "task:1"])
        assert found == {"task:3": new, "task:1": first}


def test_a_key_that_cannot_be_read_is_named_with_what_was_read() -> None:
    with session() as (held, script):
        failure = {"key": "task:2", "error": {"code": "TOO_MANY_REQUESTS", "message": "slow"}}
        reply = says({"successfulKeys": rows(1), "failedKeys": [failure]})
        script.expect(Line("batch/get", reply))
        with pytest.raises(PartialRead, match=r"task:2.*TOO_MANY_REQUESTS: slow") as caught:
            held.get_many(Task, ["task:1", "task:2"])
        assert list(caught.value.found) == ["task:1"]
        assert isinstance(caught.value.failed[0].error, RateLimited)


BAD = stored(2, rank="high")


@pytest.mark.parametrize(
    ("path", "answer", "ask"),
    [
        ("entity/query", page(stored(1), BAD), lambda held: held.all(QUERY)),
        ("entity/get", says(BAD), lambda held: held.get(Task, "task:2")),
        (
            "batch/get",
            says({"successfulKeys": [stored(1), BAD], "failedKeys": []}),
            lambda held: held.get_many(Task, ["task:1", "task:2"]),
        ),
    ],
)
def test_a_stored_value_that_does_not_fit_is_named(
    path: str, answer: Response, ask: Callable[[Session], object]
) -> None:
    fits = pytest.raises(CorruptValue, match=r"task:2(.|\n)*rank")
    with session(Line(path, answer)) as (held, _), fits:
        ask(held)


# --- Again ----------------------------------------------------------------------------------


def test_a_refresh_drops_the_changes_and_keeps_the_object() -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, rows(1))
        task.rank = 3
        task.tags.append("x")
        body = {"entityName": "task", "key": "task:1"}
        script.expect(Line("entity/get", says(stored(1, rank=8, tags=["y"])), body))
        held.refresh(task)
        assert (task.rank, task.tags) == (8, ["y"])
        assert not held.plan()
        assert held.get(Task, "task:1") is task
        task.rank = 9
        script.expect(Line("entity/set", done))
        held.flush()


def test_a_refresh_asks_for_metadata_where_there_was_some() -> None:
    with session() as (held, script):
        row = stored(1) | {"createdAt": 1_700_000_000, "updatedAt": 1_700_000_000}
        script.expect(Line("entity/get", says(row)))
        task = held.get(Task, "task:1", metadata=[MetadataField.CREATED_AT])
        assert task is not None
        script.expect(Line("entity/get", says(row | {"updatedAt": 1_700_000_060})))
        held.refresh(task)
        assert said(script.heard[1])["options"] == {"metadataFields": list(MetadataField)}
        assert task.metadata.updated_at is not None
        assert task.metadata.updated_at.timestamp() == 1_700_000_060


def test_what_is_gone_cannot_be_refreshed() -> None:
    with session() as (held, script):
        (task,) = read_tasks(held, script, rows(1))
        task.rank = 4
        script.expect(Line("entity/get", refusal("KEY_NOT_FOUND", 404)))
        with pytest.raises(SessionError, match="no longer stored"):
            held.refresh(task)
        assert [item.attributes for item in held.plan().items] == [("rank",)]


@pytest.mark.parametrize("space", ["kvs", "secrets"])
@pytest.mark.parametrize(
    ("reply", "kind"),
    [(refusal("TOO_MANY_REQUESTS", 429), "failed"), (AnswerLost("no answer"), "unknown")],
)
@pytest.mark.parametrize("verb", ["set", "delete"])
def test_a_write_of_a_key_tells_what_became_of_it(
    space: str, reply: Any, kind: str, verb: str
) -> None:
    path = verb if space == "kvs" else f"secret/{verb}"
    with session(Line(path, reply)) as (held, _):
        keys = getattr(held, space)
        value = (SecretStr("v") if space == "secrets" else 1,) if verb == "set" else ()
        with pytest.raises(ForgeError) as caught:
            getattr(keys, verb)("k", *value)
    outcome = caught.value.outcome
    assert outcome is not None
    assert [each.key for each in getattr(outcome, kind)] == ["k"]
    assert len(outcome.failed) + len(outcome.unknown) == 1
