"""What a manifest is to hold: its own data, with the declared storage section in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..schema import EntitySchema
from .compare import same_index
from .document import SCOPE, attribute_item, entity_item, has_scope, index_item, parse_schemas


def target(manifest: Mapping[str, Any], schemas: Iterable[EntitySchema]) -> dict[str, Any]:
    """Return *manifest* with *schemas* as its entities and `SCOPE` among its scopes.

    What says the same already is kept as it is written, its order and the short form of an
    index included; what is new comes last.
    """
    known = {schema.name: schema for schema in parse_schemas(manifest)}
    app = dict(manifest.get("app") or {})
    storage = dict(app.get("storage") or {})
    written: list[dict[str, Any]] = storage.get("entities") or []
    items: dict[str, dict[str, Any]] = {item["name"]: item for item in written}
    wanted = {schema.name: schema for schema in schemas}
    order = [name for name in items if name in wanted]
    order += [name for name in wanted if name not in items]
    storage["entities"] = [
        _entity(items[name], known[name], wanted[name])
        if name in items
        else entity_item(wanted[name])
        for name in order
    ]
    return _with_scope({**manifest, "app": {**app, "storage": storage}})


def _entity(item: Mapping[str, Any], old: EntitySchema, new: EntitySchema) -> dict[str, Any]:
    result = {**item, "attributes": _attributes(item, old, new)}
    if new.indexes:
        result["indexes"] = _indexes(item, old, new)
    else:
        result.pop("indexes", None)
    return result


def _attributes(
    item: Mapping[str, Any], old: EntitySchema, new: EntitySchema
) -> dict[str, Any]:
    written: dict[str, dict[str, Any]] = item.get("attributes") or {}
    kept = {name: value for name, value in written.items() if name in new.attributes}
    changed = {
        name: {**written.get(name, {}), **attribute_item(type)}
        for name, type in new.attributes.items()
        if old.attributes.get(name) is not type
    }
    return {**kept, **changed}


def _indexes(item: Mapping[str, Any], old: EntitySchema, new: EntitySchema) -> list[Any]:
    written = dict(zip(old.indexes, item.get("indexes") or [], strict=True))
    order = [name for name in written if name in new.indexes]
    order += [name for name in new.indexes if name not in written]
    return [
        written[name]
        if name in written and same_index(old.indexes[name], new.indexes[name])
        else index_item(new.indexes[name])
        for name in order
    ]


def _with_scope(manifest: dict[str, Any]) -> dict[str, Any]:
    if has_scope(manifest):
        return manifest
    permissions = dict(manifest.get("permissions") or {})
    scopes: Any = permissions.get("scopes") or []
    permissions["scopes"] = (
        {**scopes, SCOPE: {}} if isinstance(scopes, dict) else [*scopes, SCOPE]
    )
    return {**manifest, "permissions": permissions}
