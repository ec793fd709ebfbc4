"""How writes are put into calls: 25 items, 4 MB, and a transaction where one is needed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_orm import InvalidValue, Session, SessionError
from forge_orm.limits import BATCH_MAX_ITEMS, PAYLOAD_MAX_BYTES, VALUE_MAX_BYTES
from forge_orm.unit import Atomic, WriteItem
from forge_orm.unit.plan import make_plan

from ..flows.script import Task, items, keys, read_tasks, said, session, stored


def _write(number: int, size: int) -> WriteItem:
    """Return a write of *size* bytes, or a deletion where that is 0."""
    name = (Task, f"task:{number}")
    value = b'"%s"' % (b"x" * (size - 2)) if size else None
    return WriteItem(name, Task(number=number), value)


SIZES = st.one_of(
    st.just(0), st.integers(2, 300), st.integers(VALUE_MAX_BYTES - 50, VALUE_MAX_BYTES)
)


@settings(deadline=None, max_examples=60)
@given(st.lists(SIZES, max_size=90))
def test_every_write_is_in_one_call_in_order_and_no_call_is_too_large(sizes: list[int]) -> None:
    writes = [_write(number, size) for number, size in enumerate(sizes)]
    plan = make_plan(writes, [], "auto")
    for call in plan.calls:
        request = call.operation.request
        assert 1 <= len(call.items) <= BATCH_MAX_ITEMS
        assert len(request.body) <= PAYLOAD_MAX_BYTES
        assert keys(request) == [item.address[1] for item in call.items]
    sets = [item for item in writes if item.value is not None]
    deletes = [item for item in writes if item.value is None]
    assert list(plan.items) == [*sets, *deletes]
    assert len(plan.stages) == bool(writes)


@pytest.mark.parametrize(
    ("count", "size", "calls"),
    [
        (1, 9, [1]),
        (25, 9, [25]),
        (26, 9, [25, 1]),
        (60, 9, [25, 25, 10]),
        (25, 160_000, [25]),
        (25, VALUE_MAX_BYTES, [17, 8]),
        (40, VALUE_MAX_BYTES, [17, 17, 6]),
        (60, 0, [25, 25, 10]),
    ],
)
def test_a_call_takes_as_much_as_the_service_does(
    count: int, size: int, calls: list[int]
) -> None:
    plan = make_plan([_write(number, size) for number in range(count)], [], "auto")
    assert [len(call.items) for call in plan.calls] == calls


def _new(count: int) -> list[Task]:
    return [Task(number=number) for number in range(count)]


def _mixed(held: Session) -> None:
    """Two sets, one deletion, one guarded set, one guarded deletion."""
    plain, guarded = _new(4)[:2], _new(4)[2]
    held.add(*plain)
    held.add(guarded, condition=Task.rank == 1)
    held.delete_keys(Task, "task:8", "task:9")
    held.delete(Task(number=7), condition=Task.who.missing())


def _plain(held: Session) -> None:
    held.add(*_new(2))


def _required(held: Session) -> None:
    held.add(*_new(2))
    held.require(Task(number=9), Task.rank > 3, Task.who == "u1")


CASES: list[tuple[Callable[[Session], None], Atomic, list[list[str]]]] = [
    (_plain, "auto", [["batch/set"]]),
    (_plain, "never", [["batch/set"]]),
    (_plain, "always", [["transaction"]]),
    (_mixed, "auto", [["transaction"], ["batch/set", "batch/delete"]]),
    (_mixed, "always", [["transaction"]]),
    (_required, "auto", [["transaction"]]),
    (_required, "always", [["transaction"]]),
]


@pytest.mark.parametrize(("fill", "atomic", "stages"), CASES)
def test_the_mode_chooses_between_transactions_and_batches(
    fill: Callable[[Session], None], atomic: Atomic, stages: list[list[str]]
) -> None:
    with session(atomic=atomic) as (held, _):
        fill(held)
        plan = held.plan()
        assert [[call.path for call in stage] for stage in plan.stages] == stages
        assert str(plan) == str(held.plan())


@pytest.mark.parametrize("fill", [_mixed, _required])
def test_never_refuses_conditions_before_anything_is_sent(
    fill: Callable[[Session], None],
) -> None:
    with session(atomic="never") as (held, _):
        fill(held)
        with pytest.raises(SessionError, match="conditions need a transaction"):
            held.flush()


def test_conditions_go_with_their_writes_and_requirements_alone() -> None:
    with session() as (held, script):
        (known,) = read_tasks(held, script, [stored(5)])
        known.rank = 6
        _mixed(held)
        held.require(known, Task.rank == 0)
        held.require(Task(number=9), Task.who == "u1")
        held.expunge(known)
        held.require(Task(number=6), (Task.rank > 3) | (Task.title == "x"))
        (call,) = held.plan().calls
        body = said(call.operation.request)

    def where(*parts: tuple[str, str, Any], joined: str = "and") -> dict[str, Any]:
        names = ("property", "condition", "values")
        return {joined: [dict(zip(names, part, strict=True)) for part in parts]}

    conditions = {item["key"]: item.get("conditions") for item in body["set"]}
    assert conditions == {
        "task:0": None,
        "task:1": None,
        "task:2": where(("rank", "EQUAL_TO", [1])),
    }
    # One deletion is also required of: both stand on the one item that names its key.
    assert {item["key"]: item.get("conditions") for item in body["delete"]} == {
        "task:7": where(("who", "NOT_EXISTS", [True])),
        "task:8": None,
        "task:9": where(("who", "EQUAL_TO", ["u1"])),
    }
    either = where(("rank", "GREATER_THAN", [3]), ("title", "EQUAL_TO", ["x"]), joined="or")
    assert body["check"] == [{"key": "task:6", "entityName": "task", "conditions": either}]


def test_a_requirement_joins_the_condition_of_a_write() -> None:
    with session() as (held, _):
        task = Task(number=1)
        held.add(task, condition=Task.rank == 1)
        held.require(task, Task.title == "t")
        held.require(task, Task.who == "u1")
        (call,) = held.plan().calls
        body = said(call.operation.request)
    assert [part["property"] for part in body["set"][0]["conditions"]["and"]] == [
        "rank",
        "title",
        "who",
    ]
    assert "check" not in body


@pytest.mark.parametrize("atomic", ["auto", "always", "never"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_time_to_live_goes_with_its_write_only(atomic: Atomic, count: int) -> None:
    with session(atomic=atomic) as (held, _):
        for number, task in enumerate(_new(count)):
            held.add(task, ttl=timedelta(hours=number) if number else timedelta(seconds=9))
        held.add(Task(number=9)) if count > 1 else None
        request = held.plan().calls[0].operation.request
        rows = said(request)["set"] if atomic == "always" else items(request)
    lives = [item.get("options", {}).get("ttl", {}).get("value") for item in rows]
    assert lives == ([9] if count == 1 else [9, 3600, None])


@pytest.mark.parametrize(
    "ttl", [timedelta(0), timedelta(seconds=0.5), timedelta(days=366), timedelta(seconds=-1)]
)
def test_an_impossible_time_to_live_stops_everything(ttl: timedelta) -> None:
    with session() as (held, _):
        held.add(Task(number=1))
        held.add(Task(number=2), ttl=ttl)
        with pytest.raises(InvalidValue, match="whole seconds"):
            held.flush()


def test_always_refuses_a_26th_operation_before_anything_is_sent() -> None:
    with session(atomic="always") as (held, _):
        held.add(*_new(24))
        held.require(Task(number=99), Task.rank == 1)
        assert len(held.plan().calls) == 1
        held.delete_keys(Task, "task:77")
        with pytest.raises(SessionError, match=r"26 operations .* 1 too many"):
            held.flush()


def test_always_refuses_more_than_four_megabytes_before_anything_is_sent() -> None:
    with session(atomic="always") as (held, _):
        held.add(*[Task(number=number, who="x" * 240_000) for number in range(18)])
        with pytest.raises(
            SessionError, match=f"limit is {PAYLOAD_MAX_BYTES}, so \\d+ too many"
        ):
            held.flush()


@pytest.mark.parametrize(
    ("count", "size", "units"),
    [(1, 10, [1]), (25, 10, [1]), (26, 10, [1, 1]), (1, 10_300, [2]), (25, 1000, [3])],
)
def test_a_call_is_rounded_to_units_once(count: int, size: int, units: list[int]) -> None:
    plan = make_plan([_write(number, size) for number in range(count)], [], "auto")
    assert [call.units for call in plan.calls] == units
    assert plan.units == sum(units)
    assert f"{len(plan.calls)} call" in str(plan)


def test_more_guarded_writes_than_one_transaction_takes_are_several() -> None:
    with session() as (held, _):
        for task in _new(30):
            held.add(task, condition=Task.rank == 0)
        assert [len(call.items) for call in held.plan().calls] == [25, 5]


def test_a_plan_reads_well() -> None:
    with session() as (held, script):
        (known,) = read_tasks(held, script, [stored(5)])
        known.rank = 6
        _mixed(held)
        lines = str(held.plan()).splitlines()
        plan = held.plan()
    assert lines[0] == f"7 writes in 3 calls, {plan.bytes} bytes, 3 units"
    assert lines[1] == f"transaction: 2 items, {plan.calls[0].bytes} bytes, 1 unit"
    assert plan.bytes == sum(len(call.operation.request.body) for call in plan.calls)
    assert lines[2].startswith("  set task 'task:2', ")
    assert lines[2].endswith(" bytes when rank == 1")
    assert "  delete task 'task:7' when who NOT EXISTS" in lines
    assert any(line.startswith("  set task 'task:5' (rank), ") for line in lines)
