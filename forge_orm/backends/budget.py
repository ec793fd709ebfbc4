"""`Budget`: the service's capacity, kept on this side, so that bulk work slows down in time."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from .. import limits
from ..errors import ConfigurationError, NotSent
from ..units import READS, units, write_units
from ..wire import Request, Response, Tenant
from .bucket import Bucket
from .items import is_throttled

Kind: TypeAlias = Literal["read", "write"]

_log: Final = logging.getLogger("forge_orm.budget")
_MINUTE: Final = 60.0
_ACCOUNTS_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class BudgetUsage:
    """What one installation has spent, and how it fared.

    Attributes:
        reads: read units of the last minute.
        writes: write units of the last minute.
        reads_left: read units that can be spent now without waiting.
        writes_left: write units that can be spent now without waiting.
        waits: how many calls had to wait.
        waited: how many seconds they waited, all together.
        refused: how many calls the service refused all the same, as a whole or in part.
        pace: the share of the full pace at which units come in; less than 1 after refusals.
    """

    reads: int = 0
    writes: int = 0
    reads_left: int = 0
    writes_left: int = 0
    waits: int = 0
    waited: float = 0.0
    refused: int = 0
    pace: float = 1.0


@dataclass(slots=True)
class Ticket:
    """The right to make one call after *wait* seconds, and what it was charged."""

    request: Request
    account: _Account
    kind: Kind
    charged: float
    taken: float
    wait: float
    sent: bool = False


@dataclass(slots=True)
class _Account:
    """One installation's units and figures."""

    buckets: dict[Kind, Bucket]
    requests: Bucket
    spent: deque[tuple[float, int, int]] = field(default_factory=deque[tuple[float, int, int]])
    expected: dict[str, float] = field(default_factory=dict[str, float])
    waits: int = 0
    waited: float = 0.0
    refused: int = 0
    warned: float = float("-inf")

    def idle(self, now: float) -> bool:
        """Whether nothing is known of it that a new one would not know, but old figures."""
        self.note(now, 0, 0)
        if any(read or write for _, read, write in self.spent):
            return False
        for bucket in (*self.buckets.values(), self.requests):
            bucket.advance(now)
            if bucket.level < bucket.size or bucket.pace < 1:
                return False
        return True

    def note(self, now: float, read: int, write: int) -> None:
        """Note what was spent, second by second, for a minute."""
        second = now // 1
        if self.spent and self.spent[-1][0] == second:
            _, reads, writes = self.spent.pop()
            read, write = read + reads, write + writes
        self.spent.append((second, read, write))
        while self.spent[0][0] <= second - _MINUTE:
            self.spent.popleft()


class Budget:
    """Units a minute and calls a second, for each installation, shared by whoever holds it.

    Give the same budget to every forge of the process. A read is charged what such reads
    cost lately, and what it really cost once its answer is there; a write what its request
    costs. Calls that there are no units for wait, in the order they came. What the service
    refuses all the same (somebody else is writing too) halves the pace, which doubles again
    each minute.

    No minute sees more than the limit: what may be spent at once and what comes in during a
    minute are the limit together. Only reads that turn out larger than expected can exceed it
    for a moment. Source of the limits: limits-kvs-ce.
    """

    def __init__(
        self,
        *,
        reads: int = limits.READ_UNITS_PER_MINUTE,
        writes: int = limits.WRITE_UNITS_PER_MINUTE,
        requests: int = limits.REQUESTS_PER_SECOND,
        share: float = 1.0,
        burst: float = 0.2,
        rounded_once: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing spent.

        Args:
            reads: read units (10 KB each) a minute and installation.
            writes: write units a minute and installation.
            requests: calls a second and installation.
            share: the part of all that which is this process's, where there are several.
            burst: the part of it that may be spent at once; the rest comes in evenly.
            rounded_once: False charges each item of a batch or transaction by itself.
            clock: returns seconds.

        Raises:
            ConfigurationError: a number makes no budget.
        """
        if min(reads, writes, requests) < 1 or not 0 < share <= 1 or not 0 < burst < 1:
            raise ConfigurationError(
                f"Budget(reads={reads}, writes={writes}, requests={requests}, share={share}, "
                f"burst={burst}): the first three are at least 1, share is above 0 and at "
                "most 1, burst is between 0 and 1"
            )
        self._most = {"read": reads * share, "write": writes * share}
        self._calls, self._burst = requests * share, burst
        self._rounded_once, self._clock = rounded_once, clock
        self._accounts: dict[object, _Account] = {}
        self._tidy_at = _ACCOUNTS_KEPT
        self._lock = threading.Lock()

    # --- figures ------------------------------------------------------------------------

    def usage(self, tenant: Tenant | None = None) -> BudgetUsage:
        """Return what the installation of *tenant* has spent."""
        now = self._clock()
        with self._lock:
            account = self._accounts.get(_whose(tenant)) or self._opened(now)
            account.note(now, 0, 0)
            buckets = account.buckets
            for bucket in buckets.values():
                bucket.advance(now)
            return BudgetUsage(
                sum(read for _, read, _ in account.spent),
                sum(write for _, _, write in account.spent),
                max(0, int(buckets["read"].level)),
                max(0, int(buckets["write"].level)),
                account.waits,
                account.waited,
                account.refused,
                min(bucket.pace for bucket in buckets.values()),
            )

    def __repr__(self) -> str:
        """Show the limits, and what is spent of them by all installations together."""
        now = self._clock()
        with self._lock:
            for account in self._accounts.values():
                account.note(now, 0, 0)
            spent = [each for account in self._accounts.values() for each in account.spent]
        reads, writes = sum(read for _, read, _ in spent), sum(write for *_, write in spent)
        return (
            f"Budget({self._most['read']:g} read and {self._most['write']:g} write units a "
            f"minute; spent in the last one: {reads} and {writes}, by {len(self._accounts)} "
            "installations)"
        )

    # --- for Throttled ------------------------------------------------------------------

    def enter(self, request: Request) -> Ticket:
        """Charge one call; it may be made after the ticket's ``wait`` seconds."""
        kind: Kind = "read" if request.operation in READS else "write"
        with self._lock:
            now = self._clock()
            account = self._account(request.tenant, now)
            cost = self._cost(account, request, kind)
            bucket = account.buckets[kind]
            wait = max(bucket.take(cost, now), account.requests.take(1, now))
            if wait:
                self._slowed(account, request, wait, now)
            return Ticket(request, account, kind, cost, now, wait)

    def leave(self, ticket: Ticket, outcome: Response | BaseException) -> None:
        """Settle what a call was charged by how it ended.

        A call that was not made, or that the service did nothing about, costs nothing; one
        without an answer what was expected.
        """
        with self._lock:
            now = self._clock()
            if isinstance(outcome, Response):
                self._answered(ticket, outcome, now)
            elif ticket.sent and not isinstance(outcome, NotSent):
                ticket.account.note(now, *_as_pair(ticket.kind, round(ticket.charged)))
            else:
                ticket.account.buckets[ticket.kind].give_back(ticket.charged)

    def _answered(self, ticket: Ticket, response: Response, now: float) -> None:
        account, kind = ticket.account, ticket.kind
        cost = units(ticket.request, response, rounded_once=self._rounded_once)
        account.buckets[kind].give_back(ticket.charged - (cost.read + cost.write))
        account.note(now, *cost)
        if is_throttled(ticket.request, response):
            self._refused(ticket, response.retry_after or 0.0, now)
        elif kind == "read" and response.ok:
            before = account.expected.get(ticket.request.operation, cost.read)
            account.expected[ticket.request.operation] = (before + cost.read) / 2

    def _refused(self, ticket: Ticket, retry_after: float, now: float) -> None:
        account = ticket.account
        account.refused += 1
        bucket = account.buckets[ticket.kind]
        if bucket.refuse(now, ticket.taken, retry_after):
            _log.warning(
                "%s was refused within the budget; %ss go on at %d%% of the pace",
                ticket.request.operation,
                ticket.kind,
                round(bucket.pace * 100),
            )

    def _slowed(self, account: _Account, request: Request, wait: float, now: float) -> None:
        account.waits += 1
        account.waited += wait
        level = logging.DEBUG if now - account.warned < _MINUTE else logging.WARNING
        account.warned = now
        _log.log(level, "%s waits %.2f s for the budget", request.operation, wait)

    def _cost(self, account: _Account, request: Request, kind: Kind) -> float:
        if kind == "write":
            return write_units(request, rounded_once=self._rounded_once)
        return account.expected.get(request.operation, 1.0)

    # --- accounts -----------------------------------------------------------------------

    def _account(self, tenant: Tenant | None, now: float) -> _Account:
        whose = _whose(tenant)
        if (known := self._accounts.get(whose)) is not None:
            return known
        if len(self._accounts) >= self._tidy_at:
            self._tidy(now)
        made = self._accounts[whose] = self._opened(now)
        return made

    def _opened(self, now: float) -> _Account:
        return _Account(
            {
                "read": self._bucket(self._most["read"], _MINUTE, now),
                "write": self._bucket(self._most["write"], _MINUTE, now),
            },
            self._bucket(self._calls, 1.0, now),
        )

    def _bucket(self, most: float, seconds: float, now: float) -> Bucket:
        size = most * self._burst
        return Bucket(size, (most - size) / seconds, now)

    def _tidy(self, now: float) -> None:
        """Forget who has been idle: where calls are told apart by invocation, most are."""
        kept = {key: each for key, each in self._accounts.items() if not each.idle(now)}
        self._accounts = kept
        self._tidy_at = max(_ACCOUNTS_KEPT, 2 * len(kept))


def _whose(tenant: Tenant | None) -> object:
    """Return what tells installations apart; the token itself is not kept."""
    if tenant is None:
        return None
    return tenant.installation or tenant.invocation or hash(tenant.token)


def _as_pair(kind: Kind, cost: int) -> tuple[int, int]:
    return (cost, 0) if kind == "read" else (0, cost)
