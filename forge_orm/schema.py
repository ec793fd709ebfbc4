"""What the service knows of an entity: its name, typed attributes and indexes.

These are the values behind the ``storage.entities`` section of a manifest. Nothing here
knows Python types; `forge_orm.model` maps those onto these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from . import limits


class AttributeType(StrEnum):
    """The service's attribute types (storage-reference/entities-manifest)."""

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    ANY = "any"

    @property
    def indexable(self) -> bool:
        """Whether an index or a condition may name an attribute of this type."""
        return self is not AttributeType.ANY


@dataclass(frozen=True, slots=True)
class IndexSchema:
    """An index: equality on *partition*, order by *range*.

    A *simple* index is written in the manifest as the bare attribute name.
    """

    name: str
    range: str
    partition: tuple[str, ...] = ()
    simple: bool = False

    @property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute the index names, partition first."""
        return (*self.partition, self.range)

    def __str__(self) -> str:
        """Show what the index serves, e.g. ``by_status(project, status -> due)``."""
        partition = f"{', '.join(self.partition)} -> " if self.partition else ""
        return f"{self.name}({partition}{self.range})"


BY_KEY = IndexSchema(name=limits.BY_KEY, range="key")
"""The index every entity has: all rows, ordered by key."""


@dataclass(frozen=True, slots=True)
class EntitySchema:
    """An entity as declared to the service."""

    name: str
    attributes: Mapping[str, AttributeType]
    indexes: Mapping[str, IndexSchema] = field(default_factory=dict[str, IndexSchema])

    def __post_init__(self) -> None:
        """Freeze the mappings."""
        object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))
        object.__setattr__(self, "indexes", MappingProxyType(dict(self.indexes)))

    def index(self, name: str) -> IndexSchema | None:
        """Return the index called *name*; every entity has ``by-key``."""
        return BY_KEY if name == limits.BY_KEY else self.indexes.get(name)


def size_of_texts(values: Iterable[object]) -> int:
    """Return how many bytes the texts among *values* take, which an index has a limit for."""
    return sum(len(value.encode()) for value in values if isinstance(value, str))


def violations(schema: EntitySchema) -> Iterator[str]:
    """Yield each rule of the service that *schema* breaks, as a sentence.

    The rules are those of the manifest's schema, of its validator and of the deploy step.
    """
    yield from _entity_name_violations(schema.name)
    if not schema.attributes:
        yield "an entity needs at least one attribute"
    if len(schema.attributes) > limits.ATTRIBUTES_MAX:
        yield f"{len(schema.attributes)} attributes; the limit is {limits.ATTRIBUTES_MAX}"
    if len(schema.indexes) > limits.INDEXES_MAX:
        yield f"{len(schema.indexes)} indexes; the limit is {limits.INDEXES_MAX}"
    for name in schema.attributes:
        yield from _attribute_name_violations(name)
    for index in schema.indexes.values():
        yield from _index_violations(schema, index)


def set_violations(schemas: Iterable[EntitySchema]) -> Iterator[str]:
    """Yield what is wrong with the entities of one app taken together."""
    names = [schema.name for schema in schemas]
    if len(names) > limits.ENTITIES_MAX:
        yield f"{len(names)} entities; the limit for one app is {limits.ENTITIES_MAX}"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"entity {name!r} is declared more than once"


def _entity_name_violations(name: str) -> Iterator[str]:
    low, high = limits.ENTITY_NAME_MIN, limits.ENTITY_NAME_MAX
    if not low <= len(name) <= high:
        yield f"entity name {name!r} has {len(name)} characters; allowed are {low} to {high}"
    elif not limits.ENTITY_NAME_PATTERN.fullmatch(name):
        yield (
            f"entity name {name!r} may hold only a-z 0-9 : - _ . and neither start with "
            "_ . - nor end with . nor hold .."
        )


def _attribute_name_violations(name: str) -> Iterator[str]:
    if len(name) > limits.ATTRIBUTE_NAME_MAX:
        yield (
            f"attribute name {name!r} has {len(name)} characters; "
            f"the limit is {limits.ATTRIBUTE_NAME_MAX}"
        )
    if not limits.ATTRIBUTE_NAME_PATTERN.fullmatch(name):
        yield f"attribute name {name!r} must be a letter, then letters, digits or _"
    if name in limits.RESERVED_ATTRIBUTES:
        yield f"attribute name {name!r} is reserved by the service"


def _index_violations(schema: EntitySchema, index: IndexSchema) -> Iterator[str]:
    low, high = limits.INDEX_NAME_MIN, limits.INDEX_NAME_MAX
    if index.name == limits.BY_KEY:
        yield f"index name {index.name!r} is reserved: every entity has that index"
    # A bare attribute index takes the attribute's name, which may be shorter.
    if not index.simple and not low <= len(index.name) <= high:
        yield (
            f"index name {index.name!r} has {len(index.name)} characters; "
            f"allowed are {low} to {high}"
        )
    elif not limits.INDEX_NAME_PATTERN.fullmatch(index.name):
        yield (
            f"index name {index.name!r} may hold only a-z A-Z 0-9 : - _ . and neither "
            "start nor end with . nor hold .."
        )
    for position, name in enumerate(index.attributes):
        if name not in schema.attributes:
            yield f"index {index.name!r} names the unknown attribute {name!r}"
        elif not schema.attributes[name].indexable:
            yield (
                f"index {index.name!r} names {name!r}, which is of type 'any'; "
                "only string, integer, float and boolean can be indexed"
            )
        if name in index.attributes[:position]:
            yield f"index {index.name!r} names {name!r} twice"


_sources: list[Callable[[], Iterable[EntitySchema]]] = []


def declare_source(source: Callable[[], Iterable[EntitySchema]]) -> None:
    """Register *source*, asked by `declared` for the schemas it knows at that moment."""
    _sources.append(source)


def declared() -> tuple[EntitySchema, ...]:
    """Return every schema declared in this process; how a local store finds the classes."""
    return tuple(schema for source in _sources for schema in source())
