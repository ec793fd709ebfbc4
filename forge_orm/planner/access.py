"""Which index serves one alternative of a condition best, and what it leaves to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from .. import limits
from ..expressions import Comparison, KeyCondition, Operator, Order
from ..model.mapping import EntityMapping
from ..query import QuerySpec
from ..schema import BY_KEY, IndexSchema, size_of_texts
from ..wire import Scalar
from .normal import Branch

_RANGES: Final = frozenset(
    {
        Operator.EQUAL_TO,
        Operator.LESS_THAN,
        Operator.LESS_THAN_EQUAL_TO,
        Operator.GREATER_THAN,
        Operator.GREATER_THAN_EQUAL_TO,
        Operator.BETWEEN,
        Operator.BEGINS_WITH,
    }
)
_LOWER: Final = (Operator.GREATER_THAN_EQUAL_TO, Operator.GREATER_THAN)
_UPPER: Final = (Operator.LESS_THAN_EQUAL_TO, Operator.LESS_THAN)


@dataclass(frozen=True, slots=True)
class Access:
    """One way to read an alternative: an index, its partition and range, and the rest.

    *filters* are for the service, *residual* for here. *score* orders ways, best highest.
    """

    index: IndexSchema
    partition: tuple[tuple[str, Scalar], ...]
    range: Comparison[Any] | None
    filters: tuple[Comparison[Any], ...]
    residual: tuple[Comparison[Any], ...]
    score: tuple[int, ...]

    @property
    def scans(self) -> bool:
        """Whether it reads every entity."""
        return not self.partition and self.range is None

    @property
    def why(self) -> str:
        """Why one would choose it."""
        return said_of(self.partition, self.range)

    def spec(self, entity: str, *, descending: bool) -> QuerySpec:
        """Return the query of the service, without its filters."""
        return QuerySpec(entity, self.index, self.partition, self.range, descending=descending)


@dataclass(frozen=True, slots=True)
class Rejected:
    """An index that was not chosen, and why."""

    index: IndexSchema
    why: str


def said_of(partition: Iterable[tuple[str, Scalar]], range_: Comparison[Any] | None) -> str:
    """Say what narrows a read of an index."""
    given = [f"{name} == {value!r}" for name, value in partition]
    if range_ is not None:
        given.append(repr(range_))
    return ", ".join(given) or "reads every entity"


def accesses(
    mapping: EntityMapping[Any], branch: Branch, order: Order[Any] | None
) -> tuple[list[Access], list[Rejected]]:
    """Return the ways to read *branch*, best first, and the indexes that are none."""
    usable: list[Access] = []
    rejected: list[Rejected] = []
    for index in (BY_KEY, *mapping.schema.indexes.values()):
        if (why := _unusable(mapping, index, branch)) is not None:
            rejected.append(Rejected(index, why))
        else:
            usable.append(_access(index, branch, order, mapping.discriminator))
    usable.sort(key=lambda access: access.score, reverse=True)
    return usable, rejected


def _unusable(mapping: EntityMapping[Any], index: IndexSchema, branch: Branch) -> str | None:
    equal = {each.attribute for each in branch if _is_equality(each)}
    if missing := [name for name in index.partition if name not in equal]:
        return f"needs an equality for {', '.join(missing)}"
    present = {each.attribute for each in branch if each.operator is not Operator.NOT_EXISTS}
    if mapping.may_lack(index.range) and index.range not in present:
        return f"does not hold entities without {index.range}"
    return None


def _access(
    index: IndexSchema, branch: Branch, order: Order[Any] | None, discriminator: str | None
) -> Access:
    chosen: dict[str, Comparison[Any]] = {}
    for each in branch:
        if _is_equality(each) and each.attribute in index.partition:
            chosen.setdefault(each.attribute, each)
    used = list(chosen.values())
    range_, spent = _range(index, [each for each in branch if each not in used])
    rest = [each for each in branch if each not in used and each not in spent]
    room = limits.CONDITIONS_MAX - (range_ is not None)
    filters, residual = _divided(index, rest, room)
    serves = order is not None and order.attribute == index.range
    partition = tuple((name, chosen[name].values[0]) for name in index.partition)
    # A point by key first; then equalities (that of the kind alone leaves most rows), then
    # how tight the range is, then the order.
    tight = 0 if range_ is None else _tightness(range_)
    by_key = index is BY_KEY and tight == _POINT
    asked = len(partition) - (discriminator in index.partition)
    score = (by_key, asked, len(partition), tight, serves, -len(residual), index is BY_KEY)
    return Access(index, partition, range_, filters, residual, tuple(map(int, score)))


def _is_equality(comparison: Comparison[Any]) -> bool:
    return comparison.served and comparison.operator is Operator.EQUAL_TO


_POINT: Final = 4


def _tightness(comparison: Comparison[Any]) -> int:
    match comparison.operator:
        case Operator.EQUAL_TO:
            return _POINT
        case Operator.BETWEEN | Operator.BEGINS_WITH:
            return 3
        case _:
            return 2


def _range(
    index: IndexSchema, branch: Iterable[Comparison[Any]]
) -> tuple[Comparison[Any] | None, list[Comparison[Any]]]:
    """Return the one range condition the service takes, and the comparisons it stands for."""
    found = [
        each
        for each in branch
        if each.served and each.attribute == index.range and each.operator in _RANGES
    ]
    found = [each for each in found if _fits(each)]
    found.sort(key=_tightness, reverse=True)
    if not found:
        return None, []
    if _tightness(found[0]) > 2:
        return found[0], [found[0]]
    lower = next((each for each in found if each.operator in _LOWER), None)
    upper = next((each for each in found if each.operator in _UPPER), None)
    if lower is None or upper is None:
        return found[0], [found[0]]
    low, high = cast("tuple[Any, Any]", (lower.values[0], upper.values[0]))
    if low > high:  # nothing matches; the service may refuse such a range
        return found[0], [found[0]]
    between: KeyCondition[Any] = KeyCondition(
        lower.attribute,
        Operator.BETWEEN,
        (*lower.values, *upper.values),
        lower.optional,
        lower.owner,
    )
    # BETWEEN holds both ends: an open end is tried again here.
    closed = (Operator.GREATER_THAN_EQUAL_TO, Operator.LESS_THAN_EQUAL_TO)
    return between, [each for each in (lower, upper) if each.operator in closed]


def _fits(comparison: Comparison[Any]) -> bool:
    return size_of_texts(comparison.values) <= limits.RANGE_VALUE_MAX_BYTES


def _divided(
    index: IndexSchema, rest: Iterable[Comparison[Any]], room: int
) -> tuple[tuple[Comparison[Any], ...], tuple[Comparison[Any], ...]]:
    """Divide what is left into filters of the service and what is tried here."""
    filters: list[Comparison[Any]] = []
    residual: list[Comparison[Any]] = []
    for each in rest:
        parts = tuple(_guarded(each))
        of_index = each.attribute in index.attributes
        if not each.served or of_index or each.on_key or len(filters) + len(parts) > room:
            residual.append(each)
        else:
            filters += [part for part in parts if part not in filters]
    return tuple(filters), tuple(residual)


def _guarded(comparison: Comparison[Any]) -> Iterator[Comparison[Any]]:
    """Yield a comparison, with EXISTS where the service might count absence as true."""
    yield replace(comparison, optional=False)
    if comparison.ambiguous:
        yield KeyCondition(comparison.attribute, Operator.EXISTS, ())
