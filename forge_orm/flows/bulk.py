"""Changing or deleting everything a question finds, page by page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import ForgeError, HookFailed
from ..model import Entity
from ..query import EntityQuestion
from ..unit import Atomic, UnitOfWork
from .core import HookedFlow
from .hooked import NOBODY, Listeners, flush
from .meter import Clock
from .reads import step, walk

E = TypeVar("E", bound=Entity)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a change of everything is, after each page.

    *count* entities are done. *cursor* goes on after them, in another process too, for
    ``query.cursor(…)``; it is None where nothing follows.
    """

    count: int
    cursor: str | None


def change_each(
    unit: UnitOfWork,
    question: EntityQuestion[E],
    clock: Clock,
    change: Callable[[UnitOfWork, E], object],
    atomic: Atomic,
    progress: Callable[[Progress], object] | None,
    *,
    dry_run: bool = False,
    listeners: Listeners = NOBODY,
) -> HookedFlow[int]:
    """Apply *change* to each entity found, and save page by page; return how many there were.

    It has a unit of work of its own beside *unit*, so that only a page is in memory. An error
    carries a note with the cursor to go on from. With *dry_run* the writes are planned, not
    sent.
    """
    unit, steps, count = UnitOfWork(unit.now), walk(question, clock), 0
    while not steps.done:
        cursor = steps.cursor
        batch = yield from step(unit, steps)
        following = steps.cursor
        try:
            for item in batch.items:
                change(unit, item)
            if dry_run:
                unit.plan(atomic)
                unit.clear()
            else:
                yield from flush(unit, atomic, listeners)
        except HookFailed as error:  # the page is saved
            error.add_note(_go_on(count + len(batch.items), following))
            raise
        except Exception as error:
            error.add_note(_whereabouts(error, count, cursor))
            raise
        unit.release(batch.items)
        count += len(batch.items)
        if progress is not None and batch.items:
            progress(Progress(count, following))
    return count


def _go_on(count: int, cursor: str | None) -> str:
    return f"{count} entities were done; go on with .cursor({cursor!r})"


def _whereabouts(error: Exception, count: int, cursor: str | None) -> str:
    """Say how far it came; what is saved already must not be changed once more."""
    outcome = error.outcome if isinstance(error, ForgeError) else None
    saved = () if outcome is None else outcome.saved
    note = _go_on(count, cursor)
    if saved:
        note += f"; of the page there, {len(saved)} were saved (error.outcome.saved)"
    return note
