"""Classes made from tables: an entity whose attributes are known only to a test's row."""

from __future__ import annotations

import types
from typing import Any

from forge_orm import Entity, Registry


def entity(
    annotations: dict[str, Any],
    /,
    *,
    name: str | None = "thing",
    label: str = "Thing",
    registry: Registry | None = None,
    key: str | None = None,
    base: type[Any] = Entity,
    **members: Any,
) -> Any:
    """Declare an entity class with these annotations and class members."""

    def body(namespace: dict[str, Any]) -> None:
        namespace.update(members, __annotations__=annotations, __module__=__name__)

    chosen = Registry("test") if registry is None else registry
    keywords: dict[str, Any] = {"registry": chosen}
    keywords |= {"name": name} if name is not None else {}
    keywords |= {"key": key} if key is not None else {}
    return types.new_class(label, (base,), keywords, body)
