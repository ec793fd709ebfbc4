"""The write plan: pending writes grouped into the calls that will carry them.

A pure function from writes to calls, so that it can be read before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

from pydantic_core import from_json

from .. import limits
from ..errors import ForgeError, ItemFailure, SessionError
from ..expressions import Condition, KeyCondition, Operator
from ..model.entity import Entity
from ..model.mapping import EntityMapping
from ..operations import (
    BatchItem,
    BatchOutcome,
    Check,
    Operation,
    Setting,
    Stored,
    Write,
    batch_delete,
    batch_set,
    entity_delete,
    entity_get,
    entity_set,
    transaction,
)
from ..units import units_of
from .cascade import Deletion
from .references import Checked, checks_with, in_ranks
from .reservations import Reserving

T = TypeVar("T")

Atomic: TypeAlias = Literal["auto", "always", "never"]
"""When writes go in a transaction: where a condition needs one, always, or never."""


_GUARDS: Final = (Operator.EQUAL_TO, Operator.NOT_EXISTS)
"""What a save is guarded with that must find the version that was read, or none."""


class WriteItem(NamedTuple):
    """One entity to set (*value* is its JSON) or to delete (*value* is None).

    *name* is its class (the common base, where one entity has several kinds) and its key.
    *attributes* are the changed ones, empty for a new entity. *create* makes the write fail
    where the key exists, *update* where it does not. *touch* says that nothing is to change
    but its time to live. *reserving* is what becomes of reservations of unique values,
    *targets* is what it refers to that has to exist.
    """

    name: tuple[type[Any], str]
    entity: Entity | None
    value: bytes | None = None
    attributes: tuple[str, ...] = ()
    conditions: tuple[Condition[Any], ...] = ()
    ttl: timedelta | None = None
    create: bool = False
    update: bool = False
    touch: bool = False
    reserving: Reserving | None = None
    targets: tuple[Checked, ...] = ()

    @property
    def needs_transaction(self) -> bool:
        """Whether it is written under conditions, with something else or not at all."""
        return bool(self.conditions or self.targets or self.reserving is not None)

    @property
    def stored(self) -> dict[str, Any] | None:
        """The stored form of the entity to set; None for one to delete."""
        return None if self.value is None else from_json(self.value)

    @property
    def mapping(self) -> EntityMapping[Any]:
        """How the entity is stored."""
        cls: Any = self.name[0] if self.entity is None else type(self.entity)
        mapping: EntityMapping[Any] = cls.__forge__
        return mapping

    @property
    def address(self) -> tuple[str, str]:
        """The entity's name and the key."""
        return self.name[0].__forge__.name, self.name[1]

    @property
    def version_name(self) -> str | None:
        """The attribute that counts the entity's saves, as it is stored."""
        version = self.mapping.version
        return None if version is None else version.name

    @property
    def versioned(self) -> bool:
        """Whether it is written only if its version is still the one that was read."""
        return self._guard is not None

    @property
    def expected(self) -> Any:
        """The version that was read."""
        guard = self._guard
        return guard.values[0] if guard is not None and guard.values else None

    @property
    def _guard(self) -> KeyCondition[Any] | None:
        name = self.version_name
        found = (each for each in self.conditions if isinstance(each, KeyCondition))
        return next(
            (each for each in found if each.attribute == name and each.operator in _GUARDS),
            None,
        )

    def numbered(self, version: int) -> WriteItem:
        """Return the same write, of this version."""
        stored = {**(self.stored or {}), str(self.version_name): version}
        return self._replace(value=self.mapping.dump(stored, self.name[1]))

    @property
    def guarded(self) -> tuple[Condition[Any], ...]:
        """Its conditions, with those that unique values bring along."""
        guard = () if self.reserving is None else self.reserving.guard
        return (*self.conditions, *guard)

    def under(self, conditions: tuple[Condition[Any], ...]) -> WriteItem:
        """Return the same write, under further *conditions*."""
        return self._replace(conditions=(*self.conditions, *conditions))

    def __str__(self) -> str:
        """Say in a line what is written."""
        entity, key = self.address
        if self.value is None:
            what = f"delete {entity} {key!r}"
        else:
            changed = f" ({', '.join(self.attributes)})" if self.attributes else ""
            verb = "create" if self.create else "update" if self.update else "set"
            verb = "touch" if self.touch else verb
            what = f"{verb} {entity} {key!r}{changed}, {len(self.value)} bytes"
        ttl = f", ttl {self.ttl}" if self.ttl is not None else ""
        return f"{what}{ttl}{_when(self.guarded)}"


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call: its items, and the operation that carries them.

    *receipt* is a plain key that a transaction sets besides, to be known by later.
    *also* says in words what else it carries: reservations of unique values.
    """

    items: tuple[WriteItem, ...]
    checks: tuple[Check, ...]
    operation: (
        Operation[BatchOutcome]
        | Operation[Stored[Any] | None]
        | Operation[None]
        | Operation[bytes | None]
    )
    receipt: str | None = None
    also: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The endpoint, below ``/v1/``."""
        return self.operation.request.operation

    @property
    def bytes(self) -> int:
        """The size of the request's body."""
        return len(self.operation.request.body)

    @property
    def units(self) -> int:
        """The write units it costs: 10 KB each, rounded up once for all its items."""
        return units_of(self.bytes)

    def failures_for(self, error: ForgeError) -> list[ItemFailure]:
        """Return a failure of every item, where the call failed as a whole."""
        return [ItemFailure(*item.address, error) for item in self.items]

    def __str__(self) -> str:
        """Show the call and its items, one a line."""
        count = len(self.items) + len(self.checks) + len(self.also)
        cost = f"{self.bytes} bytes, {_counted(self.units, 'unit')}"
        lines = [f"{self.path}: {_counted(count, 'item')}, {cost}"]
        lines += [f"  {item}" for item in self.items]
        lines += [
            f"  check {test.entity} {test.key!r}{_when(test.conditions)}"
            for test in self.checks
        ]
        lines += [f"  receipt {self.receipt!r}"] if self.receipt else []
        return "\n".join([*lines, *(f"  {line}" for line in self.also)])


@dataclass(frozen=True, slots=True)
class WritePlan:
    """What a commit sends: stages one after the other, the calls of a stage together.

    Transactions come first, so that a condition that does not hold stops everything else.
    What checked references lead to is saved before what refers to it, in an earlier stage.
    *unknown* are writes whose answer was lost, and that may not be sent twice: what became
    of them is read before anything else is sent. *lookups* are deletions with rules, before
    which a commit looks up what refers to the entity; `Session.prepare` does so at once.

    Before the stages, in the calls of *first*, unique values are claimed and rows read that
    the session does not know; if a row is there already, its transaction frees what it had.
    """

    stages: tuple[tuple[PlannedCall, ...], ...] = ()
    unknown: tuple[WriteItem, ...] = ()
    lookups: tuple[Deletion, ...] = ()
    first: tuple[PlannedCall, ...] = ()
    again: Callable[[Sequence[WriteItem]], WritePlan] | None = field(
        default=None, compare=False
    )

    @property
    def calls(self) -> tuple[PlannedCall, ...]:
        """Every call, in order."""
        return (*self.first, *(call for stage in self.stages for call in stage))

    @property
    def items(self) -> tuple[WriteItem, ...]:
        """Every write, in order."""
        return tuple(item for call in self.calls for item in call.items)

    @property
    def bytes(self) -> int:
        """The size of all bodies."""
        return sum(call.bytes for call in self.calls)

    @property
    def units(self) -> int:
        """The write units it costs, of the 4,000 a minute (limits-kvs-ce)."""
        return sum(call.units for call in self.calls)

    def __bool__(self) -> bool:
        """Whether there is anything to send."""
        return bool(self.stages)

    def __str__(self) -> str:
        """Show the plan, call by call."""
        if not self.stages:
            return "nothing to send"
        writes, calls = _counted(len(self.items), "write"), _counted(len(self.calls), "call")
        head = f"{writes} in {calls}, {self.bytes} bytes, {_counted(self.units, 'unit')}"
        first = [f"unknown, to be read first: {item}" for item in self.unknown]
        first += [f"to be looked up first: {deletion}" for deletion in self.lookups]
        return "\n".join([head, *first, *map(str, self.calls)])

    __repr__ = __str__


NOTHING: Final = WritePlan()
"""The plan of a unit of work without writes."""


def make_plan(
    items: Sequence[WriteItem],
    checks: Sequence[Check],
    atomic: Atomic,
    *,
    together: bool = False,
) -> WritePlan:
    """Group *items* and *checks* into calls; raises `SessionError` for what cannot be.

    *together* wants one transaction for everything, whatever *atomic* says.
    """
    plan = _grouped(items, checks, atomic, together)
    first = tuple(_first(items))
    if not first:
        return plan
    return replace(plan, first=first, again=partial(_settled, first, checks, atomic, together))


def _settled(
    first: tuple[PlannedCall, ...],
    checks: Sequence[Check],
    atomic: Atomic,
    together: bool,
    items: Sequence[WriteItem],
) -> WritePlan:
    """Return the plan of *items* again, now that claims were made and rows read."""
    return replace(_grouped(items, checks, atomic, together), first=first)


def _first(items: Iterable[WriteItem]) -> Iterator[PlannedCall]:
    reserving = [(item, item.reserving) for item in items if item.reserving is not None]
    for _, does in reserving:
        for claim in does.all_claims:
            yield PlannedCall((), (), claim.make(), also=(f"claim {claim.reservation}",))
    for item, does in reserving:
        if does.unread:
            entity, key = item.address
            yield PlannedCall((), (), entity_get(entity, key), also=(f"read {entity} {key!r}",))


def _grouped(
    items: Sequence[WriteItem], checks: Sequence[Check], atomic: Atomic, together: bool
) -> WritePlan:
    guarded = [item for item in items if item.needs_transaction]
    if atomic == "never" and any(item.reserving is not None for item in guarded):
        raise SessionError(
            "unique values need a transaction, and this session has atomic='never'; use "
            "atomic='auto'"
        )
    if atomic == "never" and any(item.targets for item in guarded):
        raise SessionError(
            "references with check=True need a transaction, and this session has "
            "atomic='never'; use atomic='auto'"
        )
    if atomic == "never" and (guarded or checks):
        raise SessionError(
            "conditions need a transaction, and this session has atomic='never'; "
            "use atomic='auto', or leave the conditions out"
        )
    if not items and not checks:
        return NOTHING
    if atomic == "always" or checks or together:
        return WritePlan(((one_transaction(items, checks),),))
    if not guarded:
        return WritePlan((_singly(items),))
    alone = [item for item in items if not item.needs_transaction]
    return WritePlan(tuple(stage for stage in _stages(guarded, alone) if stage))


def _stages(
    guarded: Sequence[WriteItem], alone: Sequence[WriteItem]
) -> Iterator[tuple[PlannedCall, ...]]:
    """Put transactions first, and before them what their references have to find."""
    wanted = {target.address for item in guarded for target in item.targets}
    early = [[item] for item in alone if item.address in wanted]
    for rank in in_ranks([*_linked(guarded), *early]):
        yield tuple(_transactions([group for group in rank if group[0].needs_transaction]))
        yield _singly([group[0] for group in rank if not group[0].needs_transaction])
    yield _singly([item for item in alone if item.address not in wanted])


def _singly(items: Sequence[WriteItem]) -> tuple[PlannedCall, ...]:
    created = [item for item in items if item.create]
    plain = [item for item in items if not item.create]
    return (*map(_single, created), *_batches(plain))


def one_transaction(items: Sequence[WriteItem], checks: Sequence[Check]) -> PlannedCall:
    """Return the transaction of *items* and *checks*; raises `SessionError` if too large."""
    checks = checks_with(items, checks)
    count, limit = sum(map(_count, items)) + len(checks), limits.TRANSACTION_MAX_ITEMS
    if count > limit:
        raise SessionError(
            f"{count} operations do not fit one transaction: the limit is {limit}, so "
            f"{count - limit} too many. Commit in parts, or use atomic='auto'"
        )
    for item in items:
        _refuse_create(item)
    _refuse_twins([*(item.address for item in items), *((c.entity, c.key) for c in checks)])
    does = [item.reserving for item in items if item.reserving is not None]
    writes = [*map(_write, items), *(write for each in does for write in each.writes())]
    operation = transaction(writes, checks)
    size, most = len(operation.request.body), limits.PAYLOAD_MAX_BYTES
    if size > most:
        raise SessionError(
            f"{size} bytes do not fit one transaction: the limit is {most}, so {size - most} "
            "too many. Commit in parts, or use atomic='auto'"
        )
    also = tuple(line for each in does for line in each.lines())
    return PlannedCall(tuple(items), tuple(checks), operation, also=also)


def _transactions(groups: Sequence[Sequence[WriteItem]]) -> Iterator[PlannedCall]:
    for apart in _apart(groups):
        for chunk in _chunks(
            apart, limits.TRANSACTION_MAX_ITEMS, _total(_size_guarded), _added
        ):
            yield one_transaction([item for group in chunk for item in group], ())


def _linked(items: Sequence[WriteItem]) -> list[list[WriteItem]]:
    """Put items together that pass a unique value from one to another."""
    givers = {key for item in items if item.reserving for key in item.reserving.givers}
    if not givers:
        return [[item] for item in items]
    groups: list[list[WriteItem]] = []
    for item in items:
        joined = [group for group in groups if _pass(group, item)]
        groups = [group for group in groups if group not in joined]
        groups.append([*(each for group in joined for each in group), item])
    return groups


def _pass(group: Sequence[WriteItem], item: WriteItem) -> bool:
    return any(_gives(one, item) or _gives(item, one) for one in group)


def _gives(giver: WriteItem, taker: WriteItem) -> bool:
    same = giver.address[0] == taker.address[0]
    return same and taker.reserving is not None and giver.name[1] in taker.reserving.givers


def _apart(groups: Sequence[Sequence[WriteItem]]) -> Iterator[list[Sequence[WriteItem]]]:
    """Keep one key of several entities in different transactions, checks included."""
    layers: list[tuple[dict[str, str], list[Sequence[WriteItem]]]] = []
    for group in groups:
        keys = _entity_of(group)
        layer = next((layer for layer in layers if _agree(keys, layer[0])), None)
        if layer is None:
            layers.append(layer := ({}, []))
        layer[0].update(keys)
        layer[1].append(group)
    yield from (listed for _, listed in layers)


def _entity_of(group: Sequence[WriteItem]) -> dict[str, str]:
    """Return the entities of the keys that are written or checked."""
    targets = (target.address for item in group for target in item.targets)
    addresses = (*(item.address for item in group), *targets)
    return {key: entity for entity, key in addresses}


def _agree(keys: Mapping[str, str], others: Mapping[str, str]) -> bool:
    return all(others.get(key, entity) == entity for key, entity in keys.items())


def _refuse_twins(addresses: Sequence[tuple[str, str]]) -> None:
    known: dict[str, str] = {}
    for entity, key in addresses:
        if key in known:
            raise SessionError(
                f"{known[key]} and {entity} both have the key {key!r}: the service takes a key "
                "once in a transaction, whatever its entity. Commit them one after the other"
            )
        known[key] = entity


def _batches(items: Sequence[WriteItem]) -> Iterator[PlannedCall]:
    sets = [item for item in items if item.value is not None]
    deletes = [item for item in items if item.value is None]
    for group, batch in ((sets, batch_set), (deletes, batch_delete)):
        for chunk in _chunks(group, limits.BATCH_MAX_ITEMS, _size):
            if len(chunk) == 1:
                yield _single(chunk[0])
            else:
                yield PlannedCall(tuple(chunk), (), batch([*map(_item, chunk)]))


def _single(item: WriteItem) -> PlannedCall:
    """One write alone has a call of its own, whose error says more than a batch's."""
    entity, key = item.address
    if item.value is None:
        return PlannedCall((item,), (), entity_delete(entity, key))
    setting = Setting(item.ttl, "FAIL_IF_EXISTS" if item.create else None)
    return PlannedCall((item,), (), entity_set(entity, key, item.value, setting))


def _refuse_create(item: WriteItem) -> None:
    if item.create and item.reserving is None:
        entity, key = item.address
        if item.targets:
            raise SessionError(
                f"insert of {entity} {key!r} cannot check what {item.targets[0].attribute} "
                "refers to: that takes a transaction, and the service creates in a single set "
                "only. Set the reference in a second commit, or give the class a unique value"
            )
        raise SessionError(
            f"insert of {entity} {key!r} cannot be part of a transaction: the service takes "
            "a key policy on a single set only. Commit it first, or add() it"
        )


def _one(_: object, __: object) -> int:
    return 1


def _chunks(
    items: Iterable[T],
    most: int,
    size_of: Callable[[T], int],
    count_of: Callable[[T, Sequence[T]], int] = _one,
) -> Iterator[list[T]]:
    """Cut *items* so that each chunk stays within *most* operations and the payload limit.

    *count_of* is how many operations an item adds to a chunk.
    """
    chunk: list[T] = []
    count, size = 0, 2
    for item in items:
        more, added = count_of(item, chunk), size_of(item)
        if chunk and (count + more > most or size + added > limits.PAYLOAD_MAX_BYTES):
            yield chunk
            chunk, count, size = [], 0, 2
            more = count_of(item, chunk)
        chunk.append(item)
        count, size = count + more, size + added
    if chunk:
        yield chunk


def _total(measure: Callable[[WriteItem], int]) -> Callable[[Sequence[WriteItem]], int]:
    return lambda group: sum(map(measure, group))


def _added(group: Sequence[WriteItem], chunk: Sequence[Sequence[WriteItem]]) -> int:
    """Return how many operations a group adds to a transaction: a target is checked once."""
    before = {target.address for each in chunk for item in each for target in item.targets}
    targets = {target.address for item in group for target in item.targets} - before
    return sum(map(_count, group)) + len(targets)


def _count(item: WriteItem) -> int:
    """Return how many operations an item is in a transaction."""
    return 1 + (0 if item.reserving is None else len(item.reserving.keys))


def _size(item: WriteItem) -> int:
    """Return how many bytes an item takes in a batch, at most."""
    return _AROUND + len(item.value or b"") + 6 * len(item.name[1])


def _size_guarded(item: WriteItem) -> int:
    """Return how many bytes an item takes in a transaction, with what comes along, at most."""
    size = _size(item) + 300 * len(item.guarded) + _RESERVATION * (_count(item) - 1)
    return size + sum(map(_check_size, item.targets))


def _check_size(target: Checked) -> int:
    return _AROUND + 6 * len(target.name[1]) + 300 * len(target.tests)


_AROUND = 300
"""Bytes around a value: field names, entity name, time to live."""

_RESERVATION = 12_000
"""Bytes of a reservation, and of the condition that its value is as it was, at most."""


def _item(item: WriteItem) -> BatchItem:
    cls, key = item.name
    return BatchItem(key, cls.__forge__.name, item.value or b"", item.ttl)


def _write(item: WriteItem) -> Write:
    entity, key = item.address
    return Write(key, entity, item.value, item.ttl, item.guarded)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _when(conditions: Sequence[Condition[Any]]) -> str:
    return f" when {' & '.join(map(repr, conditions))}" if conditions else ""
