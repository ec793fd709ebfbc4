"""What a deletion does to the entities that refer to what is deleted, by their rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..errors import CascadeTooLarge, DeleteRestricted
from ..model.entity import Entity, key_of, origin_of
from ..model.rules import DeleteRule
from .identity import Name

if TYPE_CHECKING:
    from .unit import UnitOfWork

CASCADE: Final = 100
"""How many other entities one deletion may reach, unless it says otherwise."""
_NAMED: Final = 3


class Deletion(NamedTuple):
    """A deletion, the *rules* of what refers to it, and how many others it may reach."""

    name: Name
    rules: tuple[DeleteRule, ...]
    cascade: int

    @property
    def address(self) -> tuple[str, str]:
        """The entity's name and the key."""
        return self.name[0].__forge__.name, self.name[1]

    def __str__(self) -> str:
        """Say what has to be looked up."""
        entity, key = self.address
        rules = ", ".join(map(str, self.rules))
        return f"what refers to {entity} {key!r}: {rules}; {self.cascade} at most"


class Target(NamedTuple):
    """Something that is going to be deleted, because of the deletion *root*."""

    name: Name
    root: Deletion

    def rules(self) -> tuple[DeleteRule, ...]:
        """Return the rules of what refers to it."""
        cls: Any = self.name[0]
        found: tuple[DeleteRule, ...] = cls.__forge_registry__.rules_about(cls)
        return found


class Referrer(NamedTuple):
    """An entity that refers to *target*, and the rule of its reference."""

    entity: Entity
    rule: DeleteRule
    target: Target

    @property
    def name(self) -> Name:
        """The class and key of the entity."""
        return type(self.entity).__forge_root__, str(key_of(self.entity))

    @property
    def address(self) -> tuple[str, str]:
        """The entity's name and the key."""
        return type(self.entity).__forge__.name, self.name[1]


@dataclass(slots=True)
class Reach:
    """What deletions reach: found out first, then done all at once, or not at all."""

    unit: UnitOfWork
    deletes: dict[Name, Referrer] = field(default_factory=dict[Name, Referrer])
    clears: list[Referrer] = field(default_factory=list[Referrer])
    unread: list[Target] = field(default_factory=list[Target])
    _blocks: list[Referrer] = field(default_factory=list[Referrer])
    _counts: dict[Name, set[Name]] = field(default_factory=dict[Name, set[Name]])

    def count(self, target: Target, cls: type[Any], keys: Iterable[str]) -> None:
        """Count *keys* of *cls* among what the deletion reaches; raises `CascadeTooLarge`."""
        root = target.root
        reached = self._counts.setdefault(root.name, set())
        reached.update((cls, key) for key in keys if (cls, key) != root.name)
        if len(reached) > root.cascade:
            raise _too_large(root, target, len(reached))

    def referrers(
        self, target: Target, rule: DeleteRule, read: Iterable[Entity]
    ) -> Iterator[Referrer]:
        """Yield what refers to *target*: of what was *read*, and of what the session holds.

        What the session has changed counts as it is there, and what it deletes not at all.
        """
        known = {id(entity): entity for entity in read}
        held = self.unit.identity.of_class(rule.owner.__forge_root__)
        known |= {id(entity): entity for entity in held if isinstance(entity, rule.owner)}
        for entity in known.values():
            found = Referrer(entity, rule, target)
            if self._refers(found) and not self._is_going(found.name):
                yield found

    def take(self, referrers: Iterable[Referrer]) -> list[Target]:
        """Apply the rules to *referrers*; return what is deleted too."""
        further: list[Target] = []
        for found in referrers:
            if found.rule.action == "clear":
                self.clears.append(found)
            elif found.rule.action == "cascade" and self._is_stored(found):
                self.deletes[found.name] = found
                further.append(Target(found.name, found.target.root))
            else:
                self._blocks.append(found)
        return further

    def apply(self, *, guarded: bool) -> None:
        """Make it part of the unit; raises `DeleteRestricted` and does nothing.

        *guarded* lets each write happen only if the entity still refers to the target.
        """
        if blocks := [found for found in self._blocks if not self._is_going(found.name)]:
            raise _restricted(blocks)
        if self.unread:
            raise _too_large(
                self.unread[0].root, self.unread[0], self.unread[0].root.cascade + 1
            )
        for found in self.deletes.values():
            condition = found.rule.refers(found.target.name[1]) if guarded else None
            self.unit.delete(found.entity, condition=condition)
        for found in self.clears:
            if not self._is_going(found.name):
                self._clear(found, guarded=guarded)
        self.unit.looked_up(self.deletes)

    def _clear(self, found: Referrer, *, guarded: bool) -> None:
        stored = self._is_stored(found)
        setattr(found.entity, found.rule.field, None)
        if guarded and stored and not self.unit.is_written(found.name):
            self.unit.add(found.entity, condition=found.rule.refers(found.target.name[1]))

    def _refers(self, found: Referrer) -> bool:
        ref = vars(found.entity).get(found.rule.field)
        return ref is not None and ref.key == found.target.name[1]

    def _is_going(self, name: Name) -> bool:
        return name in self.deletes or self.unit.is_deleting(*name)

    def _is_stored(self, found: Referrer) -> bool:
        """Whether the store, as it was read, says that it refers to the target."""
        origin, key = origin_of(found.entity), found.name[1]
        if origin is None or not origin.knows(key):
            return False
        attribute = type(found.entity).__forge__.attributes[found.rule.field]
        return bool(origin.value(key).get(attribute.name) == found.target.name[1])


def _too_large(root: Deletion, target: Target, found: int) -> CascadeTooLarge:
    entity, key = root.address
    rules = ", ".join(map(str, target.rules()))
    return CascadeTooLarge(
        f"deleting {entity} {key!r} would reach at least {found} other entities through "
        f"{rules}, and may reach {root.cascade}; nothing was sent. Delete it with a larger "
        "cascade=, or delete those first, with session.delete_all(query)",
        entity,
        key,
        found,
        root.cascade,
    )


def _restricted(blocks: list[Referrer]) -> DeleteRestricted:
    first = blocks[0]
    cls, key = first.target.name
    entity = cls.__forge__.name
    same = [each for each in blocks if each.target.name == first.target.name]
    shown = ", ".join(f"{name} {of!r}" for name, of in (each.address for each in same[:_NAMED]))
    more = f" and {len(same) - _NAMED} more" if len(same) > _NAMED else ""
    why = {
        "restrict": "its rule is on_delete='restrict'",
        "cascade": "that is a change of this session that is not saved",
    }[first.rule.action]
    return DeleteRestricted(
        f"{entity} {key!r} cannot be deleted: {shown}{more} refers to it through "
        f"{first.rule.owner.__name__}.{first.rule.field}, and {why}; nothing was sent. Delete "
        "those too, or let them refer to something else",
        entity,
        key,
        [each.address for each in same],
    )
