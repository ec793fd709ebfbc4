"""`Bucket`: what may be spent now and what comes in with time. Arithmetic, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SLOWEST: Final = 1 / 16
"""The share of the full pace that refusals can bring it down to."""

_RECOVERY: Final = 60.0  # seconds in which a pace that was slowed down doubles


@dataclass(slots=True)
class Bucket:
    """Units that come in at a steady *rate* (a second), up to *size* of them.

    Who takes more than there is owes it, and waits until it has come in; so everybody is
    served in the order they came. In any span of time no more is given out than *size* and
    what came in.

    Attributes:
        level: what is there at the time *at*; below zero it is owed.
        pace: the share of the rate that comes in: less than 1 after a refusal.
    """

    size: float
    rate: float
    at: float
    level: float = 0.0
    pace: float = 1.0
    slowed: float = float("-inf")

    def __post_init__(self) -> None:
        """Begin full."""
        self.level = self.size

    def take(self, amount: float, now: float) -> float:
        """Take *amount*; return the seconds until it has come in."""
        self.advance(now)
        self.level -= amount
        return max(0.0, -self.level / (self.rate * self.pace))

    def give_back(self, amount: float) -> None:
        """Return what was taken and not spent; a negative *amount* was spent besides."""
        self.level = min(self.size, self.level + amount)

    def refuse(self, now: float, taken: float, retry_after: float) -> bool:
        """Learn that the service gave nothing at *now*; return whether that was new.

        Somebody else is spending too: the bucket is empty, for *retry_after* seconds too, and
        the pace is halved. Whoever took at or before the time of the last refusal says
        nothing new.
        """
        self.advance(now)
        new = taken > self.slowed
        if new:
            self.slowed, self.pace = now, max(SLOWEST, self.pace / 2)
        self.level = min(self.level, -retry_after * self.rate * self.pace)
        return new

    def advance(self, now: float) -> None:
        """Let come in what has come in by *now*."""
        passed = max(0.0, now - self.at)
        self.at = max(self.at, now)
        self.level = min(self.size, self.level + passed * self.rate * self.pace)
        if self.pace < 1:
            self.pace = min(1.0, self.pace * 2.0 ** min(passed / _RECOVERY, 10.0))
