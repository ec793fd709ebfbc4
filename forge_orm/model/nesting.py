"""What pydantic would write of a nested value and not read again, found where it is declared.

Lists, dicts and models are stored in pydantic's JSON form, which is not always read back as
it was. What a type is made of stands in its core schema; nothing is compiled to look there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, TypeAlias, cast

from pydantic import BaseModel

Schema: TypeAlias = Mapping[str, Any]

_UNREADABLE: Final[Mapping[str, str]] = {
    "callable": "a function has no JSON form",
    "is-subclass": "a class has no JSON form; store its name",
    "is-instance": "its class has no JSON form pydantic can read; use a model",
    "generator": "what can be iterated over only once cannot be stored; use a list",
    "bytes": "bytes have no JSON form; store text, or use pydantic's Base64Bytes",
}
_NO_KEYS: Final = frozenset(
    {"tuple", "list", "set", "frozenset", "dict", "none", "nullable", "model", "dataclass"}
)
_AS_TEXT: Final = frozenset({"date", "datetime", "time", "timedelta", "decimal"})
_OF_FIELDS: Final = frozenset({"model", "dataclass", "typed-dict", "named-tuple"})
_INNER: Final = (
    "schema",
    "items_schema",
    "keys_schema",
    "values_schema",
    "extras_schema",
    "arguments_schema",
    "lax_schema",
    "json_schema",
    "choices",
    "steps",
)


class NestedFields:
    """The fields of an entity class, as pydantic describes what is nested in them."""

    def __init__(self, cls: type[BaseModel]) -> None:
        """Find the fields in the schema of *cls*, which is complete."""
        schema: Any = cls.__pydantic_core_schema__
        self._definitions: dict[str, Schema] = {}
        while schema["type"] != "model-fields":
            if schema["type"] == "definitions":
                self._definitions = {each["ref"]: each for each in schema["definitions"]}
            schema = self._resolved(schema) or schema["schema"]
        self._fields: dict[str, Schema] = schema["fields"]

    def problem(self, field: str) -> str | None:
        """Return why a value of *field* would not be read back as it was; None if it is."""
        walk = _Walk(self._definitions, set(), "", {})
        return next(walk.problems(self._fields[field]["schema"]), None)

    def _resolved(self, schema: Schema) -> Schema | None:
        return self._definitions.get(schema.get("schema_ref", ""))


@dataclass(frozen=True, slots=True)
class _Walk:
    """A look at everything in a schema; *label* and *config* are those of the model around."""

    definitions: Mapping[str, Schema]
    seen: set[str]
    label: str
    config: Mapping[str, Any]

    def problems(self, schema: Schema, where: str = "") -> Iterator[str]:
        """Yield what is wrong in *schema*, which is found at *where*."""
        kind = schema.get("type", "")
        if not kind:  # an argument, as which older versions describe a part of a named tuple
            where = f"{self.label}.{schema['name']}: "
        if _is_written_otherwise(schema):
            return
        if kind == "definition-ref":
            if (ref := schema["schema_ref"]) not in self.seen:
                self.seen.add(ref)
                yield from self.problems(self.definitions[ref], where)
            return
        if (reason := self._own_problem(schema, kind)) is not None:
            yield where + reason
        walk = self._within(schema)
        if "fields" in schema and kind != "dataclass":  # whose fields are below it
            yield from walk.problems_of_fields(_by_name(schema["fields"]))
        for inner in _inner(schema):
            # Beside another choice or step it is that which reads JSON.
            if kind not in ("union", "chain") or inner["type"] != "is-instance":
                yield from walk.problems(inner, where)

    def _own_problem(self, schema: Schema, kind: str) -> str | None:
        """Return what is wrong with a schema itself, whatever it is made of."""
        if kind == "literal" and not all(map(_is_plain, schema["expected"])):
            shown = _shown(schema["expected"])
            return f"{shown} would not be read back; declare the whole enum, or texts"
        if kind == "union":
            return _mixed_up([*_inner(schema)])
        if self._loses_keys(schema.get("keys_schema")):
            return "JSON has only texts as keys, which would not be read back as these"
        return _UNREADABLE.get(kind)

    def _within(self, schema: Schema) -> _Walk:
        if schema.get("type") == "call":
            return replace(self, label=schema["function"].__name__)
        if (cls := schema.get("cls")) is None or schema["type"] not in _OF_FIELDS:
            return self
        return replace(self, label=cls.__name__, config=schema.get("config", {}))

    def problems_of_fields(self, fields: Mapping[str, Schema]) -> Iterator[str]:
        """Yield what is wrong in the fields of a model, dataclass or typed dict."""
        kept = {name: field for name, field in fields.items() if _is_kept(field)}
        written = {name: field.get("serialization_alias", name) for name, field in kept.items()}
        for name, field in fields.items():
            where = f"{self.label}.{name}: "
            if name in kept:
                others = [each for other, each in written.items() if other != name]
                yield from self._misread(where, written[name], others, self._read(name, field))
                yield from self.problems(field["schema"], where)
            elif field.get("init_only") or field["schema"]["type"] != "default":
                yield f"{where}it is not stored, and has no default to be read back with"

    def _misread(
        self, where: str, name: str, others: list[str], read: list[list[Any]]
    ) -> Iterator[str]:
        """Yield what is wrong with the name of a field: what is *read* is tried in order."""
        if name in others:
            yield f"{where}another field is stored as {name!r} too"
        elif [name] not in read:
            shown = " or ".join(".".join(map(str, path)) for path in read)
            yield (
                f"{where}it would be stored as {name!r} and read as {shown!r}. Give it one "
                f"alias=, or add {name!r} to the AliasChoices of its validation_alias"
            )
        elif any(path[0] in others for path in read[: read.index([name])]):
            yield f"{where}it is stored as {name!r}, and another field as what it is read from"

    def _read(self, name: str, field: Schema) -> list[list[Any]]:
        """Return the paths under which a field is looked for, in their order."""
        alias, config = field.get("validation_alias"), self.config
        if alias is None:
            return [[name]]
        by_name = config.get("validate_by_name") or config.get("populate_by_name")
        paths: list[Any] = []
        if config.get("validate_by_alias", True):
            paths = [alias] if isinstance(alias, str) else alias
            paths = [paths] if not isinstance(paths[0], list) else paths
        return [*paths, [name]] if by_name else paths

    def _loses_keys(self, schema: Schema | None) -> bool:
        """Whether keys would be read back as something else, or not at all."""
        if schema is None or _is_written_otherwise(schema):
            return False
        if schema["type"] == "definition-ref":
            return self._loses_keys(self.definitions[schema["schema_ref"]])
        if schema["type"] == "literal":
            return not all(isinstance(each, str) for each in schema["expected"])
        if schema["type"] == "union":
            arms = list(_inner(schema))
            texts = [arm for arm in arms if _is_text(arm)]
            return any(map(self._loses_keys, arms)) or 0 < len(texts) < len(arms)
        inner = schema.get("schema") if schema["type"] not in _NO_KEYS else None
        return self._loses_keys(inner) or schema["type"] in _NO_KEYS


def _mixed_up(arms: list[Schema]) -> str | None:
    """Return why a value of one of the *arms* of a union would be read back as text.

    Of what fits as well pydantic takes the first.
    """
    text = next((at for at, arm in enumerate(arms) if _is_any_text(arm)), len(arms))
    after = [arm["type"] for arm in arms[text:] if not _is_written_otherwise(arm)]
    found = next((kind for kind in after if kind in _AS_TEXT), None)
    if found is None:
        return None
    return f"a {found} would be read back as the text before it; put str last"


def _is_any_text(schema: Schema) -> bool:
    limited = schema.keys() & {"pattern", "min_length", "max_length"}
    return schema["type"] == "str" and not limited


def _inner(schema: Schema) -> Iterator[Schema]:
    """Yield the schemas that *schema* is made of; of two for one value, that of JSON."""
    for name in _INNER:
        found = schema.get(name)
        if found is not None:
            yield from _schemas(found)


def _schemas(found: Any) -> Iterator[Schema]:
    if isinstance(found, dict):
        parts = cast("dict[str, Any]", found)
        yield from parts.values() if "type" not in parts else (parts,)  # tagged choices
        return
    for each in found:
        yield each[0] if isinstance(each, tuple) else each  # a choice may have a label


def _by_name(fields: Any) -> Mapping[str, Schema]:
    """Return the fields of a model, a dict; those of a dataclass are a list."""
    if isinstance(fields, dict):
        return cast("dict[str, Schema]", fields)
    return {field["name"]: field for field in fields}


def _is_written_otherwise(schema: Schema) -> bool:
    """Whether a serializer of its own writes it; pydantic's for sequences tell their schema."""
    return "schema" not in schema.get("serialization", {"schema": None})


def _is_kept(field: Schema) -> bool:
    return not (field.get("serialization_exclude") or field.get("init_only"))


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int)


def _is_text(schema: Schema) -> bool:
    if schema["type"] == "literal":
        return all(isinstance(each, str) for each in schema["expected"])
    return schema["type"] == "str" or schema.get("sub_type") == "str"


def _shown(literals: list[object]) -> str:
    names = [str(each) if isinstance(each, Enum) else repr(each) for each in literals]
    return f"Literal[{', '.join(names)}]"
