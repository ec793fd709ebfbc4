# pyright: reportUnusedCallResult=true
"""Reading entities: by key, many at once, page by page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar, cast

from ..errors import BudgetExceeded, CursorError, QueryError, SessionError
from ..limits import PAGE_MAX
from ..model import Entity
from ..model.keys import check_key
from ..model.mapping import EntityMapping
from ..operations import entity_get
from ..operations.entity import get_request, read_row
from ..planner import Explanation
from ..planner.explain import Run
from ..query import Question, shown
from ..unit import UnitOfWork
from ..wire import MetadataField, Request, Response
from .core import Flow, Page, perform
from .lookups import look_up
from .meter import Clock
from .references import prefetch
from .walk import Batch, Walk

E = TypeVar("E", bound=Entity)
T = TypeVar("T")


def get(
    unit: UnitOfWork, cls: type[E], key: str, metadata: tuple[MetadataField, ...]
) -> E | Request | None:
    """Find one entity: return the one already known, or the request for the stored one.

    A get is the call programs make most, so it is no flow: a generator costs as much again
    as what it has to do. `got` reads the answer.
    """
    known = unit.find(cls, key)
    if known is not None and (not metadata or unit.has_metadata(known, metadata)):
        return known
    if unit.is_deleting(cls, key):
        return None
    mapping: EntityMapping[E] = cls.__forge__
    name, key = mapping.name or mapping.entity_schema().name, check_key(key)
    if metadata or mapping.lifetime.metadata:
        return entity_get(name, key, mapping.lifetime.asking(metadata)).request
    return get_request(name, key)


def got(
    unit: UnitOfWork,
    cls: type[E],
    metadata: tuple[MetadataField, ...],
    request: Request,
    response: Response,
) -> E | None:
    """Return the entity that the *request* of a get was answered with."""
    body = response.body if response.status == 200 else read_row(request, response)
    if body is None:
        return None
    mapping: EntityMapping[E] = cls.__forge__
    if not (metadata or mapping.lifetime.metadata):
        return unit.load_row(cls, body)
    entity = unit.load_row(cls, body, mapping.lifetime.asking(metadata))
    return entity if unit.alive((entity,)) else None


def refresh(unit: UnitOfWork, entity: Entity) -> Flow[None]:
    """Read *entity* again, dropping its own changes."""
    cls, key = type(entity), entity.key
    metadata = tuple(MetadataField) if entity.metadata.asked else ()
    metadata = cls.__forge__.lifetime.asking(metadata)
    body = yield from perform(entity_get(cls.__forge__.entity_schema().name, key, metadata))
    if body is None:
        raise SessionError(
            f"{cls.__name__} {key!r} is no longer stored, so it cannot be refreshed"
        )
    unit.refreshed(entity, body, metadata)


def get_many(
    unit: UnitOfWork, cls: type[E], keys: Iterable[str], metadata: Iterable[MetadataField] = ()
) -> Flow[dict[str, E]]:
    """Find many entities by key: 25 a call, the calls together, known ones not at all."""
    wanted = tuple(keys)
    found = yield from look_up(unit, {cls: wanted}, tuple(metadata))
    return {key: cast("E", found[cls, key]) for key in wanted if (cls, key) in found}


def walk(question: Question[T], clock: Clock, limit: int | None = None) -> Walk[T]:
    """Start to answer a question, all of it or the first *limit*."""
    steps = Walk(question, limit, clock)
    if steps.backwards:
        raise CursorError("the cursor of page.previous goes back one page: session.page(…)")
    return steps


def step(unit: UnitOfWork, steps: Walk[T]) -> Flow[Batch[T]]:
    """Take the next step of a walk, with what its question prefetches."""
    batch = yield from steps.step(unit)
    yield from prefetch(unit, batch.entities, steps.paths)
    return batch


def collect(
    unit: UnitOfWork, question: Question[T], clock: Clock, limit: int | None = None
) -> Flow[list[T]]:
    """Find everything a question asks for, or the first *limit*."""
    steps, found, entities = walk(question, clock, limit), list[T](), list[Any]()
    with _told(found):
        while not steps.done:
            batch = yield from steps.step(unit)
            found.extend(batch.items)
            entities.extend(batch.entities)
    yield from prefetch(unit, entities, steps.paths)
    return found


def page(unit: UnitOfWork, question: Question[T], clock: Clock) -> Flow[Page[T]]:
    """Find one page: up to the limit, the page size, or 100."""
    steps, found, entities = Walk(question, None, clock), list[T](), list[Any]()
    most = min(steps.page_size, steps.limit or PAGE_MAX) + steps.backwards
    with _told(found):
        while not steps.done and len(found) < most:
            batch = yield from steps.step(unit, most - len(found))
            found.extend(batch.items)
            entities.extend(batch.entities)
    yield from prefetch(unit, entities, steps.paths)
    if steps.backwards:
        return _page_before(steps, found, entities, most - 1)
    return Page(found, steps.cursor, _before(steps, entities) if steps.resumed else None)


def _page_before(steps: Walk[T], found: list[T], entities: list[Any], size: int) -> Page[T]:
    """Return a page that was found going backwards, with one entity of the one before it."""
    if not entities:
        return Page([], steps.start)
    shown = entities[size - 1 :: -1]
    following = steps.cursor_at(shown[-1], back=False)
    return Page(
        found[size - 1 :: -1],
        following,
        _before(steps, shown) if len(entities) > size else None,
    )


def _before(steps: Walk[T], entities: list[Any]) -> str | None:
    return steps.cursor_at(entities[0], back=True) if entities else None


@contextmanager
def _told(found: list[Any]) -> Generator[None]:
    """Let an exceeded budget say what was found before."""
    try:
        yield
    except BudgetExceeded as error:
        error.found = found
        raise


def count(
    unit: UnitOfWork, question: Question[Any], clock: Clock, at_most: int | None = None
) -> Flow[int]:
    """Count by reading: the service has no count. Nothing is kept."""
    steps, total = walk(question, clock, at_most), 0
    try:
        while not steps.done:
            batch = yield from steps.step(UnitOfWork(unit.now))
            total += len(batch.items)
    except BudgetExceeded as error:
        error.add_note(f"{total} were counted before")
        raise
    return total


def group_count(
    unit: UnitOfWork, selection: Question[tuple[T]], clock: Clock
) -> Flow[dict[T, int]]:
    """Count by value of the one attribute selected, in the order the values come up."""
    steps, counts = walk(selection, clock), Counter[T]()
    try:
        while not steps.done:
            batch = yield from steps.step(UnitOfWork(unit.now))
            counts.update(value for (value,) in batch.items)
    except BudgetExceeded as error:
        error.add_note(f"{counts.total()} were counted before: {dict(counts)}")
        raise
    return dict(counts)


def one(unit: UnitOfWork, question: Question[T], clock: Clock) -> Flow[T]:
    """Find the only match of a question."""
    found = yield from collect(unit, question, clock, 2)
    if not found:
        raise QueryError(f"expected one entity, found no match of {shown(question)}")
    return _only(found, question)


def one_or_none(unit: UnitOfWork, question: Question[T], clock: Clock) -> Flow[T | None]:
    """Find the only match of a question, if there is one."""
    found = yield from collect(unit, question, clock, 2)
    return _only(found, question) if found else None


def _only(found: list[T], question: Question[T]) -> T:
    if len(found) > 1:
        raise QueryError(f"expected one entity, found more than one match of {shown(question)}")
    return found[0]


def explain(
    unit: UnitOfWork, question: Question[Any], clock: Clock, *, run: bool
) -> Flow[Explanation]:
    """Tell how a question is answered; with *run*, do so and tell what it took."""
    steps = walk(question, clock)
    while run and not steps.done:
        yield from steps.step(UnitOfWork(unit.now))
    told, meter = replace(steps.plan.explain(), question=shown(question)), steps.meter
    if not run:
        return told
    took = Run(meter.calls, meter.rows, meter.kept, meter.units, meter.seconds * 1000)
    return replace(told, ran=took)
