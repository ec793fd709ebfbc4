"""Batches of entities that are all alike, looked at column by column.

Most batches are: sets of one entity with the same attributes, each of the usual type. Such a
batch is checked attribute by attribute over all its items, which takes a third of the time.
Whatever is out of the ordinary is left to the way of each item by itself, which knows what is
wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from types import NoneType
from typing import Any, Final, NamedTuple, TypeAlias

from pydantic_core import to_json

from .. import limits
from ..schema import AttributeType, EntitySchema
from .store import Table
from .values import is_blank, may_be_deep

Column: TypeAlias = tuple[Any, ...]


class Sets(NamedTuple):
    """Sets of one entity: no key twice, and no options."""

    entity: str
    keys: list[str]
    values: list[dict[str, Any]]


def plain_sets(items: list[Any]) -> Sets | None:
    """Return the items of a ``/batch/set``; None where they are anything else."""
    try:
        entities = {item["entityName"] for item in items}
        keys = [item["key"] for item in items]
        values = [item["value"] for item in items]
    except (KeyError, TypeError):
        return None
    if (
        len(entities) == 1
        and set(map(len, items)) == {3}
        and set(map(type, keys)) == {str}
        and set(map(type, values)) == {dict}
        and len(set(keys)) == len(keys)
        and max(map(len, keys)) <= limits.KEY_MAX_CHARACTERS
        and all(map(limits.KEY_PATTERN.fullmatch, keys))
    ):
        return Sets(entities.pop(), keys, values)
    return None


class Columns:
    """The values of several entities: their JSON, and each attribute of all of them."""

    def __init__(self, values: list[dict[str, Any]], columns: dict[str, Column]) -> None:
        """Take *values* whose attributes are in order, as `ColumnChecker` finds them to be."""
        self.bodies = [*map(to_json, values)]
        self.longest = max(map(len, self.bodies))
        self._columns = columns

    @property
    def in_order(self) -> bool:
        """Whether none of them may be too large, too deep, or hold an infinite number."""
        return (
            self.longest <= limits.VALUE_MAX_BYTES
            and b"Infinity" not in b"".join(self.bodies)
            and not any(map(may_be_deep, self.bodies))
        )

    def rows(self, table: Table, tenant: int, keys: list[str], now: int, gone: int) -> Any:
        """Return the parameters of ``table.put``, for each of them under its key."""
        absent = repeat(None)
        cells: Iterator[Any] = (self._columns.get(name, absent) for name in table.attributes)
        times = repeat(now), repeat(now), absent
        return zip(repeat(tenant), keys, self.bodies, *times, *cells, repeat(gone))


class ColumnChecker:
    """What is usual for the attributes of an entity, worked out once for its schema."""

    def __init__(self, schema: EntitySchema) -> None:
        """Look at values of *schema*."""
        self._usual = {name: _USUAL[kind] for name, kind in schema.attributes.items()}

    def columns(self, values: list[dict[str, Any]]) -> Columns | None:
        """Return *values* by column; None unless each of them is surely in order."""
        names = {*map(tuple, values)}
        if len(names) > 1:
            return None
        found = zip(*[value.values() for value in values], strict=True)
        columns: dict[str, Column] = dict(zip(names.pop(), found, strict=True))
        for name, column in columns.items():
            if (usual := self._usual.get(name)) is None or not usual(column):
                return None
        seen = Columns(values, columns)
        return seen if seen.in_order else None


def _are_strings(column: Column) -> bool:
    if {*map(type, column)} != {str}:
        return False
    # Text that begins with a visible character is not blank.
    return (min(column) >= "!" and max(column) <= "~") or not any(map(is_blank, column))


def _are_integers(column: Column) -> bool:
    low, high = limits.INTEGER_MIN, limits.INTEGER_MAX
    return {*map(type, column)} == {int} and low <= min(column) and max(column) <= high


def _are_floats(column: Column) -> bool:
    if {*map(type, column)} != {float}:
        return False
    sizes = [*filter(None, map(abs, column))]
    low, high = limits.FLOAT_MIN_MAGNITUDE, limits.FLOAT_MAX_MAGNITUDE
    return not sizes or (low <= min(sizes) and max(sizes) <= high)


def _are_booleans(column: Column) -> bool:
    return {*map(type, column)} == {bool}


def _are_any(column: Column) -> bool:
    return NoneType not in {*map(type, column)}


_USUAL: Final[dict[AttributeType, Callable[[Column], bool]]] = {
    AttributeType.STRING: _are_strings,
    AttributeType.INTEGER: _are_integers,
    AttributeType.FLOAT: _are_floats,
    AttributeType.BOOLEAN: _are_booleans,
    AttributeType.ANY: _are_any,
}
