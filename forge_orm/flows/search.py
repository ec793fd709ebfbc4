"""Running a search: its reads side by side, merged into one answer, page by page."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeAlias, TypeVar

from pydantic_core import from_json

from ..errors import BudgetExceeded, SortTooLarge
from ..model import Entity
from ..operations import entity_query
from ..planner import Explanation, ReadPlan, make_read_plan
from ..planner.cursor import DONE, Position, read_cursor, write_cursor
from ..planner.explain import Run
from ..planner.plan import Mode
from ..query import Search
from ..unit import UnitOfWork
from .core import Flow, Page, perform_all

_log: Final = logging.getLogger("forge_orm.planner")

E = TypeVar("E", bound=Entity)
Place: TypeAlias = tuple[Any, str]
"""Where an entity stands in an order: the value of the attribute, and the key."""


@dataclass(slots=True)
class _Stream(Generic[E]):
    """One read on its way: the page it is on, and what of that page is still to be given."""

    number: int
    page: str | None = None
    following: str | None = None
    done: bool = False
    passed: Place | None = None
    found: list[tuple[Place, E]] = field(default_factory=list[tuple[Place, E]])

    @property
    def hungry(self) -> bool:
        """Whether its next entity is not known without a call."""
        return not self.found and not self.done

    @property
    def at(self) -> str | None:
        """The cursor to go on from."""
        if self.found:
            return self.page
        return DONE if self.done else self.following


class SearchWalk(Generic[E]):
    """A search on its way: what is left to give, and where to go on."""

    def __init__(self, search: Search[E], limit: int | None = None) -> None:
        """Plan the search, and start at its cursor; raises `ScanRefused`, `CursorError`."""
        wanted = [each for each in (limit, search.spec.limit) if each is not None]
        self.left = min(wanted) if wanted else None
        # With a limit hardly more rows are read than wanted.
        asked = search if self.left is None else search.limit(self.left)
        self.plan: ReadPlan = make_read_plan(asked)
        if _log.isEnabledFor(logging.DEBUG):
            _tell(self.plan)
        self.cls = search.entity
        self.calls = self.rows = self.kept = 0
        self._last: Place | None = None
        self._giver = 0
        self._streams = [_Stream[E](number) for number in range(len(self.plan.reads))]
        self._sorted: list[tuple[Place, E]] | None = None
        self.done = self.plan.mode is Mode.NOTHING
        if search.spec.cursor is not None:
            self._resume(search.spec.cursor)

    @property
    def cursor(self) -> str | None:
        """Where to go on after what was given; None at the end."""
        if self._ended():
            return None
        pages = tuple(stream.at for stream in self._streams)
        # In a chain the last entity says nothing of where the next read is.
        of_active = any(stream.number == self._giver for stream in self._active())
        last = self._last if of_active or self.plan.mode is Mode.SORT else None
        return write_cursor(self.plan.fingerprint, Position(pages, last))

    def step(self, unit: UnitOfWork, most: int | None = None) -> Flow[Sequence[E]]:
        """Find the next entities, *most* at most; empty only at the end."""
        while not self.done:
            yield from self._feed(unit)
            given = self._take(self._bound(most))
            self.done = self.left == 0 or self._ended()
            if given:
                return given
        return ()

    # --- what is next -------------------------------------------------------------------

    def _bound(self, most: int | None) -> int | None:
        bounds = [each for each in (most, self.left) if each is not None]
        return min(bounds) if bounds else None

    def _ended(self) -> bool:
        if self._sorted is not None:
            return not self._sorted
        return all(stream.done and not stream.found for stream in self._streams)

    def _take(self, most: int | None) -> list[E]:
        """Give what can be given before the next call."""
        given: list[E] = []
        while most is None or len(given) < most:
            place, entity = self._pop()
            if entity is None:
                break
            # In a merge the same entity may come from two reads, one after the other.
            if self._last is None or place != self._last:
                given.append(entity)
            self._last = place
        if self.left is not None:
            self.left -= len(given)
        return given

    def _pop(self) -> tuple[Place | None, E | None]:
        if self._sorted is not None:
            return self._sorted.pop(0) if self._sorted else (None, None)
        active = [stream for stream in self._active() if stream.found]
        if not active or any(stream.hungry for stream in self._active()):
            return None, None
        first = (max if self.plan.descending else min)(
            active, key=lambda stream: stream.found[0][0]
        )
        self._giver = first.number
        return first.found.pop(0)

    def _active(self) -> Iterable[_Stream[E]]:
        """Return the reads that are asked now: all of a merge, one of a chain."""
        if self.plan.mode is not Mode.CHAIN:
            return self._streams
        return [stream for stream in self._streams if stream.found or not stream.done][:1]

    # --- calls --------------------------------------------------------------------------

    def _feed(self, unit: UnitOfWork) -> Flow[None]:
        """Read the next page of each read whose next entity is not known."""
        if self.plan.mode is Mode.SORT:
            yield from self._collect(unit)
            return
        while hungry := [stream for stream in self._active() if stream.hungry]:
            yield from self._read(unit, hungry)

    def _read(self, unit: UnitOfWork, hungry: list[_Stream[E]]) -> Flow[None]:
        reads = self.plan.reads
        self._spend(len(hungry))
        for stream in hungry:
            stream.page = stream.following
        operations = [
            entity_query(
                replace(reads[stream.number].spec, cursor=stream.page), rows=self.plan.rows
            )
            for stream in hungry
        ]
        bodies = yield from perform_all(operations)
        self.calls += len(bodies)
        for stream, body in zip(hungry, bodies, strict=True):
            self._keep(unit, stream, body)

    def _spend(self, calls: int) -> None:
        """Refuse calls past the budget, before any of them is made."""
        budget = self.plan.search.spec.requests
        if budget is not None and self.calls + calls > budget:
            raise BudgetExceeded(
                f"{self.plan.search!r} needs more than the {budget} calls of its budget; "
                "go on from the error's cursor, or ask less",
                self.cursor,
            )

    def _keep(self, unit: UnitOfWork, stream: _Stream[E], body: bytes) -> None:
        spec = self.plan.reads[stream.number].spec
        entities, stream.following = unit.load_page(
            self.cls, body, with_metadata=bool(spec.metadata)
        )
        stream.done = stream.following is None
        rows: list[dict[str, Any]] = from_json(body)["data"]
        dropped: list[E] = []
        for row, entity in zip(rows, entities, strict=True):
            place = self._place(spec.index.range, row)
            if self._passed(stream, place) or not self.plan.keeps(
                stream.number, row["key"], row["value"]
            ):
                dropped.append(entity)
            else:
                self.kept += 1
                stream.found.append((place, entity))
        unit.release(dropped)
        self.rows += len(rows)

    def _place(self, range_: str, row: dict[str, Any]) -> Place:
        name = self.plan.order or range_
        key: str = row["key"]
        return (key if name == "key" else row["value"].get(name)), key

    def _passed(self, stream: _Stream[E], place: Place) -> bool:
        """Whether an entity was given before the cursor the search was resumed at."""
        if stream.passed is None:
            return False
        return place >= stream.passed if self.plan.descending else place <= stream.passed

    # --- sorting ------------------------------------------------------------------------

    def _collect(self, unit: UnitOfWork) -> Flow[None]:
        """Read everything, and sort it."""
        if self._sorted is not None:
            return
        most = self.plan.search.spec.sort_limit
        while hungry := [stream for stream in self._streams if not stream.done]:
            for stream in hungry:
                stream.page = stream.following
            yield from self._read(unit, hungry)
            if sum(len(stream.found) for stream in self._streams) > most:
                raise SortTooLarge(
                    f"{self.plan.search!r} has more than {most} matches to sort by "
                    f"{self.plan.order}; declare an index whose range it is, ask less, or "
                    "raise .sort_limit()"
                )
        found = [item for stream in self._streams for item in stream.found]
        found.sort(key=lambda item: _sort_key(item[0]), reverse=self.plan.descending)
        self._sorted = found if self._last is None else self._after(found, self._last)

    def _after(self, found: list[tuple[Place, E]], last: Place) -> list[tuple[Place, E]]:
        at, down = _sort_key(last), self.plan.descending
        return [
            item
            for item in found
            if (_sort_key(item[0]) < at if down else _sort_key(item[0]) > at)
        ]

    def _resume(self, text: str) -> None:
        position = read_cursor(text, self.plan.fingerprint, len(self._streams))
        self._last = position.last
        if self.plan.mode is Mode.SORT:
            return
        for stream, page in zip(self._streams, position.pages, strict=True):
            stream.following, stream.done = page, page == DONE
        for stream in self._active():
            stream.passed = position.last
            self._giver = stream.number


def _tell(plan: ReadPlan) -> None:
    """Log how a search runs, without what it looks for."""
    reads = ", ".join(read.spec.index.name for read in plan.reads) or "nothing"
    tried = any(read.residual is not None for read in plan.reads)
    here = ", each row tried here" if tried else ""
    _log.debug("%s: %s, reading %s%s", plan.search.entity.__name__, plan.mode, reads, here)


def _sort_key(place: Place) -> tuple[bool, Any, str]:
    """Put entities without the attribute first."""
    value, key = place
    return value is not None, 0 if value is None else value, key


def page(unit: UnitOfWork, search: Search[E]) -> Flow[Page[E]]:
    """Find one page: up to the limit, the page size, or 100 entities."""
    walk, found = SearchWalk(search), list[E]()
    most = walk.left or walk.plan.rows
    while not walk.done and len(found) < most:
        found.extend((yield from walk.step(unit, most - len(found))))
    return Page(found, walk.cursor)


def explain(search: Search[Any], *, run: bool) -> Flow[Explanation]:
    """Tell how a search runs; with *run*, do so and tell what it took."""
    walk = SearchWalk(search)
    told = walk.plan.explain()
    while run and not walk.done:
        yield from walk.step(UnitOfWork())
    return replace(told, ran=Run(walk.calls, walk.rows, walk.kept) if run else None)
