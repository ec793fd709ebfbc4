"""What answering a question has cost so far, and whether its budget allows more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from ..query import Bounds
from ..units import units_of

Clock: TypeAlias = Callable[[], float]
"""Seconds from any beginning; flows have no clock of their own, who runs them gives one."""


class Meter:
    """Counts calls, read units and rows; the time runs from the first call."""

    __slots__ = ("_budget", "_clock", "_start", "calls", "kept", "rows", "units")

    def __init__(self, budget: Bounds, clock: Clock) -> None:
        """Begin with nothing spent."""
        self._budget, self._clock = budget, clock
        self._start: float | None = None
        self.calls = self.units = self.rows = self.kept = 0

    @property
    def seconds(self) -> float:
        """The time since the first call."""
        return 0.0 if self._start is None else self._clock() - self._start

    def allows(self, calls: int) -> bool:
        """Whether so many more calls may be made; begins to count the time."""
        if self._start is None:
            self._start = self._clock()
        budget = self._budget
        return not (
            (budget.requests is not None and self.calls + calls > budget.requests)
            or (budget.units is not None and self.units >= budget.units)
            or (budget.seconds is not None and self.seconds >= budget.seconds)
        )

    def spent(self, bodies: Iterable[bytes]) -> None:
        """Count calls by their answers: a read costs its answer's size (limits-kvs-ce)."""
        for body in bodies:
            self.calls += 1
            self.units += units_of(len(body))
