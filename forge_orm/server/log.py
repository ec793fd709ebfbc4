"""A line for every call: what was asked, what came of it, what it cost, how long it took."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias, cast

from ..calls import parsed, trouble, visible
from ..units import Units, units
from ..wire import Request, Response

LogFormat: TypeAlias = Literal["text", "json"]

_NAMES_SHOWN: Final = 5
_GROUPS: Final = ("set", "delete", "check")


@dataclass(frozen=True, slots=True)
class Line:
    """One call, as a line tells it. Values are not part of it, neither plain nor secret.

    Attributes:
        installation: whose data it is about, where the call says so.
        invocation: the invocation it was made in, where it says so; a token is never told.
        entity: the entity; of a batch or transaction None, its keys are then told with it.
        keys: the keys named; ``entity/key`` in a batch, ``set:entity/key`` in a transaction;
            of a query of plain keys the prefix, as ``prefix*``; of a secret none.
        status: the HTTP status; 0 where there was no answer.
        code: the error's code, or the name of what was raised.
        failed: how many items of a batch failed.
    """

    moment: datetime
    operation: str
    installation: str | None
    invocation: str | None
    entity: str | None
    index: str | None
    keys: tuple[str, ...]
    status: int
    code: str | None
    failed: int
    units: Units
    milliseconds: float

    def text(self) -> str:
        """Return the line that people read."""
        moment = f"{self.moment:%H:%M:%S}.{self.moment.microsecond // 1000:03}"
        cost = f"{self.units.read}r {self.units.write}w"
        secret = "<secret>" if self.operation.startswith("secret/") else ""
        subject = " ".join(filter(None, (secret, self._entity(), *self._shown())))
        whose = self.installation or self.invocation
        acting = f"[{visible(whose)}]" if whose else ""
        told = f"{moment} {self.status or '---'} {visible(self.operation):<13} {cost:>7}"
        took = f"{self.milliseconds:7.2f} ms"
        return "  ".join(filter(None, (told, took, subject, self._trouble(), acting)))

    def json(self) -> str:
        """Return the line that programs read."""
        told: dict[str, Any] = {
            "time": self.moment.isoformat(timespec="milliseconds"),
            "operation": self.operation,
            "installation": self.installation,
            "invocation": self.invocation,
            "entity": self.entity,
            "index": self.index,
            "keys": list(self.keys),
            "status": self.status,
            "code": self.code,
            "failed": self.failed,
            "readUnits": self.units.read,
            "writeUnits": self.units.write,
            "milliseconds": round(self.milliseconds, 3),
        }
        return json.dumps(
            {name: value for name, value in told.items() if value not in (None, [])}
        )

    def _entity(self) -> str:
        if self.entity is None:
            return ""
        index = f"[{visible(self.index)}]" if self.index else ""
        return f"{visible(self.entity)}{index}"

    def _shown(self) -> list[str]:
        shown = [visible(key) for key in self.keys[:_NAMES_SHOWN]]
        more = len(self.keys) - len(shown)
        return [*shown, f"+{more}"] if more > 0 else shown

    def _trouble(self) -> str:
        failed = f"{self.failed} failed" if self.failed else ""
        return " ".join(filter(None, (self.code, failed)))


class RequestLog:
    """Writes a line for each call it is told of.

    Args:
        write: is given each line, without its end.
        format: ``text`` for people, ``json`` for programs.
        rounded_once: how the units of a batch are counted; see `forge_orm.faults.Capacity`.
        clock: returns the Unix time in seconds.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        format: LogFormat = "text",
        *,
        rounded_once: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin a log."""
        self.format: LogFormat = format
        self._write, self._rounded_once, self._clock = write, rounded_once, clock

    def note(self, request: Request, outcome: Response | Exception, begun: float) -> None:
        """Write the line of a call that *begun* at that `time.perf_counter`."""
        took = (time.perf_counter() - begun) * 1000
        moment = datetime.fromtimestamp(self._clock(), UTC)
        cost = self._cost(request, outcome)
        line = describe(request, outcome, cost, moment=moment, milliseconds=took)
        self._write(line.json() if self.format == "json" else line.text())

    def _cost(self, request: Request, outcome: Response | Exception) -> Units:
        if not isinstance(outcome, Response):
            return Units()
        return units(request, outcome, rounded_once=self._rounded_once)


def describe(
    request: Request,
    outcome: Response | Exception,
    cost: Units,
    *,
    moment: datetime,
    milliseconds: float,
) -> Line:
    """Return *request*, its *outcome* and its *cost* as a line tells them."""
    body = parsed(request.body)
    answered = outcome if isinstance(outcome, Response) else None
    code, failed = trouble(request, outcome)
    return Line(
        moment=moment,
        operation=request.operation,
        installation=None if request.tenant is None else request.tenant.installation,
        invocation=None if request.tenant is None else request.tenant.invocation,
        entity=_text(body, "entityName"),
        index=_text(body, "indexName"),
        keys=tuple(_keys(request.operation, body)),
        status=0 if answered is None else answered.status,
        code=code,
        failed=failed,
        units=cost,
        milliseconds=milliseconds,
    )


def _keys(operation: str, body: Any) -> list[str]:
    """Return the keys a body names, whatever it is."""
    if operation.startswith("secret/"):
        return []
    if operation == "query":
        return [f"{prefix}*" for prefix in _prefixes(body)]
    if operation.startswith("batch/"):
        return _named(body)
    if operation == "transaction" and isinstance(body, dict):
        groups = cast("dict[str, Any]", body)
        return [f"{name}:{key}" for name in _GROUPS for key in _named(groups.get(name))]
    key = _text(body, "key")
    return [] if key is None else [key]


def _prefixes(body: Any) -> list[str]:
    clauses: Any = cast("Any", body).get("where") if isinstance(body, dict) else None
    found: list[str] = []
    for clause in _listed(clauses):
        values: Any = cast("Any", clause).get("values") if isinstance(clause, dict) else None
        found += [value for value in _listed(values) if isinstance(value, str)]
    return found


def _named(items: Any) -> list[str]:
    """Return the keys of *items*, each with its entity."""
    named: list[str] = []
    for item in _listed(items):
        key, entity = _text(item, "key"), _text(item, "entityName")
        if key is not None:
            named.append(key if entity is None else f"{entity}/{key}")
    return named


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _text(body: Any, name: str) -> str | None:
    found: Any = cast("Any", body).get(name) if isinstance(body, dict) else None
    return found if isinstance(found, str) else None
