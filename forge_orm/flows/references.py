# pyright: reportUnusedCallResult=true
"""Loading what references lead to: many at once, level by level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from ..model import Entity, Ref
from ..model.references import resolve
from ..paths import Path, Step
from ..unit import UnitOfWork
from .core import Flow
from .lookups import look_up

_Front: TypeAlias = tuple[Sequence[Entity], tuple[Step, ...]]
"""Entities that were reached, and the references still to follow from them."""


def prefetch(
    unit: UnitOfWork, entities: Iterable[Entity], paths: Iterable[Path[Any, Any]]
) -> Flow[None]:
    """Load what *paths* lead to from *entities*: one round trip a level of the paths.

    Each target is read once, and not at all if the session holds it. Raises `PartialRead`
    for keys that failed for another reason than being absent.
    """
    start = tuple(entities)
    fronts: list[_Front] = [(start, path.steps) for path in paths]
    while fronts:
        found = [_refs(reached, steps[0]) for reached, steps in fronts]
        yield from _load(unit, [ref for refs in found for ref in refs])
        fronts = [
            ([ref.value for ref in refs if ref.loaded], steps[1:])
            for refs, (_, steps) in zip(found, fronts, strict=True)
            if steps[1:]
        ]


def _refs(entities: Iterable[Entity], step: Step) -> list[Ref[Any]]:
    found: list[Ref[Any]] = []
    for entity in entities:
        _check_owner(entity, step)
        value = vars(entity)[step.field]
        if value is not None:
            found.append(value)
    return found


def _check_owner(entity: object, step: Step) -> None:
    if not isinstance(entity, step.owner):
        raise TypeError(
            f"{step} is an attribute of {step.owner.__name__}, and this is {entity!r}. "
            "prefetch() takes a list of entities, and paths that begin at their class"
        )


def _load(unit: UnitOfWork, refs: Sequence[Ref[Any]]) -> Flow[None]:
    open_refs = [ref for ref in refs if not ref.loaded]
    wanted: dict[type[Entity], list[str]] = {}
    for ref in open_refs:
        wanted.setdefault(ref.target, []).append(ref.key)
    found = yield from look_up(unit, wanted)
    for ref in open_refs:
        resolve(ref, found.get((ref.target, ref.key)))
