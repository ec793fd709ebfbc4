# pyright: reportUnusedCallResult=true
"""Finding out, by reading, what became of writes whose answer was lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import (
    AnswerLost,
    CommitOutcome,
    ForgeError,
    ItemFailure,
    KeyNotFound,
    NotSent,
    VersionConflict,
)
from ..limits import BATCH_MAX_ITEMS
from ..operations import BatchItem, batch_get
from ..operations.batch import read_batch_rows
from ..unit import Address, Doubt, Rows, UnitOfWork, Verdict, WriteItem, judge_all
from .core import Flow, answer


@dataclass(frozen=True, slots=True)
class Findings:
    """What reading told: writes that were carried out, were not, or are unknown still."""

    saved: tuple[WriteItem, ...] = ()
    failed: tuple[ItemFailure, ...] = ()
    unknown: tuple[ItemFailure, ...] = ()

    @property
    def outcome(self) -> CommitOutcome:
        """The same, for users."""
        return CommitOutcome(
            tuple(item.address for item in self.saved), self.failed, self.unknown
        )


def resolve(unit: UnitOfWork) -> Flow[CommitOutcome]:
    """Find out about every write that is unknown."""
    return (yield from settle(unit, unit.unsettled.doubts)).outcome


def settle(unit: UnitOfWork, doubts: Iterable[Doubt]) -> Flow[Findings]:
    """Read what *doubts* are about, and bring the unit in line with what is found."""
    listed = tuple(doubts)
    if not listed:
        return Findings()
    rows = yield from read_rows(addresses(listed))
    verdicts = judge_all(listed, rows)
    unit.judged(verdicts)
    items = {verdict: list[WriteItem]() for verdict in Verdict}
    for doubt in listed:
        items[verdicts[doubt.item.name]].append(doubt.item)
    return Findings(
        tuple(items[Verdict.SAVED]),
        tuple(
            ItemFailure(*item.address, _reason(item, rows)) for item in items[Verdict.FAILED]
        ),
        tuple(undecided(items[Verdict.UNKNOWN])),
    )


def addresses(doubts: Iterable[Doubt]) -> list[Address]:
    """Return what to read to judge *doubts*: what they wrote, and their receipts."""
    listed = tuple(doubts)
    receipts = dict.fromkeys(doubt.call.receipt for doubt in listed if doubt.call.receipt)
    return [*(doubt.item.address for doubt in listed), *((None, key) for key in receipts)]


def undecided(items: Iterable[WriteItem]) -> Iterator[ItemFailure]:
    """Say of *items* that reading did not tell what became of them."""
    for item in items:
        error = AnswerLost(
            "its answer was lost, and reading does not tell what became of it: somebody else "
            "has written it since, or it cannot be read. Refresh or expunge it, or roll back"
        )
        yield ItemFailure(*item.address, error)


def _reason(item: WriteItem, rows: Rows) -> ForgeError:
    return stale(item, rows) or NotSent(
        "its answer was lost, and what is stored shows that it was not carried out"
    )


def stale(item: WriteItem, rows: Rows) -> VersionConflict | None:
    """Return the conflict, if *item* was read in another version than is stored."""
    if not item.versioned or item.address not in rows:
        return None
    row: dict[str, Any] | None = rows[item.address]
    actual = None if row is None else row.get(item.version_name or "")
    if row is not None and actual == item.expected:
        return None
    return VersionConflict(*item.address, item.expected, actual)


def read_rows(wanted: Iterable[Address]) -> Flow[dict[Address, Any]]:
    """Read what is stored at *wanted*; what cannot be read is left out."""
    chunks = list(_chunks(wanted))
    if not chunks:
        return {}
    calls = [batch_get([BatchItem(key, entity) for entity, key in chunk]) for chunk in chunks]
    outcomes = yield tuple([call.request for call in calls])
    rows: dict[Address, Any] = {}
    for chunk, call, outcome in zip(chunks, calls, outcomes, strict=True):
        of_key = {address[1]: address for address in chunk}
        try:
            found, failed = read_batch_rows(call.read(answer(outcome)))
        except ForgeError:
            continue
        rows.update((of_key[row.key], row.value) for row in found)
        absent = (each.key for each in failed if isinstance(each.error, KeyNotFound))
        rows.update((of_key[key], None) for key in absent)
    return rows


def _chunks(wanted: Iterable[Address]) -> Iterator[list[Address]]:
    """Cut *wanted* into batches in which a key occurs once: answers may name the key alone."""
    chunks: list[dict[str, Address]] = []
    for address in wanted:
        free = (c for c in chunks if len(c) < BATCH_MAX_ITEMS and address[1] not in c)
        chunk = next(free, None)
        if chunk is None:
            chunks.append(chunk := {})
        chunk[address[1]] = address
    yield from ([*chunk.values()] for chunk in chunks)
