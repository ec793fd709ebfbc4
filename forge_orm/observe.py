"""Seeing every call: `capture` lists those of a block, the logger ``forge_orm.calls`` all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from .calls import Call, Calls, describe
from .errors import TransportError
from .wire import AsyncBackend, Backend, Request, Response

_log: Final = logging.getLogger("forge_orm.calls")
_capturing: Final[ContextVar[tuple[Calls, ...]]] = ContextVar("forge_orm_calls", default=())
_everywhere: Final[list[Calls]] = []
_open: Final[list[Calls]] = []  # of all contexts; looking here first is cheaper


@contextmanager
def capture(*, everywhere: bool = False) -> Generator[Calls]:
    """List the calls made inside the block, whatever forge or session makes them.

    One that is sent again is one call, with its attempts. The list follows the context: it
    has the calls of tasks started inside the block and of `asyncio.to_thread`, not those of
    tasks started before; blocks within it have lists of their own besides. Other threads
    have contexts of their own; with *everywhere* the list has the calls of all of them.
    """
    calls = Calls()
    reset = _capturing.set(_capturing.get() if everywhere else (*_capturing.get(), calls))
    lists = (_open, _everywhere) if everywhere else (_open,)
    for each in lists:
        each.append(calls)
    try:
        yield calls
    finally:
        for each in lists:
            each.remove(calls)
        _capturing.reset(reset)


def is_watched() -> bool:
    """Whether anybody wants to hear of the calls made from here."""
    return bool(_open) or _log.isEnabledFor(logging.DEBUG)


def _tell(call: Call) -> None:
    for calls in (*_capturing.get(), *_everywhere):
        calls.add(call)
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug("%s   [%s]", call, call.cost)


@dataclass(slots=True)
class _Course:
    """What happens to a call on its way down, and how it ended."""

    attempts: int = 1
    waited: float = 0.0
    outcome: Response | TransportError | None = None

    def ended(self, response: Response) -> Response:
        """Note the answer, and hand it on."""
        self.outcome = response
        return response


_course: ContextVar[_Course | None] = ContextVar("forge_orm_course", default=None)


def note_retry() -> None:
    """Note that the call under way is sent again."""
    if (course := _course.get()) is not None:
        course.attempts += 1


def note_wait(seconds: float) -> None:
    """Note that the call under way waits."""
    if (course := _course.get()) is not None:
        course.waited += seconds


class Watch:
    """Answers from *backend*, in either colour, and tells *note* of each call."""

    def __init__(
        self, backend: Backend | AsyncBackend, note: Callable[[Call], object] = _tell
    ) -> None:
        """Wrap *backend*; by default whoever captures is told, and the log."""
        self.backend = backend
        self._note = note

    def send(self, request: Request, /) -> Response:
        """Answer one request, blocking, and tell of it."""
        backend: Any = self.backend
        with self._told(request) as course:
            return course.ended(backend.send(request))

    async def asend(self, request: Request, /) -> Response:
        """Answer one request, awaiting, and tell of it."""
        backend: Any = self.backend
        with self._told(request) as course:
            return course.ended(await backend.asend(request))

    @contextmanager
    def _told(self, request: Request) -> Generator[_Course]:
        """Follow one call; what ends without an answer of the service is none."""
        course, begun = _Course(), perf_counter()
        reset = _course.set(course)
        try:
            yield course
        except TransportError as error:
            course.outcome = error
            raise
        finally:
            _course.reset(reset)
            if course.outcome is not None:
                self._note(_described(request, course, course.outcome, begun))


def _described(
    request: Request, course: _Course, outcome: Response | TransportError, begun: float
) -> Call:
    return describe(
        request,
        outcome,
        attempts=course.attempts,
        milliseconds=(perf_counter() - begun) * 1000,
        waited=course.waited * 1000,
    )
