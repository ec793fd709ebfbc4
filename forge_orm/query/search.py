"""`Search`: any question about entities of one kind; the planner finds the indexes for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, TypeVar

from ..errors import QueryError
from ..expressions import AllOf, AnyOf, Comparison, Condition, Order
from ..paths import Path
from ..wire import MetadataField
from .question import UNBOUNDED, Bounds, EntityQuestion, positive

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """What a search says, as plain data.

    *conditions* all hold. *order* is None where any order will do. *allow_scan* lets it read
    every entity. *sort_limit* is how many entities may be collected to be sorted here.
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
    budget: Bounds = UNBOUNDED


class Search(EntityQuestion[E]):
    """A question about entities of one kind, of any conditions. Methods return a new search.

    A session runs it like a query. ``session.explain(search)`` tells how: which indexes are
    asked, what the service filters, what is done here.
    """

    __slots__ = ()

    spec: SearchSpec

    def where(self, *conditions: Condition[E]) -> Self:
        """Keep only what satisfies every one of *conditions*, joined as you like."""
        for condition in conditions:
            _refuse_foreign(self.entity, condition)
        return self._saying(conditions=(*self.spec.conditions, *conditions))

    filter = where

    def order(self, order: Order[E]) -> Self:
        """Order by an attribute; sorted here (within `sort_limit`) if no index serves it."""
        return self._saying(order=order)

    def allow_scan(self) -> Self:
        """Let it read every entity where no index narrows it."""
        return self._saying(allow_scan=True)

    def sort_limit(self, count: int) -> Self:
        """Let up to *count* entities be collected where they are sorted here."""
        return self._saying(sort_limit=positive("sort_limit", count))

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
        if self.spec.budget != UNBOUNDED:
            parts.append(f".budget({self.spec.budget!r})")
        return "".join([*parts, ".allow_scan()" if self.spec.allow_scan else ""])


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
