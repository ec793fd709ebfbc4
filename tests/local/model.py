"""The documented semantics over a plain dict: what the store's answers are held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from forge_orm.local import Readings

from .world import BOOK, DAY

Name = tuple[str, str | None, str]
"""Whose, of which entity (None: a plain key), under which key."""


class Item(NamedTuple):
    value: Any
    created: int
    updated: int
    expires: int | None


def refusal(act: Callable[[], object]) -> tuple[int, str] | None:
    """Do *act*; return what it was refused with, or None."""
    try:
        act()
    except Refused as refused:
        return refused.answer
    return None


class Refused(Exception):
    """What the service answers instead."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.answer = (status, code)


TEXTUAL = ("title", "shelf")


@dataclass
class Model:
    readings: Readings
    now: float
    items: dict[Name, Item] = field(default_factory=dict[Name, Item])

    @property
    def ms(self) -> int:
        return int(self.now * 1000)

    @property
    def nothing(self) -> tuple[int, None]:
        """The answer to what returns nothing."""
        return (204 if self.readings.nothing_is_204 else 200), None

    def deleted(self, item: Item, lag: int) -> bool:
        return item.expires is not None and item.expires <= self.ms - lag * 1000

    def find(self, name: Name) -> Item | None:
        item = self.items.get(name)
        lag = 2 * DAY if self.readings.expired_visible else 0
        return None if item is None or self.deleted(item, lag) else item

    def checked(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return what is stored of an entity's value."""
        for name, given in value.items():
            if name not in BOOK.attributes:
                if self.readings.refuse_undeclared:
                    raise Refused(400, "INVALID_ENTITY_VALUE")
            elif given is None:
                if self.readings.refuse_null:
                    raise Refused(400, "INVALID_ENTITY_VALUE")
            elif (
                self.readings.refuse_blank and name in ("title", "shelf") and not given.strip()
            ):
                raise Refused(400, "INVALID_ENTITY_VALUE")
        return {
            name: self.rounded(given)
            for name, given in value.items()
            if given is not None or name not in BOOK.attributes
        }

    def rounded(self, given: Any) -> Any:
        whole = type(given) is int and self.readings.round_numbers
        return int(float(given)) if whole else given

    def set(
        self, name: Name, value: Any, ttl: int | None = None, *, insert: bool = False
    ) -> tuple[Item | None, Item]:
        before, stored = self.find(name), value if name[1] is None else self.checked(value)
        if insert and self.conflicts(name):
            raise Refused(409, "KEY_CONFLICT")
        expires = None if ttl is None else self.ms + ttl * 1000
        if ttl is None and before and not self.readings.set_clears_ttl:
            expires = before.expires
        created = before.created if before else self.ms
        self.items[name] = after = Item(stored, created, self.ms, expires)
        return before, after

    def conflicts(self, name: Name) -> bool:
        lag = 2 * DAY if self.readings.expired_conflicts else 0
        item = self.items.get(name)
        return item is not None and not self.deleted(item, lag)

    def delete(self, name: Name) -> None:
        there = self.find(name)
        self.items.pop(name, None)
        if there is None and self.readings.delete_reports_absent:
            raise Refused(404, "KEY_NOT_FOUND")

    def transact(
        self,
        sets: dict[Name, tuple[Any, int | None]],
        deletes: list[Name],
        tests: list[tuple[Name, dict[str, Any]]],
    ) -> None:
        for (_, entity, _), (value, _) in sets.items():
            if entity is not None:
                self.checked(value)
        for name, conditions in tests:
            item = self.find(name)
            if item is None and self.readings.absent_item_fails:
                raise Refused(400, "CONDITIONAL_CHECK_FAILED")
            if not self.holds(item.value if item else {}, conditions):
                raise Refused(400, "CONDITIONAL_CHECK_FAILED")
        for name, (value, ttl) in sets.items():
            self.set(name, value, ttl)
        for name in deletes:
            self.items.pop(name, None)

    def holds(self, value: dict[str, Any], conditions: dict[str, Any]) -> bool:
        ((joined, clauses),) = conditions.items()
        results = [self.clause_holds(value, clause) for clause in clauses]
        return all(results) if joined == "and" else any(results)

    def clause_holds(self, value: dict[str, Any], clause: dict[str, Any]) -> bool:
        ours, condition = value.get(clause["property"]), clause["condition"]
        if condition in ("EXISTS", "NOT_EXISTS"):
            return (ours is None) is (condition == "NOT_EXISTS")
        if ours is None and condition in ("NOT_EQUAL_TO", "NOT_CONTAINS"):
            return not self.readings.absent_attribute_fails
        theirs = map(self.rounded, clause["values"])
        return ours is not None and compares(ours, condition, *theirs)

    def along(
        self, tenant: str, index: str, partition: list[Any], range: dict[str, Any] | None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the books an index holds, ascending."""
        names = () if index == "by-key" else BOOK.indexes[index].partition
        ordered = "key" if index == "by-key" else BOOK.indexes[index].range
        found: list[tuple[Any, str, dict[str, Any]]] = []
        for owner, entity, key in self.items:
            item = self.find((owner, entity, key))
            if (owner, entity) != (tenant, "book") or item is None:
                continue
            at = key if index == "by-key" else item.value.get(ordered)
            here = [item.value.get(name) for name in names]
            if at is None and (range is not None or self.readings.absent_range_hides):
                continue
            values = [] if range is None else map(self.rounded, range["values"])
            inside = range is None or compares(at, range["condition"], *values)
            if here == partition and inside:
                found.append((at, key, item.value))
        for _, key, value in sorted(found, key=lambda row: (rank(row[0]), row[1])):
            yield key, value

    def turned(self, rows: list[dict[str, Any]], ordered: str) -> list[dict[str, Any]]:
        """Return rows that ascend as they descend."""
        if ordered == "key" or self.readings.ties_follow_sort:
            return rows[::-1]
        # A sort keeps the order of what is equal, also when it is reversed.
        return sorted(rows, key=lambda row: rank(row["value"].get(ordered)), reverse=True)


def rank(at: Any) -> tuple[bool, Any]:
    """Return what orders a range: what is absent comes first."""
    return at is not None, at


def compares(ours: Any, condition: str, *theirs: Any) -> bool:
    return COMPARISONS[condition](ours, *theirs)


COMPARISONS: dict[str, Callable[..., bool]] = {
    "EQUAL_TO": lambda ours, value: ours == value,
    "NOT_EQUAL_TO": lambda ours, value: ours != value,
    "LESS_THAN": lambda ours, value: ours < value,
    "LESS_THAN_EQUAL_TO": lambda ours, value: ours <= value,
    "GREATER_THAN": lambda ours, value: ours > value,
    "GREATER_THAN_EQUAL_TO": lambda ours, value: ours >= value,
    "BETWEEN": lambda ours, low, high: low <= ours <= high,
    "BEGINS_WITH": lambda ours, value: ours[: len(value)] == value,
    "CONTAINS": lambda ours, value: value in ours,
    "NOT_CONTAINS": lambda ours, value: value not in ours,
}
