"""Streams: the answer to a question one by one, some pages ahead, from any item on again."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .flows import Batch, Flow, Walk
from .flows.reads import step
from .flows.references import prefetch
from .unit import UnitOfWork

if TYPE_CHECKING:
    from asyncio import Task

T = TypeVar("T")
Run = Callable[[Flow[Any]], Any]
AsyncRun = Callable[[Flow[Any]], Coroutine[Any, Any, Any]]


class Giving(Generic[T]):
    """What both colours of a stream have: the batch being given, and how much of it was."""

    def __init__(
        self, walk: Walk[T], unit: UnitOfWork, run: Callable[[Flow[Any]], Any], ahead: int
    ) -> None:
        """Give what *walk* finds; *run* makes the calls, in the background if *ahead*."""
        self._walk, self._unit, self._run, self._ahead = walk, unit, run, ahead
        self._closed = False
        start = walk.cursor if walk.resumed else None
        self._receive(Batch((), (), lambda _: start))

    @property
    def cursor(self) -> str | None:
        """Where to go on after the last item that was given, for ``query.cursor(…)``.

        Before the first item it is the query's own cursor, after the last one None.
        """
        return self._batch.cursor(self._at)

    def _receive(self, batch: Batch[T]) -> bool:
        """Take over the next batch; whether there is anything in it."""
        self._batch, self._items, self._at = batch, batch.items, 0
        return bool(batch.items)

    def _release(self) -> None:
        """Stop holding what was given, unless it was changed."""
        if self._walk.projects is None:
            self._unit.release(self._batch.entities)


class Stream(Giving[T], Iterator[T]):
    """The answer to a question, item by item; see ``session.stream``."""

    def __init__(self, walk: Walk[T], unit: UnitOfWork, run: Run, ahead: int) -> None:
        """Give what *walk* finds; *run* makes the calls, in a thread if *ahead*."""
        super().__init__(walk, unit, run, ahead)
        self._threads: ThreadPoolExecutor | None = None
        self._coming: deque[Future[Batch[T]]] = deque()

    def __next__(self) -> T:
        """Return the next item, reading a page where none is left."""
        if self._at == len(self._items):
            self._turn()
        self._at += 1
        return self._items[self._at - 1]

    def close(self) -> None:
        """Ask for nothing more; pages that were asked ahead are dropped."""
        self._closed = True
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        self._coming.clear()

    def __enter__(self) -> Self:
        """Return itself; leaving the block closes it."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close."""
        self.close()

    def _turn(self) -> None:
        """Go on to the next batch; raises `StopIteration` at the end."""
        if self._closed:
            raise StopIteration
        self._release()
        if not self._receive(self._next_ahead() if self._ahead else self._next()):
            self.close()
            raise StopIteration

    def _next(self) -> Batch[T]:
        batch: Batch[T] = self._run(step(self._unit, self._walk))
        return batch

    def _next_ahead(self) -> Batch[T]:
        """Return the next batch, and have those after it asked for meanwhile."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, "forge_orm-stream")
        while len(self._coming) <= self._ahead:
            self._coming.append(self._threads.submit(copy_context().run, self._step))
        batch = self._coming.popleft().result()
        if self._walk.projects is not None:
            return batch
        admitted: Any = self._unit.adopt(batch.entities)
        self._run(prefetch(self._unit, admitted, self._walk.paths))
        return batch.giving(admitted)

    def _step(self) -> Batch[T]:
        # In another thread, so away from the session's unit of work, but in its context, so
        # that the calls are captured.
        batch: Batch[T] = self._run(self._walk.step(UnitOfWork(self._unit.now)))
        return batch


class AsyncStream(Giving[T], AsyncIterator[T]):
    """The answer to a question, item by item; see ``session.stream``."""

    def __init__(self, walk: Walk[T], unit: UnitOfWork, run: AsyncRun, ahead: int) -> None:
        """Give what *walk* finds; *run* makes the calls, in a task if *ahead*."""
        super().__init__(walk, unit, run, ahead)
        self._coming: deque[Task[Batch[T]]] = deque()
        self._before: Task[Batch[T]] | None = None

    async def __anext__(self) -> T:
        """Return the next item, reading a page where none is left."""
        if self._at == len(self._items):
            await self._turn()
        self._at += 1
        return self._items[self._at - 1]

    def close(self) -> None:
        """Ask for nothing more; pages that were asked ahead are dropped."""
        self._closed = True
        while self._coming:
            self._coming.pop().cancel()

    async def __aenter__(self) -> Self:
        """Return itself; leaving the block closes it."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close."""
        self.close()

    async def _turn(self) -> None:
        """Go on to the next batch; raises `StopAsyncIteration` at the end."""
        if self._closed:
            raise StopAsyncIteration
        self._release()
        if not self._receive(await (self._next_ahead() if self._ahead else self._next())):
            self.close()
            raise StopAsyncIteration

    async def _next(self) -> Batch[T]:
        batch: Batch[T] = await self._run(step(self._unit, self._walk))
        return batch

    async def _next_ahead(self) -> Batch[T]:
        """Return the next batch, and have those after it asked for meanwhile."""
        from asyncio import create_task

        while len(self._coming) <= self._ahead:
            self._before = create_task(self._step(self._before))
            self._before.add_done_callback(_looked_at)
            self._coming.append(self._before)
        return await self._coming.popleft()

    async def _step(self, before: Task[Batch[T]] | None) -> Batch[T]:
        """Take the next step, when the one before has been taken."""
        if before is not None:
            await before
        return await self._next()


def _looked_at(task: Task[Any]) -> None:
    """Look at how a task ended, so that asyncio does not miss it if the stream is left."""
    if not task.cancelled():
        task.exception()
