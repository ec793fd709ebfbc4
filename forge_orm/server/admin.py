"""What tests ask of a local Forge besides storage: faults, the time, a clean slate.

Not part of Forge; served below ``/admin`` only where the application is given an `Admin`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ConfigurationError
from ..faults import Capacity, Fault, Faults, MovableClock, Stale
from ..wire import Response
from .refusals import Refusal, answer, not_allowed

PREFIX: Final = "/admin"

Action: TypeAlias = Callable[[str, bytes], Response]
"""Answers the rest of a path and a body."""


class Resettable(Protocol):
    """**Protocol:** a store that can be emptied and put back, such as `LocalBackend`."""

    def reset(self) -> None:
        """Remove every row."""
        ...

    def snapshot(self) -> Any:
        """Return the store as it is."""
        ...

    def restore(self, snapshot: Any, /) -> None:
        """Put the store back as it was."""
        ...


class _Move(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seconds: float


class _Age(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    seconds: float = Field(ge=0)


class _Units(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reads: int | None = Field(default=None, ge=0)
    writes: int | None = Field(default=None, ge=0)


class Admin:
    """The state of a local Forge that tests may look at and change.

    ========  =======================  ==============================================
    method    path                     does
    ========  =======================  ==============================================
    GET       ``/admin``               tells everything that is set
    POST      ``/admin/faults``        adds a `Fault`, given as JSON
    DELETE    ``/admin/faults``        removes every fault; chance begins anew
    POST      ``/admin/clock``         moves the time: ``{"seconds": 86400}``
    POST      ``/admin/stale``         lets queries be late: ``{"seconds": 0.5}``
    POST      ``/admin/capacity``      limits units: ``{"reads": 4000, "writes": 4000}``
    POST      ``/admin/reset``         removes every row of every installation
    PUT       ``/admin/snapshots/x``   keeps the store as it is under the name x
    POST      ``/admin/snapshots/x``   puts the store back as it was then
    ========  =======================  ==============================================
    """

    def __init__(
        self,
        *,
        faults: Faults | None = None,
        clock: MovableClock | None = None,
        store: Resettable | None = None,
        stale: Stale | None = None,
        capacity: Capacity | None = None,
    ) -> None:
        """Govern what is given; the paths of what is not answer 404.

        With *stale* that is the *store*: what is reset is reset for late queries too.
        """
        self.faults, self.clock, self.stale, self.capacity = faults, clock, stale, capacity
        self.store = store if stale is None else stale
        self._snapshots: dict[str, Any] = {}

    def answer(self, method: str, path: str, body: bytes) -> Response:
        """Answer one call below ``/admin``; raises `Refusal`."""
        name, _, rest = path.removeprefix(PREFIX).strip("/").partition("/")
        actions = self._actions().get(name)
        if actions is None or (rest and name != "snapshots"):
            raise Refusal(404, "UNKNOWN_OPERATION", f"there is no {path}")
        if method not in actions:
            raise not_allowed(method, path, *actions)
        try:
            return actions[method](rest, body)
        except ValidationError as error:
            raise Refusal(400, "BAD_REQUEST", _reasons(error)) from error
        except ConfigurationError as error:
            raise Refusal(400, "BAD_REQUEST", str(error)) from error

    def _actions(self) -> dict[str, dict[str, Action]]:
        """Return what can be done, by the path's first part and the method."""
        actions: dict[str, dict[str, Action]] = {"": {"GET": lambda _, __: self._told()}}
        if self.faults is not None:
            actions["faults"] = {"POST": self._add_fault, "DELETE": self._clear_faults}
        if self.clock is not None:
            actions["clock"] = {"POST": self._move_clock}
        if self.stale is not None:
            actions["stale"] = {"POST": self._set_age}
        if self.capacity is not None:
            actions["capacity"] = {"POST": self._set_units}
        if self.store is not None:
            actions["reset"] = {"POST": self._reset}
            actions["snapshots"] = {"PUT": self._keep, "POST": self._restore}
        return actions

    def _told(self) -> Response:
        told: dict[str, Any] = {"faults": [], "now": None}
        if self.faults is not None:
            told["faults"] = [each.model_dump() for each in self.faults]
        if self.clock is not None:
            told["now"] = self.clock.now.isoformat()
        if self.stale is not None:
            told["stale"] = self.stale.age
        if self.capacity is not None:
            told["capacity"] = {
                "reads": self.capacity.reads,
                "writes": self.capacity.writes,
            }
        return answer(200, {**told, "snapshots": sorted(self._snapshots)})

    def _add_fault(self, _: str, body: bytes) -> Response:
        assert self.faults is not None
        self.faults.add(Fault.model_validate_json(body))
        return self._told()

    def _clear_faults(self, _: str, __: bytes) -> Response:
        assert self.faults is not None
        self.faults.clear()
        return self._told()

    def _move_clock(self, _: str, body: bytes) -> Response:
        assert self.clock is not None
        self.clock.move(_Move.model_validate_json(body).seconds)
        return self._told()

    def _set_age(self, _: str, body: bytes) -> Response:
        assert self.stale is not None
        self.stale.set_age(_Age.model_validate_json(body).seconds)
        return self._told()

    def _set_units(self, _: str, body: bytes) -> Response:
        assert self.capacity is not None
        units = _Units.model_validate_json(body)
        self.capacity.reads, self.capacity.writes = units.reads, units.writes
        return self._told()

    def _reset(self, _: str, __: bytes) -> Response:
        assert self.store is not None
        self.store.reset()
        return self._told()

    def _keep(self, name: str, _: bytes) -> Response:
        assert self.store is not None
        name = _named(name)
        self._snapshots[name] = self.store.snapshot()
        return self._told()

    def _restore(self, name: str, _: bytes) -> Response:
        assert self.store is not None
        if _named(name) not in self._snapshots:
            kept = ", ".join(sorted(self._snapshots)) or "none"
            raise Refusal(404, "NOT_FOUND", f"no snapshot {name!r} is kept; there is {kept}")
        self.store.restore(self._snapshots[name])
        return self._told()


def _named(name: str) -> str:
    if not name:
        raise Refusal(400, "BAD_REQUEST", "name the snapshot: /admin/snapshots/<name>")
    return name


def _reasons(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in error.errors()
    )
