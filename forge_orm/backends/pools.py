"""Connections kept between calls: one pool a process for blocking calls, one an event loop."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

import httpx

# In both colours a caller waits for its turn before it meets httpx's pool, which gets slower
# with every request queued inside it.


@dataclass(frozen=True, slots=True)
class Pool:
    """A transport, and a turn for each of its connections."""

    transport: httpx.BaseTransport
    turns: threading.Semaphore


class Pools:
    """The blocking pool of this process, opened at the first call.

    It is kept by process id: a forked child that wrote to its parent's connections would
    read answers meant for the parent.
    """

    def __init__(self, make: Callable[[], httpx.BaseTransport], width: int) -> None:
        """Take what makes a transport, and how many calls may be under way at once."""
        self._make = make
        self._width = width
        self._by_process: dict[int, Pool] = {}

    def current(self) -> Pool:
        """Return this process's pool."""
        return self._by_process.get(os.getpid()) or self._open()

    def _open(self) -> Pool:
        transport = self._make()
        # A backend nobody closed closes here, without a warning.
        weakref.finalize(self, transport.close)
        pool = Pool(transport, threading.Semaphore(self._width))
        # Of two threads here at once one pool wins; the other has no connection yet.
        return self._by_process.setdefault(os.getpid(), pool)

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        pool = self._by_process.pop(os.getpid(), None)
        if pool is not None:
            pool.transport.close()


@dataclass(frozen=True, slots=True)
class AsyncPool:
    """A transport bound to an event loop, a turn for each connection, and what closes it."""

    transport: httpx.AsyncBaseTransport
    turns: asyncio.Semaphore
    closing: AsyncGenerator[None, None]


class AsyncPools:
    """The pool of each running event loop, opened at the loop's first call.

    Connections cannot move between loops, so each loop has its own; it is closed with the
    loop, so that a second `asyncio.run` finds no trace of the first.
    """

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport], width: int) -> None:
        """Take what makes a transport, and how many calls may be under way at once."""
        self._make = make
        self._width = width
        self._by_loop: dict[asyncio.AbstractEventLoop, AsyncPool] = {}

    async def current(self) -> AsyncPool:
        """Return the running loop's pool."""
        loop = asyncio.get_running_loop()
        return self._by_loop.get(loop) or await self._open(loop)

    async def _open(self, loop: asyncio.AbstractEventLoop) -> AsyncPool:
        transport = self._make()
        closing = self._close_with(loop, transport)
        pool = AsyncPool(transport, asyncio.Semaphore(self._width), closing)
        self._by_loop[loop] = pool
        await anext(closing)
        return pool

    async def _close_with(
        self, loop: asyncio.AbstractEventLoop, transport: httpx.AsyncBaseTransport
    ) -> AsyncGenerator[None, None]:
        """Wait to be closed: a loop closes its async generators before it ends."""
        try:
            yield
        finally:
            self._by_loop.pop(loop, None)
            await transport.aclose()

    async def aclose(self) -> None:
        """Close the running loop's connections; its next call opens new ones."""
        pool = self._by_loop.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            await pool.closing.aclose()
