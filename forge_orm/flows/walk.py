"""Answering a question: its reads side by side, merged into one answer, page by page."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Generic, TypeVar, cast

from ..errors import BudgetExceeded, CursorError, InvalidQuery, SortTooLarge
from ..limits import PAGE_MAX
from ..model import Entity
from ..paths import Path
from ..planner import ReadPlan, make_read_plan, plan_query
from ..planner.cursor import Mark, Place, Position, read_cursor, write_cursor
from ..planner.plan import Mode
from ..planner.turning import begun_at
from ..query import EntityQuestion, Query, Question, Search, Selection, shown
from ..unit import UnitOfWork
from .core import Flow, perform_all
from .meter import Clock, Meter
from .projection import projector
from .source import Source, sort_key, sources_of

_log: Final = logging.getLogger("forge_orm.planner")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """What could be given between two calls, and where to go on after each of it.

    *entities* are what *items* were made of; the same, unless a selection was asked for.
    """

    items: Sequence[T]
    entities: Sequence[Any]
    _cursor: Callable[[int], str | None]

    def cursor(self, count: int) -> str | None:
        """Return where to go on after *count* items; None after the last of all."""
        return self._cursor(count)

    def giving(self, entities: Sequence[T]) -> Batch[T]:
        """Return the batch with *entities* in place of those that were read."""
        return replace(self, items=entities, entities=entities)


class Walk(Generic[T]):
    """A question on its way to its answer: what is left to give, and where to go on."""

    def __init__(self, question: Question[T], limit: int | None, clock: Clock) -> None:
        """Plan the question, and start at its cursor; raises `ScanRefused`, `CursorError`."""
        self.question = question
        self.projects = projector(question) if isinstance(question, Selection) else None
        asked = _asked(question)
        spec = asked.spec
        wanted = [each for each in (limit, spec.limit) if each is not None]
        self.limit = self.left = min(wanted) if wanted else None
        self.cls: type[Entity] = asked.entity
        self.paths: tuple[Path[Any, Any], ...] = () if self.projects else spec.prefetch
        self.meter = Meter(spec.budget, clock)
        self.begins = self.plan = _plan(asked, self.left)
        if _log.isEnabledFor(logging.DEBUG):
            _tell(self.plan)
        self.resumed = spec.cursor is not None
        self.backwards = False
        self._begun: Place | None = None
        self.rows = self.page_size = self.plan.rows
        self._sorted: deque[tuple[Place, Any]] | None = None
        if spec.cursor is None:
            self._sources: list[Source[Any]] = sources_of(self.plan, self.rows)
        else:
            self._go_on(self._read_cursor(spec))
        self.done = self.begins.mode is Mode.NOTHING

    def _go_on(self, position: Position) -> None:
        if position.place is not None:
            self.plan = begun_at(self.plan, position.place, back=position.back)
        self.backwards, self._begun = position.back, position.place
        self.rows = self.page_size = position.rows or self.plan.rows
        if self.backwards:  # the place itself is read too, and one more to see if there is one
            self.rows = min(self.rows + 2, PAGE_MAX)
            self.left = None
        self._sources = sources_of(self.plan, self.rows)
        if self.plan.mode is Mode.SORT:
            return
        marks = position.marks or (Mark(),) * len(self._sources)
        for source, mark in zip(self._sources, marks, strict=True):
            source.resume(mark, self._begun)

    def _read_cursor(self, spec: Any) -> Position:
        position = read_cursor(spec.cursor, self._fingerprint, len(self.begins.reads))
        if position.rows and spec.page_size not in (None, position.rows):
            raise CursorError(
                f"the cursor belongs to another question: its page size is {position.rows}, "
                f"not {spec.page_size}"
            )
        return position

    @cached_property
    def _fingerprint(self) -> str:
        return self.begins.fingerprint

    @property
    def cursor(self) -> str | None:
        """Where to go on after what was given; None at the end."""
        return self._written(self._position())

    @property
    def start(self) -> str | None:
        """The cursor that begins at the beginning."""
        return self._written(Position())

    def cursor_at(self, entity: Any, *, back: bool) -> str | None:
        """Return the cursor that goes on after *entity*, or *back* before it, in the order."""
        if self.plan.mode is Mode.CHAIN:
            return None
        return self._written(Position((), self._sources[0].place_of(entity), back))

    def step(self, unit: UnitOfWork, most: int | None = None) -> Flow[Batch[T]]:
        """Find the next, *most* at most; nothing only at the end."""
        if self.projects is not None:
            unit = UnitOfWork(unit.now)
        while not self.done:
            yield from self._feed(unit)
            batch = self._take(self._bound(most))
            self.done = self.left == 0 or self._ended()
            if batch.items:
                return batch
        return Batch((), (), lambda _: self.cursor)

    # --- what is next -------------------------------------------------------------------

    def _bound(self, most: int | None) -> int | None:
        bounds = [each for each in (most, self.left) if each is not None]
        return min(bounds) if bounds else None

    def _ended(self) -> bool:
        if self.plan.mode is Mode.SORT:
            return self._sorted is not None and not self._sorted
        for source in self._sources:  # noqa: SIM110 - once or twice a page, and twice as fast
            if not source.over:
                return False
        return True

    def _take(self, most: int | None) -> Batch[T]:
        """Give what can be given before the next call."""
        if self.plan.mode is Mode.SORT:
            entities, cursor = self._take_sorted(most)
        elif self.plan.mode is Mode.MERGE:
            entities, cursor = self._take_merged(most)
        else:
            entities, cursor = self._take_from(self._active()[0], most)
        if self.left is not None:
            self.left -= len(entities)
        self.meter.kept += len(entities)
        items = entities if self.projects is None else [*map(self.projects, entities)]
        return Batch(cast("Sequence[T]", items), entities, cursor)

    def _take_from(self, source: Source[Any], most: int | None) -> _Taken:
        marks, page = self._marks(), source.page
        given = source.take(most)
        ended, rest = self._ended(), source.at < len(source.entities)
        after = None if rest else source.mark

        def cursor(count: int) -> str | None:
            if ended and count == len(given):
                return None
            mark = marks[source.number]
            if count == len(given) and after is not None:
                mark = after
            elif count:
                mark = Mark(page, source.place_of(given[count - 1]))
            return self._written(self._at(_with(marks, source.number, mark)))

        return given, cursor

    def _take_merged(self, most: int | None) -> _Taken:
        marks, pages = self._marks(), [source.page for source in self._sources]
        given: list[Any] = []
        places: list[tuple[int, Place]] = []
        while (most is None or len(given) < most) and (first := self._first()) is not None:
            places.append((first.number, first.places[first.at]))
            given += first.take(1)
        end = self._position()

        def cursor(count: int) -> str | None:
            if count == len(given):
                return self._written(end)
            at = marks
            for number, place in dict(places[:count]).items():
                at = _with(at, number, Mark(pages[number], place))
            return self._written(self._at(at))

        return given, cursor

    def _take_sorted(self, most: int | None) -> _Taken:
        left = self._sorted or deque[tuple[Place, Any]]()
        number = len(left) if most is None else min(most, len(left))
        before, taken = self._begun, [left.popleft() for _ in range(number)]
        if taken:
            self._begun = taken[-1][0]
        over = not left

        def cursor(count: int) -> str | None:
            if over and count == len(taken):
                return None
            place = taken[count - 1][0] if count else before
            return self._written(Position((), place))

        return [entity for _, entity in taken], cursor

    def _first(self) -> Source[Any] | None:
        """Return the source whose next entity is the first; None where one is not known."""
        if any(source.hungry for source in self._sources):
            return None
        filled = [source for source in self._sources if not source.over]
        if not filled:
            return None
        pick = max if self.plan.descending else min
        return pick(filled, key=lambda source: sort_key(source.places[source.at]))

    def _active(self) -> list[Source[Any]]:
        """Return the sources that are asked now: all of a merge, one of a chain."""
        if self.plan.mode is not Mode.CHAIN:
            return self._sources
        return next(([each] for each in self._sources if not each.over), self._sources[-1:])

    # --- where to go on -----------------------------------------------------------------

    def _marks(self) -> tuple[Mark, ...]:
        return tuple([source.mark for source in self._sources])

    def _position(self) -> Position | None:
        if self._ended():
            return None
        if self.plan.mode is Mode.SORT:
            return Position((), self._begun, self.backwards)
        return self._at(self._marks())

    def _at(self, marks: tuple[Mark, ...]) -> Position:
        return Position(marks, self._begun, self.backwards, self.rows)

    def _written(self, position: Position | None) -> str | None:
        return None if position is None else write_cursor(self._fingerprint, position)

    # --- calls --------------------------------------------------------------------------

    def _feed(self, unit: UnitOfWork) -> Flow[None]:
        """Read the next page of each read whose next entity is not known."""
        if self.plan.mode is Mode.SORT:
            if self._sorted is None:
                yield from self._collect(unit)
            return
        while hungry := [source for source in self._active() if source.hungry]:
            yield from self._read(unit, hungry)

    def _read(self, unit: UnitOfWork, hungry: list[Source[Any]]) -> Flow[None]:
        asked = [source.operations() for source in hungry]
        operations = [operation for of_one in asked for operation in of_one]
        if not self.meter.allows(len(operations)):
            raise BudgetExceeded(
                f"{shown(self.question)} needs more than its budget; go on from the error's "
                "cursor, or ask less",
                self.cursor,
            )
        try:
            bodies = yield from perform_all(operations)
        except InvalidQuery as error:
            if error.code != "INVALID_CURSOR":
                raise
            raise CursorError(_OUTDATED) from error
        self.meter.spent(bodies)
        left = iter(bodies)
        for source, of_one in zip(hungry, asked, strict=True):
            answers = [next(left) for _ in of_one]
            self.meter.rows += source.receive(unit, self.cls, answers)

    def _collect(self, unit: UnitOfWork) -> Flow[None]:
        """Read everything, and sort it."""
        most = self.begins.question.spec.sort_limit
        found: list[tuple[Place, Any]] = []
        while hungry := [source for source in self._sources if not source.done]:
            yield from self._read(unit, hungry)
            for source in hungry:
                given = source.take(None)
                found += [(source.place_of(entity), entity) for entity in given]
            if len(found) > most:
                raise SortTooLarge(
                    f"{shown(self.question)} has more than {most} matches to sort by "
                    f"{self.plan.order}; declare an index whose range it is, ask less, or "
                    "raise .sort_limit()"
                )
        found.sort(key=lambda item: sort_key(item[0]), reverse=self.plan.descending)
        self._sorted = deque(self._after(found))

    def _after(self, found: list[tuple[Place, Any]]) -> list[tuple[Place, Any]]:
        """Leave out what comes before the place it began at."""
        if self._begun is None:
            return found
        at, down = sort_key(self._begun), self.plan.descending
        return [
            item
            for item in found
            if (sort_key(item[0]) < at if down else sort_key(item[0]) > at)
        ]


_OUTDATED = (
    "the service no longer takes the cursor: it keeps one for a while only. Start again with "
    ".cursor(None)"
)
_Taken = tuple[Sequence[Any], Callable[[int], str | None]]


def _asked(question: Question[Any]) -> EntityQuestion[Any]:
    if isinstance(question, Selection):
        return question.question
    if not isinstance(question, EntityQuestion):
        raise TypeError(
            f"expected a query, got {question!r}. An index is called with its partition, "
            'Task.by_project("P"); all entities of a class are Task.index("by-key")'
        )
    return question


def _plan(question: EntityQuestion[Any], wanted: int | None) -> ReadPlan:
    if isinstance(question, Query):
        return plan_query(question, wanted)
    assert isinstance(question, Search)
    # With a limit hardly more rows are read than wanted.
    bounded = question if wanted is None else question.limit(wanted)
    return replace(make_read_plan(bounded), question=question)


def _tell(plan: ReadPlan) -> None:
    """Log how a question is answered, without what it looks for."""
    names = ["keys" if read.rests else read.spec.index.name for read in plan.reads]
    tried = not all(read.plain for read in plan.reads)
    here = ", each row tried here" if tried else ""
    entity = plan.question.entity.__name__
    _log.debug("%s: %s, reading %s%s", entity, plan.mode, ", ".join(names) or "nothing", here)


def _with(marks: tuple[Mark, ...], number: int, mark: Mark) -> tuple[Mark, ...]:
    return (*marks[:number], mark, *marks[number + 1 :])
