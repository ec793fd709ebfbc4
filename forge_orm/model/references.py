"""`Ref`: an attribute that names another entity by its key, and may hold it once loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, NoReturn, Protocol, TypeVar, cast, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from .. import limits
from ..errors import DanglingReference, DeclarationError, InvalidValue, NotLoaded
from ..schema import AttributeType
from .codecs import Codec
from .keys import check_key

V = TypeVar("V", bound=BaseModel)
V_co = TypeVar("V_co", bound=BaseModel, covariant=True)
T_co = TypeVar("T_co", covariant=True)


class Referable(Protocol[T_co]):
    """What may be assigned to a reference of type *T*: an entity, for `Ref` of its class."""

    def __forge_ref__(self) -> T_co:
        """Return the reference to it."""
        ...


class _State:
    """What a reference holds in place of an entity."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


_UNLOADED: Final = _State("not loaded")
_GONE: Final = _State("gone")


class Link:
    """Where references of one attribute lead, and what the attribute is called."""

    __slots__ = ("field", "owner", "target")

    def __init__(
        self, target: type[Any], field: str | None = None, owner: str | None = None
    ) -> None:
        """Lead from the attribute *field* of the class *owner* to entities of *target*."""
        self.target, self.field, self.owner = target, field, owner

    @property
    def label(self) -> str:
        """The attribute, as it is written: ``Task.owner``.

        While pydantic makes a class it does not say which; then the registry does.
        """
        if self.owner is not None:
            return f"{self.owner}.{self.field}"
        found = [link.label for link in self._declared() if link.field == self.field]
        return found[0] if len(found) == 1 else f"Entity.{self.field or 'attribute'}"

    def _declared(self) -> Iterator[Link]:
        """Yield the links of every attribute that leads to the target."""
        target: Any = self.target
        for cls in target.__forge_registry__:
            for codec in cls.__forge__.references.values():
                if codec.link.target is target:
                    yield codec.link

    def accept(self, value: Any) -> Ref[Any]:
        """Return the reference that *value* means: an entity, a key or a reference.

        Raises ValueError for anything else (`InvalidValue` for what is no key).
        """
        if isinstance(value, Ref):
            return self._checked(cast("Ref[Any]", value))
        if isinstance(value, str):
            return _made(self, check_key(value, f"{self.target.__name__} key"), _UNLOADED)
        if isinstance(value, BaseModel) and self._leads_to(type(value)):
            entity: Any = value
            return _made(self, entity.key, entity)
        name = self.target.__name__
        raise ValueError(f"expected a {name}, its key or a Ref[{name}], not {_named(value)}")

    def assigned(self, value: Any, label: str) -> Ref[Any]:
        """Return the same of what was assigned to *label*; raises `InvalidValue`."""
        try:
            return self.accept(value)
        except ValueError as error:
            raise InvalidValue(f"{label}: {error}") from None

    def read(self, value: Any) -> Any:
        """Return the reference to a key that the service sent."""
        return _made(self, value, _UNLOADED) if value.__class__ is str else value

    def _checked(self, ref: Ref[Any]) -> Ref[Any]:
        if not self._leads_to(ref.target):
            name = self.target.__name__
            raise ValueError(f"expected a Ref[{name}], not {ref!r}")
        return ref

    def _leads_to(self, cls: type[Any]) -> bool:
        """Whether entities of *cls* are found where this looks for them."""
        target: Any = self.target
        return cls is target or (
            issubclass(cls, target) and cast("Any", cls).__forge__.name == target.__forge__.name
        )


def _named(value: object) -> str:
    kind = type(value).__name__
    return f"the {kind} {value!r}" if isinstance(value, int | float) else f"a {kind}"


class Ref(Generic[V_co]):
    """A reference to an entity: its key, and the entity itself once it was loaded.

    Stored as the key. Nothing here performs I/O: ``session.prefetch(tasks, Task.owner)``
    loads what references lead to, many at once. Two references are equal if they lead to the
    same key of the same entity. Copied deeply or pickled it keeps the key only.
    """

    __slots__ = ("_key", "_link", "_state")

    _key: str
    _link: Link
    _state: Any

    def __init__(self: Ref[V], target: type[V], to: V | str) -> None:
        """Refer to an entity of the class *target*, or to the one that has the key *to*.

        Raises `InvalidValue` for anything else, and for a key the service refuses.
        """
        self._link = Link(target)
        made: Ref[V] = self._link.assigned(to, f"Ref({target.__name__})")
        self._key, self._state = made.key, made.value if made.loaded else _UNLOADED

    @property
    def key(self) -> str:
        """The key of the entity it refers to; always known."""
        return self._key

    @property
    def target(self) -> type[V_co]:
        """The class it refers to."""
        return self._link.target

    @property
    def value(self) -> V_co:
        """The entity it refers to, if it was loaded. Never performs I/O.

        Raises:
            NotLoaded: it was not loaded; the message says what to write.
            DanglingReference: it was looked up, and nothing is stored under the key.
        """
        if self._state is _UNLOADED or self._state is _GONE:
            self._refuse()
        entity: V_co = self._state
        return entity

    @property
    def loaded(self) -> bool:
        """Whether `value` is there."""
        return self._state is not _UNLOADED and self._state is not _GONE

    @property
    def dangling(self) -> bool:
        """Whether it was looked up, and nothing is stored under the key."""
        return self._state is _GONE

    def _refuse(self) -> NoReturn:
        name, key, label = self._link.target.__name__, self._key, self._link.label
        if self._state is _GONE:
            raise DanglingReference(
                f"{label} refers to {name} {key!r}, which is not stored. Ask .dangling "
                "before .value where that can be"
            )
        raise NotLoaded(
            f"{label} refers to {name} {key!r}, which is not loaded, and reading an attribute "
            f"makes no call. Before it write session.prefetch(entities, {label}), or ask with "
            f"query.prefetch({label}); one alone is session.get({name}, ref.key)"
        )

    def __eq__(self, other: object) -> bool:
        """Whether both lead to the same key of the same entity."""
        if not isinstance(other, Ref):
            return NotImplemented
        ours: Any = self.target
        theirs: Any = cast("Ref[Any]", other).target
        same = ours is theirs or ours.__forge__.name == theirs.__forge__.name
        return same and self._key == other._key

    def __hash__(self) -> int:
        """Hash by the key."""
        return hash(self._key)

    def __repr__(self) -> str:
        """Show class and key, never the entity."""
        state = "" if self._state is _UNLOADED else " gone" if self.dangling else " loaded"
        return f"<Ref {self.target.__name__} {self._key!r}{state}>"

    def __copy__(self) -> Ref[V_co]:
        """Return itself: it is as immutable as a key."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Ref[V_co]:
        """Copy the key alone: the entity belongs to the session that loaded it."""
        return _made(self._link, self._key, _UNLOADED)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the key alone."""
        return Ref, (self.target, self._key)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate an entity, a key or a reference; dump the key."""
        target = _target_of(source)
        field = getattr(handler, "field_name", None)
        link = Link(target, field)
        return core_schema.no_info_plain_validator_function(
            link.accept,
            serialization=core_schema.plain_serializer_function_ser_schema(_dumped),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the key."""
        described: JsonSchemaValue = handler(
            core_schema.str_schema(min_length=1, max_length=limits.KEY_MAX_CHARACTERS)
        )
        return described

    @classmethod
    def __forge_codec__(cls, annotation: Any) -> Codec:
        """Return how a reference of type *annotation* is stored."""
        return ReferenceCodec(Link(_target_of(annotation)))


_new: Any = object.__new__


def _made(link: Link, key: str, state: Any) -> Ref[Any]:
    """Make a reference past `__init__`, which checks what is known to be right here."""
    ref = _new(Ref)
    # The fastest way there is: a page may hold hundreds.
    ref._key, ref._link, ref._state = key, link, state  # noqa: SLF001
    return cast("Ref[Any]", ref)


def resolve(ref: Ref[V], entity: V | None) -> None:
    """Give *ref* the entity that was found under its key; None where there is none."""
    held: Any = ref
    held._state = _GONE if entity is None else entity  # noqa: SLF001


def _dumped(value: Any) -> Any:
    return getattr(value, "key", value)


def _target_of(annotation: Any) -> type[Any]:
    (target,) = get_args(annotation) or (None,)
    if isinstance(target, type) and hasattr(target, "__forge_ref__"):
        return target
    raise DeclarationError(
        f"{annotation!r} does not say which entity class it refers to: write Ref[User]"
    )


class ReferenceCodec(Codec):
    """How a reference is stored: as the key of what it refers to."""

    __slots__ = ("link",)

    link: Link

    def __init__(self, link: Link) -> None:
        """Store references to entities of *link*'s target."""
        super().__init__(AttributeType.STRING, (object,), self._key_of, link.read)
        object.__setattr__(self, "link", link)

    def of(self, owner: str, field: str) -> ReferenceCodec:
        """Return the codec of the attribute *field* of the class *owner*."""
        return ReferenceCodec(Link(self.link.target, field, owner))

    def stored(self, value: Any) -> str:
        """Return the key that *value* means; raises ValueError."""
        return self._key_of(value)

    def storer(self) -> Callable[[Any], Any]:
        """Return `stored`."""
        return self._key_of

    def _key_of(self, value: Any) -> str:
        try:
            return self.link.accept(value).key
        except InvalidValue as error:
            raise ValueError(str(error)) from None
