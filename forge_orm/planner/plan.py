"""From a question to the reads that answer it: a pure function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil
from typing import Any

from .. import limits
from ..errors import ScanRefused
from ..expressions import AllOf, AnyOf, Comparison, Condition, Operator, Order
from ..model.mapping import EntityMapping
from ..query import (
    Bounds,
    EntityQuestion,
    Query,
    QuerySpec,
    Search,
    SearchSpec,
    rows_to_read,
    shown,
)
from ..schema import BY_KEY, IndexSchema
from .access import Access, Rejected, accesses, said_of
from .cursor import fingerprint_of
from .explain import Explanation, ReadExplained
from .normal import Branch, branches, key_of_branch
from .read import Read, read_of_keys

_NO_BOUNDS = Bounds()


class Mode(StrEnum):
    """How the reads of a plan become one answer."""

    NOTHING = "nothing"
    """The conditions contradict each other; nothing is asked."""
    SINGLE = "single"
    """One read, in its index's order."""
    MERGE = "merge"
    """Several reads side by side, merged in the order they share."""
    CHAIN = "chain"
    """Several reads one after the other: they share no order."""
    SORT = "sort"
    """Everything is collected and sorted here: no index serves the order."""


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """How a question is answered.

    *order* is the attribute the answer is in order of (``key`` for ``by-key``), None where
    the reads are chained. *rows* is how many rows each call reads. *rivals* are, for each
    read, the earlier ones that may find the same entity: what they give, it leaves out.
    """

    question: EntityQuestion[Any]
    mode: Mode
    reads: tuple[Read, ...]
    order: str | None
    descending: bool
    rows: int
    rivals: tuple[tuple[int, ...], ...] = ()

    @property
    def fingerprint(self) -> str:
        """What a cursor of this plan is bound to."""
        asked = [
            (_bare(read.spec), read.residual, [*read.rests.items()]) for read in self.reads
        ]
        return fingerprint_of(self.mode, asked, self.order, self.descending)

    @property
    def all_at_once(self) -> bool:
        """Whether keys are read all together, because they are put in an order here."""
        return self.order not in (None, "key")

    def plain(self, number: int) -> bool:
        """Whether read *number* gives every row that the service gives."""
        return self.reads[number].plain and not self.rivals[number]

    def keeps(self, number: int, key: str, stored: dict[str, Any]) -> bool:
        """Whether read *number* gives the row *stored* under *key*."""
        return self.reads[number].passes(key, stored) and not any(
            self.reads[rival].gives(key, stored) for rival in self.rivals[number]
        )

    def requests(self) -> int | None:
        """Return how many calls the first page takes at least; None for all there are."""
        match self.mode:
            case Mode.SORT:
                return None
            case Mode.CHAIN:
                return self._calls(self.reads[0])
            case _:
                return sum(map(self._calls, self.reads))

    def explain(self) -> Explanation:
        """Return the plan in words."""
        return Explanation(
            shown(self.question),
            str(self.mode),
            self._ordered(),
            self.rows,
            self.requests(),
            any(self.rivals),
            (_explained_query(self.question, self.reads[0]),)
            if isinstance(self.question, Query)
            else tuple(map(_explained, self.reads)),
        )

    def _calls(self, read: Read) -> int:
        if not read.rests:
            return 1
        keys = len(read.rests) if self.all_at_once else min(len(read.rests), self.rows)
        return ceil(keys / limits.BATCH_MAX_ITEMS)

    def _ordered(self) -> str:
        down = ", descending" if self.descending else ""
        match self.mode:
            case Mode.SORT:
                most = self.question.spec.sort_limit
                return f"by {self.order}{down}, sorted here (at most {most} entities)"
            case Mode.SINGLE | Mode.MERGE:
                keys = any(read.rests for read in self.reads) and self.all_at_once
                return f"by {self.order}{down}, {'keys sorted here' if keys else 'served'}"
            case _:
                return "none"


def _bare(spec: QuerySpec) -> QuerySpec:
    """Return what is asked, without how much of it and at what cost."""
    return replace(
        spec, limit=None, page_size=None, cursor=None, prefetch=(), budget=_NO_BOUNDS
    )


def plan_query(query: Query[Any], wanted: int | None) -> ReadPlan:
    """Plan a query, which names its index: one read. *wanted* bounds how much is asked."""
    mapping: EntityMapping[Any] = query.entity.__forge__
    spec, residual = mapping.narrowed(query.spec)
    metadata = mapping.lifetime.asking(spec.metadata)
    asked = spec
    if spec.cursor is not None or metadata != spec.metadata:
        asked = replace(spec, cursor=None, metadata=metadata)
    read = Read(asked, ((),), residual, "")
    rows = rows_to_read(spec, wanted if residual is None else None)
    order, descending = spec.index.range, spec.descending
    return ReadPlan(query, Mode.SINGLE, (read,), order, descending, rows, ((),))


def _explained_query(query: Query[Any], read: Read) -> ReadExplained:
    """Explain the read of a query: worked out only when it is asked for."""
    spec = read.spec
    named = f"the query names {spec.index.name}"
    others = [index for index in _indexes(query.entity.__forge__) if index != spec.index]
    rejected = tuple([Rejected(index, named) for index in others])
    why = said_of(spec.partition, spec.range)
    return _explained(replace(read, why=why, rejected=rejected))


def make_read_plan(search: Search[Any]) -> ReadPlan:
    """Plan *search*.

    Raises:
        ScanRefused: no index narrows it and it may not read every entity; the message has
            the index that would.
    """
    mapping: EntityMapping[Any] = search.entity.__forge__
    mapping.entity_schema()
    if (kinds := mapping.kind_condition()) is not None:
        search = search.where(kinds)
    spec = search.spec
    found = branches(spec.conditions)
    if found is None:
        return _too_many(search, mapping)
    pointed = [branch for branch in found if key_of_branch(branch) is not None]
    found = [branch for branch in found if key_of_branch(branch) is None]
    served = spec.order is not None and _all_serve(mapping, found, spec)
    order = spec.order if served else None
    chosen = [(branch, *_chosen(mapping, branch, order, spec)) for branch in found]
    descending = spec.order is not None and spec.order.descending
    reads = [*_reads(mapping, chosen, descending=descending)]
    if pointed:
        reads.insert(0, read_of_keys(mapping.name, pointed, _not_by_key(mapping)))
    return _plan(search, tuple(reads), served=served)


def _indexes(mapping: EntityMapping[Any]) -> Iterable[IndexSchema]:
    return (*mapping.schema.indexes.values(), BY_KEY)


def _not_by_key(mapping: EntityMapping[Any]) -> list[Rejected]:
    return [Rejected(index, "a key finds its entity alone") for index in _indexes(mapping)]


def _too_many(search: Search[Any], mapping: EntityMapping[Any]) -> ReadPlan:
    """Plan a condition of too many alternatives: what all share is served, the rest here."""
    shared = tuple(each for each in search.spec.conditions if isinstance(each, Comparison))
    whole = AllOf(search.spec.conditions)
    order = search.spec.order
    served = order is not None and _all_serve(mapping, [shared], search.spec)
    access, rejected = _chosen(mapping, shared, order if served else None, search.spec)
    descending = order is not None and order.descending
    spec = replace(
        access.spec(mapping.name, descending=descending and served), filters=access.filters
    )
    read = Read(spec, ((),), whole, access.why, tuple(rejected))
    return _plan(search, (read,), served=served)


def _all_serve(mapping: EntityMapping[Any], found: Iterable[Branch], spec: SearchSpec) -> bool:
    return all(
        _serving(accesses(mapping, branch, spec.order)[0], branch, spec) for branch in found
    )


def _serving(usable: Iterable[Access], branch: Branch, spec: SearchSpec) -> list[Access]:
    """Return the ways that give the order asked for."""
    return [
        each
        for each in usable
        if spec.order is not None
        and each.index.range == spec.order.attribute
        and (not each.scans or _may_scan(branch, spec))
    ]


def _may_scan(branch: Branch, spec: SearchSpec) -> bool:
    """Whether reading along a whole index is allowed: to find the first few, it always is."""
    return spec.allow_scan or (spec.limit is not None and spec.order is not None and not branch)


def _chosen(
    mapping: EntityMapping[Any], branch: Branch, order: Order[Any] | None, spec: SearchSpec
) -> tuple[Access, list[Rejected]]:
    usable, rejected = accesses(mapping, branch, order)
    best = (_serving(usable, branch, spec) if order is not None else usable)[0]
    if best.scans and not (spec.allow_scan or (order is not None and _may_scan(branch, spec))):
        raise ScanRefused(_refusal(mapping, branch, spec))
    passed = [Rejected(each.index, _passed_over(each, best)) for each in usable if each != best]
    return best, [*rejected, *passed]


def _passed_over(access: Access, best: Access) -> str:
    return (
        access.why if access.scans else f"{access.why}: less selective than {best.index.name}"
    )


def _reads(
    mapping: EntityMapping[Any],
    chosen: Iterable[tuple[Branch, Access, list[Rejected]]],
    *,
    descending: bool,
) -> Iterable[Read]:
    """Put alternatives that read the same rows into one read."""
    groups: dict[Any, list[tuple[Branch, Access, list[Rejected]]]] = {}
    for branch, access, rejected in chosen:
        same = access.index.name, access.partition, access.range
        groups.setdefault(same, []).append((branch, access, rejected))
    for group in groups.values():
        _, access, rejected = group[0]
        spec = access.spec(mapping.name, descending=descending)
        filters, residual = _left([access for _, access, _ in group])
        wanted = tuple(branch for branch, _, _ in group)
        whole = replace(spec, filters=filters)
        yield Read(whole, wanted, residual, access.why, tuple(rejected))


def _left(
    group: Sequence[Access],
) -> tuple[tuple[Condition[Any], ...], Condition[Any] | None]:
    """Return the service's filters of one read, and what is tried here."""
    first = group[0]
    if len(group) == 1:
        return first.filters, AllOf(first.residual) if first.residual else None
    if all(len(each.filters) == 1 and not each.residual for each in group):
        return (AnyOf(tuple(each.filters[0] for each in group)),), None
    shared = tuple(one for one in first.filters if all(one in each.filters for each in group))
    rests = [
        AllOf(tuple(one for one in (*each.filters, *each.residual) if one not in shared))
        for each in group
    ]
    return shared, AnyOf(tuple(rests)) if all(rest.conditions for rest in rests) else None


def _plan(search: Search[Any], reads: tuple[Read, ...], *, served: bool) -> ReadPlan:
    spec = search.spec
    indexes = {read.spec.index.name for read in reads}
    if not reads:
        mode = Mode.NOTHING
    elif spec.order is not None and not served:
        mode = Mode.SORT
    elif len(reads) == 1:
        mode = Mode.SINGLE
    else:
        mode = Mode.MERGE if served or len(indexes) == 1 else Mode.CHAIN
    order = reads[0].spec.index.range if mode in (Mode.SINGLE, Mode.MERGE) else None
    if spec.order is not None:
        order = spec.order.attribute
    descending = spec.order is not None and spec.order.descending
    if mode is Mode.SORT:
        reads = tuple(
            replace(read, spec=replace(read.spec, descending=False)) for read in reads
        )
    metadata = search.entity.__forge__.lifetime.asking(spec.metadata)
    reads = tuple(replace(read, spec=replace(read.spec, metadata=metadata)) for read in reads)
    rows = _rows(spec, reads, mode)
    return ReadPlan(search, mode, reads, order, descending, rows, tuple(_rivals(reads)))


def _rivals(reads: Sequence[Read]) -> Iterable[tuple[int, ...]]:
    for number, read in enumerate(reads):
        yield tuple(one for one in range(number) if read.overlaps(reads[one]))


def _rows(spec: SearchSpec, reads: Sequence[Read], mode: Mode) -> int:
    if spec.page_size is not None:
        return spec.page_size
    dropped = any(not read.plain or read.spec.filters for read in reads)
    if spec.limit is None or dropped or mode in (Mode.SORT, Mode.CHAIN):
        return limits.PAGE_MAX
    return min(spec.limit, limits.PAGE_MAX)


def _refusal(mapping: EntityMapping[Any], branch: Branch, spec: SearchSpec) -> str:
    said = " & ".join(map(repr, branch)) or "no condition"
    served = [each for each in branch if each.served and not each.on_key]
    equal = [each.attribute for each in served if each.operator is Operator.EQUAL_TO]
    ordered = [each.attribute for each in served if each.attribute not in equal]
    range_ = spec.order.attribute if spec.order is not None else None
    range_ = range_ or next(iter(ordered), None) or (equal.pop() if equal else None)
    advice = "name more conditions"
    if range_ is not None and range_ != "key":
        names = [name for name in dict.fromkeys(equal) if name != range_]
        label = f"by_{range_}"
        if label in mapping.schema.indexes:
            label = "_".join(["by", *names, range_])
        parts = ", ".join([*names, f"range={range_}"])
        advice = f"declare {label} = index({parts}) in {mapping.label}"
    return (
        f"no index of {mapping.label} narrows {said}, so every entity would be read; "
        f"{advice}, or say .allow_scan()"
    )


def _explained(read: Read) -> ReadExplained:
    rests = [repr(rest) for rest in dict.fromkeys(read.rests.values()) if rest is not None]
    tried = [] if read.residual is None else [repr(read.residual)]
    return ReadExplained(
        index="keys" if read.rests else str(read.spec.index),
        why=read.why,
        partition=dict(read.spec.partition),
        range=None if read.spec.range is None else repr(read.spec.range),
        filters=tuple(map(repr, read.spec.filters)),
        residual=" | ".join([*tried, *rests]) or None,
        rejected={str(each.index): each.why for each in read.rejected},
    )
