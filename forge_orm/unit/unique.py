"""Which reservations a unit of work claims, moves and frees: a pure look at its writes."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic_core import to_json

from ..errors import InvalidValue, SessionError, UniqueViolation
from ..expressions import AnyOf, Condition, KeyCondition, Operator
from ..model.mapping import EntityMapping
from ..model.uniques import Reservation, key_reservation
from .plan import WriteItem
from .reservations import Claim, Move, Reserving, new_claim

VALUES_MAX_BYTES = 2048
"""A unique value is compared whole in each save; a longer one should be a hash."""


def reserved(item: WriteItem, seen: Mapping[str, Any] | None) -> WriteItem:
    """Return *item* with what it does to reservations.

    *seen* is the row as it was read; None where it was not. A row that was read is written
    only while its unique values are still those: then it still holds what they reserve.
    """
    wanted = _wanted(item)
    for reservation in wanted.values():
        _check_size(reservation)
    if seen is None:
        creates = item.value is not None and not item.update
        lock = new_claim(key_reservation(*item.address)) if creates else None
        claims = tuple(map(new_claim, wanted.values()))
        return item._replace(reserving=Reserving((), claims, lock=lock, unread=True))
    held = _held(item, seen)
    return _changed(
        item, seen, [new_claim(each) for key, each in wanted.items() if key not in held]
    )


def known(
    item: WriteItem, seen: Mapping[str, Any] | None, made: Mapping[str, Claim]
) -> WriteItem:
    """Return an item that was unread, now that its row was read; *made* are its claims.

    A row that is there is written as one that was read before; one that is not is created
    under its key's lock.
    """
    planned = item.reserving or Reserving()
    if seen is None:
        return item._replace(reserving=replace(planned, unread=False))
    claims = [claim for claim in planned.claims if claim.key in made]
    lock = planned.lock if planned.lock is not None and planned.lock.key in made else None
    return _changed(item, seen, claims, planned.moves, lock)


def _changed(
    item: WriteItem,
    seen: Mapping[str, Any],
    claims: Sequence[Claim],
    moves: tuple[Move, ...] = (),
    lock: Claim | None = None,
) -> WriteItem:
    """Return the write of a row that is there: it frees what it no longer has."""
    _refuse_either(item)
    wanted = _wanted(item)
    frees = tuple(each for key, each in _held(item, seen).items() if key not in wanted)
    does = Reserving(_guard(item, seen), tuple(claims), moves, frees, lock)
    return item._replace(reserving=does)


def _refuse_either(item: WriteItem) -> None:
    """Refuse conditions joined by ``|``: the service could not take the guard beside them."""
    if any(isinstance(condition, AnyOf) for condition in item.conditions):
        entity, key = item.address
        raise SessionError(
            f"{entity} {key!r} has unique values, so it is written under conditions of their "
            "own, which the service cannot join to yours: give conditions without |"
        )


def missing(
    item: WriteItem, seen: Mapping[str, Any] | None, made: Container[str]
) -> list[Claim]:
    """Return the claims that *item* cannot do without and that were not *made*."""
    held = {} if seen is None else _held(item, seen)
    planned = item.reserving or Reserving()
    needed = planned.claims if seen is not None else planned.all_claims
    return [claim for claim in needed if claim.key not in made and claim.key not in held]


def holds(item: WriteItem, reservation: Reservation, row: Mapping[str, Any] | None) -> bool:
    """Whether *row*, of the item's class, has what *reservation* stands for."""
    if row is None or not reservation.attributes:
        return row is not None
    return reservation.key in _held(item, row)


def is_as_read(item: WriteItem, row: Mapping[str, Any] | None) -> bool:
    """Whether *row* still has the unique values that *item* was read with."""
    guard = () if item.reserving is None else item.reserving.guard
    return not guard or (row is not None and _guard(item, row) == guard)


def _guard(item: WriteItem, seen: Mapping[str, Any]) -> tuple[Condition[Any], ...]:
    """Return the conditions under which a row is as it was seen, in what is unique.

    None of them is true of a row that is gone, however the service reads a condition on a
    missing item: at least one attribute has to be there.
    """
    mapping: EntityMapping[Any] = item.name[0].__forge__
    names = dict.fromkeys(name for each in mapping.uniques for name in each.attributes)
    conditions = tuple(_as_seen(name, seen) for name in names)
    if all(seen.get(name) is None for name in names):
        return (*conditions, *_anything(mapping, seen))
    return conditions


def _as_seen(name: str, seen: Mapping[str, Any]) -> Condition[Any]:
    value = seen.get(name)
    if value is None:
        return KeyCondition(name, Operator.NOT_EXISTS, ())
    return KeyCondition(name, Operator.EQUAL_TO, (value,))


def _anything(
    mapping: EntityMapping[Any], seen: Mapping[str, Any]
) -> tuple[Condition[Any], ...]:
    """Return the condition that some attribute is there, if a condition may name one."""
    types = mapping.schema.attributes
    for name, kind in types.items():
        if kind.indexable and seen.get(name) is not None:
            return (KeyCondition(name, Operator.EXISTS, ()),)
    return ()


def _wanted(item: WriteItem) -> dict[str, Reservation]:
    stored = item.stored
    return {} if stored is None else _held(item, stored)


def _held(item: WriteItem, stored: Mapping[str, Any]) -> dict[str, Reservation]:
    """Return what a row holds that is stored so, by the reservations' keys."""
    found = (each.reservation(stored, item.name[1]) for each in item.name[0].__forge__.uniques)
    return {each.key: each for each in found if each is not None}


def _check_size(reservation: Reservation) -> None:
    if (size := len(to_json(reservation.values))) > VALUES_MAX_BYTES:
        raise InvalidValue(
            f"{reservation.entity} {reservation.owner!r}: {', '.join(reservation.attributes)} "
            f"is unique and has {size} bytes; at most {VALUES_MAX_BYTES}. Make a hash of it "
            "unique (a computed field can derive one)"
        )


# --- Several rows of one flush --------------------------------------------------------------


def settled_between(items: Iterable[WriteItem]) -> list[WriteItem]:
    """Let a value that one row gives up pass to the row that wants it.

    Raises `UniqueViolation` where two rows want the same.
    """
    listed = list(items)
    if not (takers := _takers(listed)):
        return listed
    givers = {
        free.key: item.name[1]
        for item in listed
        for free in (item.reserving.frees if item.reserving else ())
        if free.key in takers
    }
    return [_passed(item, givers) for item in listed] if givers else listed


def _takers(items: Iterable[WriteItem]) -> dict[str, str]:
    takers: dict[str, str] = {}
    for item in items:
        for claim in item.reserving.claims if item.reserving else ():
            if claim.key in takers:
                wanted = claim.reservation
                raise UniqueViolation(
                    wanted.entity,
                    wanted.owner,
                    wanted.attributes,
                    wanted.values,
                    takers[claim.key],
                )
            takers[claim.key] = item.name[1]
    return takers


def _passed(item: WriteItem, givers: Mapping[str, str]) -> WriteItem:
    reserving = item.reserving
    if reserving is None:
        return item
    moves = tuple(
        Move(claim.reservation, givers[claim.key])
        for claim in reserving.claims
        if claim.key in givers
    )
    return item._replace(
        reserving=replace(
            reserving,
            claims=tuple(claim for claim in reserving.claims if claim.key not in givers),
            moves=moves,
            frees=tuple(free for free in reserving.frees if free.key not in givers),
        )
    )
