"""`Call` and `Calls`: what was asked of the service and what came of it, without values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast, overload

from .errors import UNKNOWN_CODE, error_from
from .units import Units, units
from .wire import Request, Response

_KEYS_SHOWN: Final = 3
_NAME_CHARACTERS: Final = 60
_CALLS_SHOWN: Final = 50
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")


@dataclass(frozen=True, slots=True)
class Call:
    """One call and how it ended. Values are never kept, nor anything a secret consists of.

    Attributes:
        operation: e.g. ``entity/set``.
        entity: the entity it is about; None for plain keys, and where there are several.
        index: the index a query reads.
        keys: the keys it names, in order; of a query none, of a secret none.
        status: the HTTP status of the answer; None where no answer came.
        code: the service's code of an error; ``NotSent`` or ``AnswerLost`` without an answer.
        failed: how many items of a batch failed.
        attempts: how often it was sent.
        units: the capacity units it cost (10 KB each), as the service meters them.
        milliseconds: how long it took, with waits.
        waited: how many of those were waits: between attempts, or for the budget.
    """

    operation: str
    entity: str | None = None
    index: str | None = None
    keys: tuple[str, ...] = ()
    status: int | None = None
    code: str | None = None
    failed: int = 0
    attempts: int = 1
    units: Units = field(default=Units(), compare=False)
    milliseconds: float = field(default=0.0, compare=False)
    waited: float = field(default=0.0, compare=False)

    @property
    def retries(self) -> int:
        """How often it was sent again."""
        return self.attempts - 1

    @property
    def cost(self) -> str:
        """Units and time, for people."""
        waited = f", {self.waited:.0f} of them waiting" if self.waited >= 1 else ""
        return f"{self.units.read}r {self.units.write}w, {self.milliseconds:.2f} ms{waited}"

    def __str__(self) -> str:
        """Show the call on one line; the name of a secret is not for everybody either."""
        secret = self.operation.startswith("secret/")
        shown = "<secret>" if secret else _listed(self.keys)
        index = None if self.index is None else f"index {visible(self.index)}"
        parts = (visible(self.operation), visible(self.entity), index, shown, self._ended())
        return " ".join(part for part in parts if part)

    def _ended(self) -> str:
        ended = " ".join(str(part) for part in (self.status, self.code) if part is not None)
        failed = f", {self.failed} failed" if self.failed else ""
        attempts = f", {self.attempts} attempts" if self.attempts > 1 else ""
        return f"-> {ended}{failed}{attempts}"

    def __repr__(self) -> str:
        """Show the call on one line."""
        return f"<Call {self}>"


class Calls(Sequence[Call]):
    """The calls made so far, in the order they ended. Safe to use from several threads."""

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        """Begin with *calls*."""
        self._calls = list(calls)

    def add(self, call: Call) -> None:
        """Write down one more call."""
        self._calls.append(call)  # a list's methods are atomic

    def clear(self) -> None:
        """Forget the calls made so far."""
        self._calls.clear()

    def of(self, *operations: str, entity: str | None = None) -> Calls:
        """Return the calls of these operations, and about *entity*; of all if none is named."""
        return Calls(
            call
            for call in tuple(self._calls)
            if (not operations or call.operation in operations)
            and (entity is None or call.entity == entity)
        )

    @property
    def units(self) -> Units:
        """The capacity units of all of them."""
        costs = [call.units for call in self]
        return Units(sum(cost.read for cost in costs), sum(cost.write for cost in costs))

    @property
    def retries(self) -> int:
        """How often a call was sent again."""
        return sum(call.retries for call in self)

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

    def report(self) -> str:
        """Return the calls, one a line, each with its units and time, and their sum."""
        lines = [f"{call}   [{call.cost}]" for call in self]
        took = sum(call.milliseconds for call in self)
        total = f"{len(lines)} calls, {self.units.read} read and {self.units.write} write units"
        return "\n".join([*_numbered(lines), f"{total}, {took:.2f} ms"])

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
        return "\n".join(_numbered([str(call) for call in self])) or "  no calls"

    def __repr__(self) -> str:
        """List the calls, one a line."""
        return f"Calls:\n{self}"


def describe(
    request: Request,
    outcome: Response | Exception,
    *,
    attempts: int = 1,
    milliseconds: float = 0.0,
    waited: float = 0.0,
) -> Call:
    """Return what is told of *request* and of its *outcome*."""
    items = [] if request.is_secret else _items(request)
    entities = {_text(item.get("entityName")) for item in items}
    answered = outcome if isinstance(outcome, Response) else None
    code, failed = trouble(request, outcome)
    return Call(
        request.operation,
        entities.pop() if len(entities) == 1 else None,
        next((_text(item.get("indexName")) for item in items), None),
        tuple(key for item in items if (key := _text(item.get("key"))) is not None),
        None if answered is None else answered.status,
        code,
        failed,
        attempts,
        Units() if answered is None else units(request, answered),
        milliseconds,
        waited,
    )


def trouble(request: Request, outcome: Response | Exception) -> tuple[str | None, int]:
    """Return the code of an error, and how many items of a batch failed."""
    if not isinstance(outcome, Response):
        return type(outcome).__name__, 0
    if not outcome.ok:
        code = error_from(outcome).code  # it is a name, or it is not for logs
        return (code if _CODE.fullmatch(code) else UNKNOWN_CODE), 0
    if request.operation.startswith("batch/") and not outcome.body.endswith(
        b'"failedKeys":[]}'
    ):
        answer = parsed(outcome.body)
        found: Any = cast("Any", answer).get("failedKeys") if isinstance(answer, dict) else None
        return None, len(cast("list[Any]", found)) if isinstance(found, list) else 0
    return None, 0


def parsed(body: bytes) -> Any:
    """Return *body* as JSON, or None: if it is none, the service will say so."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def visible(name: str | None) -> str:
    """Return a name on one line, without what a terminal obeys, and not too long."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in name or "")
    if len(shown) > _NAME_CHARACTERS:
        return f"{shown[: _NAME_CHARACTERS - 1]}…"
    return shown


def _items(request: Request) -> list[dict[str, Any]]:
    """Return what in a body may have a key: itself, or the items of a batch or transaction."""
    body = parsed(request.body)
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
    shown = ", ".join(map(visible, keys[:_KEYS_SHOWN]))
    more = len(keys) - _KEYS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _numbered(lines: list[str]) -> list[str]:
    numbered = [f"  {number}. {line}" for number, line in enumerate(lines, 1)]
    if (left := len(numbered) - _CALLS_SHOWN) > 0:
        numbered[_CALLS_SHOWN:] = [f"  … and {left} more"]
    return numbered


def _bounds(exactly: int | None, low: int | None, high: int | None) -> str:
    if exactly is not None and low is None and high is None:
        return f"exactly {exactly}"
    if exactly is not None or (low is None and high is None):
        raise TypeError("say how many calls: exactly=, or min= and max=")
    parts = (("at least", low), ("at most", high))
    return " and ".join(f"{word} {number}" for word, number in parts if number is not None)
