"""What hooks are told, `WriteEvent` and `CommitEvent`, and what a session notes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from ..errors import SessionError
from ..model.entity import Entity, Origin, origin_of
from ..model.hooks import Verb
from .plan import NOTHING, WriteItem, WritePlan

if TYPE_CHECKING:
    from .unit import UnitOfWork

E_co = TypeVar("E_co", bound=Entity, covariant=True)
Name: TypeAlias = tuple[type[Any], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    plan: WritePlan
    _unit: UnitOfWork | None = field(repr=False)

    def add(self, *entities: Entity, ttl: timedelta | None = None) -> None:
        """Write *entities* with this commit too; raises `SessionError` in an after-hook."""
        self._writable.add(*entities, ttl=ttl)

    def insert(self, *entities: Entity, ttl: timedelta | None = None) -> None:
        """Create *entities* with this commit too; raises `SessionError` in an after-hook."""
        self._writable.add(*entities, ttl=ttl, create=True)

    def delete(self, *entities: Entity) -> None:
        """Delete *entities* with this commit too; raises `SessionError` in an after-hook."""
        for entity in entities:
            self._writable.delete(entity)

    @property
    def _writable(self) -> UnitOfWork:
        if self._unit is None:
            raise SessionError(
                "this commit is done, so an after-hook cannot add to it; write in a session "
                "of its own, or do it in a before-hook"
            )
        return self._unit


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteEvent(_Event, Generic[E_co]):
    """One entity that is about to be written, or that was.

    Attributes:
        verb: ``insert`` for an entity that was not read, ``update`` for one that was, or
            ``delete``.
        entity: the entity itself.
        key: its key.
        changed: the attributes that differ from what was read, as they are stored; of an
            insert none.
        plan: what the commit sends. Before, as it stands now: changing the entity changes
            what is sent, not this.
    """

    verb: Verb
    entity: E_co
    key: str
    changed: tuple[str, ...] = ()
    _origin: Origin | None = field(default=None, repr=False)

    @property
    def previous(self) -> Mapping[str, Any] | None:
        """The stored form as it was read; None for one that was not."""
        origin = self._origin
        return None if origin is None or not origin.knows(self.key) else origin.value(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitEvent(_Event):
    """A commit that is about to be sent, or that went well.

    Attributes:
        plan: what it sends, or sent.
        writes: its entities, one event each; deletions by key alone are in the plan only.
    """

    writes: tuple[WriteEvent[Entity], ...]


def event_of(item: WriteItem, plan: WritePlan, unit: UnitOfWork | None) -> WriteEvent[Entity]:
    """Return what hooks are told of *item*, which has an entity; *unit* if they may add."""
    assert item.entity is not None
    origin = origin_of(item.entity)
    return WriteEvent(
        verb=_verb(item, origin),
        entity=item.entity,
        key=item.name[1],
        changed=item.attributes,
        plan=plan,
        _unit=unit,
        _origin=origin,
    )


def _verb(item: WriteItem, origin: Origin | None) -> Verb:
    """Tell an insert from an update, as well as the session can."""
    if item.value is None:
        return "delete"
    read = origin is not None and origin.knows(item.name[1]) and not item.create
    return "update" if read else "insert"


class Hooking:
    """What a unit of work knows of its hooks: who was called, and what was confirmed."""

    def __init__(self) -> None:
        """Begin with nobody called."""
        self.busy = False
        self._plan = NOTHING
        self.passed: dict[Name, tuple[Verb, bytes | None]] = {}
        self._confirmed: list[WriteEvent[Entity]] = []

    def all(self, unit: UnitOfWork, plan: WritePlan) -> Iterator[WriteEvent[Entity]]:
        """Yield an event for each write of *plan* that has an entity."""
        for item in plan.items:
            if item.entity is not None:
                yield event_of(item, plan, unit)

    def due(self, unit: UnitOfWork, plan: WritePlan) -> Iterator[WriteEvent[Entity]]:
        """Yield an event for each of them, but those that hooks have let pass."""
        for item in plan.items:
            if item.entity is not None:
                event = event_of(item, plan, unit)
                if self.passed.get(item.name) != (event.verb, item.value):
                    yield event

    def let_pass(self, plan: WritePlan) -> None:
        """Let every write of *plan* pass: sent again unchanged, it is not asked about."""
        self._plan = plan
        self.passed = {
            item.name: (event_of(item, plan, None).verb, item.value)
            for item in plan.items
            if item.entity is not None
        }

    def ask_again(self, *names: Name) -> None:
        """Forget that writes of *names* were let pass: what comes now is another matter."""
        for name in names:
            self.passed.pop(name, None)

    def confirm(self, item: WriteItem) -> None:
        """Note that the service confirmed *item*, before its entity is given a new origin."""
        self.passed.pop(item.name, None)
        if item.entity is not None:
            self._confirmed.append(event_of(item, self._plan, None))

    def confirmed(self) -> list[WriteEvent[Entity]]:
        """Return what was confirmed since this was last asked."""
        found, self._confirmed = self._confirmed, []
        return found
