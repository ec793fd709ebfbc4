"""A transaction with a receipt: what became of it is known whatever else was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from forge_orm import AnswerLost, Forge, Session, VersionConflict
from forge_orm.drivers import Channel
from forge_orm.unit import Atomic
from forge_orm.wire import Request, Response

from .script import Line, Scripted, Task, done, items, page, refusal, said, says
from .test_doubts import Counter, row

LOST = AnswerLost("no answer came")
REFUSED = refusal("CONDITIONAL_CHECK_FAILED")


@contextmanager
def signing(atomic: Atomic = "auto") -> Iterator[tuple[Session, Scripted]]:
    """Open a session with receipts that follows a script."""
    script = Scripted()
    yield Session(Channel(script, None), atomic, receipts=True), script
    script.finish()


def counted(held: Session, script: Scripted) -> Counter:
    script.expect(Line("entity/query", page(row(3, 5))))
    counter = held.one(Counter.index("by-key"))
    counter.count += 1
    return counter


def receipts(request: Request) -> list[str]:
    return [item["key"] for item in said(request)["set"] if "entityName" not in item]


def looked_up(value: dict[str, Any], *, receipt: bool) -> Callable[[Request], Response]:
    """Answer a batch get: the counter is *value*; whether the receipt is there."""

    def answer(request: Request) -> Response:
        there = {value["key"]: value["value"]}
        found = [
            item | {"value": there.get(item["key"], True)}
            for item in items(request)
            if item["key"] in there or receipt
        ]
        error = {"code": "KEY_NOT_FOUND", "message": "words"}
        names = [item["key"] for item in found]
        missing = [
            item | {"error": error} for item in items(request) if item["key"] not in names
        ]
        return says({"successfulKeys": found, "failedKeys": missing})

    return answer


CASES = [(row(4, 6), "twin or own"), (row(9, 70), "saved since"), (row(3, 5), "as it was")]


@pytest.mark.parametrize("receipt", [True, False])
@pytest.mark.parametrize("now", [now for now, _ in CASES])
def test_the_receipt_tells_whatever_is_stored(now: dict[str, Any], receipt: bool) -> None:
    with signing() as (held, script):
        counter = counted(held, script)
        script.expect(Line("transaction", LOST))
        with pytest.raises(AnswerLost):
            held.commit()
        (key,) = receipts(script.heard[-1])
        assert key.startswith("forge-orm:receipt:")
        assert held.plan().calls[0].receipt != key
        script.expect(Line("batch/get", looked_up(now, receipt=receipt)))
        outcome = held.resolve()
        assert [len(outcome.saved), len(outcome.failed), len(outcome.unknown)] == (
            [1, 0, 0] if receipt else [0, 1, 0]
        )
        assert bool(held.plan()) is not receipt
        assert counter.revision == (4 if receipt else 3)


def test_a_twin_is_a_conflict() -> None:
    with signing() as (held, script):
        counted(held, script)
        twin = row(4, 6)
        script.expect(
            Line("transaction", LOST),
            Line("batch/get", looked_up(twin, receipt=False)),
            Line("transaction", REFUSED),
            Line("batch/get", looked_up(twin, receipt=False)),
        )
        with pytest.raises(AnswerLost):
            held.commit()
        with pytest.raises(VersionConflict):
            held.commit()


def test_each_transaction_that_is_sent_has_a_receipt_of_its_own() -> None:
    with signing() as (held, script):
        for number in range(40):
            held.add(Task(number=number), condition=Task.rank == 0)
        calls = held.plan().calls
        assert str(held.plan()) == str(held.plan())
        assert f"  receipt {calls[1].receipt!r}" in str(held.plan()).splitlines()
        # A full transaction has no room for one.
        assert [call.receipt is None for call in calls] == [True, False]
        script.expect(Line("transaction", Response(204)), Line("transaction", Response(204)))
        held.commit()
        (first,) = receipts(script.heard[-1])
        held.add(Task(number=99), condition=Task.rank == 0)
        script.expect(Line("transaction", Response(204)))
        held.commit()
        (second,) = receipts(script.heard[-1])
        assert first != second
        (write,) = [item for item in said(script.heard[-1])["set"] if item["key"] == second]
        assert write["options"] == {"ttl": {"value": 86400, "unit": "SECONDS"}}


def test_batches_and_single_calls_have_none() -> None:
    with signing() as (held, script):
        held.add(Task(number=1), Task(number=2))
        script.expect(Line("batch/set", done))
        held.commit()
        assert len(items(script.heard[-1])) == 2


def test_run_goes_on_until_it_knows() -> None:
    script = Scripted(
        Line("entity/get", says(row(3, 5))),
        Line("transaction", LOST),
        Line("batch/get", looked_up(row(3, 5), receipt=False)),
        Line("transaction", LOST),
        Line("batch/get", looked_up(row(4, 6), receipt=True)),
    )

    def work(session: Session) -> str:
        counter = session.get(Counter, "counter:a")
        assert counter is not None
        counter.count += 1
        return "done"

    assert Forge(script, retry=None).run(work, receipts=True) == "done"
    script.finish()


def test_run_without_receipts_leaves_what_is_unknown_to_the_program() -> None:
    script = Scripted(Line("entity/get", says(row(3, 5))), Line("transaction", LOST))

    def work(session: Session) -> None:
        counter = session.get(Counter, "counter:a")
        assert counter is not None
        counter.count += 1

    with pytest.raises(AnswerLost) as caught:
        Forge(script, retry=None).run(work)
    assert caught.value.outcome is not None
    assert [each.key for each in caught.value.outcome.unknown] == ["counter:a"]
    script.finish()
