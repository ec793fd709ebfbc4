# pyright: reportUnusedCallResult=true
"""Looking for unique values and reservations that do not fit, and repairing them.

Queries and batches find what may be wrong; before anything is said or done it is read again,
reservation first, by single gets, which are consistent. A repair is under the token that was
read, so that it never meets a writer who came in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from pydantic_core import from_json

from ..errors import AnswerLost, ConditionFailed, KeyConflict, ServiceFault
from ..limits import BATCH_MAX_ITEMS, PAGE_MAX
from ..model import Entity
from ..model.uniques import RESERVATIONS, Reservation, UniqueMapping
from ..operations import BatchItem, Operation, Stored, batch_get, entity_get, entity_query
from ..operations.batch import read_batch_rows
from ..operations.core import stored_row
from ..query import QuerySpec
from ..schema import BY_KEY
from ..unit.reservations import Claim, new_claim
from ..wire import MetadataField
from .core import Flow, answer, perform, perform_all

Progress: TypeAlias = Callable[[int], object]
_Row: TypeAlias = Mapping[str, Any]


class Trouble(StrEnum):
    """What can be wrong."""

    ORPHAN = "orphan"
    UNRESERVED = "unreserved"
    DOUBLE = "double"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and whether it was put right."""

    trouble: Trouble
    entity: str
    key: str
    what: str
    repaired: bool = False

    def __str__(self) -> str:
        """Say it in a line."""
        told = f"{self.trouble}: {self.what} of {self.entity} {self.key!r}"
        return f"{told}, repaired" if self.repaired else told


class Doctor:
    """Examines the unique values of *classes*; with *repair* puts right what it finds.

    Reservations saved after *before* are left alone: somebody may be at work on them.
    *progress* is told how many rows were looked at, page by page.
    """

    def __init__(
        self,
        classes: Iterable[type[Entity]],
        *,
        repair: bool,
        before: datetime | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Begin with nothing found."""
        self._uniques: dict[str, tuple[UniqueMapping, ...]] = {}
        for mapping in (cls.__forge__ for cls in classes):  # several may share an entity
            known = self._uniques.get(mapping.name, ())
            self._uniques[mapping.name] = tuple(dict.fromkeys([*known, *mapping.uniques]))
        self._repair, self._before, self._progress = repair, before, progress
        self.found: list[Finding] = []

    def examine(self) -> Flow[list[Finding]]:
        """Look at every reservation, then at every row; return what was found."""
        if any(self._uniques.values()):
            yield from self._each_page(RESERVATIONS.name, self._reservations)
        for entity, uniques in self._uniques.items():
            if uniques:
                yield from self._each_page(entity, self._rows_of(uniques))
        return self.found

    def _each_page(
        self, entity: str, look: Callable[[Sequence[Stored[Any]]], Flow[None]]
    ) -> Flow[None]:
        spec = QuerySpec(entity, BY_KEY, metadata=(MetadataField.UPDATED_AT,))
        while True:
            body = yield from perform(entity_query(spec, rows=PAGE_MAX))
            page = from_json(body)
            rows = [stored_row(row) for row in page["data"]]
            yield from look(rows)
            if self._progress is not None:
                _ = self._progress(len(rows))
            if (cursor := page.get("cursor")) is None:
                return
            spec = replace(spec, cursor=cursor)

    # --- reservations that no row holds -------------------------------------------------

    def _reservations(self, page: Sequence[Stored[Any]]) -> Flow[None]:
        ours = [row for row in page if row.value["entity"] in self._uniques]
        owners = yield from _read_many(_owner(row) for row in ours)
        suspects = [
            row
            for row in ours
            if self._is_old(row) and not self._fits(row, owners[_owner(row)])
        ]
        for row in suspects:
            if (yield from self._is_orphan(row)):
                claim = Claim(_told(row), row.value["token"])
                repaired = self._repair and (yield from _does(claim.release()))
                self._note(Trouble.ORPHAN, claim.reservation, repaired=repaired)

    def _is_old(self, row: Stored[Any]) -> bool:
        saved = row.metadata.updated_at
        return self._before is None or saved is None or saved < self._before

    def _fits(self, row: Stored[Any], owner: _Row | None) -> bool:
        """Whether the owner has what the reservation stands for."""
        entity, key = _owner(row)
        uniques = () if owner is None else self._uniques[entity]
        held = (each.reservation(owner or {}, key) for each in uniques)
        return any(each is not None and each.key == row.key for each in held)

    def _is_orphan(self, row: Stored[Any]) -> Flow[bool]:
        """Read again: first the reservation, then its owner."""
        now = yield from _read(RESERVATIONS.name, row.key)
        if now is None or now["token"] != row.value["token"]:
            return False
        return not self._fits(row, (yield from _read(*_owner(row))))

    # --- rows without a reservation -----------------------------------------------------

    def _rows_of(
        self, uniques: Sequence[UniqueMapping]
    ) -> Callable[[Sequence[Stored[Any]]], Flow[None]]:
        def look(page: Sequence[Stored[Any]]) -> Flow[None]:
            wanted = [
                _Wanted(reservation, unique)
                for row in page
                for unique in uniques
                if (reservation := unique.reservation(row.value, row.key)) is not None
            ]
            found = yield from _read_many((RESERVATIONS.name, it.key) for it in wanted)
            for each in wanted:
                held = found[RESERVATIONS.name, each.key]
                if held is None or held["owner"] != each.reservation.owner:
                    yield from self._unreserved(each)

        return look

    def _unreserved(self, wanted: _Wanted) -> Flow[None]:
        reservation = wanted.reservation
        held = yield from _read(RESERVATIONS.name, reservation.key)
        if held is not None and held["owner"] == reservation.owner:
            return
        if not (yield from _has(wanted, reservation.owner)):
            return
        if held is not None and (yield from _has(wanted, held["owner"])):
            self._note(Trouble.DOUBLE, reservation, also=held["owner"])
            return
        repaired = self._repair and held is None and (yield from self._claimed(wanted))
        self._note(Trouble.UNRESERVED, reservation, repaired=repaired)

    def _claimed(self, wanted: _Wanted) -> Flow[bool]:
        """Reserve what a row has; give it up where the row has lost it meanwhile."""
        claim = new_claim(wanted.reservation)
        if not (yield from _does(claim.make())):
            return False
        if (yield from _has(wanted, wanted.reservation.owner)):
            return True
        yield from _does(claim.release())
        return False

    def _note(
        self,
        trouble: Trouble,
        reservation: Reservation,
        *,
        repaired: bool = False,
        also: str | None = None,
    ) -> None:
        what = reservation.what if reservation.attributes else "the key"
        if also is not None:
            what = f"{what}, which {reservation.entity} {also!r} has too,"
        self.found.append(
            Finding(trouble, reservation.entity, reservation.owner, what, repaired)
        )


class _Wanted(NamedTuple):
    """What a row has and so must have reserved, and how to tell whether a row has it."""

    reservation: Reservation
    unique: UniqueMapping

    @property
    def key(self) -> str:
        return self.reservation.key


def _has(wanted: _Wanted, owner: str) -> Flow[bool]:
    """Whether the row *owner* has the value now."""
    row = yield from _read(wanted.reservation.entity, owner)
    found = None if row is None else wanted.unique.reservation(row, owner)
    return found is not None and found.key == wanted.key


def _owner(row: Stored[Any]) -> tuple[str, str]:
    return row.value["entity"], row.value["owner"]


def _told(row: Stored[Any]) -> Reservation:
    """Return a stored reservation, its values as far as they are told."""
    entity, owner = _owner(row)
    if "attributes" not in row.value:
        return Reservation(row.key, entity, owner)
    return Reservation(
        row.key, entity, owner, (row.value["attributes"],), _values(row.value["held"])
    )


def _values(told: str) -> tuple[Any, ...]:
    try:
        return tuple(from_json(told))
    except ValueError:  # it was cut, because it is long
        return (told,)


def _read(entity: str, key: str) -> Flow[_Row | None]:
    body = yield from perform(entity_get(entity, key))
    return None if body is None else from_json(body)["value"]


def _read_many(
    names: Iterable[tuple[str, str]],
) -> Flow[dict[tuple[str, str], _Row | None]]:
    """Read rows of any entities, 25 a call, all calls together."""
    listed = list(dict.fromkeys(names))
    rows: dict[tuple[str, str], _Row | None] = dict.fromkeys(listed)
    groups = [
        (entity, [name for name in listed if name[0] == entity])
        for entity in dict.fromkeys(entity for entity, _ in listed)
    ]
    chunks = [
        (entity, group[start : start + BATCH_MAX_ITEMS])
        for entity, group in groups
        for start in range(0, len(group), BATCH_MAX_ITEMS)
    ]
    calls = [
        batch_get([BatchItem(key, entity) for _, key in chunk]) for entity, chunk in chunks
    ]
    bodies = yield from perform_all(calls)
    for (entity, _), body in zip(chunks, bodies, strict=True):
        found, _ = read_batch_rows(body)
        rows.update({(entity, row.key): row.value for row in found})
    return rows


def _does(operation: Operation[Any]) -> Flow[bool]:
    """Make a call that somebody else may have forestalled; return whether it was done."""
    (outcome,) = yield (operation.request,)
    try:
        operation.read(answer(outcome))
    except (ConditionFailed, KeyConflict, AnswerLost, ServiceFault):
        return False
    return True
