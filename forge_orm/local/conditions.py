"""Filters and conditions: checked against a schema, then tried on plain values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from .. import limits
from ..schema import AttributeType, EntitySchema, IndexSchema
from . import shapes
from .readings import Readings
from .refusal import Refusal, bad_request
from .values import fits, utf16


def _begins_with(ours: str, theirs: str) -> bool:
    return ours.startswith(theirs)


def _lacks(ours: str, theirs: str) -> bool:
    return theirs not in ours


_Pairs: TypeAlias = Mapping[str, Callable[[Any, Any], bool]]
_ORDERED: Final[_Pairs] = {
    "LESS_THAN": operator.lt,
    "LESS_THAN_EQUAL_TO": operator.le,
    "GREATER_THAN": operator.gt,
    "GREATER_THAN_EQUAL_TO": operator.ge,
}
_EQUALITY: Final[_Pairs] = {"EQUAL_TO": operator.eq, "NOT_EQUAL_TO": operator.ne}
_TEXTUAL: Final[_Pairs] = {
    "BEGINS_WITH": _begins_with,
    "CONTAINS": operator.contains,
    "NOT_CONTAINS": _lacks,
}
_PAIRS: Final[_Pairs] = {**_ORDERED, **_EQUALITY, **_TEXTUAL}
_PRESENCE: Final = ("EXISTS", "NOT_EXISTS")
_BY_ORDER: Final = (*_ORDERED, "BETWEEN")
_FILTERS: Final = (*_PAIRS, "BETWEEN", *_PRESENCE)
RANGES: Final = (*_ORDERED, "EQUAL_TO", "BETWEEN", "BEGINS_WITH")
_NEGATIVE: Final = ("NOT_EQUAL_TO", "NOT_CONTAINS")


# Kinds of values that compare with each other.
_KINDS: Final[Mapping[type[Any], str]] = {
    int: "number",
    float: "number",
    str: "string",
    bool: "boolean",
}


def _kind(value: object) -> str | None:
    return _KINDS.get(type(value))


class Clause(NamedTuple):
    """One condition on one attribute, found to be in order.

    A *loose* one is on an attribute whose values need not be of one kind.
    """

    attribute: str
    condition: str
    values: tuple[Any, ...]
    loose: bool = False

    def holds(self, item: dict[str, Any], readings: Readings) -> bool:
        """Whether it is true of *item*."""
        value = item.get(self.attribute)
        if self.condition in _PRESENCE:
            return (value is not None) == (self.condition == "EXISTS")
        if value is None:
            return self.condition in _NEGATIVE and not readings.absent_attribute_fails
        if self.loose and not self._comparable(value):
            return self.condition == "NOT_EQUAL_TO"
        ours, *theirs = self._in_order(value, readings)
        if self.condition == "BETWEEN":
            return bool(theirs[0] <= ours <= theirs[1])
        return _PAIRS[self.condition](ours, theirs[0])

    def _in_order(self, value: Any, readings: Readings) -> tuple[Any, ...]:
        """Return *value* and the condition's values, in a form that compares as it should."""
        compared: tuple[Any, ...] = (value, *self.values)
        by_units = self.condition in _BY_ORDER and not readings.utf8_order
        return tuple(map(utf16, compared)) if by_units and type(value) is str else compared

    def _comparable(self, value: Any) -> bool:
        if type(value) in (dict, list):
            return self.condition in _EQUALITY
        kinds = {_kind(other) for other in (value, *self.values)}
        return len(kinds) == 1


class Conditions(NamedTuple):
    """A flat list of clauses, joined by and or by or."""

    clauses: tuple[Clause, ...] = ()
    any_of: bool = False

    def hold(self, item: dict[str, Any], readings: Readings) -> bool:
        """Whether they are true of *item*."""
        holding = (clause.holds(item, readings) for clause in self.clauses)
        return any(holding) if self.any_of else all(holding)


def read_conditions(raw: Any, schema: EntitySchema, *, of_any: bool = False) -> Conditions:
    """Read ``{"and": […]}`` or ``{"or": […]}``, also on attributes of the type any if *of_any*.

    Raises:
        Refusal: the conditions are not in order.
    """
    groups = shapes.fields(raw, {}, {"and": list, "or": list}, "filters")
    if len(groups) > 1:
        raise Refusal("INVALID_FILTER_OPERATORS_COMBINATION", "and and or cannot be combined")
    for joined, clauses in groups.items():
        if clauses:
            _check_count(len(clauses))
            read = tuple(_clause(clause, schema, of_any) for clause in clauses)
            return Conditions(read, joined == "or")
    raise Refusal("EMPTY_FILTER_OPERATOR", "and, or must hold at least one condition")


def read_range(raw: Any, schema: EntitySchema, index: IndexSchema) -> Clause:
    """Read the one condition on an index's range."""
    body = shapes.fields(raw, {"condition": str, "values": list}, {}, "range")
    if body["condition"] not in RANGES:
        raise Refusal("INVALID_FILTER_CONDITION", f"range cannot take {body['condition']}")
    declared = range_type(schema, index)
    return _typed(Clause(index.range, body["condition"], tuple(body["values"])), declared)


def range_type(schema: EntitySchema, index: IndexSchema) -> AttributeType:
    """Return the type of what orders *index*."""
    return schema.attributes.get(index.range, AttributeType.STRING)


def refuse_index_attributes(conditions: Conditions, index: IndexSchema) -> None:
    """Refuse a filter on an attribute the queried index holds."""
    for clause in conditions.clauses:
        if clause.attribute in index.attributes:
            raise bad_request(f"filter on {clause.attribute}, which index {index.name} holds")


def _check_count(count: int) -> None:
    if count > limits.CONDITIONS_MAX:
        raise bad_request(f"{count} conditions; at most {limits.CONDITIONS_MAX}")


def _clause(raw: Any, schema: EntitySchema, of_any: bool) -> Clause:
    required = {"property": str, "condition": str, "values": list}
    body = shapes.fields(raw, required, {}, "condition")
    name, condition = body["property"], body["condition"]
    if condition not in _FILTERS:
        raise Refusal("INVALID_FILTER_CONDITION", f"{condition} is not a condition")
    if (declared := schema.attributes.get(name)) is None:
        raise bad_request(f"{schema.name} has no attribute {name}")
    if declared is AttributeType.ANY and not of_any:
        raise Refusal("UNPROCESSABLE_ENTITY", f"{name} is of type any", 422)
    loose = declared is AttributeType.ANY
    return _typed(Clause(name, condition, tuple(body["values"]), loose), declared)


def _typed(clause: Clause, declared: AttributeType) -> Clause:
    condition, values = clause.condition, clause.values
    if not _applies(condition, declared):
        raise Refusal(
            "INVALID_FILTER_CONDITION", f"{condition} cannot be used on type {declared}"
        )
    if condition in _PRESENCE:
        if len(values) != 1 or values[0] is not True:
            raise Refusal("INVALID_FILTER_VALUES", f"{condition} takes the one value true")
        return clause
    expected = 2 if condition == "BETWEEN" else 1
    if len(values) < expected and condition == "BETWEEN":
        raise Refusal("INSUFFICIENT_FILTER_VALUES", "BETWEEN needs two values")
    if len(values) != expected or not all(fits(declared, value) for value in values):
        raise Refusal(
            "INVALID_FILTER_VALUES",
            f"{condition} on {clause.attribute} takes {expected} of type {declared}",
        )
    return clause


def _applies(condition: str, declared: AttributeType) -> bool:
    if condition in _TEXTUAL:
        return declared is AttributeType.STRING
    if condition in _ORDERED or condition == "BETWEEN":
        return declared is not AttributeType.BOOLEAN
    return True
