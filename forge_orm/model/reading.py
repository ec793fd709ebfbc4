"""How entities are read: answers of the service become entities in one pass of pydantic.

That reuses the class's own pydantic schema, so validators, nested models and defaults
work as declared, with three differences that only the store has: attributes go by their
stored names, an absent optional attribute is None, and encoded values are decoded first.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Annotated, Any, Final, NotRequired, TypeAlias

from pydantic import GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

Decoder: TypeAlias = Callable[[Any], Any]


class StoredField:
    """How one field is read: its stored *name*, whether absence is None, its *decode*."""

    __slots__ = ("decode", "name", "optional")

    def __init__(self, name: str, *, optional: bool, decode: Decoder | None) -> None:
        """Describe one field."""
        self.name, self.optional, self.decode = name, optional, decode


class _StoredForm:
    """An ``Annotated`` marker that turns a class's schema into that of its stored form."""

    def __init__(self, fields: Mapping[str, StoredField | None], extra: str) -> None:
        self._fields, self._extra = fields, extra

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = handler(source)
        while schema["type"] == "definition-ref":
            schema = handler.resolve_ref_schema(schema)
        stored: CoreSchema = self._stored(schema)
        return stored

    def _stored(self, schema: Any) -> Any:
        """Rewrite the fields under any validators that wrap the model."""
        copy = {name: value for name, value in schema.items() if name != "ref"}
        if schema["type"] == "model-fields":
            fields = schema["fields"].items()
            copy["fields"] = {name: self._field(name, field) for name, field in fields}
            copy["extra_behavior"] = self._extra
        else:
            copy["schema"] = self._stored(schema["schema"])
        return copy

    def _field(self, name: str, field: Any) -> Any:
        stored = self._fields[name]
        if stored is None:  # not stored: always its default
            return {**field, "validation_alias": f"\0{name}"}
        schema = field["schema"]
        if stored.optional:
            inner = schema["schema"] if schema["type"] == "default" else schema
            schema = core_schema.with_default_schema(inner, default=None)
        if stored.decode is not None:
            schema = _decoded(schema, stored.decode)
        found = {**field, "schema": schema, "validation_alias": stored.name}
        if stored.name == name:  # pydantic-core finds a name faster than an alias
            del found["validation_alias"]
        return found


def _decoded(schema: Any, decode: Decoder) -> Any:
    if schema["type"] == "default":  # keep the default outside: it is already a value
        return {**schema, "schema": _decoded(schema["schema"], decode)}
    return core_schema.no_info_before_validator_function(decode, schema)


def stored_form(
    cls: type[Any], fields: Mapping[str, StoredField | None], *, extra: str = "ignore"
) -> Any:
    """Return the type of *cls* as it is stored; *extra* is what becomes of other attributes."""
    return Annotated[cls, _StoredForm(fields, extra)]


class _KindsForm:
    """An ``Annotated`` marker: one of several stored forms, chosen by an attribute.

    pydantic-core looks the attribute up and goes to the form it names, so a row is read
    once. Only a kind without a form is tried as *unknown*.
    """

    def __init__(self, discriminator: str, forms: Mapping[str, Any], unknown: Any) -> None:
        self._discriminator, self._forms, self._unknown = discriminator, forms, unknown

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        unknown = handler.generate_schema(self._unknown)
        forms: Any = {kind: handler.generate_schema(each) for kind, each in self._forms.items()}
        if not forms:
            return core_schema.union_schema([(unknown, "unknown")])
        known = core_schema.tagged_union_schema(forms, discriminator=self._discriminator)
        choices: list[Any] = [(known, "known"), (unknown, "unknown")]
        return core_schema.union_schema(choices, mode="left_to_right")


def kinds_form(discriminator: str, forms: Mapping[str, Any], unknown: Any) -> Any:
    """Return the type of a row that is one of *forms*, by its *discriminator*."""
    return Annotated[Any, _KindsForm(discriminator, forms, unknown)]


_compiling: Final = RLock()


@contextmanager
def _incomplete(classes: tuple[type[Any], ...]) -> Generator[None]:
    """Let pydantic-core take the schemas of *classes* as they are given.

    For a class that is complete it takes the validator it has already, whatever schema it is
    given, and that one reads another form. Two threads must not compile one class at a time.
    """
    with _compiling:
        before = [(cls, cls.__pydantic_complete__) for cls in classes]
        for cls in classes:
            cls.__pydantic_complete__ = False
        try:
            yield
        finally:
            for cls, complete in before:
                cls.__pydantic_complete__ = complete


class Readers:
    """Compiled validators for each shape in which the service returns an entity."""

    def __init__(self, stored: Any, *classes: type[Any]) -> None:
        """Compile them for a `stored_form` or a `kinds_form` of *classes*."""
        with _incomplete(classes):
            self._compile(stored)

    def _compile(self, stored: Any) -> None:
        fields_of_row: dict[str, Any] = {"key": str, "value": stored}
        with_metadata = {
            **fields_of_row,
            "createdAt": NotRequired[int],
            "updatedAt": NotRequired[int],
            "expireTime": NotRequired[str],
        }
        bare_row = _typed_dict("bare_row", fields_of_row)
        row = _typed_dict("row", with_metadata)
        failure = _typed_dict("failure", {"key": str, "error": dict[str, Any]})
        # Most answers carry no metadata; looking for it in every row costs a twentieth.
        self.row = _reader(bare_row)
        self.row_with_metadata = _reader(row)
        self.page = _reader(_page_of(bare_row))
        self.page_with_metadata = _reader(_page_of(row))
        self.batch = _reader(
            _typed_dict(
                "batch", {"successfulKeys": _list_of(row), "failedKeys": _list_of(failure)}
            )
        )
        self.value: Callable[[Any], Any] = TypeAdapter(stored).validate_python


def _typed_dict(name: str, fields: Mapping[str, Any]) -> Any:
    make: Any = TypedDict  # called with fields known only now
    return make(name, dict(fields))


def _list_of(row: Any) -> Any:
    return list[row]


def _page_of(row: Any) -> Any:
    return _typed_dict("page", {"data": _list_of(row), "cursor": NotRequired[str | None]})


def _reader(shape: Any) -> Callable[[bytes], Any]:
    return TypeAdapter(shape).validator.validate_json
