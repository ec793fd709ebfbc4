"""What `ref` declares: what a deletion does to what refers to it, and what is checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import DeclarationError
from ..expressions import KeyCondition
from ..query import Query, QuerySpec
from ..schema import IndexSchema
from .attributes import OnDelete, reference_options
from .references import ReferenceCodec

if TYPE_CHECKING:
    from .mapping import EntityMapping


@dataclass(frozen=True, slots=True)
class DeleteRule:
    """One reference of the class *owner*, and what happens when its target is deleted.

    *index* is the index of *owner* that finds what refers to a key.
    """

    owner: type[Any]
    field: str
    target: type[Any]
    action: OnDelete
    index: IndexSchema

    def refers(self, key: str) -> KeyCondition[Any]:
        """Return the condition that an entity refers to the target *key*."""
        condition: KeyCondition[Any] = self.owner.__forge__.expr(self.field) == key
        return condition

    def referrers(self, key: str) -> QuerySpec:
        """Return the query of what refers to the target *key*."""
        name = self.owner.__forge__.name
        query: Query[Any] = Query(self.owner, QuerySpec(name, self.index))
        return query.where(self.refers(key)).spec

    def of(self, cls: Any) -> bool:
        """Whether entities of *cls* are what the reference leads to."""
        name: str = self.target.__forge__.name
        return cls is self.target or cls.__forge__.name == name

    def __str__(self) -> str:
        """Show the attribute and the rule."""
        return f"{self.owner.__name__}.{self.field} ({self.action})"


@dataclass(frozen=True, slots=True)
class CheckedReference:
    """A reference that is saved only if what it leads to exists."""

    field: str
    stored_name: str
    target: type[Any]


def checked_references(mapping: EntityMapping[Any]) -> tuple[CheckedReference, ...]:
    """Return the references of a class that are declared with a check."""
    return tuple(
        CheckedReference(field, mapping.attributes[field].name, codec.link.target)
        for field, info in mapping.cls.model_fields.items()
        if (options := reference_options(info)) is not None and options.check
        if (codec := mapping.references.get(field)) is not None
    )


def delete_rules(
    mapping: EntityMapping[Any], indexes: Iterable[IndexSchema]
) -> tuple[DeleteRule, ...]:
    """Return the rules of a class; raises `DeclarationError` for one that cannot work."""
    return tuple(_rules(mapping, tuple(indexes)))


def _rules(
    mapping: EntityMapping[Any], indexes: tuple[IndexSchema, ...]
) -> Iterator[DeleteRule]:
    for field, info in mapping.cls.model_fields.items():
        if (options := reference_options(info)) is None:
            continue
        label = f"{mapping.label}.{field}"
        codec = mapping.references.get(field)
        if codec is None:
            raise DeclarationError(f"{label}: ref() declares a reference, Attr[Ref[…]]")
        if (action := options.on_delete) is not None and mapping.name:
            yield _rule(mapping, field, codec, action, indexes)


def _rule(
    mapping: EntityMapping[Any],
    field: str,
    codec: ReferenceCodec,
    action: OnDelete,
    indexes: tuple[IndexSchema, ...],
) -> DeleteRule:
    label, item = f"{mapping.label}.{field}", mapping.attributes[field]
    if action == "clear" and not item.optional:
        name = codec.link.target.__name__
        raise DeclarationError(
            f"{label}: on_delete='clear' sets it to None, so declare it "
            f"Attr[Ref[{name}] | None]"
        )
    for index in indexes:
        if _finds_all(mapping, index, item.name):
            return DeleteRule(mapping.cls, field, codec.link.target, action, index)
    raise DeclarationError(
        f"{label}: on_delete={action!r} has to find what refers to an entity, and no index "
        f"does. Add one to {mapping.label}, for example\n    "
        f"by_{field} = index(range={field})\nIt is to have the reference as its only "
        "partition attribute, with a range that is "
        "never absent, or as its range and no partition"
    )


def _finds_all(mapping: EntityMapping[Any], index: IndexSchema, name: str) -> bool:
    """Whether *index* finds every entity by the reference alone.

    An entity that lacks an index's range may not be in it.
    """
    if not index.partition:
        return index.range == name
    return index.partition == (name,) and not mapping.may_lack(index.range)
