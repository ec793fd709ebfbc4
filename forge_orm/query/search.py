"""`Search`: any question about entities of one kind; the planner finds the indexes for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

from .. import limits
from ..errors import QueryError
from ..expressions import AllOf, AnyOf, Comparison, Condition, Order
from ..paths import Path
from ..wire import ALL_METADATA, MetadataField
from .query import check_paths

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """What a search says, as plain data.

    *conditions* all hold. *order* is None where any order will do. *allow_scan* lets it read
    every entity. *sort_limit* is how many entities may be collected to be sorted here, and
    *requests* how many calls may be made.
    """

    conditions: tuple[Condition[Any], ...] = ()
    order: Order[Any] | None = None
    limit: int | None = None
    page_size: int | None = None
    cursor: str | None = None
    metadata: tuple[MetadataField, ...] = ()
    prefetch: tuple[Path[Any, Any], ...] = ()
    allow_scan: bool = False
    sort_limit: int = 10_000
    requests: int | None = None


class Search(Generic[E]):
    """A question about entities of one kind, of any conditions. Methods return a new search.

    A session runs it like a query. ``session.explain(search)`` tells how: which indexes are
    asked, what the service filters, what is done here.
    """

    __slots__ = ("entity", "spec")

    def __init__(self, entity: type[E], spec: SearchSpec) -> None:
        """Ask for entities of the class *entity* as *spec* says."""
        self.entity, self.spec = entity, spec

    def where(self, *conditions: Condition[E]) -> Self:
        """Keep only what satisfies every one of *conditions*, joined as you like."""
        for condition in conditions:
            _refuse_foreign(self.entity, condition)
        return self._with(conditions=(*self.spec.conditions, *conditions))

    filter = where

    def order(self, order: Order[E]) -> Self:
        """Order by an attribute; sorted here (within `sort_limit`) if no index serves it."""
        return self._with(order=order)

    def limit(self, count: int) -> Self:
        """Return at most *count* entities."""
        return self._with(limit=_positive("limit", count))

    def page_size(self, rows: int) -> Self:
        """Read *rows* rows in one call, 1 to 100 (entities-api-query)."""
        if rows > limits.PAGE_MAX:
            raise QueryError(f"page_size({rows}): the service reads at most {limits.PAGE_MAX}")
        return self._with(page_size=_positive("page_size", rows))

    def cursor(self, cursor: str | None) -> Self:
        """Go on after the page that returned *cursor*; None starts at the beginning."""
        return self._with(cursor=cursor)

    def metadata(self, *fields: MetadataField) -> Self:
        """Ask for created, updated and expiry times too; all three if none is named."""
        return self._with(metadata=fields or ALL_METADATA)

    def prefetch(self, *paths: Path[E, Any]) -> Self:
        """Load too what references lead to; as `Query.prefetch`, and outside its budget."""
        check_paths(self.entity, paths)
        return self._with(prefetch=(*self.spec.prefetch, *paths))

    def allow_scan(self) -> Self:
        """Let it read every entity where no index narrows it."""
        return self._with(allow_scan=True)

    def sort_limit(self, count: int) -> Self:
        """Let up to *count* entities be collected where they are sorted here."""
        return self._with(sort_limit=_positive("sort_limit", count))

    def budget(self, *, requests: int) -> Self:
        """Make at most *requests* calls; `BudgetExceeded` says what was found and goes on."""
        return self._with(requests=_positive("budget", requests))

    def _with(self, **changes: Any) -> Self:
        return type(self)(self.entity, replace(self.spec, **changes))

    def __eq__(self, other: object) -> bool:
        """Whether both ask the same."""
        if not isinstance(other, Search):
            return NotImplemented
        entity: object = other.entity  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return self.entity is entity and self.spec == other.spec

    def __hash__(self) -> int:
        """Hash by what is asked."""
        return hash((self.entity, self.spec))

    def __repr__(self) -> str:
        """Show the search as it could be written."""
        said = ", ".join(map(repr, self.spec.conditions))
        parts = [f"{self.entity.__name__}.query({said})"]
        if self.spec.order is not None:
            parts.append(f".order({self.spec.order!r})")
        parts += [
            f".{name}({value!r})"
            for name in ("limit", "page_size", "cursor")
            if (value := getattr(self.spec, name)) is not None
        ]
        if self.spec.prefetch:
            parts.append(f".prefetch({', '.join(map(repr, self.spec.prefetch))})")
        return "".join([*parts, ".allow_scan()" if self.spec.allow_scan else ""])


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise QueryError(f"{name}({value}) must be at least 1")
    return value


def _refuse_foreign(entity: type[Any], condition: Condition[Any]) -> None:
    match condition:
        case AllOf(conditions) | AnyOf(conditions):
            for part in conditions:
                _refuse_foreign(entity, part)
        case Comparison(owner=owner):
            if owner is not None and not issubclass(entity, owner):
                raise QueryError(
                    f"{condition!r} is about {owner.__name__}, this search about "
                    f"{entity.__name__}"
                )
        case _:
            raise TypeError(
                f"expected a condition such as Task.priority > 3, got {condition!r}"
            )
