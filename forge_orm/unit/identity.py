"""The identity map: one object for one key, within one session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar, cast
from weakref import WeakValueDictionary

from ..errors import WrongKind
from ..model.entity import Entity, Metadata, key_of, origin_of
from ..wire import ALL_METADATA

E = TypeVar("E", bound=Entity)
Name: TypeAlias = tuple[type[Any], str]
"""What an entity is known by: its class (or its kinds' common base) and key."""


class IdentityMap:
    """Entities by class and key; by their common base where one entity has several kinds.

    They are held strongly, so that a change is never lost with the object. A stream, which
    may pass over more entities than fit in memory, releases the unchanged ones: those are
    held weakly, and stay the one object for their key as long as anybody else holds them.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._strong: dict[type[Any], dict[str, Entity]] = {}
        self._weak: dict[type[Any], WeakValueDictionary[str, Entity]] = {}

    def find(self, cls: type[Any], key: str) -> Entity | None:
        """Return the entity of *cls* known under *key*."""
        known = self._strong.get(cls)
        entity = None if known is None else known.get(key)
        if entity is None and cls in self._weak:
            return self._weak[cls].get(key)
        return entity

    def admit(self, cls: type[Any], fresh: dict[str, Entity]) -> Sequence[Entity]:
        """Take in freshly read entities, by key; return the known object for a known key."""
        known = self._strong.get(cls)
        if not self._weak.get(cls) and (not known or known.keys().isdisjoint(fresh)):
            if known:
                known.update(fresh)
            else:
                self._strong[cls] = fresh
            return list(fresh.values())
        return [self.admit_one(cls, key, entity) for key, entity in fresh.items()]

    def admit_one(self, cls: type[Any], key: str, entity: Entity) -> Entity:
        """Take in one freshly read entity; return the known object for a known key."""
        strong = self._strong.get(cls)
        if strong is None:
            strong = self._strong[cls] = {}
        if (key in strong or self._weak) and (known := self.find(cls, key)) is not None:
            _renew(known, entity, key)
            return known
        strong[key] = entity
        return entity

    def put(self, cls: type[Any], key: str, entity: Entity) -> None:
        """Take in one entity under its key, in place of any other."""
        self._strong.setdefault(cls, {})[key] = entity

    def enter(self, cls: type[Any], key: str, entity: Entity) -> bool:
        """Take in one entity under its key, unless another object has it; say whether."""
        known = self._strong.get(cls)
        if known is None:
            known = self._strong[cls] = {}
        other = self.find(cls, key) if self._weak else known.get(key)
        if other is not None and other is not entity:
            return False
        known[key] = entity
        return True

    def remove(self, cls: type[Any], key: str) -> None:
        """Forget one entity, if it is known."""
        self._strong.get(cls, {}).pop(key, None)
        if cls in self._weak:
            self._weak[cls].pop(key, None)

    def release(self, entities: Iterable[Entity]) -> None:
        """Hold *entities* weakly from now on."""
        for entity in entities:
            cls, key = type(entity).__forge_root__, str(key_of(entity))
            if cls in self._strong and self._strong[cls].pop(key, None) is not None:
                if cls not in self._weak:
                    self._weak[cls] = WeakValueDictionary()
                self._weak[cls][key] = entity

    def clear(self) -> None:
        """Forget everything."""
        self._strong.clear()
        self._weak.clear()

    def classes(self) -> Iterator[type[Any]]:
        """Iterate over the classes that have entities here."""
        return iter({*self._strong, *self._weak})

    def of_class(self, cls: type[Any]) -> Iterator[Entity]:
        """Iterate over the entities of *cls*."""
        yield from list(self._strong.get(cls, {}).values())
        if cls in self._weak:
            yield from list(self._weak[cls].values())

    def __len__(self) -> int:
        """Count the entities held strongly."""
        return sum(map(len, self._strong.values()))


def is_kind(cls: type[Any], entity: Entity) -> bool:
    """Whether *entity* is a *cls*; pydantic's own `isinstance` is slower."""
    found = type(entity)
    return found is cls or cls in found.__mro__


def of_kind(cls: type[E], entity: Entity) -> E:
    """Return *entity* if it is a *cls*; raises `WrongKind`."""
    if not is_kind(cls, entity):
        raise wrong_kind(cls, entity)
    return cast("E", entity)


def wrong_kind(cls: type[Any], entity: Entity) -> WrongKind:
    """Return the error for an entity of another kind than *cls*."""
    field = cls.__forge_family__.field
    kind = getattr(entity, field)
    name = cls.__forge_root__.__forge__.name
    return WrongKind(name, str(key_of(entity)), cls.__name__, getattr(kind, "value", kind))


def _renew(known: Entity, fresh: Entity, key: str) -> None:
    """Give a known entity the metadata that was just read; its attributes stay as they are."""
    answer, origin = origin_of(fresh), origin_of(known)
    if answer is None or not answer.metadata or origin is None:
        return
    read, others = answer.metadata[key], origin.metadata or {}
    if (before := others.get(key)) is not None:
        read = _renewed(before, read)
    origin.metadata = {**others, key: read}


def _renewed(before: Metadata, read: Metadata) -> Metadata:
    """Return what was asked for as it was *read*, and the rest as it was *before*."""
    created, updated, expires = (each in read.asked for each in ALL_METADATA)
    return Metadata(
        read.created_at if created else before.created_at,
        read.updated_at if updated else before.updated_at,
        read.expires_at if expires else before.expires_at,
        asked=before.asked | read.asked,
    )
