"""Changing or deleting everything a question finds, page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..errors import ForgeError
from ..model import Entity
from ..unit import Atomic, UnitOfWork
from .core import Flow
from .reads import Question, step, walk
from .writes import flush

E = TypeVar("E", bound=Entity)


def change_each(
    question: Question[E],
    change: Callable[[UnitOfWork, E], object],
    atomic: Atomic,
    progress: Callable[[int], object] | None,
) -> Flow[int]:
    """Apply *change* to each entity found, and save page by page; return how many there were.

    It has a unit of work of its own, so that only a page is in memory. An error carries a
    note with the cursor to go on from.
    """
    unit, steps, count = UnitOfWork(), walk(question), 0
    while not steps.done:
        cursor = steps.cursor
        items = yield from step(unit, question, steps)
        for item in items:
            change(unit, item)
        try:
            yield from flush(unit, atomic)
        except ForgeError as error:
            error.add_note(f"{count} entities were done; go on with .cursor({cursor!r})")
            raise
        unit.release(items)
        count += len(items)
        if progress is not None:
            progress(count)
    return count
