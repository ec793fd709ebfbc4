"""Why a transaction with unique values was refused, and whether another would not be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ..errors import ForgeError
from ..model.uniques import RESERVATIONS
from ..operations import BatchItem, batch_get, signed
from ..operations.batch import read_batch_rows
from ..unit import PlannedCall, WriteItem
from ..unit.plan import one_transaction
from ..unit.receipts import LIFE
from ..unit.reservations import Claim, Reserving
from ..unit.unique import holds, is_as_read, reserved
from .core import Flow, perform
from .reserve import busy, changed, taken_key, violation


@dataclass(frozen=True, slots=True)
class Verdict:
    """Errors by address, or else the *call* to send: the same one where nothing is to be done.

    None says that nothing is left to be sent.
    """

    call: PlannedCall | None
    errors: Mapping[tuple[str, str], ForgeError]


def reconsidered(call: PlannedCall) -> Flow[Verdict]:
    """Read what a refused transaction was about, and judge it."""
    if not any(item.reserving is not None for item in call.items):
        return Verdict(call, {})
    try:
        stored = yield from _read(_named(call.items))
        owners = yield from _read(_owners(call.items, stored))
    except ForgeError:
        return Verdict(call, {})
    errors = {
        item.address: found
        for item in call.items
        if (found := _judged(item, stored, owners)) is not None
    }
    return Verdict(call, errors) if errors else Verdict(_amended(call, stored), {})


_Rows: TypeAlias = Mapping[str, Mapping[str, Any]]


def _read(named: Sequence[BatchItem]) -> Flow[_Rows]:
    """Read rows by key alone: in a transaction a key occurs once, whatever its entity."""
    if not named:
        return {}
    rows, _ = read_batch_rows((yield from perform(batch_get(named))))
    return {row.key: row.value for row in rows}


def _named(items: Sequence[WriteItem]) -> list[BatchItem]:
    rows = [BatchItem(key, entity) for entity, key in (item.address for item in items)]
    keys = [key for item in items for key in (item.reserving or Reserving()).keys]
    return [*rows, *(BatchItem(key, RESERVATIONS.name) for key in keys)]


def _owners(items: Sequence[WriteItem], stored: _Rows) -> list[BatchItem]:
    """Name the rows whose owners hold what the items claimed."""
    owners = {
        (item.address[0], stored[claim.key]["owner"])
        for item in items
        for claim in (item.reserving or Reserving()).claims
        if claim.key in stored
    }
    return [BatchItem(key, entity) for entity, key in sorted(owners)]


def _judged(item: WriteItem, stored: _Rows, owners: _Rows) -> ForgeError | None:
    """Return what is wrong with one item, if that cannot be amended."""
    does, row = item.reserving, stored.get(item.name[1])
    if does is None:
        return None
    for claim in does.claims:
        if stored.get(claim.key, {}).get("token") != claim.token:
            return _lost(item, claim, stored, owners)
    if does.lock is not None and stored.get(does.lock.key, {}).get("token") != does.lock.token:
        return taken_key(item) if item.create and row is not None else busy(item)
    if any(stored.get(move.key, {}).get("owner") != move.giver for move in does.moves):
        return busy(item)
    return None if _is_deletion(item) or is_as_read(item, row) else changed(item)


def _lost(item: WriteItem, claim: Claim, stored: _Rows, owners: _Rows) -> ForgeError:
    """Return the error for a claim that somebody else took over meanwhile."""
    owner = stored.get(claim.key, {}).get("owner")
    if owner is None or owner == item.name[1]:
        return busy(item)
    has = holds(item, claim.reservation, owners.get(owner))
    return violation(claim.reservation, owner, passing=not has)


def _is_deletion(item: WriteItem) -> bool:
    """Whether it deletes a row whatever it holds."""
    return item.value is None and not item.conditions and item.reserving is not None


def _amended(call: PlannedCall, stored: _Rows) -> PlannedCall | None:
    """Return the call with what it deletes, and what it frees, as it is now."""
    items = [
        _as_it_is(item, stored)
        for item in call.items
        if not (_is_deletion(item) and item.name[1] not in stored)
    ]
    if items == list(call.items):
        return call
    if not items and not call.checks:
        return None
    return _under_receipt(one_transaction(items, call.checks), call)


def _under_receipt(amended: PlannedCall, call: PlannedCall) -> PlannedCall:
    """Let the amended transaction write the receipt of *call*, by which it is known later."""
    if call.receipt is None:
        return amended
    operation = signed(amended.operation, call.receipt, LIFE)
    if operation is None:
        return call
    return replace(amended, operation=operation, receipt=call.receipt)


def _as_it_is(item: WriteItem, stored: _Rows) -> WriteItem:
    does, row = item.reserving, stored.get(item.name[1])
    if does is None or row is None:
        return item
    if not is_as_read(item, row):
        return reserved(item, row)
    owned = tuple(
        free for free in does.frees if stored.get(free.key, {}).get("owner") == free.owner
    )
    return item._replace(reserving=replace(does, frees=owned))
