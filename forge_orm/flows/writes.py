# pyright: reportUnusedCallResult=true
"""Writing a unit of work: plan, perform, record."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..errors import (
    AnswerLost,
    ConditionFailed,
    ForgeError,
    ItemFailure,
    NotSent,
    PartialCommit,
    VersionConflict,
)
from ..operations import BatchItem, BatchOutcome, batch_get
from ..operations.batch import read_batch_rows
from ..unit import Atomic, PlannedCall, UnitOfWork, WriteItem
from .core import Flow, Outcome, answer, perform

_log: Final = logging.getLogger("forge_orm.session")


@dataclass(frozen=True, slots=True)
class FlushReport:
    """What a flush did: entities saved and deleted, calls made."""

    saved: int = 0
    deleted: int = 0
    calls: int = 0


def flush(unit: UnitOfWork, atomic: Atomic) -> Flow[FlushReport]:
    """Send everything pending; what the service confirmed is recorded, call by call.

    Where the first call stood alone and failed as a whole, its error is raised: nothing was
    written. Otherwise `PartialCommit` says what was and what was not.
    """
    plan = unit.plan(atomic)
    saved: list[WriteItem] = []
    for number, stage in enumerate(plan.stages, start=1):
        outcomes = yield from _send(unit, stage)
        failed: list[ItemFailure] = []
        for call, outcome in zip(stage, outcomes, strict=True):
            settled = _settle(call, outcome)
            if isinstance(settled.error, ConditionFailed):
                settled = yield from _compared(call, settled, settled.error)
            for item in settled.saved:
                unit.written(item)
            unit.unconfirmed(settled.unsaved)
            saved += settled.saved
            failed += settled.failures
            if settled.error is not None and len(stage) == 1 and not saved:
                raise _alone(settled.error, plan.stages[number:])
        if failed:
            failed += _unsent(plan.stages[number:])
            raise PartialCommit([item.address for item in saved], failed)
    unit.flushed()
    deleted = sum(item.value is None for item in saved)
    report = FlushReport(len(saved) - deleted, deleted, len(plan.calls))
    if plan:
        _log.debug("flushed: %s", report)
    return report


def _send(unit: UnitOfWork, stage: tuple[PlannedCall, ...]) -> Flow[tuple[Outcome, ...]]:
    """Make one round trip; an interrupted one leaves its items to be written."""
    items = [item for call in stage for item in call.items]
    unit.sending(items)
    try:
        return (yield tuple([call.operation.request for call in stage]))
    except BaseException:
        unit.unconfirmed(items)
        raise


def _compared(call: PlannedCall, settled: _Settled, error: ConditionFailed) -> Flow[_Settled]:
    """Find out which entities of a refused transaction are stale, by reading them once."""
    expected = {item.address: item.expected for item in call.items if item.versioned}
    if not expected:
        return settled
    items = [BatchItem(key, entity) for entity, key in expected]
    try:
        rows, _ = read_batch_rows((yield from perform(batch_get(items))))
    except ForgeError:
        return settled
    # By key alone: in a transaction a key occurs once, whatever its entity.
    stored = {row.key: row.value for row in rows}
    names = {item.address: item.version_name for item in call.items}
    stale = {
        address: VersionConflict(*address, version, actual)
        for address, version in expected.items()
        if (actual := stored.get(address[1], {}).get(names[address])) != version
    }
    failures = [
        ItemFailure(*item.address, stale.get(item.address, error)) for item in call.items
    ]
    return replace(settled, failures=failures, error=next(iter(stale.values()), settled.error))


def _alone(error: ForgeError, later: Sequence[Sequence[PlannedCall]]) -> ForgeError:
    if count := sum(len(call.items) for stage in later for call in stage):
        error.add_note(f"{count} other writes were not sent")
    return error


def _unsent(stages: Sequence[Sequence[PlannedCall]]) -> list[ItemFailure]:
    error = NotSent("not sent, because an earlier call of the commit failed")
    return [
        failure for stage in stages for call in stage for failure in call.failures_for(error)
    ]


@dataclass(frozen=True, slots=True)
class _Settled:
    """What became of one call's items; *error* is set where the call failed as a whole."""

    saved: Sequence[WriteItem]
    unsaved: Sequence[WriteItem] = ()
    failures: Sequence[ItemFailure] = ()
    error: ForgeError | None = None


def _settle(call: PlannedCall, outcome: Outcome) -> _Settled:
    try:
        result = call.operation.read(answer(outcome))
    except ForgeError as error:
        error.add_note(f"in {call}")
        return _Settled((), call.items, call.failures_for(error), error)
    if not isinstance(result, BatchOutcome):
        return _Settled(call.items)
    return _divided(call, result)


def _divided(call: PlannedCall, outcome: BatchOutcome) -> _Settled:
    """Tell the items of a batch apart: saved is only what the answer says is done."""
    of_key = {item.name[1]: item.address for item in call.items}

    def address(entity: str | None, key: str) -> tuple[str | None, str]:
        # The entity's name is optional in an answer, and a batch is of distinct keys mostly.
        return of_key.get(key, (entity, key)) if entity is None else (entity, key)

    done = {address(*name) for name in outcome.done}
    errors = {address(it.entity, it.key): it.error for it in outcome.failed}
    saved = [item for item in call.items if item.address in done - errors.keys()]
    unsaved = [item for item in call.items if item not in saved]
    silent = AnswerLost(f"{call.path}: the answer does not say what became of it")
    failures = [
        ItemFailure(*item.address, errors.get(item.address, silent)) for item in unsaved
    ]
    return _Settled(saved, unsaved, failures)
