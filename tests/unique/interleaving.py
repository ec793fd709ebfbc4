"""Every order in which writers can meet: flows moved along call by call, and faults between.

A flow is a generator, so where it stands is told by what it was answered. Orders that lead
to the same answers and the same store are one *node*, and looked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from forge_orm import AnswerLost, ForgeError, LocalBackend
from forge_orm.flows import Flow, Outcome
from forge_orm.model import keys
from forge_orm.unit import UnitOfWork
from forge_orm.wire import Request

Writer = Callable[[UnitOfWork], Flow[Any]]

KINDS = CALL, LOST_AFTER, LOST_BEFORE, CRASH = "call", "lost after", "lost before", "crash"
Step = tuple[int, str]
"""Which writer goes on, and what becomes of its call."""


class Killed(Exception):
    """The process died here."""


@dataclass(frozen=True)
class Progress:
    """How far a writer is: what it was answered, and how it ended."""

    heard: tuple[Outcome, ...] = ()
    done: bool = False
    error: BaseException | None = None

    @property
    def told(self) -> tuple[Any, ...]:
        """The same, to be compared."""
        answers = tuple(getattr(each, "body", None) for each in self.heard)
        return answers, self.done, repr(self.error)


class Running:
    """A writer that is moved along, call by call."""

    def __init__(self, writer: Writer, number: int, progress: Progress) -> None:
        """Bring it to where *progress* says."""
        self._flow, self._count, self._number = writer(UnitOfWork()), count(), number
        self._requests: Sequence[Request] = ()
        self._outcomes: list[Outcome] = []
        self.progress = Progress()
        self._advance(lambda: next(self._flow))
        for outcome in progress.heard:
            self._hear(outcome)

    def step(self, store: LocalBackend, what: str) -> None:
        """Make one call; with the last of a round trip the flow goes on."""
        if what == CRASH:
            self.progress = replace(self.progress, done=True, error=Killed())
            return
        answered = None if what == LOST_BEFORE else store.send(self._request)
        lost = AnswerLost("on purpose")
        self._hear(answered if what == CALL and answered is not None else lost)

    @property
    def _request(self) -> Request:
        return self._requests[len(self._outcomes)]

    def _hear(self, outcome: Outcome) -> None:
        self.progress = replace(self.progress, heard=(*self.progress.heard, outcome))
        self._outcomes.append(outcome)
        if len(self._outcomes) == len(self._requests):
            outcomes, self._outcomes = tuple(self._outcomes), []
            self._advance(lambda: self._flow.send(outcomes))

    def _advance(self, go: Callable[[], Sequence[Request]]) -> None:
        with _tokens(self._number, self._count):
            try:
                self._requests = go()
            except StopIteration:
                self.progress = replace(self.progress, done=True)
            except ForgeError as error:
                self.progress = replace(self.progress, done=True, error=error)


@dataclass(frozen=True)
class World:
    """The store, how far every writer is, and the steps that led there."""

    store: LocalBackend
    writers: tuple[Progress, ...]
    steps: tuple[Step, ...] = ()

    @property
    def done(self) -> bool:
        return all(writer.done for writer in self.writers)

    @property
    def faultless(self) -> bool:
        return all(what == CALL for _, what in self.steps)


def explore(store: LocalBackend, writers: Sequence[Writer], faults: int) -> Generator[World]:
    """Yield every node that can be reached with at most so many *faults*."""
    start = World(store, tuple(Progress() for _ in writers))
    seen: set[Any] = set()
    waiting = [(start, store.snapshot())]
    while waiting:
        world, snapshot = waiting.pop()
        left = faults - sum(what != CALL for _, what in world.steps)
        for number, what in _next_steps(world, left):
            store.restore(snapshot)
            running = Running(writers[number], number, world.writers[number])
            running.step(store, what)
            after = list(world.writers)
            after[number] = running.progress
            then = World(store, tuple(after), (*world.steps, (number, what)))
            # Faults left are part of a node: with none left, less can follow.
            node = _rows(store), tuple(each.told for each in after), left - (what != CALL)
            if node not in seen:
                seen.add(node)
                waiting.append((then, store.snapshot()))
                yield then


def _next_steps(world: World, faults: int) -> Iterator[Step]:
    for number, writer in enumerate(world.writers):
        if not writer.done:
            yield from ((number, what) for what in (KINDS if faults else KINDS[:1]))


def _rows(store: LocalBackend) -> tuple[Any, ...]:
    return tuple((row["entity"], row["key"], str(row["value"])) for row in store.dump())


@contextmanager
def _tokens(writer: int, counter: Iterator[int]) -> Generator[None]:
    """Let tokens be the same in every replay."""
    original = keys.new_uuid
    keys.new_uuid = lambda: f"w{writer}-{next(counter)}"
    try:
        yield
    finally:
        keys.new_uuid = original
