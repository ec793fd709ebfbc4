"""`EntityMapping`: everything the library knows of an entity class, worked out once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from functools import cached_property
from typing import Any, ClassVar, Final, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, PydanticUndefined, to_json

from .. import limits
from ..errors import CorruptValue, DeclarationError, InvalidValue, QueryError, UnknownIndex
from ..expressions import AllOf, AnyOf, Condition, Expr, KeyCondition, Operand
from ..paths import RefExpr
from ..query import Query, QuerySpec, RangeQuery, Search, SearchSpec
from ..schema import (
    BY_KEY,
    AttributeType,
    EntitySchema,
    IndexSchema,
    violations,
)
from .attributes import UNIQUE_MARK, VERSION_MARK
from .codecs import nested_encoder, operand_encoder
from .indexes import Index, too_long
from .keys import KeyPart, KeyTemplate, check_key
from .kinds import Family, readable
from .lifetime import Lifetime
from .reading import Readers, StoredField, stored_form
from .references import ReferenceCodec
from .rules import checked_references, delete_rules
from .uniques import UNIQUES_MAX, Unique, UniqueMapping
from .writing import (
    AttributeMapping,
    NestedWriter,
    Writer,
    check_nested,
    stored_attributes,
    suspicious,
)

E = TypeVar("E", bound=BaseModel)
_PROBLEMS_SHOWN: Final = 20
_SHORT: Final = frozenset({datetime, date, time, UUID})
"""Types whose stored texts are never too long for an index."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """The class line: ``class Task(Entity, name="task", key="…")``."""

    name: str | None
    key: str | None
    indexes: tuple[Index[..., Any], ...]
    lifetime: Lifetime
    family: Family | None = None
    kind: str | None = None
    uniques: tuple[Unique, ...] = ()


class EntityMapping(Generic[E]):
    """An entity class seen from the store."""

    open: ClassVar[bool] = False
    """Whether an entity holds attributes beside those that are declared."""

    def __init__(self, cls: type[E], declaration: Declaration) -> None:
        """Work out how *cls* is stored; raises `DeclarationError`, naming the attribute."""
        self.cls = cls
        self.label = cls.__name__
        self.name = declaration.name or ""
        self.family, self.kind = declaration.family, declaration.kind
        self._refuse_extra()
        self.attributes = self._with_kind(stored_attributes(cls))
        self._by_stored_name = {item.name: item for item in self.attributes.values()}
        self._indexes = {index: self._index(index.declared) for index in declaration.indexes}
        self.references = {
            field: item.codec
            for field, item in self.attributes.items()
            if isinstance(item.codec, ReferenceCodec)
        }
        self.delete_rules = delete_rules(self, self._indexes.values())
        self.checked = checked_references(self)
        self.own = self.schema = self._schema()
        self.template = self._template(declaration.key)
        self._expressions: dict[str, Expr[Any, Any]] = {}
        self.version = self._version()
        self.uniques = self._uniques(declaration)
        self.lifetime, self.ttl = declaration.lifetime, declaration.lifetime.ttl
        self.mutable = tuple(item for item in self.attributes.values() if item.mutable)
        self.watched = bool(self.mutable)  # or that of another kind is; see Family

    def __repr__(self) -> str:
        """Show class and entity."""
        return f"EntityMapping({self.label} -> {self.name or 'no entity'})"

    # --- declaration ------------------------------------------------------------------

    def _refuse_extra(self) -> None:
        if not self.open and self.cls.model_config.get("extra") == "allow":
            raise DeclarationError(
                f"{self.label}: with extra='allow' an entity holds attributes that no schema "
                "declares, and a save would drop them. Declare one for what varies, such as "
                "more: Attr[dict[str, Any]]"
            )

    def _with_kind(self, found: dict[str, AttributeMapping]) -> dict[str, AttributeMapping]:
        """See to it that an entity is stored with the kind of its class."""
        if self.family is None:
            return found
        item = found.get(self.family.field)
        if item is None or item.computed or item.codec.type is not AttributeType.STRING:
            raise DeclarationError(
                f"{self.label}.{self.family.field}: a discriminator is a stored text; declare "
                f"it as Attr[str] or a StrEnum, or not at all"
            )
        if self.kind is None:
            return found
        return {
            **found,
            item.field: replace(item, store=_store_kind(item, self.kind), form=None),
        }

    def _index(self, declared: IndexSchema) -> IndexSchema:
        """Translate an index from field names to stored names."""
        range_ = self._stored_name(declared, declared.range)
        partition = tuple(self._stored_name(declared, field) for field in declared.partition)
        simple = not partition and declared.name == range_
        return IndexSchema(declared.name, range_, partition, simple)

    def _stored_name(self, index: IndexSchema, field: str) -> str:
        if (found := self.attributes.get(field)) is not None:
            self._refuse_unordered(index, found)
            return found.name
        known = ", ".join(self.attributes)
        raise DeclarationError(
            f"{self.label}: index {index.name!r} names {field!r}, which is no stored "
            f"attribute; known are {known}"
        )

    def _refuse_unordered(self, index: IndexSchema, found: AttributeMapping) -> None:
        codec = found.codec
        if codec.type is AttributeType.ANY:
            raise DeclarationError(
                f"{self.label}.{found.field} is stored as type 'any' and cannot be part of "
                f"index {index.name!r}; index a scalar (a computed field can derive one)"
            )
        if found.field == index.range and not codec.ordered:
            raise DeclarationError(
                f"{self.label}.{found.field} cannot be the range of index {index.name!r}: the "
                "order of its stored form is not Python's. For Decimal give max_digits and "
                "decimal_places; for an enum derive from StrEnum or IntEnum; else add an "
                "attribute that has an order"
            )

    def _schema(self) -> EntitySchema:
        attributes = {item.name: item.codec.type for item in self.attributes.values()}
        names = [index.name for index in self._indexes.values()]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise DeclarationError(f"{self.label}: index {doubled[0]!r} is declared twice")
        indexes = {index.name: index for index in self._indexes.values()}
        schema = EntitySchema(self.name, attributes, indexes)
        if self.name and (problems := list(violations(schema))):
            raise DeclarationError(f"{self.label}: " + "; ".join(problems))
        return schema

    def _version(self) -> AttributeMapping | None:
        """Return the attribute that counts saves, if one was declared with `version`."""
        fields = self.cls.model_fields
        found = [
            item
            for field, item in self.attributes.items()
            if field in fields and fields[field].json_schema_extra == VERSION_MARK
        ]
        if len(found) > 1:
            names = ", ".join(item.field for item in found)
            raise DeclarationError(f"{self.label} has more than one version: {names}")
        if found and found[0].codec.type is not AttributeType.INTEGER:
            raise DeclarationError(f"{self.label}.{found[0].field}: a version is an int")
        return found[0] if found else None

    def _uniques(self, declaration: Declaration) -> tuple[UniqueMapping, ...]:
        """Return what is unique: marked attributes first, then what `unique` declares."""
        fields = self.cls.model_fields
        marked = [
            (field,)
            for field in self.attributes
            if field in fields and fields[field].json_schema_extra == UNIQUE_MARK
        ]
        if self.name:
            for (field,) in marked:
                self._refuse_shared(field)
        groups = [*marked, *(each.fields for each in declaration.uniques)]
        found = [self._unique(group) for group in groups] if self.name else []
        named = [each.attributes for each in found]
        if doubled := next((each for each in named if named.count(each) > 1), None):
            raise DeclarationError(f"{self.label}: {', '.join(doubled)} is unique twice")
        if len(found) > UNIQUES_MAX:
            raise DeclarationError(
                f"{self.label} has {len(found)} unique values; at most {UNIQUES_MAX}, so that "
                "a save that changes all of them fits one transaction"
            )
        self._refuse_kinds_own(declaration.family, named)
        return tuple(found)

    def _refuse_kinds_own(self, family: Family | None, named: list[tuple[str, ...]]) -> None:
        """Refuse what is unique in one kind only: a row's kind is not known by its key."""
        if family is None or family.root is self.cls:
            return
        known = [each.attributes for each in family.root.__forge__.uniques]
        if own := next((each for each in named if each not in known), None):
            raise DeclarationError(
                f"{self.label}: {', '.join(own)} is unique, and must be declared so by "
                f"{family.root.__name__}, whose entity it shares with other kinds"
            )

    def _unique(self, group: tuple[str, ...]) -> UniqueMapping:
        items = [self._unique_attribute(field) for field in dict.fromkeys(group)]
        floats = {item.name for item in items if item.codec.type is AttributeType.FLOAT}
        # Sorted: the reservations stay where they are when a declaration is reordered.
        names = tuple(sorted(item.name for item in items))
        return UniqueMapping(self.name, names, frozenset(floats))

    def _unique_attribute(self, field: str) -> AttributeMapping:
        if (item := self.attributes.get(field)) is None:
            known = ", ".join(self.attributes)
            raise DeclarationError(
                f"{self.label}: unique names {field!r}, which is no stored attribute; known "
                f"are {known}"
            )
        if item.codec.type is AttributeType.ANY:
            raise DeclarationError(
                f"{self.label}.{field} is stored as type 'any' and cannot be unique; make a "
                "scalar unique (a computed field can derive one)"
            )
        if item is self.version:
            raise DeclarationError(f"{self.label}.{field} is a version and cannot be unique")
        return item

    def _refuse_shared(self, field: str) -> None:
        default = self.cls.model_fields[field].default
        if default is not None and default is not PydanticUndefined:
            raise DeclarationError(
                f"{self.label}.{field} is unique and has the default {default!r}, which only "
                "one entity could have. Leave the default out, or declare it optional with "
                "default=None: an absent value is not reserved"
            )

    def _template(self, text: str | None) -> KeyTemplate | None:
        if text is None:
            return None
        keyable = (AttributeType.STRING, AttributeType.INTEGER)
        parts = {
            field: KeyPart(item.codec.stored, self._key_reader(item))
            for field, item in self.attributes.items()
            if item.codec.type in keyable and not item.computed
        }
        return KeyTemplate(text, self.label, parts)

    def _key_reader(self, item: AttributeMapping) -> Callable[[str], Any]:
        info = self.cls.model_fields[item.field]
        adapter: TypeAdapter[Any] = TypeAdapter(info.rebuild_annotation())
        decode = item.codec.decode

        def read(text: str) -> Any:
            value = text if decode is None else decode(text)
            # Even strict types are read from texts there, as a key has nothing else.
            if isinstance(value, str):
                return adapter.validate_strings(value)
            return adapter.validate_python(value)

        return read

    # --- expressions and queries --------------------------------------------------------

    def expr(self, field: str) -> Expr[Any, Any]:
        """Return the attribute *field* as an operand of conditions."""
        if field not in self._expressions:
            self._expressions[field] = self._expr(field)
        return self._expressions[field]

    def _expr(self, field: str) -> Expr[Any, Any]:
        if field == "key":
            operand = Operand("key", AttributeType.STRING, self._encode_key, textual=True)
            return Expr(self.cls, field, operand)
        if (item := self.attributes.get(field)) is None:
            raise QueryError(f"{self.label}.{field} is not stored, so no condition can name it")
        codec, label = item.codec, f"{self.label}.{field}"
        if codec.type is AttributeType.ANY:
            encode = nested_encoder(label)
            operand = Operand(item.name, codec.type, encode, item.optional, True, True, ())
            return Expr(self.cls, field, operand)
        encode = operand_encoder(label, codec)
        operand = Operand(
            item.name, codec.type, encode, item.optional, codec.ordered, codec.textual
        )
        if isinstance(codec, ReferenceCodec):
            return RefExpr(self.cls, field, operand, codec.link.target)
        return Expr(self.cls, field, operand)

    def _encode_key(self, value: Any) -> str:
        return check_key(value, f"{self.label}.key")

    def query(self, index: str) -> Query[Any]:
        """Start a query of the index called *index*; raises `UnknownIndex`."""
        schema = self.entity_schema()
        if (found := schema.index(index)) is None:
            known = ", ".join(map(str, [*schema.indexes.values(), BY_KEY]))
            raise UnknownIndex(f"{self.label} has no index {index!r}; it has {known}")
        return Query(self.cls, QuerySpec(self.name, found))

    def search(self, *conditions: Condition[Any]) -> Search[Any]:
        """Start a search."""
        self.entity_schema()
        return Search(self.cls, SearchSpec()).where(*conditions)

    def typed_query(
        self, declared: Index[..., Any], partition: tuple[Any, ...]
    ) -> RangeQuery[Any, Any]:
        """Start a query of one partition of an index."""
        schema, index = self.entity_schema(), self._indexes[declared]
        start: RangeQuery[Any, Any] = RangeQuery(
            self.cls, QuerySpec(schema.name, index), self._expr_of(index.range)
        )
        return start.where(*self._equalities(index, partition))

    def partitions_search(
        self, declared: Index[..., Any], partitions: Iterable[Any]
    ) -> Search[Any]:
        """Start a search of several partitions of an index, in the order of its range."""
        index = self._indexes[declared]
        alone = len(index.partition) == 1
        wanted = [
            AllOf(self._equalities(index, (each,) if alone else each)) for each in partitions
        ]
        if not wanted:
            raise QueryError(f"{self.label}.{index}: any_of() needs a partition")
        return self.search(AnyOf(tuple(wanted))).order(self._expr_of(index.range).asc())

    def _expr_of(self, stored_name: str) -> Expr[Any, Any]:
        return self.expr(self._by_stored_name[stored_name].field)

    def _equalities(
        self, index: IndexSchema, partition: tuple[Any, ...]
    ) -> tuple[KeyCondition[Any], ...]:
        if len(partition) != len(index.partition):
            raise QueryError(
                f"{self.label}.{index} takes {len(index.partition)} partition values, "
                f"got {len(partition)}"
            )
        pairs = zip(index.partition, partition, strict=True)
        return tuple([self._expr_of(name) == value for name, value in pairs])

    def may_lack(self, attribute: str) -> bool:
        """Whether an entity of the class may be stored without *attribute*."""
        found = self._by_stored_name.get(attribute)
        if found is None:  # the key, or an attribute of other kinds
            return attribute in self.schema.attributes
        return found.optional

    def entity_schema(self) -> EntitySchema:
        """Return the schema; raises `DeclarationError` for a class that is only a base."""
        if not self.name:
            raise DeclarationError(
                f"{self.label} is not stored: it was declared without name=. Write "
                f'class {self.label}(Entity, name="…"), or use a subclass that has one'
            )
        return self.schema

    def declared_schema(self) -> EntitySchema:
        """Return the schema with every kind that was declared, resolving what can be now."""
        if self.family is not None:
            self.family.settle()
        return self.schema

    def check_storable(self) -> None:
        """Refuse a class that is only a base for others; raises `DeclarationError`."""
        self.entity_schema()
        if self.family is not None and self.kind is None:
            raise DeclarationError(
                f"{self.label} is not stored: it has no kind. Declare it with kind='…', or "
                "use a subclass that has one"
            )

    @property
    def discriminator(self) -> str | None:
        """The stored name of the attribute that tells kinds apart, if there is one."""
        return None if self.family is None else self.family.name

    def kind_condition(self) -> Condition[Any] | None:
        """Return what only entities of the class satisfy; None where all of the entity do."""
        return None if self.family is None else self.family.condition(self.cls)

    def narrowed(self, spec: QuerySpec) -> tuple[QuerySpec, Condition[Any] | None]:
        """Return *spec*, asking for entities of the class, and what is to be tried here."""
        return (spec, None) if self.family is None else self.family.narrowed(self.cls, spec)

    # --- reading ------------------------------------------------------------------------

    @cached_property
    def readers(self) -> Readers:
        """The compiled validators; made at first use, since that takes milliseconds."""
        if self.family is not None:
            return self.family.readers()
        return Readers(stored_form(self.cls, self.stored_fields()), self.cls)

    def stored_fields(self) -> dict[str, StoredField | None]:
        """Return how each field is read; None for one that is not stored."""
        fields: dict[str, StoredField | None] = dict.fromkeys(self.cls.model_fields)
        for field, item in self.attributes.items():
            if not item.computed:
                fields[field] = StoredField(
                    item.name, optional=item.optional, decode=item.codec.decode
                )
        return fields

    def corrupt(self, error: ValidationError, key: str) -> CorruptValue:
        """Say which stored entity does not fit the class, and how."""
        errors = error.errors() if self.family is None else readable(error.errors())
        shown = [
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
            for item in errors[:_PROBLEMS_SHOWN]
        ]
        shown += [f"and {more} more"] if (more := len(errors) - len(shown)) else []
        found = "; ".join(shown)
        return CorruptValue(
            f"the stored {self.name} {key!r} does not fit {self.label}: {found}. Give the "
            "class a default or a wider type, or correct the stored value"
        )

    # --- writing ------------------------------------------------------------------------

    @cached_property
    def _writer(self) -> Writer | None:
        """The compiled writer, made at first use; None where entities have more than fields."""
        if self.open or any(item.computed for item in self.attributes.values()):
            return None
        return Writer(self.cls, self.attributes)

    def write_each(self, entities: Iterable[E]) -> Sequence[bytes | None]:
        """Return what `write` returns for each of *entities*; None for one to `write` itself.

        Those that are alike take one pass for all.
        """
        rows = [*map(vars, entities)]
        if (writer := self._writer) is None:
            return [None] * len(rows)
        found: Sequence[bytes | None] | None = writer.all(rows) if len(rows) > 1 else None
        return [
            body if body is not None and self._fits(body, values) else None
            for body, values in zip(found or map(writer, rows), rows, strict=True)
        ]

    @cached_property
    def _nested_writer(self) -> NestedWriter | None:
        """The compiled writer of what may change unassigned; None where it cannot tell all."""
        if self.open or any(item.computed for item in self.mutable):
            return None
        return NestedWriter(self.cls, self.mutable)

    def write_nested(self, entities: Iterable[E]) -> bytes | None:
        """Return the JSON of the `mutable` attributes of *entities*, as a list of objects.

        None where it takes a closer look: what pydantic writes may not be the stored form.
        """
        writer = self._nested_writer
        return None if writer is None else writer(map(vars, entities))

    def write(self, entity: E, key: str) -> bytes:
        """Return the JSON that is stored of *entity*; raises `InvalidValue`, as `stored`."""
        values = vars(entity)
        body = None if self._writer is None else self._writer(values)
        if body is None or not self._fits(body, values):
            return self.dump(self.stored(entity), key)
        return body

    def _fits(self, body: bytes, values: Mapping[str, Any]) -> bool:
        """Whether a body is not too large, nor what is in it too long for an index."""
        if len(body) <= limits.RANGE_VALUE_MAX_BYTES:
            return True  # no text in it is longer
        present = ((each, values[each.field]) for each in self.indexed_texts)
        texts = {each.name: each.store(value) for each, value in present if value}
        return len(body) <= limits.VALUE_MAX_BYTES and self._too_long(texts) is None

    def _too_long(self, stored: Mapping[str, Any]) -> str | None:
        found = (too_long(index, stored) for index in self.schema.indexes.values())
        return next(filter(None, found), None) if self.indexed_texts else None

    @cached_property
    def indexed_texts(self) -> tuple[AttributeMapping, ...]:
        """The attributes that may be too long for an index of the entity."""
        indexes = self.schema.indexes.values()
        indexed = {name for index in indexes for name in (*index.partition, index.range)}
        return tuple(
            item
            for item in self.attributes.values()
            if item.name in indexed
            and item.codec.type is AttributeType.STRING
            and not _SHORT.issuperset(item.codec.python)
        )

    def stored(self, entity: E) -> dict[str, Any]:
        """Return the stored form of *entity*, by attribute; absent ones left out.

        Raises `InvalidValue` for what the service would refuse.
        """
        values = entity.__dict__
        stored: dict[str, Any] = {}
        for field, item in self.attributes.items():
            value = getattr(entity, field) if item.computed else values.get(field)
            if value is None:
                if not item.optional:
                    raise self._invalid(item, value, "it is not declared optional")
                continue
            try:
                stored[item.name] = item.store(value)
            except (ValueError, TypeError) as error:
                raise self._invalid(item, value, error) from None
        return stored

    def unknown(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is in *stored* under names that the class does not know."""
        known = self._by_stored_name
        return {name: value for name, value in stored.items() if name not in known}

    def check_key(self, entity: E, key: str) -> None:
        """Refuse an entity whose attributes no longer make its key; raises `InvalidValue`."""
        if self.template is None:
            return
        values = vars(entity)
        if (name := self.template.contradicted(key, values)) is not None:
            raise InvalidValue(
                f"{self.label} {key!r}: {name} = {values[name]!r} is part of the key, and "
                "makes another. A key never changes: save a new entity under the new key, and "
                "delete this one"
            )

    def dump(self, stored: Mapping[str, Any], key: str) -> bytes:
        """Return the JSON of a stored form, within the service's size."""
        try:
            body = to_json(stored)
        except PydanticSerializationError as error:
            raise InvalidValue(f"{self.label} {key!r} cannot be stored: {error}") from None
        if len(body) > limits.VALUE_MAX_BYTES:
            raise InvalidValue(self._too_large(stored, key, len(body)))
        if len(body) > limits.RANGE_VALUE_MAX_BYTES and (found := self._too_long(stored)):
            raise InvalidValue(f"{self.label} {key!r} cannot be stored: {found}")
        if suspicious(body):
            for name, value in stored.items():
                self._check_nested(name, value, key)
        return body

    def _check_nested(self, name: str, value: Any, key: str) -> None:
        try:
            check_nested(value, depth=2)
        except ValueError as error:
            known = self._by_stored_name.get(name)
            field = name if known is None else known.field
            raise InvalidValue(
                f"{self.label} {key!r}: {field} cannot be stored: {error}"
            ) from None

    def _invalid(self, item: AttributeMapping, value: Any, why: object) -> InvalidValue:
        shown = repr(value)
        shown = shown if len(shown) < 80 else f"{shown[:77]}…"
        return InvalidValue(f"{self.label}.{item.field} = {shown} cannot be stored: {why}")

    def _too_large(self, stored: Mapping[str, Any], key: str, size: int) -> str:
        sizes = {name: len(to_json(value)) for name, value in stored.items()}
        largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
        parts = ", ".join(f"{name} {sizes[name] / 1024:.1f}" for name in largest)
        limit = limits.VALUE_MAX_BYTES // 1024
        return (
            f"{self.label} {key!r} is {size / 1024:.1f} KiB (limit {limit}): {parts}. "
            "Split it over several entities"
        )


class UnknownMapping(EntityMapping[E]):
    """The mapping of entities whose kind has no class here: whatever is stored is kept."""

    open: ClassVar[bool] = True

    def check_storable(self) -> None:
        """Let what was read be written again."""

    def stored(self, entity: E) -> dict[str, Any]:
        """Return the stored form, with everything that no class knows."""
        return {**super().stored(entity), **(entity.model_extra or {})}

    def unknown(self, stored: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - see above
        """Return nothing: the entity itself has all of it."""
        return {}


def _store_kind(item: AttributeMapping, kind: str) -> Callable[[Any], Any]:
    def store(value: Any) -> str:
        if item.store(value) != kind:
            raise ValueError(
                f"the kind of an entity never changes; it is {kind!r}. Delete it and add "
                "another"
            )
        return kind

    return store
