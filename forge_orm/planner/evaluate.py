"""A condition tried on a stored value here, with the service's own meaning.

Text is compared by its UTF-8 bytes, which is Python's order; numbers by value; a boolean is no
number. A comparison is never true of an attribute that is absent, null, or of another type.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from ..expressions import AllOf, AnyOf, Comparison, Condition, Operator

_ORDERED: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    Operator.LESS_THAN: operator.lt,
    Operator.LESS_THAN_EQUAL_TO: operator.le,
    Operator.GREATER_THAN: operator.gt,
    Operator.GREATER_THAN_EQUAL_TO: operator.ge,
}


def holds(condition: Condition[Any], key: str, stored: Mapping[str, Any]) -> bool:
    """Whether *condition* is true of the entity *stored* under *key*."""
    match condition:
        case AllOf(conditions):
            return all(holds(part, key, stored) for part in conditions)
        case AnyOf(conditions):
            return any(holds(part, key, stored) for part in conditions)
        case Comparison():
            return _compared(condition, _value(condition, key, stored))
        case _:
            raise TypeError(f"{condition!r} is no condition of this library")


def _value(comparison: Comparison[Any], key: str, stored: Mapping[str, Any]) -> Any:
    value = key if comparison.on_key else stored.get(comparison.attribute)
    return within(value, comparison.path or ())


def within(value: Any, path: Iterable[str]) -> Any:
    """Return what *path* leads to in a stored value; None where there is nothing."""
    for step in path:
        value = _step(value, step)
    return value


def _step(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).get(step)
    if isinstance(value, list) and step.isdecimal():
        items = cast("list[Any]", value)
        return items[int(step)] if int(step) < len(items) else None
    return None


def _compared(comparison: Comparison[Any], value: Any) -> bool:
    wanted = comparison.values
    match comparison.operator:
        case Operator.EXISTS:
            return value is not None
        case Operator.NOT_EXISTS:
            return value is None
        case Operator.CONTAINS | Operator.NOT_CONTAINS if isinstance(value, list):
            inside = any(_equal(item, wanted[0]) for item in cast("list[Any]", value))
            return inside is (comparison.operator is Operator.CONTAINS)
        case _ if not _comparable(value, wanted[0]):
            return False
        case Operator.EQUAL_TO:
            return bool(value == wanted[0])
        case Operator.NOT_EQUAL_TO:
            return bool(value != wanted[0])
        case Operator.BETWEEN:
            return bool(wanted[0] <= value <= wanted[1])
        case Operator.BEGINS_WITH | Operator.NOT_BEGINS_WITH:
            begins = isinstance(value, str) and value.startswith(str(wanted[0]))
            return begins is (comparison.operator is Operator.BEGINS_WITH)
        case Operator.CONTAINS | Operator.NOT_CONTAINS:
            inside = isinstance(value, str) and str(wanted[0]) in value
            return inside is (comparison.operator is Operator.CONTAINS)
        case ordered:
            return _ORDERED[ordered](value, wanted[0])


def _equal(one: Any, other: Any) -> bool:
    return _comparable(one, other) and bool(one == other)


def _comparable(value: Any, wanted: Any) -> bool:
    """Whether both are text, both numbers, or both booleans."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return isinstance(value, bool) and isinstance(wanted, bool)
    if isinstance(wanted, str):
        return isinstance(value, str)
    return isinstance(value, int | float)
