"""How entities are written: the stored attributes of a class, and all of them in one pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import NoneType
from typing import Annotated, Any, NamedTuple, TypeAlias, cast

from pydantic import (
    BaseModel,
    Field,
    PlainSerializer,
    Secret,
    SecretBytes,
    SecretStr,
    TypeAdapter,
)
from pydantic_core import PydanticSerializationError, SchemaSerializer
from typing_extensions import TypedDict

from .. import limits
from ..errors import DeclarationError
from ..schema import AttributeType
from .codecs import Codec, check_all, check_string, holds_enum, storage_of
from .nesting import NestedFields
from .references import ReferenceCodec


@dataclass(frozen=True, slots=True)
class AttributeMapping:
    """One stored attribute: a field (or computed field) of the class and how it is stored.

    *store* returns the stored form of a value. *form* is a type whose values pydantic writes
    in just that form, or None.
    """

    field: str
    name: str
    codec: Codec
    optional: bool
    store: Callable[[Any], Any]
    form: Any = None
    computed: bool = False

    @property
    def mutable(self) -> bool:
        """Whether its value can change without being assigned: lists, dicts, models."""
        return self.codec.type is AttributeType.ANY

    def store_all(self, kind: type[Any]) -> Callable[[Sequence[Any]], Iterable[Any]]:
        """Return what stores many values of the type *kind*."""
        if self.codec.encode_all is not None and kind is self.codec.python[0]:
            return self.codec.encode_all
        return partial(map, self.store)

    @property
    def nested(self) -> bool:
        """Whether it is stored as pydantic writes values of its type."""
        return self.mutable and self.codec.encode is self.codec.decode is None


def stored_attributes(cls: type[BaseModel]) -> dict[str, AttributeMapping]:
    """Return the stored attributes of *cls* by field; raises `DeclarationError`."""
    found: dict[str, AttributeMapping] = {}
    nested = NestedFields(cls)
    for field, info in cls.model_fields.items():
        if info.exclude:
            _needs_default(cls, field, required=info.is_required())
            continue
        alias = info.serialization_alias or info.alias or field
        item = _attribute(cls, field, alias, info.annotation, info.metadata)
        if item.nested and (problem := nested.problem(field)) is not None:
            raise DeclarationError(f"{cls.__name__}.{field} cannot be stored: {problem}")
        found[field] = item
    for field, computed in cls.model_computed_fields.items():
        made = _attribute(cls, field, computed.alias or field, computed.return_type, ())
        found[field] = replace(made, computed=True)
    names = [item.name for item in found.values()]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise DeclarationError(f"{cls.__name__}: two fields are stored as {doubled[0]!r}")
    return found


def _needs_default(cls: type[BaseModel], field: str, *, required: bool) -> None:
    if required:
        raise DeclarationError(
            f"{cls.__name__}.{field} is excluded from storage and so needs a default: "
            "it is not there when an entity is read back"
        )


def _attribute(
    cls: type[BaseModel], field: str, name: str, annotation: Any, metadata: Any
) -> AttributeMapping:
    try:
        storage = storage_of(annotation, metadata)
    except DeclarationError as error:
        raise DeclarationError(f"{cls.__name__}.{field} cannot be stored: {error}") from None
    if cls.model_config.get("use_enum_values") and holds_enum(annotation):
        raise DeclarationError(
            f"{cls.__name__}.{field} cannot be stored: with use_enum_values it holds the value "
            "of an enum in place of its member. Leave that out: members of a StrEnum are "
            "texts, those of an IntEnum numbers"
        )
    codec = storage.codec
    if isinstance(codec, ReferenceCodec):
        codec = codec.of(cls.__name__, field)
    if codec.type is AttributeType.ANY and codec.encode is None:
        hiding = "Any" in repr(annotation) or "object" in repr(annotation)
        store = _nested_store(annotation, hiding=hiding)
        form = None if hiding else annotation
    else:
        store, form = codec.storer(), codec.plain
    return AttributeMapping(field, name, codec, storage.optional, store, form)


def _nested_store(annotation: Any, *, hiding: bool) -> Callable[[Any], Any]:
    """Return the function that stores a list, dict or model: pydantic's JSON form.

    *hiding* says that there may be a secret in it that its type does not tell of.
    """
    made: list[SchemaSerializer] = []  # at first use: forward references are known then

    def store(value: Any) -> Any:
        if hiding:
            _refuse_hidden(value)
        if not made:
            made.append(TypeAdapter(annotation).serializer)
        try:
            return made[0].to_python(
                value, mode="json", by_alias=True, round_trip=True, warnings="error"
            )
        except PydanticSerializationError as error:
            raise ValueError(str(error)) from None

    return store


def _refuse_hidden(value: Any) -> None:
    """Refuse what pydantic would mask or drop where it does not know the type."""
    if isinstance(value, SecretStr | SecretBytes | Secret):
        raise TypeError("it holds a secret; keep secrets with session.secrets.set(key, value)")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"it holds {value!r}, which JSON cannot express")
    if isinstance(value, dict):
        for part in cast("dict[Any, Any]", value).values():
            _refuse_hidden(part)
    elif isinstance(value, list | tuple | set | frozenset):
        for part in cast("list[Any]", value):
            _refuse_hidden(part)


Column: TypeAlias = tuple[Any, ...]
"""The values of one field, of several entities."""


class _Shape(NamedTuple):
    """What is still to be done about values whose types are in order, by field.

    *encoded* are those that pydantic does not write in their stored form by itself.
    """

    texts: tuple[str, ...]
    checks: tuple[tuple[str, Callable[[Any], None]], ...]
    encoded: tuple[tuple[str, Callable[[Column], Iterable[Any]]], ...]
    sparse: bool


class Writer:
    """Writes entities of one class in a pass of pydantic, as most of them can be written.

    Values are stored attribute by attribute where anything about them is out of the ordinary,
    which costs twice as much and says what is wrong. What a commit writes together is looked
    at column by column and written in one pass for all of it, which costs half as much.
    """

    def __init__(
        self, cls: type[BaseModel], attributes: Mapping[str, AttributeMapping]
    ) -> None:
        """Compile the writer of *attributes*, by field; none of them is computed."""
        self._attributes = attributes
        self._shapes: dict[tuple[Any, ...], _Shape | None] = {}
        self._write = TypeAdapter(_form(cls, attributes)).serializer.to_json
        forms: Any = list[_form(cls, attributes, encoded=True)]  # type: ignore[misc]
        self._write_all = TypeAdapter(forms).serializer.to_json

    def __call__(self, values: dict[str, Any]) -> bytes | None:
        """Return the JSON of *values*, by field; None where it takes a closer look."""
        shape = self._shape_of(values)
        if shape is None:
            return None
        for field in shape.texts:
            if not (text := values[field]) or text.isspace():
                return None
        if shape.sparse:
            values = {field: value for field, value in values.items() if value is not None}
        try:
            for field, check in shape.checks:
                check(values[field])
            body = self._write(values, by_alias=True, round_trip=True, warnings="error")
        except ValueError:
            return None
        # pydantic writes NaN as null, which is right where it was None.
        return None if b"null" in body or is_deep(body) else body

    def all(self, rows: list[dict[str, Any]]) -> list[bytes] | None:
        """Return the JSON of each of *rows*, whose attributes are of the same types.

        None where they are not, or where one of them takes a closer look.
        """
        columns = _columns(rows)
        shape = None if columns is None else self._shape_of(rows[0])
        if columns is None or shape is None or shape.sparse:
            return None
        try:
            for field in shape.texts:
                if not all(columns[field]) or any(map(str.isspace, columns[field])):
                    return None
            for field, check in shape.checks:
                check_all(check, columns[field])
            if shape.encoded:
                rows = [values.copy() for values in rows]
            for field, encode in shape.encoded:
                for values, value in zip(rows, encode(columns[field]), strict=True):
                    values[field] = value
            body = self._write_all(rows, by_alias=True, round_trip=True, warnings="error")
        except (ValueError, TypeError):
            return None
        found = None if b"null" in body else _parts(body, len(rows))
        return None if found is None or any(map(is_deep, found)) else found

    def _shape_of(self, values: dict[str, Any]) -> _Shape | None:
        """Return the shape of *values*; None where a type among them is not the usual."""
        types = (*values, *map(type, values.values()))
        try:
            return self._shapes[types]
        except KeyError:
            shape = self._shapes[types] = self._shape(values)
            return shape

    def _shape(self, values: dict[str, Any]) -> _Shape | None:
        if not values.keys() >= self._attributes.keys():
            return None
        texts: list[str] = []
        checks: list[tuple[str, Callable[[Any], None]]] = []
        encoded: list[tuple[str, Callable[[Column], Iterable[Any]]]] = []
        for field, item in self._attributes.items():
            kind, codec = cast("type[Any]", values[field].__class__), item.codec
            if kind is NoneType:
                if not item.optional:
                    return None
            elif item.form is None:
                encoded.append((field, item.store_all(kind)))
            elif isinstance(item.form, type) and not item.mutable:
                if kind is not item.form:
                    return None
                if codec.check is check_string:
                    texts += [field] * (kind is str)  # what an enum declares was looked at
                elif codec.check is not None and codec.encode is None:
                    checks.append((field, codec.check))
        sparse = any(value is None for value in values.values())
        return _Shape(tuple(texts), tuple(checks), tuple(encoded), sparse)


class NestedWriter:
    """Writes the lists, dicts and models of entities of one class in a pass of pydantic."""

    def __init__(self, cls: type[BaseModel], attributes: Iterable[AttributeMapping]) -> None:
        """Compile the writer of *attributes*; none of them is computed."""
        written = {item.field: item for item in attributes}
        self._fields = tuple(written)
        forms: Any = list[_form(cls, written)]  # type: ignore[misc]
        self._write = TypeAdapter(forms).serializer.to_json

    def __call__(self, rows: Iterable[Mapping[str, Any]]) -> bytes | None:
        """Return the JSON of a list of *rows*, by field; None where it takes a closer look."""
        present = [
            {field: value for field in self._fields if (value := row.get(field)) is not None}
            for row in rows
        ]
        try:
            # What is of a wrong type is written as it is: it may stay if that is stored too.
            body = self._write(present, by_alias=True, round_trip=True, warnings=False)
        except ValueError:
            return None
        return None if b"null" in body else body  # which NaN is written as too


def _columns(rows: list[dict[str, Any]]) -> dict[str, Column] | None:
    """Return *rows* by field; None unless each has the same fields, of the same types."""
    fields = {*map(tuple, rows)}
    if len(fields) > 1:
        return None
    found = [*zip(*map(dict[str, Any].values, rows), strict=True)]
    if any(len({*map(type, column)}) > 1 for column in found):
        return None
    return dict(zip(fields.pop(), found, strict=True))


def _parts(body: bytes, count: int) -> list[bytes] | None:
    """Return the *count* objects that *body* is a list of, all with the same first name.

    None where that name may begin an object inside one of them too.
    """
    head = body[1 : body.find(b":") + 1]
    found = body[1 + len(head) : -2].split(b"}," + head)
    return [b"%s%s}" % (head, part) for part in found] if len(found) == count else None


def _form(
    cls: type[BaseModel], attributes: Mapping[str, AttributeMapping], *, encoded: bool = False
) -> Any:
    """Return the type that writes the fields of *cls* by their stored names.

    *encoded* says that values which pydantic does not write as they are stored come so.
    """
    members: dict[str, Any] = {}
    for field in cls.model_fields:
        if (item := attributes.get(field)) is None:
            members[field] = Annotated[Any, Field(exclude=True)]
            continue
        plain = Any if encoded else Annotated[Any, PlainSerializer(item.store)]
        form = plain if item.form is None else item.form
        members[field] = Annotated[form, Field(serialization_alias=item.name)]
    make: Any = TypedDict  # called with fields known only now
    return make("stored", members, total=False)


def is_deep(body: bytes) -> bool:
    """Whether JSON may be too deep: a cheap look before a walk."""
    return body.count(b"{") + body.count(b"[") > limits.VALUE_MAX_DEPTH


def suspicious(body: bytes) -> bool:
    """Whether JSON may be too deep or hold NaN or infinity."""
    if is_deep(body):
        return True
    # A single letter is found faster than a word.
    return (b"N" in body and b"NaN" in body) or (b"I" in body and b"Infinity" in body)


def check_nested(value: Any, depth: int = 1) -> None:
    """Raise ValueError for JSON that is too deep (31 levels) or holds NaN or infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"it holds {value!r}, which JSON cannot express")
    if not isinstance(value, dict | list):
        return
    if depth > limits.VALUE_MAX_DEPTH:
        raise ValueError(f"it is nested deeper than {limits.VALUE_MAX_DEPTH} levels")
    parts = cast("dict[Any, Any] | list[Any]", value)
    for part in parts.values() if isinstance(parts, dict) else parts:
        check_nested(part, depth + 1)
