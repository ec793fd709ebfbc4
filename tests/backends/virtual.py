"""Time that passes only while everybody waits: for threads, and for tasks."""

from __future__ import annotations

import asyncio
import heapq
import selectors
import threading
from collections.abc import Callable, Coroutine
from typing import Any


class VirtualTime:
    """A clock, and a sleep for a known number of threads.

    Once all of them sleep it is the next one's time to wake: nobody really waits.
    """

    def __init__(self, threads: int = 1) -> None:
        self.now = 0.0
        self._awake = threads
        self._due: list[float] = []
        self._turn = threading.Condition()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._turn:
            due = self.now + seconds
            heapq.heappush(self._due, due)
            self._awake -= 1
            self._advance()
            while self.now < due:
                self._turn.wait()

    def end(self) -> None:
        """Say that a thread sleeps no more."""
        with self._turn:
            self._awake -= 1
            self._advance()

    def _advance(self) -> None:
        if self._awake or not self._due:
            return
        self.now = self._due[0]
        while self._due and self._due[0] <= self.now:
            heapq.heappop(self._due)
            self._awake += 1
        self._turn.notify_all()

    def run(self, *works: Callable[[], object]) -> list[float]:
        """Run *works* in threads, as many as were announced; return when each ended."""
        ends = [0.0] * len(works)

        def one(number: int) -> None:
            try:
                works[number]()
            finally:
                ends[number] = self.now
                self.end()

        threads = [threading.Thread(target=one, args=(n,)) for n in range(len(works))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ends


class _Instant(selectors.SelectSelector):
    """Passes the time that the loop would have waited."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time

    def select(self, timeout: float | None = None) -> Any:
        if timeout:
            self._time.now += timeout
        return super().select(0)


def run_in(time: VirtualTime, main: Coroutine[Any, Any, Any]) -> Any:
    """Run *main* on an event loop whose time is *time*: `asyncio.sleep` never really waits."""
    loop = asyncio.SelectorEventLoop(_Instant(time))
    loop.time = time  # type: ignore[method-assign]
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()
