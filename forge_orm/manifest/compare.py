"""Declared by the classes versus written in the manifest, and what a deploy makes of it.

What can be changed once deployed: storage-reference/entities-manifest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from ..schema import AttributeType, EntitySchema, IndexSchema
from .document import SCOPE


class Change(StrEnum):
    """What the manifest lacks, has too much, or has otherwise."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which the classes and the manifest differ.

    Attributes:
        change: seen from the manifest: what writing it would do.
        what: ``entity``, ``attribute``, ``index`` or ``scope``.
        name: ``task``, or ``task.due`` for a part of it.
        detail: the type or the index; for a change, from what to what.
        meaning: what it means for an app that is deployed.
        deployable: whether an app that was deployed with the old can be deployed with the
            new.
    """

    change: Change
    what: str
    name: str
    detail: str
    meaning: str
    deployable: bool = True

    def __str__(self) -> str:
        """Show it on one line, e.g. ``added index task.by_due (project -> due): …``."""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.change} {self.what} {self.name}{detail}: {self.meaning}"


_ADDED: Final = {
    "entity": "deploys as it is; its indexes are built after the deploy",
    "attribute": "deploys as it is; rows written before do not have it",
    "index": (
        "built after the deploy, which takes five minutes or more; "
        "the app cannot be installed until then"
    ),
    "scope": (
        "an app that is installed without it needs a new major version, "
        "which an admin of every site has to approve"
    ),
}
_REMOVED: Final = {
    "entity": "a deployed entity can never be deleted",
    "attribute": "a deployed attribute can never be deleted",
    "index": "an index can be deleted only while it never reached staging or production",
}
_CHANGED: Final = {
    "attribute": "the type of a deployed attribute cannot change; declare one of a new name",
    "index": "a deployed index cannot change under the same name; declare one of a new name",
}


def compare(
    declared: Iterable[EntitySchema], written: Iterable[EntitySchema]
) -> list[Difference]:
    """Return what would change if *declared* took the place of *written*.

    Order does not matter, nor whether an index on one attribute has the short form.
    """
    old, new = _by_name(written), _by_name(declared)
    return [
        *(_added("entity", name) for name in new if name not in old),
        *(_removed("entity", name) for name in old if name not in new),
        *(found for name in new if name in old for found in _within(new[name], old[name])),
    ]


def scope_missing() -> Difference:
    """Return the difference that the manifest does not ask for hosted storage."""
    return _added("scope", SCOPE)


def keeping(
    declared: Iterable[EntitySchema], written: Iterable[EntitySchema], names: Collection[str]
) -> list[EntitySchema]:
    """Return *declared* with what *names* says to keep of *written*.

    A name is that of an entity, or ``entity.attribute`` or ``entity.index``. This is for
    what was deployed, so can never be deleted, and for what other code declares.
    """
    old, new = _by_name(written), _by_name(declared)
    kept = [schema for name, schema in old.items() if name in names and name not in new]
    return [
        *(_with_kept(schema, old.get(schema.name), names) for schema in new.values()),
        *kept,
    ]


def same_index(one: IndexSchema, other: IndexSchema) -> bool:
    """Whether the service sees one index; ``due`` is short for a range of ``[due]``."""
    return (one.range, one.partition) == (other.range, other.partition)


def _with_kept(
    schema: EntitySchema, old: EntitySchema | None, names: Collection[str]
) -> EntitySchema:
    if old is None:
        return schema

    def kept(name: str) -> bool:
        return f"{schema.name}.{name}" in names

    attributes = {n: a for n, a in old.attributes.items() if kept(n)} | dict(schema.attributes)
    indexes = {n: i for n, i in old.indexes.items() if kept(n)} | dict(schema.indexes)
    return replace(schema, attributes=attributes, indexes=indexes)


def _within(new: EntitySchema, old: EntitySchema) -> Iterator[Difference]:
    yield from _attributes(new, old.attributes)
    yield from _indexes(new, old.indexes)


def _attributes(entity: EntitySchema, old: Mapping[str, AttributeType]) -> Iterator[Difference]:
    for name, type in entity.attributes.items():
        if name not in old:
            yield _added("attribute", f"{entity.name}.{name}", type)
        elif old[name] is not type:
            yield _changed("attribute", f"{entity.name}.{name}", f"{old[name]} to {type}")
    for name in old:
        if name not in entity.attributes:
            yield _removed("attribute", f"{entity.name}.{name}", old[name])


def _indexes(entity: EntitySchema, old: Mapping[str, IndexSchema]) -> Iterator[Difference]:
    for name, index in entity.indexes.items():
        if name not in old:
            yield _added("index", f"{entity.name}.{name}", _shape(index))
        elif not same_index(old[name], index):
            detail = f"{_shape(old[name])} to {_shape(index)}"
            yield _changed("index", f"{entity.name}.{name}", detail)
    for name in old:
        if name not in entity.indexes:
            yield _removed("index", f"{entity.name}.{name}", _shape(old[name]))


def _shape(index: IndexSchema) -> str:
    return f"{', '.join(index.partition)} -> {index.range}" if index.partition else index.range


def _added(what: str, name: str, detail: str = "") -> Difference:
    return Difference(Change.ADDED, what, name, detail, _ADDED[what])


def _removed(what: str, name: str, detail: str = "") -> Difference:
    return Difference(Change.REMOVED, what, name, detail, _REMOVED[what], deployable=False)


def _changed(what: str, name: str, detail: str) -> Difference:
    return Difference(Change.CHANGED, what, name, detail, _CHANGED[what], deployable=False)


def _by_name(schemas: Iterable[EntitySchema]) -> dict[str, EntitySchema]:
    return {schema.name: schema for schema in schemas}
