"""`Entity` and its metaclass: a class body becomes an `EntityMapping`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, dataclass_transform, overload

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo
from pydantic_core import from_json

from ..errors import DeclarationError, InvalidValue
from ..expressions import Condition, Expr
from ..query import Query, Search
from ..wire import MetadataField
from .attributes import attr, ref
from .hooks import Hook, declare_hooks
from .indexes import Index
from .keys import KeyParts, KeyTemplate, check_key
from .kinds import Family, UnknownKind, declare_kind, found_family, join_family
from .lifetime import Lifetime, OnUpdate, declared_lifetime
from .mapping import Declaration, EntityMapping, UnknownMapping
from .references import Ref, ReferenceCodec
from .registry import Registry, default_registry
from .reverses import Reverse
from .uniques import Unique

if TYPE_CHECKING:
    # pydantic keeps its metaclass private; only its type is needed, and only by checkers.
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

# While pydantic builds a class it asks `hasattr(base, field)`; an answer would make it warn
# that the field shadows an attribute.
_building: ContextVar[bool] = ContextVar("forge_orm_building", default=False)


@dataclass_transform(kw_only_default=True, field_specifiers=(attr, ref, Field))
class EntityMeta(ModelMetaclass):
    """Turns a class body into a mapping and answers ``Task.priority`` with an `Expr`."""

    __forge__: EntityMapping[Any]

    if not TYPE_CHECKING:

        def __new__(
            mcs,
            label,
            bases,
            body,
            *,
            name=None,
            key=None,
            ttl=None,
            ttl_on_update=None,
            metadata=None,
            discriminator=None,
            kind=None,
            registry=None,
            **config,
        ):
            """Build the class, bind its indexes and enter it in a registry."""
            _check_keywords(
                label,
                name=name,
                key=key,
                ttl=ttl,
                discriminator=discriminator,
                registry=registry,
            )
            _refuse_reserved(label, body)
            written = dict(body)
            family = declare_kind(label, bases, body, discriminator, kind)
            token = _building.set(True)
            try:
                cls = super().__new__(mcs, label, bases, body, **config)
            except TypeError as error:
                _refuse_unknown(label, config, error)
                raise
            finally:
                _building.reset(token)
            _refuse_members(label, _RESERVED.intersection(cls.model_fields))
            _bind(cls, written)
            lifetime = declared_lifetime(cls, ttl, ttl_on_update, metadata)
            _declare(cls, name, key, lifetime, registry, family, kind)
            return cls

        def __getattr__(cls, name):
            """Answer a field's name with an `Expr`."""
            if not _building.get() and name in (cls.__dict__.get("__pydantic_fields__") or ()):
                return cls.__forge__.expr(name)
            try:
                return super().__getattr__(name)
            except AttributeError:
                # With name and obj Python says what was perhaps meant.
                message = f"entity class {cls.__name__!r} has no attribute {name!r}"
                raise AttributeError(message, name=name, obj=cls) from None


class _Unfinished:
    """Stands where a class keeps its mapping, until its annotations can be resolved."""

    def __get__(self, instance: object, owner: Any) -> EntityMapping[Any]:
        return _complete(owner)


_KEYWORDS: Mapping[str, tuple[type[Any], str]] = {
    "name": (str, "the name of the entity in the store, a text"),
    "key": (str, "the template of its keys, a text such as 'task:{ulid}'"),
    "ttl": (timedelta, "a timedelta, such as timedelta(days=30)"),
    "discriminator": (str, "the name of an attribute, a text"),
    "registry": (Registry, "a Registry"),
}


def _check_keywords(label: str, **given: object) -> None:
    for name, value in given.items():
        kind, what = _KEYWORDS[name]
        if value is not None and not isinstance(value, kind):
            raise DeclarationError(f"{label}: {name}={value!r}; it is {what}")


def _refuse_unknown(label: str, config: Mapping[str, Any], error: TypeError) -> None:
    """Explain Python's complaint about a class keyword that nobody takes."""
    unknown = [name for name in config if name not in ConfigDict.__annotations__]
    if unknown and "takes no keyword arguments" in str(error):
        raise DeclarationError(
            f"{label}: {', '.join(f'{name}=' for name in unknown)} is no keyword of an entity "
            "class. There are name, key, ttl, ttl_on_update, metadata, discriminator, kind and "
            "registry, and pydantic's own, such as frozen and strict"
        ) from None


def _refuse_reserved(label: str, body: dict[str, Any]) -> None:
    """Look before pydantic does: it warns of such names, or uses what is not there yet."""
    if label == "Entity" and body["__module__"] == __name__:
        return
    for name, annotation in body.get("__annotations__", {}).items():
        public = not name.startswith("_") and name != "model_config"
        taken = name in _RESERVED or hasattr(BaseModel, name)
        if public and taken and "ClassVar" not in str(annotation):
            _refuse_members(label, [name])


def _refuse_members(label: str, names: Iterable[str]) -> None:
    for name in names:
        raise DeclarationError(
            f"{label}.{name}: an entity has a member of that name. Call the field {name}_ "
            f"and give it attr(alias={name!r}) if it is stored under that name"
        )


_RESERVED = frozenset({"key", "index", "query", "metadata", "with_key", "key_for", "parse_key"})


def _bind(cls: type[Any], body: dict[str, Any]) -> None:
    fields = {id(value): name for name, value in body.items() if isinstance(value, FieldInfo)}
    for label, value in body.items():
        if isinstance(value, Index | Unique):
            value.bind(label, cls.__name__, fields)


def _declare(
    cls: Any,
    name: str | None,
    key: str | None,
    lifetime: Lifetime,
    registry: Registry | None,
    family: Family | None,
    kind: Any,
) -> None:
    indexes: tuple[Index[..., Any], ...] = _members(cls, Index)
    uniques: tuple[Unique, ...] = _members(cls, Unique)
    new = name is not None
    if family is not None and family.root is None:
        found_family(cls, family, name)
    elif family is not None:
        name = join_family(cls, family, name, registry)
    chosen = registry if registry is not None else getattr(cls, "__forge_registry__", None)
    chosen = chosen if chosen is not None else default_registry
    key = key if key is not None else getattr(cls, "__forge_key__", None)
    type.__setattr__(cls, "__forge_registry__", chosen)
    type.__setattr__(cls, "__forge_key__", key)
    type.__setattr__(cls, "__forge_root__", cls if family is None else family.root)
    stored_kind = None if kind is None else str(getattr(kind, "value", kind))
    declaration = Declaration(name, key, indexes, lifetime, family, stored_kind, uniques)
    type.__setattr__(cls, "__forge_declaration__", declaration)
    type.__setattr__(cls, "__forge__", _Unfinished())
    declare_hooks(cls)
    if cls.__pydantic_complete__:
        _complete(cls)
    elif family is not None:
        family.expect(cls)
    if new and name is not None:
        chosen.add(name, cls)


def _members(cls: Any, kind: type[Any]) -> Any:
    """Return what *cls* and its bases declare of one *kind*; a class overrides its bases."""
    bases: list[type[Any]] = [*reversed(cls.__mro__)]
    members = [member for base in bases for member in vars(base).items()]
    return tuple({label: value for label, value in members if isinstance(value, kind)}.values())


def _names_of(cls: Any) -> dict[str, type[Any]]:
    """Return the classes of the registry by name: references may lead to another module."""
    return {known.__name__: known for known in cls.__forge_registry__}


def _complete(cls: Any) -> EntityMapping[Any]:
    rebuild = BaseModel.model_rebuild.__func__  # type: ignore[attr-defined]
    if not (
        cls.__pydantic_complete__
        or rebuild(cls, raise_errors=False)
        or rebuild(cls, raise_errors=False, _types_namespace=_names_of(cls))
    ):
        raise DeclarationError(
            f"{cls.__name__} names a type that is not defined yet; define it, or call "
            f"{cls.__name__}.model_rebuild() once it is"
        )
    declaration: Declaration = cls.__dict__["__forge_declaration__"]
    make: Any = UnknownMapping if issubclass(cls, UnknownKind) else EntityMapping
    mapping: EntityMapping[Any] = make(cls, declaration)
    type.__setattr__(cls, "__forge__", mapping)
    type.__setattr__(cls, "__forge_references__", mapping.references)
    if declaration.family is not None and make is EntityMapping:
        _admit(cls, declaration.family, mapping)
    return mapping


def _admit(cls: Any, family: Family, mapping: EntityMapping[Any]) -> None:
    _ = family.base  # complete before its kinds
    try:
        family.admit(mapping)
    except DeclarationError:
        type.__setattr__(cls, "__forge__", _Unfinished())  # to be tried, and refused, again
        raise


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the service keeps beside an entity; None where it was not asked for.

    *expires_at* is None too for an entity without a time to live; *asked* tells the two apart.
    """

    created_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None
    asked: frozenset[MetadataField] = field(
        default=frozenset(), repr=False, compare=False, kw_only=True
    )


def read_metadata(
    row: dict[str, Any], asked: frozenset[MetadataField] = frozenset()
) -> Metadata:
    """Read the metadata fields of a response row; *asked* are those it was asked for."""
    expires = row.get("expireTime")
    return Metadata(
        _moment(row.get("createdAt")),
        _moment(row.get("updatedAt")),
        None if expires is None else datetime.fromisoformat(expires).astimezone(UTC),
        asked=asked,
    )


_SECONDS_BELOW = 1e11  # such a Unix time is in seconds, a larger one in milliseconds


def _moment(unix: int | None) -> datetime | None:
    if unix is None:
        return None
    return datetime.fromtimestamp(unix if unix < _SECONDS_BELOW else unix / 1000, UTC)


class Origin:
    """Where entities of one answer came from: shared by all of them, parsed if needed.

    *tracker* collects the entities that were assigned to since; it is None for entities
    that no session watches.
    """

    __slots__ = ("_body", "_key", "_values", "metadata", "tracker")

    def __init__(
        self,
        body: bytes = b"",
        tracker: dict[int, Any] | None = None,
        *,
        key: str | None = None,
        values: dict[str, dict[str, Any]] | None = None,
        metadata: dict[str, Metadata] | None = None,
    ) -> None:
        """Keep the bytes of an answer, or of what is stored under *key*, or the *values*."""
        self._body, self._key, self._values = body, key, values
        self.tracker, self.metadata = tracker, metadata

    @property
    def saved(self) -> bool:
        """Whether a session saved what is stored, rather than read it."""
        return self._key is not None

    def knows(self, key: str) -> bool:
        """Whether there is a stored form of *key* to compare with."""
        return self._values is None or key in self._values

    def value(self, key: str) -> dict[str, Any]:
        """Return the stored form of one entity, as it was when it was read or saved."""
        if self._values is None:
            self._values = self._parsed(from_json(self._body))
            self._body = b""
        return self._values[key]

    def _parsed(self, found: dict[str, Any]) -> dict[str, dict[str, Any]]:
        if self._key is not None:
            return {self._key: found}
        rows = found.get("data") or found.get("successfulKeys") or [found]
        return {row["key"]: row["value"] for row in rows}


class KeyAttribute:
    """``task.key``: the entity's key, read-only; on the class, an operand for ``by-key``."""

    @overload
    def __get__(self, instance: None, owner: type[E]) -> Expr[E, str]: ...
    @overload
    def __get__(self, instance: Entity, owner: type[Any]) -> str: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        """Return the key, building it from the template the first time."""
        if instance is None:
            return owner.__forge__.expr("key")
        key = key_of(instance)
        return key if key is not None else _build_key(instance)

    def __set__(self, instance: Entity, value: object) -> NoReturn:
        """Refuse."""
        raise AttributeError(f"{type(instance).__name__}.key is read-only; see with_key()")


if TYPE_CHECKING:
    from typing import TypeVar

    E = TypeVar("E")


class Entity(BaseModel, metaclass=EntityMeta):
    """A value stored under a key; subclass it to declare a kind of entity.

    Class keywords: *name* is the entity's name in the store (a class without one is only a
    base for others); *key* a template such as ``"task:{project}:{ulid}"``; *ttl* how long an
    entity lives after each save (whole seconds, up to a year; kvs-api), *ttl_on_update*
    ``"keep"`` leaves an update what is left of it; *metadata* fields are read with every
    entity, by default the expiry of those that have a time to live; *registry* where the
    class and its subclasses are entered. *discriminator* names the attribute that tells the
    kinds of one entity apart, and *kind*, on a subclass, the value it has there.
    """

    __slots__ = ("_forge_key", "_forge_origin")

    model_config = ConfigDict(ignored_types=(Index, KeyAttribute, Reverse, Unique))
    __forge_declaration__: ClassVar[Declaration]
    __forge_references__: ClassVar[Mapping[str, ReferenceCodec]] = {}
    __forge_root__: ClassVar[type[Any]]
    __forge_family__: ClassVar[Family | None] = None
    __forge_hooks__: ClassVar[tuple[Hook, ...]]
    __forge_hooked__: ClassVar[bool]

    key = KeyAttribute()

    if TYPE_CHECKING:

        def __init_subclass__(
            cls,
            *,
            name: str | None = None,
            key: str | None = None,
            ttl: timedelta | None = None,
            ttl_on_update: OnUpdate | None = None,
            metadata: Iterable[MetadataField] | None = None,
            discriminator: str | None = None,
            kind: str | None = None,
            registry: Registry | None = None,
            **config: Any,
        ) -> None: ...

    @classmethod
    def index(cls, name: str) -> Query[Self]:
        """Start a query of the index called *name*; ``"by-key"`` is always there.

        Raises `UnknownIndex` for a name that the class does not declare.
        """
        return cls.__forge__.query(name)

    @classmethod
    def query(cls, *conditions: Condition[Self]) -> Search[Self]:
        """Start a search: any conditions, joined as you like; the planner finds the indexes.

        Where no index narrows it, it is refused unless it may read every entity
        (`Search.allow_scan`).
        """
        return cls.__forge__.search(*conditions)

    @classmethod
    def key_for(cls, **parts: object) -> str:
        """Build a key from the parts of the template; ulid and uuid are made if not given.

        Raises `InvalidValue` for a missing part or a key the service refuses.
        """
        return _template_of(cls).build(parts)

    @classmethod
    def parse_key(cls, key: str) -> KeyParts:
        """Take a key apart; the parts have the types of their attributes."""
        return _template_of(cls).parse(key)

    @classmethod
    def model_rebuild(cls, **options: Any) -> bool | None:
        """Resolve forward references, and the mapping with them; as pydantic's."""
        depth = options.pop("_parent_namespace_depth", 2)
        strict = options.pop("raise_errors", True)
        rebuilt = super().model_rebuild(
            _parent_namespace_depth=depth + 1, raise_errors=False, **options
        )
        if not cls.__pydantic_complete__:
            options.setdefault("_types_namespace", _names_of(cls))
            rebuilt = super().model_rebuild(raise_errors=strict, **options)
        if cls.__pydantic_complete__ and (
            rebuilt or isinstance(vars(cls)["__forge__"], _Unfinished)
        ):
            _complete(cls)
        return rebuilt

    def with_key(self, key: str) -> Self:
        """Give a new entity an explicit *key* and return it; a key never changes after."""
        check_key(key, f"{type(self).__name__} key")
        known = key_of(self)
        if known is not None and known != key:
            raise InvalidValue(f"{type(self).__name__} already has the key {known!r}")
        if known is None:
            _name_new(self, key)
        return self

    def model_copy(
        self, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> Self:
        """Copy as pydantic does; with an *update* of what makes the key, without the key."""
        copy = super().model_copy(update=update, deep=deep)
        template: KeyTemplate | None = type(self).__forge__.template
        if update and template is not None and set(update) & set(template.attributes):
            _forget_key(copy)
        return copy

    @property
    def metadata(self) -> Metadata:
        """Created, updated and expiry times, as far as the read asked for them."""
        origin, key = origin_of(self), key_of(self)
        known = (
            None
            if origin is None or origin.metadata is None
            else origin.metadata.get(key or "")
        )
        return known if known is not None else Metadata()

    if not TYPE_CHECKING:  # a checker that saw them would take any misspelt name

        def __setattr__(self, name, value):
            """Assign, and let the session know."""
            if name == "key":
                raise AttributeError(f"{type(self).__name__}.key is read-only; see with_key()")
            if value is not None and name in self.__forge_references__:
                link = self.__forge_references__[name].link
                value = link.assigned(value, link.label)
            super().__setattr__(name, value)
            if (origin := origin_of(self)) is not None and origin.tracker is not None:
                origin.tracker[id(self)] = self

        def __delattr__(self, name):
            """Delete, and let the session know."""
            super().__delattr__(name)
            if (origin := origin_of(self)) is not None and origin.tracker is not None:
                origin.tracker[id(self)] = self

    def __forge_ref__(self) -> Ref[Self]:
        """Return a reference to it; builds the key from the template if there is none yet."""
        return Ref(type(self), self)

    def __eq__(self, other: object) -> bool:
        """Whether class and attributes are equal, and the keys where both have one."""
        if not isinstance(other, Entity) or not super().__eq__(other):
            return False
        ours, theirs = key_of(self), key_of(other)
        return ours is None or theirs is None or ours == theirs

    def __copy__(self) -> Self:
        """Copy with the key; no session watches the copy."""
        copy = super().__copy__()
        _copy_state(self, copy)
        return copy

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Copy deeply with the key; no session watches the copy."""
        copy = super().__deepcopy__(memo)
        _copy_state(self, copy)
        return copy

    def __getstate__(self) -> dict[Any, Any]:
        """Pickle with the key and metadata."""
        return {**super().__getstate__(), "__forge__": (key_of(self), self.metadata)}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Unpickle; no session watches the entity."""
        key, metadata = state.pop("__forge__")
        super().__setstate__(state)
        _restore(self, key, metadata)

    def __repr_args__(self) -> Any:
        """Show the key first, where there is one."""
        if (key := key_of(self)) is not None:
            yield "key", key
        yield from super().__repr_args__()


# Slots are read and written through their descriptors: a plain attribute access would ask
# pydantic's `__getattr__` and `__setattr__`.
_key_slot: Any = Entity.__dict__["_forge_key"]
_origin_slot: Any = Entity.__dict__["_forge_origin"]
set_key = _key_slot.__set__
_delete_key = _key_slot.__delete__
set_origin = _origin_slot.__set__


def key_of(entity: Entity) -> str | None:
    """Return the key if the entity has one already."""
    try:
        key: str = _key_slot.__get__(entity)
    except AttributeError:
        return None
    return key


def _forget_key(entity: Entity) -> None:
    if key_of(entity) is not None:
        _delete_key(entity)


def origin_of(entity: Entity) -> Origin | None:
    """Return where the entity was read from, or None for a new one."""
    try:
        origin: Origin | None = _origin_slot.__get__(entity)
    except AttributeError:
        return None
    return origin


def _name_new(entity: Entity, key: str) -> None:
    """Give the key to an entity that was not read."""
    set_key(entity, key)
    set_origin(entity, None)  # what is there is read much faster than what is not


def _copy_state(original: Entity, copy: Entity) -> None:
    if (key := key_of(original)) is not None:
        _restore(copy, key, original.metadata)


def _restore(entity: Entity, key: str | None, metadata: Metadata) -> None:
    if key is not None:
        _name_new(entity, key)
        if metadata != Metadata():
            set_origin(entity, Origin(values={}, metadata={key: metadata}))


def _template_of(cls: Any) -> KeyTemplate:
    template: KeyTemplate | None = cls.__forge__.template
    if template is None:
        raise DeclarationError(
            f'{cls.__name__} has no key template; declare one with key="…{{attribute}}…"'
        )
    return template


def _build_key(entity: Entity) -> str:
    cls = type(entity)
    template: KeyTemplate | None = cls.__forge__.template
    if template is None:
        raise InvalidValue(
            f"this {cls.__name__} has no key yet: give it one with .with_key('…') or "
            f'session.add(entity, key="…"), or declare {cls.__name__} with a key template, '
            'key="…{ulid}"'
        )
    key = template.build({name: getattr(entity, name) for name in template.attributes})
    _name_new(entity, key)
    return key
