"""What changed in an entity since it was read or saved, nested values included.

Nothing is copied when an entity is read. Its stored form then is kept as the bytes of the
answer it came in, and parsed only if there is something to compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from ..model.entity import Entity, Origin, key_of
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


def mutated(entity: Entity, origin: Origin) -> bool:
    """Whether a nested value may have changed without any attribute being assigned."""
    mapping = type(entity).__forge__
    values = entity.__dict__
    before = origin.value(str(key_of(entity)))
    for item in mapping.mutable:
        value = getattr(entity, item.field) if item.computed else values.get(item.field)
        now = None if value is None else item.store(value)
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
