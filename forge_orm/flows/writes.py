# pyright: reportUnusedCallResult=true
"""Writing a unit of work: plan, perform, record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ForgeError, ItemFailure, PartialCommit
from ..operations import BatchOutcome
from ..unit import Atomic, PlannedCall, UnitOfWork, WriteItem
from .core import Flow, Outcome, answer


@dataclass(frozen=True, slots=True)
class FlushReport:
    """What a flush did: entities saved and deleted, calls made."""

    saved: int = 0
    deleted: int = 0
    calls: int = 0


def flush(unit: UnitOfWork, atomic: Atomic) -> Flow[FlushReport]:
    """Send everything pending; what the service confirmed is recorded, call by call.

    Where one call was all there was and it failed as a whole, its error is raised: nothing
    was written. Otherwise `PartialCommit` says what was and what was not.
    """
    plan = unit.plan(atomic)
    saved: list[WriteItem] = []
    for stage in plan.stages:
        outcomes = yield tuple([call.operation.request for call in stage])
        failed: list[ItemFailure] = []
        for call, outcome in zip(stage, outcomes, strict=True):
            done, failures = _settle(call, outcome, alone=len(plan.calls) == 1)
            for item in done:
                unit.written(item)
            saved += done
            failed += failures
        if failed:
            raise PartialCommit([item.address for item in saved], failed)
    unit.flushed()
    deleted = sum(item.value is None for item in saved)
    return FlushReport(len(saved) - deleted, deleted, len(plan.calls))


def _settle(
    call: PlannedCall, outcome: Outcome, *, alone: bool
) -> tuple[Sequence[WriteItem], Sequence[ItemFailure]]:
    """Return the confirmed items of a call, and the failures of the others."""
    try:
        result = call.operation.decode(answer(outcome))
    except ForgeError as error:
        error.add_note(f"in {call}")
        if alone:
            raise
        return (), call.outcome_for_all(error)
    if not isinstance(result, BatchOutcome):
        return call.items, ()
    failed = {(failure.entity, failure.key) for failure in result.failed}
    return [item for item in call.items if item.address not in failed], result.failed
