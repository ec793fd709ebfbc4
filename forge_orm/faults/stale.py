"""Queries that answer from the past, as an index of the service may."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from ..local import LocalBackend
from ..local.backend import Snapshot
from ..wire import Request, Response

_QUERIES: Final = frozenset({"query", "entity/query"})
_READS: Final = frozenset({"get", "secret/get", "entity/get", "batch/get"})


class Stale:
    """Lets queries see a store as it was *age* seconds ago; gets see it as it is.

    The service's indexes follow its data with some delay
    (storage-reference/entities). A copy of the store follows the writes that late; with the
    age 0 there is none, and nothing is late.

    Args:
        store: what everything but queries is answered by.
        age: how many seconds the queries are behind; see `set_age`.
        clock: returns the Unix time in seconds; that of the store.
    """

    def __init__(
        self, store: LocalBackend, age: float, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Copy *store* as it is now."""
        self.store, self._clock = store, clock
        self._lock = threading.Lock()
        self._behind: deque[tuple[float, Request]] = deque()
        self._moment = clock()
        self._copy: LocalBackend | None = None
        self.age = 0.0
        self.set_age(age)

    def set_age(self, age: float) -> None:
        """Let queries be *age* seconds behind from here on; what is there is seen at once."""
        with self._lock:
            self.age = age
            self._follow()

    def send(self, request: Request, /) -> Response:
        """Answer one request."""
        if not self.age:
            return self.store.send(request)
        with self._lock:
            if request.operation in _QUERIES:
                return self._caught_up().send(request)
            response = self.store.send(request)
            if response.ok and request.operation not in _READS:
                self._behind.append((self._clock(), request))
            return response

    async def asend(self, request: Request, /) -> Response:
        """Answer one request."""
        return self.send(request)

    def reset(self) -> None:
        """Delete every row of every installation, for queries at once."""
        with self._lock:
            self.store.reset()
            self._follow()

    def snapshot(self) -> Snapshot:
        """Return the store as it is."""
        return self.store.snapshot()

    def restore(self, snapshot: Snapshot, /) -> None:
        """Put everything back as it was when *snapshot* was made, for queries at once."""
        with self._lock:
            self.store.restore(snapshot)
            self._follow()

    def close(self) -> None:
        """Close the store and its copy."""
        if self._copy is not None:
            self._copy.close()
        self.store.close()

    def _follow(self) -> None:
        """Begin to follow the store from what it holds now, if queries are to be late."""
        if self._copy is not None:
            self._copy.close()
        self._behind.clear()
        self._moment = self._clock()
        self._copy = self.store.twin(clock=lambda: self._moment) if self.age else None

    def _caught_up(self) -> LocalBackend:
        """Return the copy, with everything repeated that is old enough to be seen."""
        copy, seen = self._copy or self.store, self._clock() - self.age
        while self._behind and self._behind[0][0] <= seen:
            self._moment, request = self._behind.popleft()
            copy.send(request)
        self._moment = max(self._moment, seen)
        return copy

    def __repr__(self) -> str:
        """Show the store and the age."""
        return f"Stale({self.store!r}, {self.age} s)"
