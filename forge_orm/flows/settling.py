# pyright: reportUnusedCallResult=true
"""What became of each call's items: the answer read, and a conflict explained."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..errors import (
    AnswerLost,
    ConditionFailed,
    Conflict,
    ForgeError,
    ItemFailure,
    KeyAbsent,
    KeyConflict,
    TargetMissing,
)
from ..operations import BatchOutcome
from ..unit import Doubt, PlannedCall, Rows, UnitOfWork, Verdict, WriteItem, judge_all
from .core import Flow, Outcome, answer
from .doubts import addresses, read_rows, stale
from .expired import in_the_way
from .refused import reconsidered


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one call's items; *error* is set where the call failed as a whole."""

    saved: Sequence[WriteItem]
    unsaved: Sequence[WriteItem] = ()
    failures: Sequence[ItemFailure] = ()
    error: ForgeError | None = None


def settled(unit: UnitOfWork, call: PlannedCall, outcome: Outcome) -> Flow[Settled]:
    """Read the answer to *call*; after a conflict, read once what is stored, to explain it."""
    found = _read(call, outcome)
    if isinstance(found.error, KeyConflict):
        over = yield from in_the_way(unit, call, found.error)
        if over is not None:
            return _over(call, *over)
    if isinstance(found.error, Conflict):
        found = yield from _explained(unit, call, found, found.error)
    if isinstance(found.error, ConditionFailed) and _is_about_unique(call):
        found = yield from _amended(unit, call, found, found.error)
    return found


def _over(call: PlannedCall, item: WriteItem, error: ForgeError | None) -> Settled:
    if error is None:
        return Settled([item])
    return Settled((), [item], call.failures_for(error), error)


def _read(call: PlannedCall, outcome: Outcome) -> Settled:
    try:
        result = call.operation.read(answer(outcome))
    except ForgeError as error:
        error.add_note(f"in {call}")
        return Settled((), call.items, call.failures_for(error), error)
    if not isinstance(result, BatchOutcome):
        return Settled(call.items)
    return _divided(call, result)


def _divided(call: PlannedCall, outcome: BatchOutcome) -> Settled:
    """Tell the items of a batch apart: saved is only what the answer says is done."""
    if not outcome.failed and outcome.done == tuple([item.address for item in call.items]):
        return Settled(call.items)  # as nearly always
    of_key = {item.name[1]: item.address for item in call.items}

    def address(entity: str | None, key: str) -> tuple[str | None, str]:
        # The entity's name is optional in an answer, and a batch is of distinct keys mostly.
        return of_key.get(key, (entity, key)) if entity is None else (entity, key)

    errors = {address(it.entity, it.key): it.error for it in outcome.failed}
    done = {address(*name) for name in outcome.done} - errors.keys()
    saved = [item for item in call.items if item.address in done]
    unsaved = [item for item in call.items if item.address not in done]
    silent = AnswerLost(f"{call.path}: the answer does not say what became of it")
    failures = [
        ItemFailure(*item.address, errors.get(item.address, silent)) for item in unsaved
    ]
    return Settled(saved, unsaved, failures)


def _explained(
    unit: UnitOfWork, call: PlannedCall, found: Settled, error: Conflict
) -> Flow[Settled]:
    """Find out which items are stale, and whether the conflict is with the session itself."""
    echoes = [echo for item in call.items if (echo := unit.unsettled.echo(item.name))]
    explained = [
        item.address for item in call.items if item.versioned or item.update or item.touch
    ]
    checks = {(check.entity, check.key) for check in call.checks}
    targets = {target.address for item in call.items for target in item.targets}
    tested = targets & checks
    rows = yield from read_rows(dict.fromkeys([*explained, *tested, *addresses(echoes)]))
    if _is_echo(call, echoes, rows):
        return Settled(call.items)
    gone = {address for address in tested if address in rows and rows[address] is None}
    conflicts = {
        item.address: _conflict(item, rows) or _missing(item, gone) for item in call.items
    }
    failures = [
        ItemFailure(*item.address, conflicts[item.address] or error) for item in call.items
    ]
    first = next((each for each in conflicts.values() if each is not None), error)
    return replace(found, failures=failures, error=first)


def _conflict(item: WriteItem, rows: Rows) -> Conflict | None:
    """Return what is wrong with *item* in particular, as far as what is stored tells."""
    must_exist = (item.update or item.touch) and not item.versioned
    if must_exist and rows.get(item.address, item) is None:
        return KeyAbsent(*item.address)
    return stale(item, rows)


def _missing(item: WriteItem, gone: Container[tuple[str, str]]) -> TargetMissing | None:
    for target in item.targets:
        if target.address in gone:
            return TargetMissing(*item.address, target.attribute, *target.address)
    return None


def _is_echo(call: PlannedCall, echoes: Sequence[Doubt], rows: Rows) -> bool:
    """Whether an earlier attempt at these very writes arrived after all."""
    if [(echo.item.name, echo.item.stored) for echo in echoes] != [
        (item.name, item.stored) for item in call.items
    ]:
        return False
    return all(verdict is Verdict.SAVED for verdict in judge_all(echoes, rows).values())


def _is_about_unique(call: PlannedCall) -> bool:
    return any(item.reserving is not None for item in call.items)


def _amended(
    unit: UnitOfWork, call: PlannedCall, found: Settled, error: ConditionFailed
) -> Flow[Settled]:
    """Find out what a refused transaction had against unique values; send it anew if it may.

    It may where only what it frees was out of date: a deletion happens whatever a row holds.
    """
    left = call
    for _ in range(_AMENDMENTS):
        verdict = yield from reconsidered(left)
        if verdict.errors:
            return _judged(call, found, verdict.errors, error)
        if verdict.call is left:
            return found
        if verdict.call is None:
            return Settled(call.items)
        left = verdict.call
        again = _read(left, (yield from _sent(unit, call, left)))
        if again.error is None:
            return Settled(call.items)
        found = replace(found, failures=call.failures_for(again.error), error=again.error)
        if not isinstance(again.error, ConditionFailed):
            return found
        error = again.error
    return found


_AMENDMENTS: Final = 3


def _judged(
    call: PlannedCall,
    found: Settled,
    errors: Mapping[tuple[str, str], ForgeError],
    error: ForgeError,
) -> Settled:
    failures = [
        ItemFailure(*item.address, errors.get(item.address, error)) for item in call.items
    ]
    return replace(found, failures=failures, error=next(iter(errors.values())))


def _sent(unit: UnitOfWork, call: PlannedCall, left: PlannedCall) -> Flow[Outcome]:
    """Send what is left of *call*; an interruption leaves its items unknown."""
    try:
        (outcome,) = yield (left.operation.request,)
    except BaseException:
        unit.unconfirmed(call, call.items, unknown=True)
        raise
    return outcome
