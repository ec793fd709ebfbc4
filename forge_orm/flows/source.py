"""One read of a plan on its way: the page it is on, and what of it is still to be given."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic_core import from_json

from ..errors import PartialRead
from ..limits import BATCH_MAX_ITEMS
from ..model import Entity
from ..model.entity import key_of, origin_of
from ..operations import BatchItem, Operation, batch_get, entity_query
from ..operations.batch import failures_of_get, read_failures
from ..planner import ReadPlan
from ..planner.cursor import DONE, Mark, Place
from ..planner.plan import Mode
from ..unit import UnitOfWork
from ..wire import MetadataField

E = TypeVar("E", bound=Entity)
Row: TypeAlias = dict[str, Any]


class Source(Generic[E]):
    """A read of an index, page by page.

    *entities* are those of the page that pass, *at* how many of them were given; *places* are
    theirs where reads are merged. *skip* is the last that was given before a cursor.
    """

    def __init__(self, plan: ReadPlan, number: int, rows: int) -> None:
        """Begin at the beginning of read *number*."""
        self.plan, self.number, self._rows = plan, number, rows
        self.read = plan.reads[number]
        self.page: str | None = None
        self.following: str | None = None
        self.done = False
        self.skip: Place | None = None
        self.entities: Sequence[E] = ()
        self.places: Sequence[Place] = ()
        self.at = 0
        self._last: Place | None = None
        self._expires = MetadataField.EXPIRE_TIME in self.read.spec.metadata
        self._whole = plan.plain(number) and plan.mode is not Mode.MERGE

    @property
    def hungry(self) -> bool:
        """Whether its next entity is not known without a call."""
        return self.at == len(self.entities) and not self.done

    @property
    def over(self) -> bool:
        """Whether it has nothing more to give."""
        return self.done and self.at == len(self.entities)

    @property
    def mark(self) -> Mark:
        """Where to go on after what was given."""
        if self.at < len(self.entities):
            return Mark(self.page, self._given() if self.at else self._last)
        return Mark(DONE) if self.done else Mark(self.following, self.skip)

    def _given(self) -> Place:
        """Return the place of the last that was given."""
        return (
            self.places[self.at - 1]
            if self.places
            else self.place_of(self.entities[self.at - 1])
        )

    def resume(self, mark: Mark, begun: Place | None) -> None:
        """Go on at *mark*, of an answer that begins at *begun*."""
        self.following, self.done = mark.page, mark.page == DONE
        self.skip = mark.last if mark.last is not None or mark.page else begun

    def take(self, most: int | None) -> Sequence[E]:
        """Give the next of the page, *most* at most."""
        end = len(self.entities) if most is None else self.at + most
        given = self.entities[self.at : end]
        self.at += len(given)
        return given

    def place_of(self, entity: E) -> Place:
        """Return where *entity* stands in the order, by what was read of it."""
        key, name = str(key_of(entity)), self._ordering
        if name == "key":
            return key, key
        origin = origin_of(entity)
        known = origin is not None and origin.knows(key)
        return (origin.value(key).get(name) if known and origin else None), key

    # --- calls --------------------------------------------------------------------------

    def operations(self) -> list[Operation[bytes]]:
        """Return the calls that read its next page."""
        spec, following = self.read.spec, self.following
        spec = spec if following is None else replace(spec, cursor=following)
        return [entity_query(spec, rows=self._rows)]

    def receive(self, unit: UnitOfWork, cls: type[E], bodies: Sequence[bytes]) -> int:
        """Read the answers; return how many rows there were."""
        (body,) = bodies
        entities, following = unit.load_page(cls, body, self.read.spec.metadata)
        self.page, self.following = self.following, following
        self.done = self.following is None
        if self._whole and self.skip is None:
            self._turn(unit.alive(entities) if self._expires else entities, ())
        else:
            self._sift(unit, from_json(body)["data"], entities)
        return len(entities)

    def _sift(self, unit: UnitOfWork, rows: Sequence[Row], entities: Sequence[E]) -> None:
        """Keep what it is to give of a page."""
        before = self.skip
        start = self._past_skipped(rows)
        kept: list[E] = []
        places: list[Place] = []
        dropped = [*entities[:start]]
        for row, entity in zip(rows[start:], entities[start:], strict=True):
            place = self._place(row)
            if self._expires and unit.is_gone(entity):
                continue
            if self._keeps(place, row):
                kept.append(entity)
                places.append(place)
            else:
                dropped.append(entity)
        unit.release(dropped)
        if kept:
            self.skip = None
        self._turn(kept, places, before)

    def _keeps(self, place: Place, row: Row) -> bool:
        return self._follows(place) and self.plan.keeps(self.number, row["key"], row["value"])

    def _turn(
        self, entities: Sequence[E], places: Sequence[Place], last: Place | None = None
    ) -> None:
        self.entities, self.places, self.at, self._last = entities, places, 0, last

    def _past_skipped(self, rows: Sequence[Row]) -> int:
        """Return where what was not given yet begins, if the last that was is on the page.

        So the order of entities with the same value does not matter, which is not documented.
        """
        if self.skip is None:
            return 0
        keys = [row["key"] for row in rows]
        if self.skip[1] not in keys:
            return 0
        start = keys.index(self.skip[1]) + 1
        self.skip = None
        return start

    def _follows(self, place: Place) -> bool:
        if self.skip is None:
            return True
        here, there = sort_key(place), sort_key(self.skip)
        return here < there if self.plan.descending else here > there

    @property
    def _ordering(self) -> str:
        return self.plan.order or self.read.spec.index.range

    def _place(self, row: Row) -> Place:
        key: str = row["key"]
        name = self._ordering
        return (key if name == "key" else row["value"].get(name)), key


class KeySource(Source[E]):
    """A read of keys, some at a time; all at once where they are put in an order here."""

    def __init__(self, plan: ReadPlan, number: int, rows: int) -> None:
        """Begin with the first key."""
        super().__init__(plan, number, rows)
        self._keys = sorted(self.read.rests)
        self._down = plan.descending and not plan.all_at_once

    def resume(self, mark: Mark, begun: Place | None) -> None:
        """Go on at *mark*, of an answer that begins at *begun*."""
        super().resume(mark, begun)
        if self.following is None and begun is not None and not self.plan.all_at_once:
            self.following = begun[1]  # no need to read the keys before

    def operations(self) -> list[Operation[bytes]]:
        """Return the calls that read its next keys, 25 a call."""
        items = [BatchItem(key, self.read.spec.entity) for key in self._next(self._left())]
        starts = range(0, len(items), BATCH_MAX_ITEMS)
        fields = self.read.spec.metadata
        return [batch_get(items[start : start + BATCH_MAX_ITEMS], fields) for start in starts]

    def _left(self) -> list[str]:
        """Return the keys after the page before, in the order they are read."""
        if self.following is None:
            return self._keys[::-1] if self._down else self._keys
        if self._down:
            return self._keys[: bisect_left(self._keys, self.following)][::-1]
        return self._keys[bisect_right(self._keys, self.following) :]

    def _next(self, left: list[str]) -> list[str]:
        return left if self.plan.all_at_once else left[: self._rows]

    def receive(self, unit: UnitOfWork, cls: type[E], bodies: Sequence[bytes]) -> int:
        """Read the answers; raises `PartialRead` for keys that could not be read."""
        found: dict[str, E] = {}
        rows: list[Row] = []
        for body in bodies:
            entities, failed = unit.load_batch(cls, body, self.read.spec.metadata)
            found.update((str(key_of(entity)), entity) for entity in entities)
            if failures := failures_of_get(read_failures(failed)):
                raise PartialRead(found, failures)
            rows += from_json(body)["successfulKeys"]
        left = self._left()
        keys = self._next(left)
        self.done = len(keys) == len(left)
        self.page, self.following = self.following, keys[-1] if keys else None
        down = self.plan.descending
        rows.sort(key=lambda row: sort_key(self._place(row)), reverse=down)
        self._sift(unit, rows, [found[row["key"]] for row in rows])
        return len(rows)


def sort_key(place: Place) -> tuple[bool, Any, str]:
    """Put entities without the attribute first."""
    value, key = place
    return value is not None, 0 if value is None else value, key


def sources_of(plan: ReadPlan, rows: int) -> list[Source[Any]]:
    """Return a source for each read of *plan*."""
    return [
        (KeySource if read.rests else Source)(plan, number, rows)
        for number, read in enumerate(plan.reads)
    ]
