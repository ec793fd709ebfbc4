"""Schemas to the manifest's storage section and back, as plain data.

The shape is that of manifest-reference/app and storage-reference/entities-manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeGuard

from ..errors import ConfigurationError
from ..schema import AttributeType, EntitySchema, IndexSchema, set_violations, violations

SCOPE: Final = "storage:app"
"""The permission an app needs to use hosted storage (manifest-reference/scopes-forge)."""


def storage_section(schemas: Iterable[EntitySchema]) -> dict[str, Any]:
    """Return what stands under ``app.storage`` for *schemas*, in their order."""
    return {"entities": [entity_item(schema) for schema in schemas]}


def entity_item(schema: EntitySchema) -> dict[str, Any]:
    """Return one item of ``app.storage.entities``."""
    attributes = {name: attribute_item(type) for name, type in schema.attributes.items()}
    item: dict[str, Any] = {"name": schema.name, "attributes": attributes}
    if schema.indexes:
        item["indexes"] = [index_item(index) for index in schema.indexes.values()]
    return item


def attribute_item(type: AttributeType) -> dict[str, Any]:
    """Return the value of one attribute."""
    return {"type": type.value}


def index_item(index: IndexSchema) -> str | dict[str, Any]:
    """Return one item of an entity's ``indexes``: the bare name of a simple index."""
    if index.simple:
        return index.name
    item: dict[str, Any] = {"name": index.name, "range": [index.range]}
    if index.partition:
        item["partition"] = list(index.partition)
    return item


def check(schemas: Sequence[EntitySchema]) -> None:
    """Refuse what a deploy would refuse.

    Raises:
        ConfigurationError: with every rule of the service that *schemas* break.
    """
    found = [f"entity {s.name!r}: {problem}" for s in schemas for problem in violations(s)]
    found += set_violations(schemas)
    if found:
        raise ConfigurationError("; ".join(found))


def parse_schemas(manifest: Mapping[str, Any]) -> list[EntitySchema]:
    """Read the entities a manifest declares; one without a storage section declares none.

    The shape is checked, the service's rules are not.

    Raises:
        ConfigurationError: the section has another shape; the message says where.
    """
    where = "app.storage.entities"
    app = _mapping(manifest.get("app"), "app")
    storage = _mapping(app.get("storage"), "app.storage")
    items = _list(storage.get("entities"), where)
    schemas = [_entity(item, f"{where}[{number}]") for number, item in enumerate(items)]
    _refuse_twins([schema.name for schema in schemas], where)
    return schemas


def has_scope(manifest: Mapping[str, Any]) -> bool:
    """Whether the app asks for `SCOPE`; scopes are a list, or a mapping to options."""
    permissions = manifest.get("permissions")
    scopes: Any = permissions.get("scopes") if _is_mapping(permissions) else None
    return SCOPE in scopes if _is_mapping(scopes) or _is_list(scopes) else False


def _entity(item: Any, where: str) -> EntitySchema:
    fields = _mapping(item, where)
    name = _text(fields.get("name"), f"{where}.name")
    where = f"{where} ({name})"
    attributes = {
        _text(key, f"{where}.attributes"): _type(value, f"{where}.attributes.{key}")
        for key, value in _mapping(fields.get("attributes"), f"{where}.attributes").items()
    }
    indexes = [
        _index(index, f"{where}.indexes[{number}]")
        for number, index in enumerate(_list(fields.get("indexes"), f"{where}.indexes"))
    ]
    _refuse_twins([index.name for index in indexes], f"{where}.indexes")
    return EntitySchema(name, attributes, {index.name: index for index in indexes})


def _type(value: Any, where: str) -> AttributeType:
    name: Any = _mapping(value, where).get("type")
    try:
        return AttributeType(name)
    except ValueError:
        known = ", ".join(AttributeType)
        raise ConfigurationError(f"{where}.type is {name!r}; known are {known}") from None


def _index(item: Any, where: str) -> IndexSchema:
    if isinstance(item, str):
        return IndexSchema(item, range=item, simple=True)
    fields = _mapping(item, where)
    name = _text(fields.get("name"), f"{where}.name")
    ranges = _names(fields.get("range"), f"{where}.range")
    if len(ranges) != 1:
        raise ConfigurationError(
            f"{where}.range of index {name!r} has {len(ranges)} attributes; "
            "the service takes exactly one"
        )
    partition = _names(fields.get("partition"), f"{where}.partition")
    return IndexSchema(name, range=ranges[0], partition=partition)


def _names(value: Any, where: str) -> tuple[str, ...]:
    return tuple(_text(name, where) for name in _list(value, where))


def _refuse_twins(names: list[str], where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"{where} declares {name!r} more than once")


def _mapping(value: Any, where: str) -> Mapping[Any, Any]:
    if value is None:
        return {}
    if not _is_mapping(value):
        raise ConfigurationError(f"{where} is {value!r}; expected a mapping")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if value is None:
        return []
    if not _is_list(value):
        raise ConfigurationError(f"{where} is {value!r}; expected a list")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"{where} is {value!r}; expected a name in text")
    return value


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
