"""The unit of work: what a session has read, what it is about to write, and nothing sent."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from pydantic_core import from_json

from ..errors import ItemFailure, SessionError
from ..expressions import Condition, KeyCondition, Operator
from ..model.entity import (
    Entity,
    Metadata,
    Origin,
    key_of,
    origin_of,
    set_origin,
)
from ..model.keys import check_key
from ..model.lifetime import Lifetime
from ..model.mapping import EntityMapping
from ..model.writing import AttributeMapping
from ..operations import Check
from ..query import check_conditions
from ..wire import MetadataField
from .cascade import CASCADE, Deletion
from .changes import change_of, mutated, unknown
from .doubts import Stored, Unsettled, Verdict
from .events import Hooking
from .expiry import Now, expiry, has_expired, may_expire, never, remaining, unchanged
from .identity import Name, is_kind, of_kind, wrong_kind
from .loading import Loading
from .plan import NOTHING, Atomic, PlannedCall, WriteItem, WritePlan, make_plan
from .presence import present
from .receipts import Receipts
from .references import referring
from .unique import reserved, settled_between

E = TypeVar("E", bound=Entity)


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class _Pending(NamedTuple):
    """A write asked for: of *entity*, or the deletion of a key whose entity is not here.

    *unknown* are stored attributes that its class does not know, to be written again.
    *cascade* is how many others a deletion may reach, *looked_up* that those are known.
    """

    entity: Entity | None
    deleting: bool
    conditions: tuple[Condition[Any], ...] = ()
    ttl: timedelta | None = None
    unknown: Mapping[str, Any] = _NOTHING
    create: bool = False
    update: bool = False
    touch: bool = False
    cascade: int = CASCADE
    looked_up: bool = False

    def repeats(self, sent: _Pending | None) -> bool:
        """Whether this is the creation that was *sent*, asked for once more."""
        both = sent is not None and sent.create and self.create
        return both and sent is not None and self.entity is sent.entity


class UnitOfWork(Loading):
    """What one session knows, what changed of it, and what is about to be written."""

    def __init__(self, now: Now = never, *, receipts: bool = False) -> None:
        """Start with nothing read and nothing to write; *now* tells what has expired.

        With *receipts* each transaction writes one; see `forge_orm.unit.receipts`.
        """
        super().__init__(now)
        self._receipts = Receipts() if receipts else None
        self.unsettled = Unsettled()
        self.hooking: Hooking | None = None
        self._pending: dict[Name, _Pending] = {}
        self._sent: dict[Name, _Pending | None] = {}
        self._required: dict[Name, tuple[Entity, tuple[Condition[Any], ...]]] = {}
        self._sent_required = dict(self._required)

    # --- reading ------------------------------------------------------------------------

    def find(self, cls: type[E], key: str) -> E | None:
        """Return the entity known under *key*, unless it is about to be deleted.

        Raises `WrongKind` for one of another kind than *cls*.
        """
        if self._pending and self.is_deleting(cls, key):
            return None
        known = self.identity.find(cls.__forge_root__, key)
        return None if known is None else of_kind(cls, known)

    def holds(self, cls: type[Any], key: str, metadata: Iterable[MetadataField]) -> bool:
        """Whether the entity *key* is known, with the *metadata* that is wanted."""
        known = self.find(cls, key)
        return known is not None and (not metadata or self.has_metadata(known, metadata))

    def alive(self, entities: Sequence[E]) -> Sequence[E]:
        """Return those that have not expired, as far as that was asked."""
        there = [each for each in entities if not self.is_gone(each)]
        return entities if len(there) == len(entities) else there

    def is_gone(self, entity: Entity) -> bool:
        """Whether what was read has expired; it is not held then, unless it was changed."""
        if not has_expired(entity, self.now):
            return False
        if self._clean([entity]):
            self.identity.remove(*_name(entity))
        return True

    def is_deleting(self, cls: type[Any], key: str) -> bool:
        """Whether the deletion of *key* is pending."""
        if not self._pending:
            return False
        pending = self._pending.get((cls.__forge_root__, key))
        return pending is not None and pending.deleting

    def sorted_out(
        self, cls: type[E], entities: Sequence[E]
    ) -> tuple[Sequence[E], list[ItemFailure]]:
        """Return those that are of *cls*, and a failure for each of another kind."""
        mapping: EntityMapping[E] = cls.__forge__
        entities = self.alive(entities)
        if mapping.family is None:
            return entities, []
        errors = [wrong_kind(cls, each) for each in entities if not is_kind(cls, each)]
        failures = [ItemFailure(error.entity, error.key, error) for error in errors]
        return [each for each in entities if is_kind(cls, each)], failures

    def refreshed(
        self, entity: Entity, body: bytes, asked: Sequence[MetadataField] = ()
    ) -> None:
        """Give a known entity what was just read and *asked*; its own changes are dropped."""
        self.forget(entity)
        fresh = self.load_row(type(entity), body, asked)
        entity.__setstate__(fresh.__getstate__())
        set_origin(entity, origin_of(fresh))
        self.identity.put(*_name(entity), entity)

    def release(self, entities: Iterable[Entity]) -> None:
        """Stop holding entities that a stream has passed and nobody changed."""
        self.identity.release(self._clean(entities))

    def _clean(self, entities: Iterable[Entity]) -> list[Entity]:
        """Return those of which there is nothing to write."""
        idle = [
            entity
            for entity in entities
            if id(entity) not in self._touched and _name(entity) not in self._pending
        ]
        changed = {*map(id, mutated(idle))}
        return [entity for entity in idle if id(entity) not in changed]

    # --- writing ------------------------------------------------------------------------

    def add(
        self,
        *entities: Entity,
        ttl: timedelta | None = None,
        condition: Condition[Any] | None = None,
        create: bool = False,
        update: bool = False,
    ) -> None:
        """Write *entities* at the next flush, whether they are new or known.

        With *create* the write fails where the key exists, with *update* where it does not.
        """
        asked: dict[type[Any], tuple[tuple[Condition[Any], ...], bool]] = {}
        for entity in entities:
            cls = type(entity)
            if cls not in asked:
                asked[cls] = _asked(entity, condition, create=create, update=update)
            conditions, anew = asked[cls]
            name, kept = _name(entity), _NOTHING
            if not self.identity.enter(*name, entity):
                raise SessionError(
                    f"{cls.__name__} {name[1]!r}: the session holds another object of that "
                    "key. Change that one, or expunge it first"
                )
            if (before := self._pending.get(name)) is not None:
                kept = before.unknown
            pending = _Pending(entity, False, conditions, ttl, kept, anew, update)
            origin = origin_of(entity)
            if origin is None or not origin.knows(name[1]):
                self._pending[name] = pending
            else:
                self._add_known(name, entity, origin, pending._replace(create=create))

    def _add_known(self, name: Name, entity: Entity, origin: Origin, asked: _Pending) -> None:
        """Write an entity that was read; one that was read here, only if it changed."""
        if origin.tracker is self._touched:
            if asked.create:
                raise SessionError(
                    f"{type(entity).__name__} {name[1]!r} was read from the store, so it "
                    "cannot be inserted; change it, and it is saved"
                )
            if asked.ttl is None and not (asked.conditions or asked.update):
                self._pending.pop(name, None)
                return
        self._pending[name] = asked._replace(unknown=unknown(entity, origin))

    def touch(self, entity: Entity, *, ttl: timedelta | None = None) -> None:
        """Save a known *entity* as it is at the next flush, to renew its time to live."""
        _refuse_other(entity, "touch() takes entities")
        mapping: EntityMapping[Any] = type(entity).__forge__
        name, origin = _name(entity), origin_of(entity)
        if origin is None or not self._watches(entity) or not origin.knows(name[1]):
            raise SessionError(
                f"{mapping.label} {name[1]!r} was not read here, so it cannot be touched: get "
                "it first, or add() it"
            )
        ttl = mapping.ttl if ttl is None else ttl
        if ttl is None and (reason := may_expire(entity, origin)) is not None:
            raise SessionError(
                f"{mapping.label} has no ttl= of its own, and {name[1]!r} {reason}, or it "
                "would end"
            )
        before = self._pending.get(name) or _Pending(entity, False)
        if before.deleting:
            raise SessionError(f"{mapping.label} {name[1]!r} is about to be deleted")
        kept = unknown(entity, origin)
        self._pending[name] = before._replace(ttl=ttl, unknown=kept, touch=True)

    def delete(
        self,
        entity: Entity,
        *,
        condition: Condition[Any] | None = None,
        cascade: int = CASCADE,
    ) -> None:
        """Delete *entity* at the next flush; one that was to be created is just forgotten.

        What refers to it may be reached too, up to *cascade* others: see `deletions`.
        """
        _refuse_other(entity, 'delete() takes entities; by key it is delete_keys(Task, "…")')
        name = _name(entity)
        pending = self._pending.get(name)
        fresh = pending is not None and pending.create and not pending.deleting
        if fresh and not self.unsettled.is_doubted(name):
            self.forget(entity)
            return
        conditions = _given(type(entity), condition)
        self._pending[name] = _Pending(entity, True, conditions, cascade=cascade)

    def delete_key(self, cls: type[Entity], key: str, cascade: int = CASCADE) -> None:
        """Delete *key* at the next flush without having read it."""
        cls.__forge__.entity_schema()
        check_key(key, f"{cls.__name__} key")
        name = cls.__forge_root__, key
        known = self.identity.find(*name)
        found = None if known is None else of_kind(cls, known)
        self._pending[name] = _Pending(found, True, cascade=cascade)

    def deletions(self) -> tuple[Deletion, ...]:
        """Return the pending deletions whose referrers are still to be looked up."""
        if not self._pending:
            return ()
        return tuple(
            Deletion(name, rules, pending.cascade)
            for name, pending in self._pending.items()
            if pending.deleting
            and not pending.looked_up
            and (rules := name[0].__forge_registry__.rules_about(name[0]))
        )

    def looked_up(self, names: Iterable[Name]) -> None:
        """Record that what the deletions of *names* reach is part of the unit now."""
        for name in names:
            if (pending := self._pending.get(name)) is not None:
                self._pending[name] = pending._replace(looked_up=True)

    def is_written(self, name: Name) -> bool:
        """Whether a write or deletion of *name* was asked for."""
        return name in self._pending

    def require(self, entity: Entity, conditions: tuple[Condition[Any], ...]) -> None:
        """Let the next flush happen only if *conditions* hold for *entity* in the store."""
        if not conditions:
            raise SessionError("require() needs a condition")
        check_conditions(type(entity), conditions)
        _, known = self._required.get(_name(entity), (entity, ()))
        self._required[_name(entity)] = entity, (*known, *conditions)

    def forget(self, entity: Entity) -> None:
        """Stop watching *entity*; what was pending for it is dropped."""
        name = _name(entity)
        if self.hooking is not None:
            self.hooking.ask_again(name)
        self.identity.remove(*name)
        self.unsettled.settled(name)
        self._pending.pop(name, None)
        self._required.pop(name, None)
        self._touched.pop(id(entity), None)
        if (origin := origin_of(entity)) is not None and origin.tracker is self._touched:
            key = name[1]
            values = {key: origin.value(key)} if origin.knows(key) else {}
            set_origin(entity, Origin(values=values, metadata=origin.metadata))

    def clear(self) -> None:
        """Forget everything: what was read, what changed, what was pending."""
        if self.hooking is not None:
            self.hooking.ask_again(*self.hooking.passed)
        self.identity.clear()
        self.unsettled.clear()
        self._pending.clear()
        self._required.clear()
        self._touched = {}  # entities read so far go on reporting to the old one

    def classes(self) -> set[type[Any]]:
        """Return the classes of what is known, or about to be written."""
        return {*self.identity.classes(), *[cls for cls, _ in self._pending]}

    def plan(self, atomic: Atomic, only: Container[Name] | None = None) -> WritePlan:
        """Return what a flush would send, of *only* these names if they are given.

        Raises `InvalidValue`, `SessionError`, and `UniqueViolation` where two entities of it
        want the same unique value.
        """
        items = {item.name: item for item in self._items(only)}
        if not items and not self._required and not self.unsettled.blocking:
            return NOTHING  # most sessions only read
        checks = tuple(self._require_of(items))
        for name, item in items.items():
            if item.update and not name[0].__forge__.uniques:  # their guard asks it already
                given = present(item.mapping, item.conditions)
                items[name] = item._replace(conditions=given)
            elif item.touch and not item.conditions and atomic != "never":
                items[name] = item.under(self._as_read(item))
        writes: Sequence[WriteItem] = [*items.values()]
        if _any_related(writes):
            writes = settled_between(map(self._related, writes))
        plan = make_plan(writes, checks, atomic, together=bool(self._required))
        if self._receipts is not None:
            plan = self._receipts.sign(plan)
        blocking, lookups = self.unsettled.blocking, self.deletions()
        if not blocking and not lookups:
            return plan
        unknown = tuple(doubt.item for doubt in blocking)
        return replace(plan, unknown=unknown, lookups=lookups)

    def _require_of(self, items: dict[Name, WriteItem]) -> Iterator[Check]:
        """Put what is required on the writes it is about; yield what is about no write."""
        for (cls, key), (_, conditions) in self._required.items():
            if (item := items.get((cls, key))) is not None:
                items[cls, key] = item.under(conditions)
            else:
                yield Check(key, cls.__forge__.name, conditions)

    def _as_read(self, item: WriteItem) -> tuple[Condition[Any], ...]:
        """Return what lets a touch happen only if nobody changed the entity since."""
        return tuple(unchanged(item.mapping, self._before(item) or {}))

    def sending(self, items: Iterable[WriteItem]) -> None:
        """Note that *items* are on their way: from here on, an assignment is a new change."""
        self._sent_required = dict(self._required)
        if self._receipts is not None:
            self._receipts.turn()
        nothing_yet = Origin(tracker=self._touched, values={})
        for item in items:
            entity = item.entity
            self._sent[item.name] = self._pending.get(item.name)
            if entity is None or item.value is None:
                continue
            if not self._watches(entity):
                set_origin(entity, nothing_yet)
            self._touched.pop(id(entity), None)

    def unconfirmed(
        self, call: PlannedCall, items: Iterable[WriteItem], *, unknown: bool
    ) -> None:
        """Record that *items* of *call* were not confirmed: they are still to be written.

        *unknown* says that they may have been carried out.
        """
        for item in items:
            if item.entity is not None and item.name not in self._pending:
                self._touched[id(item.entity)] = item.entity
            if unknown:
                self.unsettled.lost(call, item, self._before(item))
            else:
                self.unsettled.refused(item.name)

    def _before(self, item: WriteItem) -> Stored:
        """Return what was stored when *item* was sent, as far as it was read."""
        origin = None if item.entity is None else origin_of(item.entity)
        if origin is None or origin.tracker is not self._touched:
            return None
        return origin.value(item.name[1]) if origin.knows(item.name[1]) else None

    def judged(self, verdicts: Mapping[Name, Verdict]) -> None:
        """Bring the state in line with what reading told about lost answers."""
        for doubt in self.unsettled.doubts:
            verdict = verdicts.get(doubt.item.name, Verdict.UNKNOWN)
            if verdict is Verdict.SAVED:
                self.written(doubt.item)
                self._met()
            elif verdict is Verdict.FAILED:
                self.unsettled.refused(doubt.item.name)

    def written(self, item: WriteItem) -> None:
        """Record that the service confirmed *item*."""
        if self.hooking is not None:
            self.hooking.confirm(item)
        name, entity = item.name, item.entity
        self.unsettled.settled(name)
        pending, sent = self._pending.get(name), self._sent.pop(name, None)
        if pending is sent or (pending is not None and pending.repeats(sent)):
            self._pending.pop(name, None)  # else something new was asked meanwhile
        if item.value is None:
            self.identity.remove(*name)
            if entity is not None:
                self._touched.pop(id(entity), None)
                set_origin(entity, Origin(values={}))
            return
        assert entity is not None
        mapping: EntityMapping[Any] = type(entity).__forge__
        if (version := mapping.version) is not None:
            values_of: dict[str, Any] = vars(entity)  # past the tracking: this is no change
            values_of[version.field] = from_json(item.value)[version.name]
        origin = origin_of(entity)
        metadata, known = None, None
        if origin is not None and origin.metadata is not None:
            known = origin.metadata.get(name[1])
        if known is not None or item.ttl is not None or mapping.lifetime.metadata:
            known, expires = known or Metadata(), expiry(item.ttl, self.now)
            asked = known.asked - {MetadataField.UPDATED_AT} | {MetadataField.EXPIRE_TIME}
            known = replace(known, updated_at=None, expires_at=expires, asked=asked)
            metadata = {name[1]: known}  # the update time is older now
        set_origin(entity, Origin(item.value, self._touched, key=name[1], metadata=metadata))

    def _met(self) -> None:
        """Forget the requirements that went with what was sent."""
        for name, required in self._sent_required.items():
            if self._required.get(name) is required:
                del self._required[name]

    def flushed(self) -> None:
        """Record that a whole flush succeeded: its requirements are met."""
        self._required.clear()

    def _watches(self, entity: Entity) -> bool:
        origin = origin_of(entity)
        return origin is not None and origin.tracker is self._touched

    def _items(self, only: Container[Name] | None) -> Iterator[WriteItem]:
        """Yield what is to be written, of *only* these names if they are given."""
        written = self._written_together()
        for name, pending in self._pending.items():
            if only is None or name in only:
                item = self._pending_item(name, pending, written.get(name))
                yield item if item.mapping.version is None else self._versioned(item)
        for entity in self._changed():
            name, origin = _name(entity), origin_of(entity)
            if name in self._pending or not (only is None or name in only):
                continue
            if origin is None or not origin.knows(name[1]):
                continue
            if (change := change_of(entity, origin)) is not None:
                mapping: EntityMapping[Any] = type(entity).__forge__
                mapping.check_key(entity, name[1])
                value = mapping.dump(change.stored, name[1])
                ttl = self._ttl(entity, None)
                item = WriteItem(name, entity, value, change.attributes, ttl=ttl)
                yield self._versioned(item)

    def _written_together(self) -> dict[Name, bytes | None]:
        """Return the JSON of entities about to be written; None for one to be looked at."""
        groups: dict[type[Any], dict[Name, Any]] = {}
        for name, pending in self._pending.items():
            if pending.entity is not None and not (pending.deleting or pending.unknown):
                groups.setdefault(type(pending.entity), {})[name] = pending.entity
        written: dict[Name, bytes | None] = {}
        for cls, entities in groups.items():
            found = cls.__forge__.write_each(entities.values())
            written.update(zip(entities, found, strict=True))
        return written

    def _pending_item(self, name: Name, pending: _Pending, written: bytes | None) -> WriteItem:
        entity, key = pending.entity, name[1]
        if pending.deleting or entity is None:
            return WriteItem(name, entity, conditions=pending.conditions)
        mapping: EntityMapping[Any] = type(entity).__forge__
        change, origin = None, origin_of(entity)
        if origin is not None and origin.tracker is self._touched and origin.knows(key):
            change = change_of(entity, origin)
        if mapping.template is not None:
            mapping.check_key(entity, key)
        if written is not None:
            value = written
        elif pending.unknown:
            value = mapping.dump({**mapping.stored(entity), **pending.unknown}, key)
        else:
            value = mapping.write(entity, key)
        return WriteItem(
            name,
            entity,
            value,
            () if change is None else change.attributes,
            pending.conditions,
            self._ttl(entity, pending.ttl),
            pending.create,
            pending.update,
            pending.touch and change is None,
        )

    def _ttl(self, entity: Entity, given: timedelta | None) -> timedelta | None:
        """Return how long a save lets *entity* live: as asked, as declared, or what is left."""
        lifetime: Lifetime = type(entity).__forge__.lifetime
        if given is not None or not lifetime.keeps:
            return lifetime.ttl if given is None else given
        origin = origin_of(entity)
        stored = origin is not None and origin.knows(str(key_of(entity)))
        return remaining(entity, self.now) if stored else lifetime.ttl

    def _versioned(self, item: WriteItem) -> WriteItem:
        """Let a write of a versioned entity happen only if it is not stale."""
        mapping, entity = item.mapping, item.entity
        version: AttributeMapping | None = mapping.version
        if version is None or entity is None:
            return item
        key, origin = item.name[1], origin_of(entity)
        if origin is None or not self._watches(entity) or not origin.knows(key):
            return item if item.value is None else self._unread(item, version)
        before = origin.value(key).get(version.name)
        operator = Operator.NOT_EXISTS if before is None else Operator.EQUAL_TO
        same: Condition[Any] = KeyCondition(
            version.name, operator, () if before is None else (before,)
        )
        guarded = item.under((same,))
        if item.value is None:
            return guarded
        return guarded.numbered((before or 0) + 1)

    def _unread(self, item: WriteItem, version: AttributeMapping) -> WriteItem:
        """Number a save of what was not read here: an update says itself what it is of."""
        if not item.update:
            return item.numbered(1)
        if not (before := (item.stored or {})[version.name]):
            raise SessionError(
                f"update of {item.name[0].__name__} {item.name[1]!r}: read it first, or give "
                f"it the {version.field} that it has in the store"
            )
        same: Condition[Any] = KeyCondition(version.name, Operator.EQUAL_TO, (before,))
        return item.under((same,)).numbered(before + 1)

    def _related(self, item: WriteItem) -> WriteItem:
        """Let a write check what it refers to, and claim and free what is unique in it."""
        if item.mapping.checked:
            item = referring(item, self._before(item), self.is_deleting)
        if item.name[0].__forge__.uniques:
            return reserved(item, self._before(item))
        return item

    def _changed(self) -> Iterator[Entity]:
        """Yield every entity that may differ from what was read, each once."""
        yield from list(self._touched.values())
        for cls in self.identity.classes():
            if not cls.__forge__.watched:
                continue
            yield from mutated(
                entity
                for entity in self.identity.of_class(cls)
                if id(entity) not in self._touched
            )


def _any_related(items: Iterable[WriteItem]) -> bool:
    """Whether any of *items* may have references to be checked, or unique values."""
    classes = {item.name[0] if item.entity is None else type(item.entity) for item in items}
    return any(cls.__forge__.checked or cls.__forge_root__.__forge__.uniques for cls in classes)


def _refuse_other(entity: object, advice: str) -> None:
    if Entity not in type(entity).__mro__:  # pydantic's own `isinstance` is slower
        raise TypeError(f"{advice}. Got {entity!r}")


def _asked(
    entity: Entity, condition: Condition[Any] | None, *, create: bool, update: bool
) -> tuple[tuple[Condition[Any], ...], bool]:
    """Return what add() asks of entities of one class: conditions, and that the key is free."""
    _refuse_other(entity, "add() takes entities; give those of a list with a star, add(*tasks)")
    mapping: EntityMapping[Any] = type(entity).__forge__
    mapping.check_storable()
    if update:
        present(mapping, ())
    elif mapping.version is not None and condition is None:
        create = True  # a new versioned entity is never written over another
    return _given(type(entity), condition), create


def _given(cls: type[Any], condition: Condition[Any] | None) -> tuple[Condition[Any], ...]:
    if condition is None:
        return ()
    check_conditions(cls, (condition,))
    return (condition,)


def _name(entity: Entity) -> Name:
    key = key_of(entity)
    return type(entity).__forge_root__, entity.key if key is None else key
