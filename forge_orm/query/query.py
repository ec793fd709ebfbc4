"""The immutable `Query`: a question about entities of one kind, asked of one index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar, cast

from .. import limits
from ..errors import QueryError
from ..expressions import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Expr,
    KeyCondition,
    Operator,
    Order,
)
from ..paths import Path
from ..schema import IndexSchema, size_of_texts
from ..wire import MetadataField, Scalar
from .question import UNBOUNDED, Bounds, EntityQuestion, hold

E = TypeVar("E")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class QuerySpec:
    """What a query says, as plain data.

    *partition* holds the equalities given so far, by attribute. *limit* is how many
    entities the caller wants; *page_size* how many rows one call reads.
    """

    entity: str
    index: IndexSchema
    partition: tuple[tuple[str, Scalar], ...] = ()
    range: Comparison[Any] | None = None
    filters: tuple[Condition[Any], ...] = ()
    descending: bool = False
    limit: int | None = None
    page_size: int | None = None
    cursor: str | None = None
    metadata: tuple[MetadataField, ...] = ()
    prefetch: tuple[Path[Any, Any], ...] = ()
    budget: Bounds = UNBOUNDED


class Query(EntityQuestion[E]):
    """A question about entities of one kind. Every method returns a new query.

    A query never performs I/O: a session runs it (`all`, `first`, `one`, `page`,
    `stream`, `count`, `exists`).
    """

    __slots__ = ()

    spec: QuerySpec

    def where(self, *conditions: KeyCondition[E]) -> Self:
        """Narrow the index: an equality for each partition attribute, one range condition.

        ``>=`` and ``<=`` on the range together become one ``BETWEEN``. Raises `QueryError`
        for anything the index cannot serve.
        """
        spec = self.spec
        for condition in _comparisons(self, conditions):
            spec = _narrowed(spec, condition)
        return self._with(spec)

    def filter(self, *conditions: Condition[E]) -> Self:
        """Keep only what satisfies every one of *conditions*.

        The service applies filters to each page after reading it: they cost as much as the
        rows they drop. It takes one flat list, joined either by and or by or.
        """
        for condition in conditions:
            _refuse_foreign(self, condition)
        spec = replace(self.spec, filters=(*self.spec.filters, *conditions))
        flat_filter(spec)
        return self._with(spec)

    def order(self, order: Order[E]) -> Self:
        """Order by the index's range attribute, ``Task.due.desc()`` or ``.asc()``."""
        if not isinstance(order, Order):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"order() takes a direction, {order!r}.asc() or {order!r}.desc()")
        if order.attribute != self.spec.index.range:
            raise QueryError(
                f"index {self.spec.index} is ordered by {self.spec.index.range!r}; "
                f"to order by {order.attribute!r} use an index whose range it is"
            )
        return self._with(replace(self.spec, descending=order.descending))

    def __repr__(self) -> str:
        """Show the query as it could be written."""
        return f"{self.entity.__name__}{''.join(_described(self.spec))}"


class RangeQuery(Query[E], Generic[E, R]):
    """A query on a typed index whose partition is given: ``Task.by_status("P", OPEN)``."""

    __slots__ = ("_range",)

    _range: Expr[E, R]

    def __init__(self, entity: type[E], spec: QuerySpec, range: Expr[E, R]) -> None:
        """Ask as *spec* says; *range* is the attribute that orders the index."""
        super().__init__(entity, spec)
        hold(self, "_range", range)

    def before(self, value: R) -> Self:
        """Only range values less than *value*."""
        return self.where(self._range < value)

    def after(self, value: R) -> Self:
        """Only range values greater than *value*."""
        return self.where(self._range > value)

    def up_to(self, value: R) -> Self:
        """Only range values up to and including *value*."""
        return self.where(self._range <= value)

    def since(self, value: R) -> Self:
        """Only range values from *value* on, included."""
        return self.where(self._range >= value)

    def between(self, low: R, high: R) -> Self:
        """Only range values from *low* to *high*, both included."""
        return self.where(self._range.between(low, high))

    def equal_to(self, value: R) -> Self:
        """Only the range value *value*."""
        return self.where(self._range == value)

    def startswith(
        self: RangeQuery[E, str] | RangeQuery[E, str | None], prefix: str
    ) -> RangeQuery[E, R]:
        """Only range values that begin with *prefix*."""
        return cast("RangeQuery[E, R]", self.where(self._range.startswith(prefix)))

    def ascending(self) -> Self:
        """Order by the range, smallest first (the default)."""
        return self.order(self._range.asc())

    def descending(self) -> Self:
        """Order by the range, largest first."""
        return self.order(self._range.desc())

    def _with(self, spec: QuerySpec) -> Self:
        return type(self)(self.entity, spec, self._range)


def flat_filter(spec: QuerySpec) -> tuple[str, tuple[Comparison[Any], ...]] | None:
    """Return the filters as the service takes them: ``("and" | "or", comparisons)``.

    A negative comparison of an attribute that may be absent is sent with ``EXISTS`` beside
    it: whether absence satisfies it is not documented, and here it never does. Raises
    `QueryError` for what one flat list cannot say; joined by or that includes the former.
    """
    terms = [part for condition in spec.filters for part in _conjuncts(condition)]
    if len(terms) == 1 and isinstance(terms[0], AnyOf):
        joined, comparisons = "or", tuple(_flat(terms[0].conditions, spec))
        _refuse_ambiguous(comparisons)
    else:
        joined, comparisons = "and", tuple(_guarded(_flat(terms, spec)))
    for comparison in comparisons:
        _refuse_index_attribute(spec, comparison)
    _check_count(spec, len(comparisons))
    return (joined, comparisons) if comparisons else None


def flat_conditions(
    conditions: Iterable[Condition[Any]],
) -> tuple[str, tuple[Comparison[Any], ...]]:
    """Return a write's *conditions* in the same flat grammar."""
    probe = QuerySpec("", IndexSchema("", ""), filters=tuple(conditions))
    if (flat := flat_filter(probe)) is None:
        raise QueryError("a condition needs at least one comparison")
    return flat


def check_conditions(entity: type[Any], conditions: Iterable[Condition[Any]]) -> None:
    """Refuse conditions of a write that the service cannot test.

    Raises:
        QueryError: one is about another class, about the key, or not flat.
        TypeError: one is no condition.
    """
    checked = tuple(conditions)
    for condition in checked:
        _refuse_foreign(Query(entity, QuerySpec("", IndexSchema("", ""))), condition)
        for comparison in _leaves(condition):
            if comparison.on_key:
                raise QueryError(
                    f"{comparison!r}: a condition of a write is about attributes, not the key"
                )
    flat_conditions(checked)


def _conjuncts(condition: Condition[Any]) -> Iterator[Condition[Any]]:
    if isinstance(condition, AllOf):
        for part in condition.conditions:
            yield from _conjuncts(part)
    else:
        yield condition


def _flat(conditions: Iterable[Condition[Any]], spec: QuerySpec) -> Iterator[Comparison[Any]]:
    for condition in conditions:
        if not isinstance(condition, Comparison):
            raise QueryError(
                f"{condition!r} inside {' and '.join(map(repr, spec.filters))}: the service "
                "takes one flat list of comparisons, joined either by & or by |, not nested. "
                f"Ask two queries, or {_searched(spec)}"
            )
        if not condition.served:
            raise QueryError(
                f"{condition!r}: the service cannot make this comparison; {_searched(spec)}"
            )
        yield condition


def _searched(spec: QuerySpec) -> str:
    if not spec.entity:  # a condition of a write
        return "compare attributes of their own"
    return f"search for {spec.entity} with .query(…), which does the rest here"


def _guarded(comparisons: Iterable[Comparison[Any]]) -> Iterator[Comparison[Any]]:
    present: set[str] = set()
    for comparison in comparisons:
        yield comparison
        if comparison.ambiguous and comparison.attribute not in present:
            present.add(comparison.attribute)
            yield KeyCondition(comparison.attribute, Operator.EXISTS, ())


def _refuse_ambiguous(comparisons: tuple[Comparison[Any], ...]) -> None:
    """Refuse what `_guarded` would make clear: beside ``or`` there is no place for it."""
    absent = {each.attribute for each in comparisons if each.operator is Operator.NOT_EXISTS}
    for comparison in comparisons:
        if comparison.ambiguous and comparison.attribute not in absent:
            raise QueryError(
                f"{comparison!r} joined by |: it is not documented whether an entity without "
                f"{comparison.attribute!r} satisfies it. If it should, add "
                f"| {comparison.attribute}.missing(); if not, ask two queries"
            )


def _refuse_index_attribute(spec: QuerySpec, comparison: Comparison[Any]) -> None:
    if comparison.attribute in spec.index.attributes:
        raise QueryError(
            f"{comparison!r}: {comparison.attribute!r} belongs to the index {spec.index}, "
            "and a filter on the queried index's own attributes is not documented to work; "
            "say it with where(), or ask an index without it"
        )


def _check_count(spec: QuerySpec, filters: int) -> None:
    count = filters + (spec.range is not None)
    if count > limits.CONDITIONS_MAX:
        raise QueryError(
            f"{count} conditions; the service takes {limits.CONDITIONS_MAX} a query"
        )


def _comparisons(
    query: Query[Any], conditions: Iterable[Condition[Any]]
) -> Iterator[Comparison[Any]]:
    for condition in conditions:
        _refuse_foreign(query, condition)
        for part in _conjuncts(condition):
            if not isinstance(part, Comparison):
                raise QueryError(f"where() cannot take {part!r}; use filter()")
            yield part


def _refuse_foreign(query: Query[Any], condition: Condition[Any]) -> None:
    if not isinstance(condition, Condition):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"expected a condition such as Task.priority > 3, got {condition!r}. A plain True "
            "or False usually means that a value was compared, not an attribute of the class"
        )
    for comparison in _leaves(condition):
        owner = comparison.owner
        if owner is not None and not issubclass(query.entity, owner):
            raise QueryError(
                f"{comparison!r} is about {owner.__name__}, this query about "
                f"{query.entity.__name__}"
            )


def _leaves(condition: Condition[Any]) -> Iterator[Comparison[Any]]:
    match condition:
        case AllOf(conditions) | AnyOf(conditions):
            for part in conditions:
                yield from _leaves(part)
        case Comparison():
            yield condition
        case _:
            raise TypeError(f"{condition!r} is no condition of this library")


def _narrowed(spec: QuerySpec, condition: Comparison[Any]) -> QuerySpec:
    if condition.attribute in spec.index.partition:
        return _partitioned(spec, condition)
    if condition.attribute != spec.index.range:
        raise QueryError(
            f"{condition!r}: index {spec.index} does not hold {condition.attribute!r}; "
            "use filter() for it, or an index that names it"
        )
    if not isinstance(condition, KeyCondition) or not condition.values:
        raise QueryError(f"{condition!r}: an index range cannot take {condition.operator}")
    range_ = condition if spec.range is None else _between(spec, spec.range, condition)
    narrowed = replace(spec, range=range_)
    _check_size("range", condition.attribute, range_.values, limits.RANGE_VALUE_MAX_BYTES)
    return narrowed


def _partitioned(spec: QuerySpec, condition: Comparison[Any]) -> QuerySpec:
    if condition.operator is not Operator.EQUAL_TO:
        raise QueryError(
            f"{condition!r}: {condition.attribute!r} is a partition attribute of {spec.index}, "
            "which takes only =="
        )
    if condition.attribute in dict(spec.partition):
        raise QueryError(f"{condition!r}: the partition attribute already has a value")
    partition = (*spec.partition, (condition.attribute, condition.values[0]))
    values = [value for _, value in partition]
    _check_size("partition", spec.index.name, values, limits.PARTITION_VALUES_MAX_BYTES)
    return replace(spec, partition=partition)


def _check_size(what: str, name: str, values: Iterable[Scalar], limit: int) -> None:
    if (size := size_of_texts(values)) > limit:
        raise QueryError(f"{what} of {name!r} is {size} bytes; the service takes {limit}")


def _between(
    spec: QuerySpec, first: Comparison[Any], second: Comparison[Any]
) -> Comparison[Any]:
    ends = {comparison.operator: comparison for comparison in (first, second)}
    low = ends.get(Operator.GREATER_THAN_EQUAL_TO)
    high = ends.get(Operator.LESS_THAN_EQUAL_TO)
    if low is None or high is None:
        raise QueryError(
            f"{first!r} and {second!r}: index {spec.index} takes one range condition; "
            ">= and <= together make one (or write .between(low, high))"
        )
    values = (*low.values, *high.values)
    return KeyCondition(low.attribute, Operator.BETWEEN, values, low.optional, low.owner)


def _described(spec: QuerySpec) -> Iterator[str]:
    yield f".index({spec.index.name!r})"
    where = [f"{name} == {value!r}" for name, value in spec.partition]
    if spec.range is not None:
        where.append(repr(spec.range))
    if where:
        yield f".where({', '.join(where)})"
    if spec.filters:
        yield f".filter({', '.join(map(repr, spec.filters))})"
    if spec.descending:
        yield f".order({spec.index.range}.desc())"
    for name in ("limit", "page_size", "cursor"):
        if (value := getattr(spec, name)) is not None:
            yield f".{name}({value!r})"
    if spec.prefetch:
        yield f".prefetch({', '.join(map(repr, spec.prefetch))})"
    if spec.metadata:
        yield f".metadata({', '.join(spec.metadata)})"
    if spec.budget != UNBOUNDED:
        yield f".budget({spec.budget!r})"
