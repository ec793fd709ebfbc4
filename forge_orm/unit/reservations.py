"""What a write does to reservations of unique values: claims, moves and frees them.

A row has a value only while it holds the value's reservation. It is *claimed* under a token
of the writer's own before the row is written, and *confirmed* with the row, in one
transaction, under a token that is new again: whoever looked in between cannot take it away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..expressions import Condition, KeyCondition, Operator
from ..model import keys
from ..model.uniques import RESERVATIONS, Reservation
from ..operations import Operation, Setting, Stored, Write, entity_set, transaction


class Claim(NamedTuple):
    """A reservation this writer makes, under a token nobody else has."""

    reservation: Reservation
    token: str

    @property
    def key(self) -> str:
        """The reservation's key."""
        return self.reservation.key

    def make(self) -> Operation[Stored[Any] | None]:
        """Return the call that claims it; the service refuses where it is taken."""
        value = self.reservation.stored(self.token)
        return entity_set(RESERVATIONS.name, self.key, value, Setting(policy="FAIL_IF_EXISTS"))

    def take(self, seen: str) -> Operation[None]:
        """Return the call that claims it where it is still under the token *seen*."""
        return transaction([_set(self.reservation, self.token, _is("token", seen))])

    def release(self) -> Operation[None]:
        """Return the call that gives it up, where it is still this claim."""
        return transaction([self.freed()])

    def confirmed(self) -> Write:
        """Return the write that makes it the row's, with the row."""
        return _set(self.reservation, keys.new_uuid(), _is("token", self.token))

    def freed(self) -> Write:
        """Return the write that gives it up, where it is still this claim."""
        return Write(self.key, RESERVATIONS.name, conditions=_is("token", self.token))


class Move(NamedTuple):
    """A reservation that passes from one row of a transaction to another."""

    reservation: Reservation
    giver: str

    @property
    def key(self) -> str:
        """The reservation's key."""
        return self.reservation.key

    def write(self) -> Write:
        """Return the write that makes it the new row's."""
        return _set(self.reservation, keys.new_uuid(), _is("owner", self.giver))


@dataclass(frozen=True, slots=True)
class Reserving:
    """What the transaction that writes a row does to reservations.

    *guard* are conditions under which the row has the unique values it was read with. *lock*
    is the reservation of the row's key, held while a row is created. *unread* says that it is
    not known what the row holds now: it is read after the claims were made.
    """

    guard: tuple[Condition[Any], ...] = ()

    claims: tuple[Claim, ...] = ()
    moves: tuple[Move, ...] = ()
    frees: tuple[Reservation, ...] = ()
    lock: Claim | None = None
    unread: bool = False

    @property
    def all_claims(self) -> tuple[Claim, ...]:
        """Every claim to make first, the lock last."""
        return self.claims if self.lock is None else (*self.claims, self.lock)

    @property
    def givers(self) -> tuple[str, ...]:
        """The keys of the rows whose reservations pass to this one."""
        return tuple(move.giver for move in self.moves)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the reservations the transaction writes."""
        listed: list[Claim | Move | Reservation] = [*self.all_claims, *self.moves, *self.frees]
        return tuple(each.key for each in listed)

    def writes(self) -> Iterator[Write]:
        """Yield what goes into the row's transaction."""
        yield from (claim.confirmed() for claim in self.claims)
        yield from (move.write() for move in self.moves)
        for free in self.frees:
            yield Write(free.key, RESERVATIONS.name, conditions=_is("owner", free.owner))
        if self.lock is not None:
            yield self.lock.freed()

    def lines(self) -> Iterator[str]:
        """Say the same, a line each."""
        yield from (f"confirm {claim.reservation}" for claim in self.claims)
        yield from (f"move {move.reservation} from {move.giver!r}" for move in self.moves)
        yield from (f"free {free}" for free in self.frees)
        if self.lock is not None:
            yield f"free {self.lock.reservation}"


def new_claim(reservation: Reservation) -> Claim:
    """Return a claim under a new token."""
    return Claim(reservation, keys.new_uuid())


def _set(reservation: Reservation, token: str, when: tuple[Condition[Any], ...]) -> Write:
    return Write(reservation.key, RESERVATIONS.name, reservation.stored(token), None, when)


def _is(attribute: str, value: str) -> tuple[Condition[Any], ...]:
    return (KeyCondition(attribute, Operator.EQUAL_TO, (value,)),)
