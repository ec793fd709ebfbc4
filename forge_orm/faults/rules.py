"""What may go wrong with a call: `Fault`, a list of them, and what one does to a call.

Nothing here waits or sends: `Faults.effect` says what is to happen, and whoever stands in
front of the store (a backend, the server) lets it happen.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..errors import AnswerLost, ConfigurationError, NotSent, TransportError
from ..wire import OPERATIONS, Request, Response

_JSON: Final = {"content-type": "application/json; charset=utf-8"}


class FaultKind(StrEnum):
    """What goes wrong."""

    LATENCY = "latency"
    """The call waits *seconds*, then is carried out."""
    THROTTLE = "throttle"
    """429, with ``Retry-After`` if *retry_after* is given; nothing is carried out."""
    FAIL = "fail"
    """*status* (a 5xx); nothing is carried out."""
    FAIL_AFTER = "fail-after"
    """The call is carried out, and then *status* (a 5xx) is answered all the same."""
    DROP = "drop"
    """The connection ends before the call; nothing is carried out."""
    LOSE = "lose"
    """The call is carried out, and the connection ends before the answer."""
    PARTIAL = "partial"
    """Some items of a batch fail, about half and at least one; the others are carried out."""
    CONFLICT = "conflict"
    """A transaction loses against another: CONDITIONAL_CHECK_FAILED; nothing is carried out."""


_ONLY: Final = {FaultKind.PARTIAL: "batch/", FaultKind.CONFLICT: "transaction"}
"""What the operations begin with that a kind is only for."""


class Fault(BaseModel):
    """One thing that goes wrong, with which calls, and how often.

    Attributes:
        kind: what happens.
        operations: with which calls, such as ``batch/set``; with all if empty.
        rate: with which share of them, 0 to 1.
        times: how often at most; without end if None.
        seconds: how long, for latency.
        status: what is answered by ``fail`` and ``fail-after``.
        retry_after: seconds to ask for with a 429; None asks for nothing, as the service does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: FaultKind
    operations: tuple[str, ...] = ()
    rate: float = Field(default=1.0, ge=0, le=1)
    times: int | None = Field(default=None, ge=0)
    seconds: float = Field(default=0.1, ge=0)
    status: int = Field(default=503, ge=500, le=599)
    retry_after: int | None = Field(default=None, ge=0)

    @field_validator("operations", mode="after")
    @classmethod
    def _known(cls, operations: tuple[str, ...]) -> tuple[str, ...]:
        for operation in operations:
            if operation not in OPERATIONS:
                raise ValueError(f"{operation!r} is none of {', '.join(OPERATIONS)}")
        return operations

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``kind,name=value,…``, e.g. ``lose,operations=batch/set+transaction,rate=0.1``.

        Raises:
            ConfigurationError: the text is no fault; the message says why.
        """
        kind, *options = text.split(",")
        given: dict[str, Any] = {"kind": kind.strip()}
        for option in options:
            name, _, value = option.partition("=")
            given[name.strip()] = value.split("+") if name.strip() == "operations" else value
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise ConfigurationError(f"{text!r} is no fault: {_reasons(error)}") from None

    def __str__(self) -> str:
        """Show it as `parse` reads it."""
        shown = self.model_dump(exclude_defaults=True, exclude={"kind"})
        if self.operations:
            shown["operations"] = "+".join(self.operations)
        return ",".join([self.kind, *(f"{name}={value}" for name, value in shown.items())])


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of one call: wait, then answer *instead*, or carry it out and go on.

    Attributes:
        delay: seconds to wait first.
        instead: what the caller gets in place of an answer; nothing is carried out.
        request: what is carried out.
    """

    request: Request
    delay: float = 0.0
    instead: Response | TransportError | None = None
    after: Response | TransportError | None = None
    failed: tuple[dict[str, Any], ...] = ()

    def answer(self, response: Response) -> Response:
        """Return what the caller gets where *response* was answered.

        Raises:
            AnswerLost: nothing; the call was carried out.
        """
        if isinstance(self.after, TransportError):
            raise self.after
        if self.after is not None:
            return self.after
        return _with_failures(response, self.failed) if self.failed else response


class Faults:
    """Rules for what goes wrong. The same seed and the same calls give the same faults.

    Safe to use from several threads; the order of their calls then is what chance decides.
    """

    def __init__(self, *faults: Fault | str, seed: int = 0) -> None:
        """Begin with *faults*, each a `Fault` or its text (see `Fault.parse`)."""
        self.seed = seed
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._left: dict[int, int] = {}
        self._rules: list[Fault] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault | str) -> None:
        """Let one more thing go wrong; raises `ConfigurationError` for a text that is none."""
        rule = Fault.parse(fault) if isinstance(fault, str) else fault
        with self._lock:
            if rule.times is not None:
                self._left[len(self._rules)] = rule.times
            self._rules.append(rule)

    def clear(self) -> None:
        """Let everything go well from here on, and chance begin anew."""
        with self._lock:
            self._rules, self._left = [], {}
            self._random = random.Random(self.seed)

    def effect(self, request: Request) -> Effect:
        """Return what becomes of *request*."""
        if not self._rules:
            return Effect(request)
        with self._lock:
            chosen = list(self._chosen(request))
            delay = sum(rule.seconds for rule in chosen if rule.kind is FaultKind.LATENCY)
            worse = (rule for rule in chosen if rule.kind is not FaultKind.LATENCY)
            rule = next(worse, None)
            return self._made(rule, request, delay) if rule else Effect(request, delay)

    def _chosen(self, request: Request) -> Iterator[Fault]:
        """Yield the rules that strike; those after the first but latencies are spared."""
        struck = False
        for number, rule in enumerate(self._rules):
            late = rule.kind is FaultKind.LATENCY
            if (struck and not late) or not self._strikes(number, rule, request):
                continue
            struck = struck or not late
            yield rule

    def _strikes(self, number: int, rule: Fault, request: Request) -> bool:
        if rule.operations and request.operation not in rule.operations:
            return False
        if not request.operation.startswith(_ONLY.get(rule.kind, "")):
            return False
        if self._left.get(number) == 0 or self._random.random() >= rule.rate:
            return False
        if number in self._left:
            self._left[number] -= 1
        return True

    def _made(self, rule: Fault, request: Request, delay: float) -> Effect:
        match rule.kind:
            case FaultKind.THROTTLE:
                return Effect(request, delay, instead=_throttled(request, rule.retry_after))
            case FaultKind.FAIL:
                return Effect(request, delay, instead=_failed(rule.status))
            case FaultKind.FAIL_AFTER:
                return Effect(request, delay, after=_failed(rule.status))
            case FaultKind.DROP:
                error = NotSent(f"{request.operation}: dropped on purpose; nothing was sent")
                return Effect(request, delay, instead=error)
            case FaultKind.LOSE:
                lost = AnswerLost(f"{request.operation}: its answer was dropped on purpose")
                return Effect(request, delay, after=lost)
            case FaultKind.CONFLICT:
                return Effect(request, delay, instead=_CONFLICT)
            case _:
                return self._halved(request, delay)

    def _halved(self, request: Request, delay: float) -> Effect:
        """Let some items of a batch fail; what is no batch is for the store to refuse."""
        items = _items(request.body)
        if not items:
            return Effect(request, delay)
        spared = [self._random.random() < 0.5 for _ in items]
        spared[self._random.randrange(len(items))] = False
        failed = tuple(item for item, kept in zip(items, spared, strict=True) if not kept)
        kept = [item for item, kept in zip(items, spared, strict=True) if kept]
        if not kept:
            body = _answer_body([], failed)
            return Effect(request, delay, instead=Response(200, body, _JSON))
        return Effect(request._replace(body=_json(kept)), delay, failed=failed)

    def __iter__(self) -> Iterator[Fault]:
        """Iterate over the rules."""
        return iter(tuple(self._rules))

    def __len__(self) -> int:
        """Count the rules."""
        return len(self._rules)

    def __repr__(self) -> str:
        """Show the rules and the seed."""
        shown = [repr(str(rule)) for rule in self._rules]
        return f"Faults({', '.join([*shown, f'seed={self.seed}'])})"


def _reasons(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()
    )


def _throttled(request: Request, retry_after: int | None) -> Response:
    code = "TOO_MANY_REQUESTS" if request.operation == "transaction" else "RATE_LIMIT_EXCEEDED"
    body = _json({"code": code, "message": "too many requests, on purpose"})
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Response(429, body, {**_JSON, **headers})


def _failed(status: int) -> Response:
    code = "INTERNAL_SERVER_ERROR" if status == 500 else "SERVICE_UNAVAILABLE"
    return Response(status, _json({"code": code, "message": "failed on purpose"}), _JSON)


_CONFLICT: Final = Response(
    400,
    b'{"code":"CONDITIONAL_CHECK_FAILED","message":"another was first, on purpose"}',
    _JSON,
)


def _items(body: bytes) -> list[dict[str, Any]]:
    try:
        found: Any = json.loads(body)
    except ValueError:
        return []
    items = cast("list[Any]", found) if isinstance(found, list) else []
    if not all(isinstance(item, dict) and "key" in item for item in items):
        return []
    return cast("list[dict[str, Any]]", items)


def _with_failures(response: Response, failed: Iterable[dict[str, Any]]) -> Response:
    """Return a batch's answer with the items that failed on purpose."""
    if not response.ok:
        return response
    answer: dict[str, Any] = json.loads(response.body)
    body = _answer_body(answer["successfulKeys"], failed, answer["failedKeys"])
    return response._replace(body=body)


def _answer_body(
    done: list[Any], failed: Iterable[dict[str, Any]], before: Iterable[Any] = ()
) -> bytes:
    error = {"code": "INTERNAL_SERVER_ERROR", "message": "failed on purpose"}
    rows = [
        {**{name: item[name] for name in ("key", "entityName") if name in item}, "error": error}
        for item in failed
    ]
    return _json({"successfulKeys": done, "failedKeys": [*before, *rows]})


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
