"""A clock that tests can move, for what depends on time: expiry, budgets, stale reads."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class MovableClock:
    """Returns the Unix time in seconds, like `time.time`; for ``LocalBackend(clock=…)``.

    With *start* it stands still until it is moved; without, it goes on from now as time does.
    """

    def __init__(self, start: datetime | float | None = None) -> None:
        """Begin at *start*, an aware datetime or a Unix time."""
        self._lock = threading.Lock()
        self._goes = start is None
        self._offset = 0.0 if start is None else _seconds(start)

    def __call__(self) -> float:
        """Return the Unix time in seconds."""
        return self._offset + (time.time() if self._goes else 0.0)

    @property
    def now(self) -> datetime:
        """The time, as an aware datetime in UTC."""
        return datetime.fromtimestamp(self(), UTC)

    def move(self, by: timedelta | float) -> datetime:
        """Move the time *by* so much (seconds, if a number), forwards or back; return it."""
        with self._lock:
            self._offset += by.total_seconds() if isinstance(by, timedelta) else by
        return self.now

    def __repr__(self) -> str:
        """Show the time, and whether it goes on."""
        return f"MovableClock({self.now.isoformat()}, {'going' if self._goes else 'standing'})"


def _seconds(moment: datetime | float) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)
