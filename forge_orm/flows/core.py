"""Flows: conversations with the service, written once, that never perform I/O.

A flow is a generator. It yields a *round trip*, requests that do not depend on each other;
it is sent their outcomes; it returns its result. `forge_orm.drivers` moves it along.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from ..errors import TransportError
from ..operations import Operation
from ..wire import Request, Response

T = TypeVar("T")
E = TypeVar("E")

RoundTrip: TypeAlias = tuple[Request, ...]
Outcome: TypeAlias = Response | TransportError
"""An answer, or why there is none: one request's failure must not hide the others' answers."""
Flow: TypeAlias = Generator[RoundTrip, tuple[Outcome, ...], T]


@dataclass(frozen=True, slots=True)
class Errand:
    """A function for the driver to call, and to await if it can: a hook.

    A flow that yields one goes on when it is done; what it raises is raised there.
    """

    name: str
    function: Callable[[Any], object]
    argument: object

    def __call__(self) -> object:
        """Call the function; what it returns may be awaitable."""
        return self.function(self.argument)


HookedFlow: TypeAlias = Generator[RoundTrip | Errand, tuple[Outcome, ...], T]
"""A flow that has errands on its way; every other flow is one without."""


@dataclass(frozen=True, slots=True)
class Page(Generic[E]):
    """Some entities, and the cursors after and before them.

    *cursor* goes on after them; it is None at the end. *previous* is of the page before: None
    for the first page, and where the answer has no order (`Explanation.order` is ``none``).
    """

    items: Sequence[E]
    cursor: str | None = field(default=None)
    previous: str | None = field(default=None)

    def __iter__(self) -> Iterator[E]:
        """Iterate over the entities."""
        return iter(self.items)

    def __len__(self) -> int:
        """Count the entities."""
        return len(self.items)


def perform(operation: Operation[T]) -> Flow[T]:
    """Carry out one operation."""
    (outcome,) = yield (operation.request,)
    return operation.read(answer(outcome))


def perform_all(operations: list[Operation[T]]) -> Flow[list[T]]:
    """Carry out operations that do not depend on each other, in one round trip."""
    if not operations:
        return []
    outcomes = yield tuple([operation.request for operation in operations])
    pairs = zip(operations, outcomes, strict=True)
    return [operation.read(answer(outcome)) for operation, outcome in pairs]


def answer(outcome: Outcome) -> Response:
    """Return the answer; raises the `TransportError` where there is none."""
    if isinstance(outcome, TransportError):
        raise outcome
    return outcome
