"""Queries that answer from the past, as an index of the service may."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from ..local import LocalBackend
from ..wire import Request, Response

_QUERIES: Final = frozenset({"query", "entity/query"})
_READS: Final = frozenset({"get", "secret/get", "entity/get", "batch/get"})


class Stale:
    """Lets queries see a store as it was *age* seconds ago; gets see it as it is.

    The service's indexes follow its data with some delay
    (storage-reference/entities). A copy of the store follows the writes that late.

    Args:
        store: what everything but queries is answered by.
        age: how many seconds the queries are behind.
        clock: returns the Unix time in seconds; that of the store.
    """

    def __init__(
        self, store: LocalBackend, age: float, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Copy *store* as it is now."""
        self.store, self.age, self._clock = store, age, clock
        self._moment = clock()
        self._copy = store.twin(clock=lambda: self._moment)
        self._behind: deque[tuple[float, Request]] = deque()
        self._lock = threading.Lock()

    def send(self, request: Request, /) -> Response:
        """Answer one request."""
        with self._lock:
            if request.operation in _QUERIES:
                self._catch_up()
                return self._copy.send(request)
            response = self.store.send(request)
            if response.ok and request.operation not in _READS:
                self._behind.append((self._clock(), request))
            return response

    async def asend(self, request: Request, /) -> Response:
        """Answer one request."""
        return self.send(request)

    def close(self) -> None:
        """Close the store and its copy."""
        self._copy.close()
        self.store.close()

    def _catch_up(self) -> None:
        """Repeat on the copy what is old enough to be seen."""
        seen = self._clock() - self.age
        while self._behind and self._behind[0][0] <= seen:
            self._moment, request = self._behind.popleft()
            self._copy.send(request)
        self._moment = max(self._moment, seen)

    def __repr__(self) -> str:
        """Show the store and the age."""
        return f"Stale({self.store!r}, {self.age} s)"
