"""Flows: conversations with the service, written once, that never perform I/O.

A flow is a generator. It yields a *round trip*, requests that do not depend on each other;
it is sent their outcomes; it returns its result. `forge_orm.drivers` moves it along.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

from ..errors import TransportError
from ..operations import Operation
from ..wire import Request, Response

T = TypeVar("T")

RoundTrip: TypeAlias = tuple[Request, ...]
Outcome: TypeAlias = Response | TransportError
"""An answer, or why there is none: one request's failure must not hide the others' answers."""
Flow: TypeAlias = Generator[RoundTrip, tuple[Outcome, ...], T]


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
