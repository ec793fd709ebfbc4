"""A plan begun at a place of its order, onwards or backwards: how a page before is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from .. import limits
from ..expressions import AllOf, Comparison, KeyCondition, Operator
from ..query import QuerySpec
from ..query.query import flat_filter
from ..schema import size_of_texts
from ..wire import Scalar
from .cursor import Place
from .plan import Mode, ReadPlan
from .read import Read

_LOWER: Final = (Operator.GREATER_THAN, Operator.GREATER_THAN_EQUAL_TO, Operator.BEGINS_WITH)
_UPPER: Final = (Operator.LESS_THAN, Operator.LESS_THAN_EQUAL_TO)


def begun_at(plan: ReadPlan, place: Place, *, back: bool) -> ReadPlan:
    """Return *plan* from *place* on, in its own order or *back*.

    Its ranges are narrowed to where *place* is, as far as the service can say that; so what
    is on the other side of it is still to be left out.
    """
    descending = plan.descending != back
    if plan.mode is Mode.SORT:
        return replace(plan, descending=descending)
    value = place[1] if plan.order == "key" else place[0]
    reads = tuple(_begun(read, value, descending=descending) for read in plan.reads)
    return replace(plan, reads=reads, descending=descending)


def _begun(read: Read, value: Scalar | None, *, descending: bool) -> Read:
    if read.rests:
        return read
    turned = replace(read, spec=replace(read.spec, descending=descending))
    narrowed = _narrowed(read.spec, value, descending=descending)
    if narrowed is None:
        return turned
    # BETWEEN holds both ends: an open one is tried here.
    tried = [each for each in (read.residual, read.spec.range) if each is not None]
    return replace(
        turned,
        spec=replace(turned.spec, range=narrowed),
        residual=AllOf(tuple(tried)) if tried else None,
    )


def _narrowed(
    spec: QuerySpec, value: Scalar | None, *, descending: bool
) -> Comparison[Any] | None:
    """Return the range from *value* on; None where the service cannot be asked for it."""
    if value is None or isinstance(value, bool) or not _has_room(spec):
        return None
    low, high = _ends(spec.range)
    if spec.range is not None and spec.range.operator is Operator.EQUAL_TO:
        return None
    if (
        spec.range is not None
        and spec.range.operator is Operator.BEGINS_WITH
        and not descending
    ):
        return None  # a prefix has no last text
    low, high = (low, value) if descending else (value, high)
    ends = tuple(end for end in (low, high) if end is not None)
    if size_of_texts(ends) > limits.RANGE_VALUE_MAX_BYTES:
        return None
    operator = Operator.BETWEEN
    if low is None:
        operator = Operator.LESS_THAN_EQUAL_TO
    elif high is None:
        operator = Operator.GREATER_THAN_EQUAL_TO
    return KeyCondition(spec.index.range, operator, ends)


def _has_room(spec: QuerySpec) -> bool:
    if spec.range is not None:
        return True
    flat = flat_filter(spec)
    return flat is None or len(flat[1]) < limits.CONDITIONS_MAX


def _ends(range_: Comparison[Any] | None) -> tuple[Scalar | None, Scalar | None]:
    if range_ is None:
        return None, None
    if range_.operator is Operator.BETWEEN:
        return range_.values[0], range_.values[1]
    if range_.operator in _LOWER:
        return range_.values[0], None
    return (None, range_.values[0]) if range_.operator in _UPPER else (None, None)
