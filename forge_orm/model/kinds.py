"""Kinds: several classes that share one entity, told apart by a discriminator attribute.

A `Family` knows the classes of one entity. Its schema is the union of theirs; its readers
choose the class of each row while they validate it, in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from ..errors import DeclarationError, QueryError
from ..expressions import AnyOf, Condition, KeyCondition, Operator
from ..query import QuerySpec
from ..query.query import flat_filter
from ..schema import AttributeType, EntitySchema, IndexSchema, violations
from .reading import Readers, StoredField, kinds_form, stored_form

if TYPE_CHECKING:
    from .mapping import EntityMapping


class UnknownKind:
    """An entity of a kind this program has no class for: a newer version stored it.

    It is an instance of the base class, whose attributes it has; what else is stored with
    it is in ``model_extra``, as plain data, and is kept by a save.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the base class: that of the entity itself cannot be imported."""
        this, cls = cast("Any", self), cast("Any", type(self))
        return _blank, (cls.__forge_root__,), this.__getstate__()


def _filtered(
    spec: QuerySpec, condition: Condition[Any]
) -> tuple[QuerySpec, Condition[Any] | None]:
    """Add *condition* to the filters if one flat list has room for it."""
    filtered = replace(spec, filters=(*spec.filters, condition))
    try:
        flat_filter(filtered)
    except QueryError:
        return spec, condition
    return filtered, None


def _blank(root: Any) -> Any:
    unknown: Any = root.__forge_family__.unknown
    return unknown.__new__(unknown)


class Family:
    """The classes of one entity, by the value of their discriminator attribute."""

    def __init__(self, field: str) -> None:
        """Start without classes; *field* is the discriminator."""
        self.field = field
        self.root: Any = None
        self._mappings: dict[Any, EntityMapping[Any]] = {}
        self._awaited: list[Any] = []
        self._unknown: Any = None

    def __repr__(self) -> str:
        """Show the kinds."""
        return f"Family({self.root.__name__}: {', '.join(self.by_kind()) or 'no kinds'})"

    # --- joining ------------------------------------------------------------------------

    def expect(self, cls: Any) -> None:
        """Note a class whose annotations cannot be resolved yet."""
        self._awaited.append(cls)
        self._changed()

    def admit(self, mapping: EntityMapping[Any]) -> None:
        """Let a class join; raises `DeclarationError` for what one entity cannot hold.

        A class declared again (a reloaded module) takes the place of the earlier one.
        """
        members = {**self._mappings, _identity(mapping): mapping}
        _refuse_twins(mapping, members.values())
        schema = _union([each for each in members.values() if self._counts(each)], mapping)
        self._mappings = members
        for each in self._members():
            each.schema = schema
        self.base.watched = any(each.mutable or each.open for each in self._members())
        self._changed()

    def _counts(self, mapping: EntityMapping[Any]) -> bool:
        """Whether entities have its attributes: a class in between says it in its kinds."""
        of_base = mapping.cls is self.root and not getattr(self.root, "__parameters__", ())
        return of_base or mapping.kind is not None

    def settle(self) -> None:
        """Complete the classes that were waited for; raises `DeclarationError`."""
        while self._awaited:
            _ = self._awaited[0].__forge__
            self._awaited.pop(0)

    def _changed(self) -> None:
        for each in self._members():
            for made in ("readers", "indexed_texts"):
                each.__dict__.pop(made, None)
        if self.root is not None:
            self.root.__forge_registry__.changed()

    def _members(self) -> Iterable[EntityMapping[Any]]:
        known = self._mappings.values()
        return known if self._unknown is None else [*known, self._unknown]

    # --- asking -------------------------------------------------------------------------

    @property
    def base(self) -> EntityMapping[Any]:
        """The mapping of the base class."""
        mapping: EntityMapping[Any] = self.root.__forge__
        return mapping

    @property
    def name(self) -> str:
        """The discriminator's name in the store."""
        return self.base.attributes[self.field].name

    def by_kind(self) -> Mapping[str, EntityMapping[Any]]:
        """Return the classes that have a kind."""
        return {each.kind: each for each in self._mappings.values() if each.kind is not None}

    def kinds_of(self, cls: Any) -> tuple[str, ...]:
        """Return the kinds whose entities are instances of *cls*."""
        self.settle()
        return tuple(kind for kind, each in self.by_kind().items() if cls in each.cls.__mro__)

    def condition(self, cls: Any) -> Condition[Any] | None:
        """Return what holds for the kinds of *cls*; None for the base, which has them all.

        Raises `DeclarationError` for a class without any.
        """
        if cls is self.root:
            return None
        kinds = self.kinds_of(cls)
        if not kinds:
            raise DeclarationError(
                f"{cls.__name__} has no kinds: neither it nor a subclass was declared with "
                "kind=; import the modules that declare them"
            )
        found: tuple[KeyCondition[Any], ...] = tuple(
            KeyCondition(self.name, Operator.EQUAL_TO, (kind,), owner=cls) for kind in kinds
        )
        return found[0] if len(found) == 1 else AnyOf(found)

    def narrowed(self, cls: Any, spec: QuerySpec) -> tuple[QuerySpec, Condition[Any] | None]:
        """Ask for the kinds of *cls* only: by the partition, the range, or a filter.

        Return too what the service cannot be asked, to be tried on each row.
        """
        if (condition := self.condition(cls)) is None:
            return spec, None
        if self.name in spec.index.partition:
            return self._partitioned(cls, spec), None
        if self.name != spec.index.range:
            return _filtered(spec, condition)
        if spec.range is None and isinstance(condition, KeyCondition):
            return replace(spec, range=condition), None
        return spec, condition

    def _partitioned(self, cls: Any, spec: QuerySpec) -> QuerySpec:
        kinds = [*self.kinds_of(cls)]
        given = dict(spec.partition).get(self.name)
        if given is not None and given not in kinds:
            raise QueryError(
                f"{self.name} == {given!r} is no kind of {cls.__name__}; it has "
                f"{', '.join(map(repr, kinds))}"
            )
        if given is None and len(kinds) > 1:
            raise QueryError(
                f"index {spec.index} holds one kind a partition, and {cls.__name__} has "
                f"{', '.join(map(repr, kinds))}: ask for one with where({self.name} == …), or "
                f"all with {cls.__name__}.query(…)"
            )
        if given is not None:
            return spec
        return replace(spec, partition=(*spec.partition, (self.name, kinds[0])))

    # --- reading ------------------------------------------------------------------------

    @property
    def unknown(self) -> Any:
        """The class of entities of unknown kinds; made when it is first needed."""
        return self._unknown_mapping().cls

    def readers(self) -> Readers:
        """Compile the validators, for the kinds known now."""
        self.settle()
        known = self.by_kind()
        choices = {
            kind: stored_form(each.cls, each.stored_fields()) for kind, each in known.items()
        }
        form = kinds_form(self.name, choices, self._unknown_form(frozenset(known)))
        return Readers(form, *(each.cls for each in known.values()), self.unknown)

    def _unknown_form(self, known: frozenset[str]) -> Any:
        """Return the form that takes what no kind is declared for, and nothing else."""

        def refuse_known(kind: Any) -> Any:
            if kind in known:
                raise PydanticCustomError(KNOWN_KIND, "it is of a known kind")
            return kind

        mapping = self._unknown_mapping()
        fields = mapping.stored_fields()
        fields[self.field] = StoredField(self.name, optional=True, decode=refuse_known)
        return stored_form(mapping.cls, fields, extra="allow")

    def _unknown_mapping(self) -> EntityMapping[Any]:
        if self._unknown is None:
            made = _unknown_class(self.root, self.field)
            self._unknown = made.__forge__
            self._unknown.schema = self.base.schema
            self.base.watched = True
        mapping: EntityMapping[Any] = self._unknown
        return mapping


KNOWN_KIND = "known_kind"
"""The type of pydantic's error for a row whose kind has a class that it does not fit."""


def _unknown_class(root: Any, field: str) -> Any:
    label = f"Unknown{root.__name__}"
    body = {
        "__module__": root.__module__,
        "__qualname__": label,
        "__doc__": f"{root.__name__} of a kind that this program does not know.",
        "__annotations__": {field: str | None},
        field: _fixed(root.model_fields[field], None),
        "model_config": {"extra": "allow"},
    }
    return type(root)(label, (UnknownKind, root), body)


# --- Declaring --------------------------------------------------------------------------


def family_of(bases: Iterable[Any]) -> Family | None:
    """Return the family that a class with these bases belongs to."""
    found = (getattr(base, "__forge_family__", None) for base in bases)
    return next((each for each in found if each is not None), None)


def declare_kind(
    label: str, bases: tuple[Any, ...], body: dict[str, Any], field: str | None, kind: Any
) -> Family | None:
    """Put the discriminator into a class body; return the class's family.

    *field* is given for the base of a new family, *kind* for a class whose entities are
    stored. Raises `DeclarationError`.
    """
    family = family_of(bases)
    if field is None and family is None:
        if kind is not None:
            raise DeclarationError(
                f"{label}: kind={kind!r} needs a base class that has a discriminator: "
                'class Base(Entity, name="…", discriminator="kind")'
            )
        return None
    if field is not None and family is not None:
        raise DeclarationError(
            f"{label}: the discriminator of its entity is {family.field!r} already"
        )
    family = family if family is not None else Family(str(field))
    inherited = _inherited(bases, family.field)
    if inherited is None and not _declares(body, family.field):
        _annotate(body, family.field, str)
    if kind is not None:
        own = body.get(family.field)
        info = own if isinstance(own, FieldInfo) else inherited
        value = _kind_value(label, kind, info)
        _annotate(body, family.field, Literal[value])
        body[family.field] = _fixed(info, value)
    return family


def _inherited(bases: Iterable[Any], field: str) -> FieldInfo | None:
    found = (getattr(base, "model_fields", {}).get(field) for base in bases)
    return next((info for info in found if info is not None), None)


def _declares(body: Mapping[str, Any], field: str) -> bool:
    if (annotate := body.get("__annotate_func__")) is not None:  # Python 3.14
        return field in annotate(2)  # as forward references, which never fail
    return field in body.get("__annotations__", {})


def _annotate(body: dict[str, Any], field: str, annotation: Any) -> None:
    known: Callable[[Any], dict[str, Any]] | None = body.get("__annotate_func__")
    if known is None:
        body["__annotations__"] = {**body.get("__annotations__", {}), field: annotation}
    else:  # Python 3.14

        def annotate(form: Any) -> dict[str, Any]:
            return {**known(form), field: annotation}

        body["__annotate_func__"] = annotate


def _kind_value(label: str, kind: Any, info: FieldInfo | None) -> Any:
    """Return the kind as a value of the declared attribute; raises `DeclarationError`."""
    declared = None if info is None else info.annotation
    try:
        if isinstance(declared, type) and issubclass(declared, Enum):
            kind = declared(kind)
    except ValueError as error:
        raise DeclarationError(f"{label}: kind={kind!r}: {error}") from None
    stored = kind.value if isinstance(kind, Enum) else kind
    if not isinstance(stored, str) or not stored.strip():
        raise DeclarationError(f"{label}: kind={kind!r} is no text, or a blank one")
    return kind


def _fixed(info: FieldInfo | None, value: Any) -> Any:
    """Return a field that always has *value*, under the name it is stored with."""
    names: dict[str, Any] = {}
    if info is not None:
        names = {
            "alias": info.alias,
            "validation_alias": info.validation_alias,
            "serialization_alias": info.serialization_alias,
        }
    return Field(value, frozen=True, **names)


def _identity(mapping: EntityMapping[Any]) -> tuple[str, str, str | None]:
    return mapping.cls.__module__, mapping.cls.__qualname__, mapping.kind


def _refuse_twins(mapping: EntityMapping[Any], members: Iterable[EntityMapping[Any]]) -> None:
    for other in members:
        if mapping.kind is not None and other is not mapping and other.kind == mapping.kind:
            raise DeclarationError(
                f"{mapping.label}: kind {mapping.kind!r} is {other.label}'s already"
            )


def found_family(cls: Any, family: Family, name: str | None) -> None:
    """Make *cls* the base of a new family; raises `DeclarationError`."""
    if name is None:
        raise DeclarationError(
            f"{cls.__name__}: a discriminator tells the kinds of one entity apart; say which "
            'with name="…"'
        )
    family.root = cls
    type.__setattr__(cls, "__forge_family__", family)


def join_family(cls: Any, family: Family, name: str | None, registry: object) -> str:
    """Return the entity's name; refuse what its base has decided for all its kinds."""
    root = family.root
    if name is not None:
        raise DeclarationError(
            f"{cls.__name__}: name={name!r}: the kinds of {root.__name__} are stored in its "
            "entity. Leave name= out, or derive from another class"
        )
    if registry is not None and registry is not root.__forge_registry__:
        raise DeclarationError(
            f"{cls.__name__}: the kinds of {root.__name__} are in its registry"
        )
    entity: str = root.__forge_declaration__.name
    return entity


# --- One schema for all -------------------------------------------------------------------


def _union(mappings: list[EntityMapping[Any]], newest: EntityMapping[Any]) -> EntitySchema:
    """Return what the entity holds, with every class's attributes and indexes."""
    attributes: dict[str, AttributeType] = {}
    indexes: dict[str, IndexSchema] = {}
    for mapping in mappings:
        for problem in _contradictions(mapping, mappings, attributes, indexes):
            raise DeclarationError(problem)
        attributes.update(mapping.own.attributes)
        indexes.update(mapping.own.indexes)
    schema = EntitySchema(newest.name, attributes, indexes)
    if problems := list(violations(schema)):
        raise DeclarationError(
            f"{newest.label}: with all its kinds, entity {schema.name!r} breaks a rule: "
            + "; ".join(problems)
        )
    return schema


def _contradictions(
    mapping: EntityMapping[Any],
    mappings: Iterable[EntityMapping[Any]],
    attributes: Mapping[str, AttributeType],
    indexes: Mapping[str, IndexSchema],
) -> Iterator[str]:
    for name, type_ in mapping.own.attributes.items():
        if attributes.get(name, type_) is not type_:
            other = next(each for each in mappings if name in each.own.attributes)
            yield (
                f"{mapping.label}.{name} is stored as {type_}, {other.label}.{name} as "
                f"{attributes[name]}: in one entity a name has one type. Store one of them "
                "under another name with attr(alias='…')"
            )
    for name, index in mapping.own.indexes.items():
        if indexes.get(name, index) != index:
            yield (
                f"{mapping.label}: index {index} is declared as {indexes[name]} by another "
                "kind; give one of them another name"
            )


def readable(errors: Iterable[Any]) -> list[Any]:
    """Leave of pydantic's *errors* those of the kind that a row is of, without detours."""
    found = list(errors)
    known = any(error["type"] == KNOWN_KIND for error in found)
    branch = "known" if known else "unknown"
    return [
        {**error, "loc": tuple(part for part in error["loc"] if part != branch)}
        for error in found
        if branch in cast("tuple[Any, ...]", error["loc"])
    ]
