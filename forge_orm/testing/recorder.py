"""`Recorder`: a backend that writes down the calls that pass through it, as `Calls`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast, overload

from ..errors import TransportError, error_from
from ..wire import AsyncBackend, Backend, Request, Response

_KEYS_SHOWN: Final = 3
_CALLS_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Call:
    """One call and how it ended. Values are never kept, nor anything a secret consists of.

    Attributes:
        operation: e.g. ``entity/set``.
        entity: the entity it is about; None for plain keys, and where there are several.
        index: the index a query reads.
        keys: the keys it names, in order; of a query none.
        status: the HTTP status of the answer; None where no answer came.
        code: the service's code of an error; ``NotSent`` or ``AnswerLost`` without an answer.
    """

    operation: str
    entity: str | None = None
    index: str | None = None
    keys: tuple[str, ...] = ()
    status: int | None = None
    code: str | None = None

    def __str__(self) -> str:
        """Show the call on one line; the name of a secret is not for everybody either."""
        shown = "<secret>" if self.operation.startswith("secret/") else _listed(self.keys)
        index = None if self.index is None else f"index {self.index}"
        ended = " ".join(str(part) for part in (self.status, self.code) if part is not None)
        parts = (self.operation, self.entity, index, shown, f"-> {ended}")
        return " ".join(part for part in parts if part)

    def __repr__(self) -> str:
        """Show the call on one line."""
        return f"<Call {self}>"


class Calls(Sequence[Call]):
    """The calls made so far, in the order they ended. Safe to use from several threads."""

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        """Begin with *calls*."""
        self._calls = list(calls)
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        """Write down one more call."""
        with self._lock:
            self._calls.append(call)

    def clear(self) -> None:
        """Forget the calls made so far."""
        with self._lock:
            self._calls.clear()

    def of(self, *operations: str, entity: str | None = None) -> Calls:
        """Return the calls of these operations, and about *entity*; of all if none is named."""
        return Calls(
            call
            for call in tuple(self._calls)
            if (not operations or call.operation in operations)
            and (entity is None or call.entity == entity)
        )

    def assert_count(
        self,
        *operations: str,
        entity: str | None = None,
        exactly: int | None = None,
        max: int | None = None,
        min: int | None = None,
    ) -> None:
        """Fail unless so many calls were made, of these *operations* and about *entity*.

        Raises:
            AssertionError: there were more or fewer; the message lists the calls.
            TypeError: no number was given.
        """
        __tracebackhide__ = True
        bounds = _bounds(exactly, min, max)
        counted = self.of(*operations, entity=entity)
        number = len(counted)
        low, high = (exactly, exactly) if exactly is not None else (min, max)
        if (low is None or number >= low) and (high is None or number <= high):
            return
        about = " or ".join(operations) or "all"
        of = f"calls ({about}{'' if entity is None else f', entity {entity}'})"
        shown = self if number < (low or 0) else counted
        raise AssertionError(f"{number} {of} were made, not {bounds}:\n{shown}")

    @overload
    def __getitem__(self, index: int) -> Call: ...
    @overload
    def __getitem__(self, index: slice) -> Calls: ...
    def __getitem__(self, index: int | slice) -> Call | Calls:
        """Return one call, or some."""
        if isinstance(index, slice):
            return Calls(self._calls[index])
        return self._calls[index]

    def __len__(self) -> int:
        """Count the calls."""
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        """Iterate over the calls made so far."""
        return iter(tuple(self._calls))

    def __str__(self) -> str:
        """List the calls, one a line."""
        lines = [f"  {number}. {call}" for number, call in enumerate(self, 1)]
        if (left := len(lines) - _CALLS_SHOWN) > 0:
            lines[_CALLS_SHOWN:] = [f"  … and {left} more"]
        return "\n".join(lines) or "  no calls"

    def __repr__(self) -> str:
        """List the calls, one a line."""
        return f"Calls:\n{self}"


class Recorder:
    """Answers from *backend*, in either colour, and writes each call down in *calls*."""

    def __init__(self, backend: Backend | AsyncBackend, calls: Calls | None = None) -> None:
        """Wrap *backend*."""
        self.backend = backend
        self.calls = Calls() if calls is None else calls

    def send(self, request: Request, /) -> Response:
        """Answer one request, blocking, and write it down."""
        backend: Any = self.backend
        try:
            return self._noted(request, backend.send(request))
        except TransportError as error:
            self.calls.add(_call(request, None, type(error).__name__))
            raise

    async def asend(self, request: Request, /) -> Response:
        """Answer one request, awaiting, and write it down."""
        backend: Any = self.backend
        try:
            return self._noted(request, await backend.asend(request))
        except TransportError as error:
            self.calls.add(_call(request, None, type(error).__name__))
            raise

    def _noted(self, request: Request, response: Response) -> Response:
        code = None if response.ok else error_from(response).code
        self.calls.add(_call(request, response.status, code))
        return response

    def __repr__(self) -> str:
        """Show the backend."""
        return f"Recorder({self.backend!r})"


def _call(request: Request, status: int | None, code: str | None) -> Call:
    items = _items(request)
    entities = {_text(item.get("entityName")) for item in items}
    return Call(
        request.operation,
        entities.pop() if len(entities) == 1 else None,
        next((_text(item.get("indexName")) for item in items), None),
        tuple(key for item in items if (key := _text(item.get("key"))) is not None),
        status,
        code,
    )


def _items(request: Request) -> list[dict[str, Any]]:
    """Return what in a body may have a key: itself, or the items of a batch or transaction."""
    try:
        body: Any = json.loads(request.body)
    except ValueError:
        return []  # the backend will say so
    groups: list[Any]
    if request.operation == "transaction" and isinstance(body, dict):
        groups = [cast("dict[str, Any]", body).get(name) for name in ("set", "delete", "check")]
    elif request.operation.startswith("batch/"):
        groups = [body]
    else:
        groups = [[body]]
    listed = [cast("list[Any]", group) for group in groups if isinstance(group, list)]
    items = [item for group in listed for item in group]
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _listed(keys: tuple[str, ...]) -> str:
    shown = ", ".join(keys[:_KEYS_SHOWN])
    more = len(keys) - _KEYS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _bounds(exactly: int | None, low: int | None, high: int | None) -> str:
    if exactly is not None and low is None and high is None:
        return f"exactly {exactly}"
    if exactly is not None or (low is None and high is None):
        raise TypeError("say how many calls: exactly=, or min= and max=")
    parts = (("at least", low), ("at most", high))
    return " and ".join(f"{word} {number}" for word, number in parts if number is not None)
