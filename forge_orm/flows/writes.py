# pyright: reportUnusedCallResult=true
"""Writing a unit of work: plan, perform, record."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ..errors import (
    AnswerLost,
    CommitOutcome,
    ForgeError,
    ItemFailure,
    NotSent,
    PartialCommit,
    ServiceFault,
)
from ..unit import Atomic, PlannedCall, UnitOfWork, WriteItem, WritePlan
from ..unit.plan import NOTHING
from .core import Flow, Outcome
from .deletions import expand
from .doubts import settle, undecided
from .reserve import Claims
from .settling import settled

_log: Final = logging.getLogger("forge_orm.session")


@dataclass(frozen=True, slots=True)
class FlushReport:
    """What a flush did: entities saved and deleted, calls that wrote."""

    saved: int = 0
    deleted: int = 0
    calls: int = 0


def flush(unit: UnitOfWork, atomic: Atomic) -> Flow[FlushReport]:
    """Send everything pending; what the service confirmed is recorded, call by call.

    Where the first call stood alone and failed as a whole, its error is raised: nothing was
    written. Otherwise `PartialCommit` says what was and what was not. The `outcome` of either
    tells what failed from what is unknown. What is unknown already and must not be sent twice
    is looked up first.
    """
    saved: Sequence[WriteItem] = ()
    if blocking := unit.unsettled.blocking:
        saved = (yield from settle(unit, blocking)).saved
        _refuse_undecided(saved, [doubt.item for doubt in unit.unsettled.blocking])
    yield from expand(unit, atomic)
    return (yield from _carry_out(unit, unit.plan(atomic), saved))


def retry(unit: UnitOfWork, atomic: Atomic) -> Flow[FlushReport]:
    """Find out what is unknown, then send again what failed, and nothing else."""
    found = yield from settle(unit, unit.unsettled.doubts)
    names = frozenset(unit.unsettled.failed)
    plan = unit.plan(atomic, names) if names else NOTHING
    report = yield from _carry_out(unit, plan, found.saved)
    _refuse_undecided(found.saved, [doubt.item for doubt in unit.unsettled.doubts])
    return report


def _refuse_undecided(saved: Iterable[WriteItem], items: Sequence[WriteItem]) -> None:
    if items:
        raise PartialCommit(_addresses(saved), [*undecided(items)])


def _carry_out(
    unit: UnitOfWork, plan: WritePlan, found: Sequence[WriteItem]
) -> Flow[FlushReport]:
    """Make the calls of *plan*, once its claims are made; *found* was saved before."""
    if plan.again is None:
        return (yield from _make_calls(unit, plan, found))
    claims = Claims(plan)
    try:
        ready = yield from claims.settle(unit)
    except ForgeError as error:
        yield from claims.release()
        refusal = _surely_unsent(error)
        failed = _unclaimed(unit, plan, claims, refusal)
        raise _raised(refusal, found, failed, ()) from refusal.__cause__
    try:
        return (yield from _make_calls(unit, ready, found))
    except ForgeError as error:
        yield from claims.release(error.outcome)
        raise


def _make_calls(
    unit: UnitOfWork, plan: WritePlan, found: Sequence[WriteItem]
) -> Flow[FlushReport]:
    """Make calls stage by stage; after a failure nothing more is sent."""
    saved: list[WriteItem] = []
    for number, stage in enumerate(plan.stages, start=1):
        outcomes = yield from _send(unit, stage)
        failed: list[ItemFailure] = []
        alone: ForgeError | None = None
        for call, outcome in zip(stage, outcomes, strict=True):
            result = yield from settled(unit, call, outcome)
            _record(unit, call, result.saved, result.unsaved, result.failures)
            saved += result.saved
            failed += result.failures
            alone = result.error if len(stage) == 1 and not saved else None
        if failed or alone is not None:
            failed += _unsent(unit, plan.stages[number:])
            raise _raised(alone, [*found, *saved], failed, plan.stages[number:])
    unit.flushed()
    report = _report([*found, *saved], len(plan.calls))
    if plan:
        _log.debug("flushed: %s", report)
    return report


def _record(
    unit: UnitOfWork,
    call: PlannedCall,
    saved: Sequence[WriteItem],
    unsaved: Sequence[WriteItem],
    failures: Sequence[ItemFailure],
) -> None:
    for item in saved:
        unit.written(item)
    for item, failure in zip(unsaved, failures, strict=True):
        unit.unconfirmed(call, [item], unknown=failure.unknown)


def _send(unit: UnitOfWork, stage: tuple[PlannedCall, ...]) -> Flow[tuple[Outcome, ...]]:
    """Make one round trip; an interrupted one leaves its items to be written, and unknown."""
    unit.sending([item for call in stage for item in call.items])
    try:
        return (yield tuple([call.operation.request for call in stage]))
    except BaseException:
        for call in stage:
            unit.unconfirmed(call, call.items, unknown=True)
        raise


def _raised(
    alone: ForgeError | None,
    saved: Sequence[WriteItem],
    failed: Sequence[ItemFailure],
    later: Sequence[Sequence[PlannedCall]],
) -> ForgeError:
    """Return the error to raise: that of the only call, or the list of what was not done."""
    if alone is None or saved:
        return PartialCommit(_addresses(saved), failed)
    alone.outcome = CommitOutcome.of((), failed)
    if count := sum(len(call.items) for stage in later for call in stage):
        alone.add_note(f"{count} other writes were not sent")
    return alone


def _unsent(unit: UnitOfWork, stages: Sequence[Sequence[PlannedCall]]) -> list[ItemFailure]:
    error = NotSent("not sent, because an earlier call of the commit failed")
    calls = [call for stage in stages for call in stage]
    for call in calls:
        unit.unconfirmed(call, call.items, unknown=False)
    return [failure for call in calls for failure in call.failures_for(error)]


def _surely_unsent(error: ForgeError) -> ForgeError:
    """Return *error*, or one of the same cause that says that no entity was written."""
    if not isinstance(error, AnswerLost | ServiceFault):
        return error
    refusal = NotSent(f"not sent, because its unique values could not be claimed: {error}")
    refusal.__cause__ = error
    return refusal


def _unclaimed(
    unit: UnitOfWork, plan: WritePlan, claims: Claims, error: ForgeError
) -> list[ItemFailure]:
    """Return the failures where claims were refused: nothing of the plan was sent."""
    unsent = _unsent(unit, plan.stages)
    if claims.blamed is None:
        return [ItemFailure(each.entity, each.key, error) for each in unsent]
    if len(unsent) > 1:
        error.add_note(f"{len(unsent) - 1} other writes were not sent")
    blamed = ItemFailure(*claims.blamed, error)
    return [each for each in unsent if (each.entity, each.key) != claims.blamed] + [blamed]


def _report(saved: Sequence[WriteItem], calls: int) -> FlushReport:
    deleted = sum(item.value is None for item in saved)
    return FlushReport(len(saved) - deleted, deleted, calls)


def _addresses(items: Iterable[WriteItem]) -> list[tuple[str, str]]:
    return [item.address for item in items]
