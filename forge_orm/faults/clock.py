"""A clock that tests can move, for what depends on time: expiry, budgets, stale reads."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from ..errors import ConfigurationError

# What is written at the last moment expires, one year and some lag later, at a time that
# still has a name.
_END: Final = datetime(9998, 1, 1, tzinfo=UTC).timestamp()


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
        """Move the time *by* so much (seconds, if a number), forwards or back; return it.

        Raises:
            ConfigurationError: that is before 1970 or after 9997.
        """
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        with self._lock:
            if not 0 <= self() + seconds < _END:
                raise ConfigurationError(
                    f"the clock cannot move by {seconds:g} seconds from "
                    f"{self.now.isoformat()}: it knows the years 1970 to 9997"
                )
            self._offset += seconds
        return self.now

    def __repr__(self) -> str:
        """Show the time, and whether it goes on."""
        return f"MovableClock({self.now.isoformat()}, {'going' if self._goes else 'standing'})"


def _seconds(moment: datetime | float) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)
