"""`Attr[T]` and `attr()`: how an attribute is declared so that type checkers know it whole.

To a type checker ``title: Attr[str]`` is a descriptor: an `Expr` on the class, a ``str`` on
an instance. At run time it is plain ``Annotated[str, …]``, so pydantic sees nothing unusual.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Generic,
    Literal,
    NamedTuple,
    TypeAlias,
    TypeVar,
    cast,
    overload,
)

from pydantic import AliasChoices, AliasPath, BaseModel, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typing_extensions import TypedDict, Unpack

from ..expressions import Expr
from ..paths import RefExpr
from .references import Ref, Referable

T = TypeVar("T")
V = TypeVar("V", bound=BaseModel)
Owner = TypeVar("Owner")


class AttrOptions(TypedDict, total=False):
    """What `attr` passes on to pydantic's ``Field``."""

    validation_alias: str | AliasPath | AliasChoices | None
    serialization_alias: str | None
    title: str | None
    description: str | None
    examples: list[Any] | None
    exclude: bool | None
    gt: float | None
    ge: float | None
    lt: float | None
    le: float | None
    multiple_of: float | None
    min_length: int | None
    max_length: int | None
    pattern: str | re.Pattern[str] | None
    max_digits: int | None
    decimal_places: int | None
    strict: bool | None
    frozen: bool | None
    repr: bool
    init: bool
    validate_default: bool | None
    discriminator: str | None


if TYPE_CHECKING:

    class Attr(Generic[T]):
        """A stored attribute: an `Expr` on the class, a value of type *T* on an entity."""

        @overload
        def __get__(
            self: Attr[Ref[V]], instance: None, owner: type[Owner]
        ) -> RefExpr[Owner, V, Ref[V] | V | str]: ...
        @overload
        def __get__(
            self: Attr[Ref[V] | None], instance: None, owner: type[Owner]
        ) -> RefExpr[Owner, V, Ref[V] | V | str | None]: ...
        @overload
        def __get__(self, instance: None, owner: type[Owner]) -> Expr[Owner, T]: ...
        @overload
        def __get__(self, instance: BaseModel, owner: type[Any]) -> T: ...
        def __get__(self, instance: Any, owner: Any) -> Any: ...
        def __set__(self, instance: BaseModel, value: T | Referable[T]) -> None: ...
        @overload
        def __operand__(self: Attr[Ref[V]]) -> Ref[V] | V | str: ...
        @overload
        def __operand__(self: Attr[Ref[V] | None]) -> Ref[V] | V | str | None: ...
        @overload
        def __operand__(self) -> T: ...
        def __operand__(self) -> Any: ...

else:

    class _Marker:
        """Says in ``Annotated`` metadata that the attribute was declared with `Attr`."""

        def __repr__(self) -> str:
            return "Attr"

    _MARKER = _Marker()

    class Attr:
        """A stored attribute: an `Expr` on the class, a value of type *T* on an entity."""

        def __class_getitem__(cls, annotation: Any) -> Any:
            return Annotated[annotation, _MARKER]


@overload
def attr(
    *,
    default: T,
    alias: str | None = None,
    unique: bool = False,
    **options: Unpack[AttrOptions],
) -> Attr[T]: ...
@overload
def attr(
    *,
    default_factory: Callable[[], T],
    alias: str | None = None,
    unique: bool = False,
    **options: Unpack[AttrOptions],
) -> Attr[T]: ...
@overload
def attr(
    *, alias: str | None = None, unique: bool = False, **options: Unpack[AttrOptions]
) -> Attr[Any]: ...
def attr(
    *,
    default: Any = PydanticUndefined,
    default_factory: Callable[[], Any] | None = None,
    alias: str | None = None,
    unique: bool = False,
    **options: Any,
) -> Any:
    """Give an attribute a default, an alias (its name in the store) or constraints.

    With *unique* no two entities have the same value; an absent one is nobody's. Everything
    is by keyword, because type checkers look for ``default=`` by name. The other options are
    those of pydantic's ``Field``; ``init=False`` tells checkers that the class fills it in, as
    it does a discriminator.
    """
    given: dict[str, Any] = {**options, "alias": alias, "init": None}
    if unique:
        given["json_schema_extra"] = dict(UNIQUE_MARK)
    chosen = {name: value for name, value in given.items() if value is not None}
    if default_factory is not None:
        return Field(default_factory=default_factory, **chosen)
    return Field(default, **chosen)


OnDelete: TypeAlias = Literal["restrict", "cascade", "clear"]
"""What becomes of entities that refer to one that is deleted."""
_REFERENCE: Final = "x-forge-orm-reference"


class ReferenceOptions(NamedTuple):
    """What `ref` says of a reference."""

    on_delete: OnDelete | None
    check: bool = False


def reference_options(info: FieldInfo) -> ReferenceOptions | None:
    """Return what `ref` said of a field; None for one that was declared otherwise."""
    extra = info.json_schema_extra
    if not isinstance(extra, dict):
        return None
    declared = cast("dict[str, Any]", extra).get(_REFERENCE)
    return None if declared is None else ReferenceOptions(**declared)


@overload
def ref(
    *,
    default: T,
    on_delete: OnDelete | None = None,
    check: bool = False,
    alias: str | None = None,
    **options: Unpack[AttrOptions],
) -> Attr[T]: ...
@overload
def ref(
    *,
    on_delete: OnDelete | None = None,
    check: bool = False,
    alias: str | None = None,
    **options: Unpack[AttrOptions],
) -> Attr[Any]: ...
def ref(
    *,
    default: Any = PydanticUndefined,
    on_delete: OnDelete | None = None,
    check: bool = False,
    alias: str | None = None,
    **options: Any,
) -> Any:
    """Declare a reference that has rules; one without them is an ordinary `attr`.

    *on_delete* says what becomes of the entity when what it refers to is deleted in a
    session: ``"restrict"`` refuses that, ``"cascade"`` deletes the entity too, ``"clear"``
    sets the reference to None.

    With *check* an entity is saved only if what it refers to exists: a save that is new, or
    that changes the reference, is in a transaction with a check of that. It raises
    `TargetMissing` where nothing is stored under the key.
    """
    rules = ReferenceOptions(on_delete, check)
    options["json_schema_extra"] = {_REFERENCE: rules._asdict()}
    return attr(default=default, alias=alias, **options)


UNIQUE_MARK: Final = {"x-forge-orm": "unique"}
"""What the pydantic field of a unique attribute carries, so that the mapping finds it."""

VERSION_MARK: Final = {"x-forge-orm": "version"}
"""What a version's pydantic field carries, so that the mapping finds it."""


def version() -> Attr[int]:
    """Declare the attribute that counts an entity's saves, and guards it from stale ones.

    A save or delete of an entity that was read happens only if nobody saved it since; else
    it raises `VersionConflict`. A new one is created, never written over another
    (`KeyConflict`). The session counts; leave the value alone.
    """
    declared: Any = Field(default=0, ge=0, json_schema_extra=dict(VERSION_MARK))
    return cast("Attr[int]", declared)
