"""Claiming unique values before a flush, and giving claims up where it failed.

A claim that is refused is looked into: the value may be another row's, or its reservation a
leftover of a writer that was killed, to be taken over. Rows are read by single gets, which
the service documents as consistent, and after the reservation: a row can come to have a value
only under a new token, so a claim under the token that was seen is safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from pydantic_core import from_json

from ..errors import (
    AnswerLost,
    CommitOutcome,
    ConditionFailed,
    ForgeError,
    KeyAbsent,
    KeyConflict,
    ServiceFault,
    UniqueViolation,
)
from ..model.uniques import RESERVATIONS, Reservation
from ..operations import Operation, entity_get
from ..unit import UnitOfWork, WriteItem, WritePlan
from ..unit.reservations import Claim
from ..unit.unique import holds, known, missing
from .core import Flow, answer, perform_all

Address: TypeAlias = tuple[str, str]
Row: TypeAlias = Mapping[str, Any]

_ATTEMPTS = 8
"""How often a claim that others contend for is looked into before it is given up."""


class _Wanted(NamedTuple):
    """A claim and the write it is for."""

    claim: Claim
    item: WriteItem


_Call: TypeAlias = tuple[_Wanted, Operation[Any]]


class Claims:
    """The claims of one plan on their way: which are made, and what the rows were seen as.

    *blamed* is the (entity, key) of the write whose claim was refused.
    """

    def __init__(self, plan: WritePlan) -> None:
        """Begin with nothing claimed."""
        self.blamed: Address | None = None
        self._plan = plan
        self._wanted = [
            _Wanted(claim, item)
            for item in plan.items
            if item.reserving is not None
            for claim in item.reserving.all_claims
        ]
        self._made: dict[str, Claim] = {}
        self._ours: dict[str, _Wanted] = {}  # made, or perhaps made
        self._rows: dict[Address, Row | None] = {}
        self._unread = {item.address for item in plan.items if _is_unread(item)}

    def settle(self, unit: UnitOfWork) -> Flow[WritePlan]:
        """Make every claim, read what is to be read, and return the plan that follows."""
        doubtful = yield from self._send([(each, each.claim.make()) for each in self._wanted])
        for _ in range(_ATTEMPTS):
            if not doubtful and not self._unread:
                break
            doubtful = yield from self._look_into(doubtful)
        for _, item in doubtful:
            raise self._blaming(item, busy(item))
        return self._ready(unit)

    def _blaming(self, item: WriteItem, error: ForgeError) -> ForgeError:
        self.blamed = item.address
        return error

    def release(self, outcome: CommitOutcome | None = None) -> Flow[None]:
        """Give up the claims of what was not saved; what fails here is left to the next."""
        saved = set(() if outcome is None else outcome.saved)
        left = [each for each in self._ours.values() if each.item.address not in saved]
        if left:
            yield tuple([each.claim.release().request for each in left])

    def _send(self, calls: Sequence[_Call]) -> Flow[list[_Wanted]]:
        """Make calls that claim; return the claims that are not made, or perhaps not."""
        if not calls:
            return []
        outcomes = yield tuple([operation.request for _, operation in calls])
        doubtful: list[_Wanted] = []
        failure: ForgeError | None = None
        for (wanted, operation), outcome in zip(calls, outcomes, strict=True):
            try:
                operation.read(answer(outcome))
                self._make(wanted, fresh=operation.request.operation == "entity/set")
            except (AnswerLost, ServiceFault):
                self._ours[wanted.claim.key] = wanted
                doubtful.append(wanted)
            except (KeyConflict, ConditionFailed):
                doubtful.append(wanted)
            except ForgeError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return doubtful

    def _make(self, wanted: _Wanted, *, fresh: bool) -> None:
        claim, item = wanted
        self._made[claim.key] = claim
        self._ours[claim.key] = wanted
        if fresh and not claim.reservation.attributes:
            self._unread.add(item.address)  # only from now on nobody else creates the row

    def _look_into(self, doubtful: Sequence[_Wanted]) -> Flow[list[_Wanted]]:
        """Read reservations, then rows, and claim what can be claimed."""
        bodies = yield from perform_all(
            [entity_get(RESERVATIONS.name, claim.key) for claim, _ in doubtful]
        )
        found = [_value(body) for body in bodies]
        pairs = list(zip(doubtful, found, strict=True))
        owners = [(each.item.address[0], row["owner"]) for each, row in pairs if row]
        yield from self._read(dict.fromkeys([*owners, *sorted(self._unread)]))
        calls = [self._next(each, row) for each, row in pairs]
        return (yield from self._send([call for call in calls if call is not None]))

    def _read(self, addresses: Iterable[Address]) -> Flow[None]:
        listed = list(addresses)
        bodies = yield from perform_all([entity_get(*address) for address in listed])
        self._rows.update(zip(listed, map(_value, bodies), strict=True))
        self._unread.difference_update(listed)

    def _next(self, wanted: _Wanted, found: Row | None) -> _Call | None:
        """Return the call to try next; None where the claim is made or not needed."""
        claim, item = wanted
        if found is None:
            return wanted, claim.make()
        if found["token"] == claim.token:
            self._make(wanted, fresh=True)
            return None
        self._ours.pop(claim.key, None)
        owner = found["owner"]
        if not holds(item, claim.reservation, self._rows[item.address[0], owner]):
            return wanted, claim.take(found["token"])
        if owner != item.name[1]:
            raise self._blaming(item, violation(claim.reservation, owner))
        if not _is_unread(item):
            raise self._blaming(item, changed(item))
        return None  # the row has it already

    def _ready(self, unit: UnitOfWork) -> WritePlan:
        assert self._plan.again is not None
        items: list[WriteItem] = []
        for item in self._plan.items:
            if not _is_unread(item):
                items.append(item)
            elif (written := self._known(item)) is not None:
                items.append(written)
            else:
                unit.sending([item])
                unit.written(item)
        return self._plan.again(items)

    def _known(self, item: WriteItem) -> WriteItem | None:
        """Return an unread item as it is to be written; None where nothing is to be deleted."""
        row = self._rows[item.address]
        if item.create and row is not None:
            raise self._blaming(item, taken_key(item))
        if item.update and row is None:
            raise self._blaming(item, KeyAbsent(*item.address))
        if item.value is None and row is None and not item.conditions:
            return None
        if item.address in self._unread or missing(item, row, self._made):
            raise self._blaming(item, busy(item))
        return known(item, row, self._made)


def _is_unread(item: WriteItem) -> bool:
    return item.reserving is not None and item.reserving.unread


def _value(body: bytes | None) -> Row | None:
    return None if body is None else from_json(body)["value"]


def violation(wanted: Reservation, owner: str, *, passing: bool = False) -> UniqueViolation:
    """Return the error for a value that *owner* has, or is about to have."""
    entity, key = wanted.entity, wanted.owner
    return UniqueViolation(
        entity, key, wanted.attributes, wanted.values, owner, passing=passing
    )


def taken_key(item: WriteItem) -> KeyConflict:
    """Return the error for a row that was to be created and exists."""
    entity, key = item.address
    return KeyConflict("KEY_CONFLICT", f"{entity} {key!r} exists already", status=409)


def changed(item: WriteItem) -> ConditionFailed:
    """Return the error for a row that is not as it was read, in what is unique."""
    entity, key = item.address
    return ConditionFailed(
        "CONDITIONAL_CHECK_FAILED",
        f"{entity} {key!r} was deleted, or its unique values changed, since it was read: "
        "read it again and repeat the change, or let forge.run() do that",
        status=400,
    )


def busy(item: WriteItem) -> ConditionFailed:
    """Return the error for a row that others are writing at this moment."""
    entity, key = item.address
    return ConditionFailed(
        "CONDITIONAL_CHECK_FAILED",
        f"{entity} {key!r}: others are saving it, or its unique values, at the same time: try "
        "again, or let forge.run() do that",
        status=400,
    )
