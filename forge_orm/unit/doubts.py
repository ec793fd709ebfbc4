"""Writes whose answer was lost, and what reading says became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from .identity import Name
from .plan import PlannedCall, WriteItem

Address: TypeAlias = tuple[str | None, str]
"""An entity's name, or None for plain keys, and a key."""
Rows: TypeAlias = Mapping[Address, Any]
"""What was read: the stored value, None where there is none. What is missing was not read."""
Stored: TypeAlias = Mapping[str, Any] | None
"""The stored form of an entity, None where there is none."""


class Verdict(Enum):
    """What became of a write."""

    SAVED = "saved"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Doubt(NamedTuple):
    """A write that may have been carried out, as part of *call*.

    *before* is what was stored then, None where nothing was or it is not known.
    """

    item: WriteItem
    before: Stored
    call: PlannedCall

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again without finding out: the effect would be the same."""
        touches = bool(self.call.items) and all(item.touch for item in self.call.items)
        return touches or self.call.operation.request.repeatable


def judge(doubt: Doubt, now: Stored) -> Verdict:
    """Compare what is stored *now* with what was to be written and what was there before.

    Where somebody else wrote since, a version still tells; without one it stays unknown.
    """
    item = doubt.item
    if item.versioned or (item.create and item.version_name is not None):
        return _by_version(item, now)
    if now == item.stored:  # as it was before too, if only the time to live was renewed
        return Verdict.UNKNOWN if item.touch else Verdict.SAVED
    if doubt.before is not None:
        return Verdict.FAILED if now == doubt.before else Verdict.UNKNOWN
    if now is None or item.value is None:  # a set that left nothing, a deletion that did
        return Verdict.FAILED
    return Verdict.UNKNOWN


def _by_version(item: WriteItem, now: Stored) -> Verdict:
    """Judge by the version: one number is written once only, by whoever was first."""
    deleting = item.value is None
    if now is None:
        absent = Verdict.FAILED if item.create else Verdict.UNKNOWN
        return Verdict.SAVED if deleting else absent
    actual = now.get(item.version_name or "")
    if not item.create and actual == item.expected:
        return Verdict.FAILED  # nobody has saved it since it was read
    stored = item.stored
    if stored is None or actual != stored[item.version_name or ""]:
        return Verdict.UNKNOWN
    return Verdict.SAVED if now == stored else Verdict.FAILED


def judge_all(doubts: Iterable[Doubt], rows: Rows) -> dict[Name, Verdict]:
    """Judge every doubt whose row was read; those of a transaction share one verdict."""
    verdicts: dict[Name, Verdict] = {}
    groups: dict[int, list[Doubt]] = {}
    for doubt in doubts:
        if doubt.call.path == "transaction":
            groups.setdefault(id(doubt.call), []).append(doubt)
        else:
            verdicts[doubt.item.name] = _judged(doubt, rows)
    for group in groups.values():
        shared = _shared(group, rows)
        verdicts.update((doubt.item.name, shared) for doubt in group)
    return verdicts


def _judged(doubt: Doubt, rows: Rows) -> Verdict:
    address = doubt.item.address
    return judge(doubt, rows[address]) if address in rows else Verdict.UNKNOWN


def _shared(group: list[Doubt], rows: Rows) -> Verdict:
    """Return what the writes of one transaction tell together, if they do not contradict.

    A receipt tells by itself.
    """
    receipt = (None, group[0].call.receipt or "")
    if receipt in rows:
        return Verdict.FAILED if rows[receipt] is None else Verdict.SAVED
    telling = [doubt for doubt in group if not _mute(doubt, rows)]
    if not telling:
        return Verdict.SAVED  # everything it was to delete is gone
    told = {_judged(doubt, rows) for doubt in telling} - {Verdict.UNKNOWN}
    return told.pop() if len(told) == 1 else Verdict.UNKNOWN


def _mute(doubt: Doubt, rows: Rows) -> bool:
    """Whether absence tells nothing: the key may not have been there before either."""
    item = doubt.item
    absent = rows.get(item.address, item) is None
    return item.value is None and doubt.before is None and absent


class Unsettled:
    """What the last flushes of a session did not get done: failed writes, and doubts."""

    def __init__(self) -> None:
        """Begin with nothing left over."""
        self.failed: set[Name] = set()
        self._doubts: dict[Name, Doubt] = {}
        self._echoes: dict[Name, Doubt] = {}

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """Every write whose answer was lost."""
        return tuple(self._doubts.values())

    @property
    def blocking(self) -> tuple[Doubt, ...]:
        """The doubts to be settled before anything is written again."""
        if not self._doubts:
            return ()
        return tuple(doubt for doubt in self._doubts.values() if not doubt.repeatable)

    def is_doubted(self, name: Name) -> bool:
        """Whether a write of *name* may have been carried out."""
        return name in self._doubts

    def lost(self, call: PlannedCall, item: WriteItem, before: Stored) -> None:
        """Note that the answer about *item* of *call* was lost."""
        self._doubts[item.name] = Doubt(item, before, call)
        self.failed.discard(item.name)

    def refused(self, name: Name) -> None:
        """Note that the write of *name* was not carried out.

        One that was in doubt may still be on its way, so it is remembered: see `echo`.
        """
        self.failed.add(name)
        if (doubt := self._doubts.pop(name, None)) is not None:
            self._echoes[name] = doubt

    def echo(self, name: Name) -> Doubt | None:
        """Return an earlier write of *name* that may have arrived late."""
        return self._echoes.get(name)

    def settled(self, name: Name) -> None:
        """Forget *name*: it is written, or no longer wanted."""
        if not (self.failed or self._doubts or self._echoes):
            return
        self.failed.discard(name)
        self._doubts.pop(name, None)
        self._echoes.pop(name, None)

    def clear(self) -> None:
        """Forget everything."""
        self.failed.clear()
        self._doubts.clear()
        self._echoes.clear()
