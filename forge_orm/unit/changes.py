"""What changed in an entity since it was read or saved, nested values included.

Nothing is copied when an entity is read. Its stored form then is kept as the bytes of the
answer it came in, and parsed only if there is something to compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic_core import to_json

from ..model.entity import Entity, Origin, key_of, origin_of
from ..model.mapping import EntityMapping


@dataclass(frozen=True, slots=True)
class Change:
    """The stored form to write, and the names of the attributes that differ."""

    stored: dict[str, Any]
    attributes: tuple[str, ...]


def change_of(entity: Entity, origin: Origin) -> Change | None:
    """Return how *entity* differs from what was read, or None.

    Attributes the class does not know (a newer version of the app wrote them) are kept.
    """
    mapping = type(entity).__forge__
    stored, before = mapping.stored(entity), origin.value(str(key_of(entity)))
    if to_json(stored) == to_json(before):
        return None
    differing = _differing(stored, _normal(mapping, before))
    if not differing:
        return None
    return Change({**stored, **unknown(entity, origin)}, differing)


def unknown(entity: Entity, origin: Origin) -> dict[str, Any]:
    """Return what was stored with *entity* under names that its class does not know."""
    return type(entity).__forge__.unknown(origin.value(str(key_of(entity))))


def mutated(entities: Iterable[Entity]) -> Iterator[Entity]:
    """Yield those whose nested values may have changed without any attribute being assigned."""
    suspects: dict[type[Any], list[_Suspect]] = {}
    for entity in entities:
        origin, cls = origin_of(entity), type(entity)
        if origin is None or not (cls.__forge__.mutable or cls.__forge__.open):
            continue
        key = str(key_of(entity))
        if origin.knows(key):
            suspects.setdefault(cls, []).append((entity, origin.value(key)))
    for cls, found in suspects.items():
        yield from _mutated(cls.__forge__, found)


_Suspect: TypeAlias = tuple[Entity, Mapping[str, Any]]
"""An entity, and its stored form as it was read or saved."""


def _mutated(mapping: EntityMapping[Any], suspects: Sequence[_Suspect]) -> Iterator[Entity]:
    """Yield those that changed. Nearly always none did, so they are looked at by halves."""
    now = mapping.write_nested(entity for entity, _ in suspects)
    if now is None or len(suspects) == 1:
        if now is None or now != _nested(mapping, suspects):
            yield from (entity for entity, was in suspects if _is_mutated(entity, was))
    elif now != _nested(mapping, suspects):
        middle = len(suspects) // 2
        yield from _mutated(mapping, suspects[:middle])
        yield from _mutated(mapping, suspects[middle:])


def _nested(mapping: EntityMapping[Any], suspects: Sequence[_Suspect]) -> bytes:
    """Return what was stored of the attributes that may change unassigned."""
    names = [item.name for item in mapping.mutable]
    return to_json([{name: was[name] for name in names if name in was} for _, was in suspects])


def _is_mutated(entity: Entity, before: Mapping[str, Any]) -> bool:
    mapping = type(entity).__forge__
    values = entity.__dict__
    for item in mapping.mutable:
        value = getattr(entity, item.field) if item.computed else values.get(item.field)
        try:
            now = None if value is None else item.store(value)
        except (TypeError, ValueError):
            return True  # the save says what is wrong with it, and where
        if to_json(now) != to_json(before.get(item.name)):
            return True
    return mapping.open and to_json(mapping.stored(entity)) != to_json(before)


def _normal(mapping: EntityMapping[Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored form as the class would write it now: defaults filled in."""
    row = mapping.readers.row(to_json({"key": "", "value": before}))
    return mapping.stored(row["value"])


def _differing(stored: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[str, ...]:
    names = [*stored, *(name for name in before if name not in stored)]
    absent = object()
    return tuple(
        name
        for name in names
        if (now := stored.get(name, absent)) is absent
        or (then := before.get(name, absent)) is absent
        or to_json(now) != to_json(then)
    )
