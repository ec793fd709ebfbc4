# pyright: reportUnusedCallResult=true
"""Looking up what refers to entities that are about to be deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_core import from_json

from ..limits import PAGE_MAX
from ..model.rules import DeleteRule
from ..operations import entity_query
from ..query import QuerySpec
from ..unit import Atomic, Reach, Target, UnitOfWork, WritePlan
from .core import Flow, perform_all
from .lookups import look_up


def expand(unit: UnitOfWork, atomic: Atomic) -> Flow[None]:
    """Make what the pending deletions reach part of the unit, by the rules of the references.

    Keys come from the indexes, which may be late; each entity is then read by its key, which
    is not. Nothing changes where one of them raises:

        DeleteRestricted: something refers to what is deleted, and may not lose it.
        CascadeTooLarge: a deletion would reach more than it may.
    """
    if not (deletions := unit.deletions()):
        return
    reach = Reach(unit)
    targets = [Target(deletion.name, deletion) for deletion in deletions]
    while targets:
        searches = [_Search(target, rule) for target in targets for rule in target.rules()]
        yield from _find_keys(searches, reach)
        targets = yield from _follow(unit, searches, reach)
    reach.apply(guarded=atomic != "never")
    unit.looked_up(deletion.name for deletion in deletions)


def prepare(unit: UnitOfWork, atomic: Atomic) -> Flow[WritePlan]:
    """Do so, and return the plan, which now shows everything."""
    yield from expand(unit, atomic)
    return unit.plan(atomic)


@dataclass(slots=True)
class _Search:
    """The query of what refers to *target* through one reference, on its way."""

    target: Target
    rule: DeleteRule
    keys: list[str] = field(default_factory=list[str])
    spec: QuerySpec = field(init=False)
    done: bool = False

    def __post_init__(self) -> None:
        self.spec = self.rule.referrers(self.target.name[1])

    def ended(self, unit: UnitOfWork) -> bool:
        """Whether enough was read: of a restricting rule, one that is not deleted too."""
        if self.done or self.rule.action != "restrict":
            return self.done
        return any(not unit.is_deleting(self.rule.owner, key) for key in self.keys)

    def keep(self, body: bytes) -> list[str]:
        """Note the keys of one page, and return them."""
        answer: dict[str, Any] = from_json(body)
        found = [row["key"] for row in answer["data"]]
        self.keys += found
        self.spec = replace(self.spec, cursor=answer.get("cursor"))
        self.done = self.spec.cursor is None
        return found


def _find_keys(searches: Sequence[_Search], reach: Reach) -> Flow[None]:
    """Read every page of *searches*, side by side, until one reaches too many."""
    while going := [search for search in searches if not search.ended(reach.unit)]:
        bodies = yield from perform_all(
            [entity_query(search.spec, rows=PAGE_MAX) for search in going]
        )
        for search, body in zip(going, bodies, strict=True):
            found = search.keep(body)
            if search.rule.action != "restrict":
                reach.count(search.target, search.rule.owner, found)


def _follow(unit: UnitOfWork, searches: Sequence[_Search], reach: Reach) -> Flow[list[Target]]:
    """Read what was found, and apply the rules; return what is deleted too."""
    wanted: dict[type[Any], list[str]] = {}
    for search in searches:
        wanted.setdefault(search.rule.owner, []).extend(search.keys)
    found = yield from look_up(unit, wanted)
    further: list[Target] = []
    for search in searches:
        owner = search.rule.owner
        read = [found[owner, key] for key in search.keys if (owner, key) in found]
        if not search.done:
            reach.unread.append(search.target)
        further += reach.take([*reach.referrers(search.target, search.rule, read)])
    return further
