# pyright: reportUnusedCallResult=true
"""Reading entities: by key, many at once, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeAlias, TypeVar, cast

from ..errors import BudgetExceeded, QueryError, SessionError
from ..limits import PAGE_MAX
from ..model import Entity
from ..model.keys import check_key
from ..operations import entity_get, entity_query
from ..operations.entity import get_request, read_row
from ..query import Query, QuerySpec, Search, rows_to_read
from ..unit import UnitOfWork
from ..wire import MetadataField
from .core import Flow, Page, answer, perform
from .lookups import look_up
from .references import prefetch
from .search import SearchWalk
from .search import page as search_page

E = TypeVar("E", bound=Entity)
Question: TypeAlias = Query[E] | Search[E]
"""What a session answers: a query of one index, or a search."""


def get(
    unit: UnitOfWork, cls: type[E], key: str, metadata: Iterable[MetadataField] = ()
) -> Flow[E | None]:
    """Find one entity: the one already known, or the stored one."""
    known = unit.find(cls, key)
    if known is not None and (not metadata or unit.has_metadata(known)):
        return known
    if unit.is_deleting(cls, key):
        return None
    name, key = cls.__forge__.entity_schema().name, check_key(key)
    # The call programs make most: no more is made for it than it takes.
    fields = tuple(metadata) if metadata else ()
    request = entity_get(name, key, fields).request if fields else get_request(name, key)
    (outcome,) = yield (request,)
    body = read_row(request, answer(outcome))
    return None if body is None else unit.load_row(cls, body, with_metadata=bool(fields))


def refresh(unit: UnitOfWork, entity: Entity) -> Flow[None]:
    """Read *entity* again, dropping its own changes."""
    cls, key = type(entity), entity.key
    metadata = tuple(MetadataField) if entity.metadata.created_at is not None else ()
    body = yield from perform(entity_get(cls.__forge__.entity_schema().name, key, metadata))
    if body is None:
        raise SessionError(
            f"{cls.__name__} {key!r} is no longer stored, so it cannot be refreshed"
        )
    unit.refreshed(entity, body)


def get_many(
    unit: UnitOfWork, cls: type[E], keys: Iterable[str], metadata: Iterable[MetadataField] = ()
) -> Flow[dict[str, E]]:
    """Find many entities by key: 25 a call, the calls together, known ones not at all."""
    wanted = tuple(keys)
    found = yield from look_up(unit, {cls: wanted}, tuple(metadata))
    return {key: cast("E", found[cls, key]) for key in wanted if (cls, key) in found}


def fetch(unit: UnitOfWork, cls: type[E], spec: QuerySpec, rows: int) -> Flow[Page[E]]:
    """Make one call of a query."""
    body = yield from perform(entity_query(spec, rows=rows))
    items, cursor = unit.load_page(cls, body, with_metadata=bool(spec.metadata))
    return Page(items, cursor)


class Walk(Generic[E]):
    """A query on its way from page to page: what is left to find, and where to go on."""

    def __init__(self, query: Query[E], limit: int | None = None) -> None:
        """Start at the query's cursor."""
        self.cls, self.spec = query.entity, query.spec
        limits = [each for each in (limit, query.spec.limit) if each is not None]
        self.left = min(limits) if limits else None
        self.rows = rows_to_read(query.spec, self.left)
        self.done = False

    @property
    def cursor(self) -> str | None:
        """Where the next page begins."""
        return self.spec.cursor

    def step(self, unit: UnitOfWork) -> Flow[Sequence[E]]:
        """Fetch the next page that holds something, cut to what is wanted."""
        while not self.done:
            page = yield from fetch(unit, self.cls, self.spec, self.rows)
            self._advance(page)
            if page.items:
                return self._cut(page.items)
        return ()

    def _advance(self, page: Page[E]) -> None:
        self.spec = replace(self.spec, cursor=page.cursor)
        self.done = page.cursor is None

    def _cut(self, items: Sequence[E]) -> Sequence[E]:
        if self.left is None:
            return items
        kept = items[: self.left]
        self.left -= len(kept)
        self.done = self.done or self.left == 0
        return kept


def walk(question: Question[E], limit: int | None = None) -> Walk[E] | SearchWalk[E]:
    """Start to answer a query or a search."""
    if isinstance(question, Search):
        return SearchWalk(question, limit)
    return Walk(_query(question), limit)


def _query(question: Query[E]) -> Query[E]:
    if not isinstance(question, Query):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"expected a query, got {question!r}. An index is called with its partition, "
            'Task.by_project("P"); all entities of a class are Task.index("by-key")'
        )
    return question


def step(
    unit: UnitOfWork, question: Question[E], walk: Walk[E] | SearchWalk[E]
) -> Flow[Sequence[E]]:
    """Take the next step of the *walk* that answers *question*, with what it prefetches."""
    items = yield from walk.step(unit)
    yield from prefetch(unit, items, question.spec.prefetch)
    return items


def collect(unit: UnitOfWork, question: Question[E], limit: int | None = None) -> Flow[list[E]]:
    """Find everything a question asks for, or the first *limit*."""
    steps, found = walk(question, limit), list[E]()
    try:
        while not steps.done:
            found.extend((yield from steps.step(unit)))
    except BudgetExceeded as error:
        error.found = found
        raise
    yield from prefetch(unit, found, question.spec.prefetch)
    return found


def page(unit: UnitOfWork, question: Question[E]) -> Flow[Page[E]]:
    """Fetch one page of a query or a search."""
    if isinstance(question, Search):
        found = yield from search_page(unit, question)
    else:
        found = yield from query_page(unit, _query(question))
    yield from prefetch(unit, found.items, question.spec.prefetch)
    return found


def query_page(unit: UnitOfWork, query: Query[E]) -> Flow[Page[E]]:
    """Fetch one page of at most the query's limit or page size.

    An empty page is passed over as long as a cursor follows it; the returned cursor goes on
    exactly after the last row looked at.
    """
    spec = query.spec
    rows = min(spec.page_size or PAGE_MAX, spec.limit or PAGE_MAX)
    while True:
        found = yield from fetch(unit, query.entity, spec, rows)
        if found.items or found.cursor is None:
            return found
        spec = replace(spec, cursor=found.cursor)


def count(question: Question[Any], at_most: int | None = None) -> Flow[int]:
    """Count by reading: the service has no count. Nothing is kept."""
    steps, total = walk(question, at_most), 0
    while not steps.done:
        total += len((yield from steps.step(UnitOfWork())))
    return total


def one(unit: UnitOfWork, question: Question[E]) -> Flow[E]:
    """Find the only match of a question."""
    found = yield from one_or_none(unit, question)
    if found is None:
        raise QueryError(f"expected one entity, found no match of {question!r}")
    return found


def one_or_none(unit: UnitOfWork, question: Question[E]) -> Flow[E | None]:
    """Find the only match of a question, if there is one."""
    found = yield from collect(unit, question, 2)
    if len(found) > 1:
        raise QueryError(f"expected one entity, found more than one match of {question!r}")
    return found[0] if found else None
