"""Sending again what is safe to send again: a policy, and the backend that follows it."""

from __future__ import annotations

import logging
import random as random_numbers
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from ..errors import AnswerLost, ConfigurationError, NotSent, TransportError
from ..observe import note_retry, note_wait
from ..wire import AsyncBackend, Backend, Request, Response
from .items import Outcome, Parts
from .wrapping import Wrapping, wait

_log: Final = logging.getLogger("forge_orm.retry")
_TOO_MANY_REQUESTS: Final = 429
_REFUSED: Final = (401, 403, _TOO_MANY_REQUESTS)
"""Statuses that say: this attempt did nothing. They say nothing of an earlier one."""


def may_repeat(outcome: Outcome, request: Request) -> bool:
    """Whether sending *request* again can help and cannot do its work twice.

    Nothing was done where it was not sent or was refused with 429. Where an answer was lost
    or the service failed, only a repeatable request goes again. Of a batch, those items go
    again that failed for such a reason.
    """
    if isinstance(outcome, TransportError):
        return isinstance(outcome, NotSent) or request.repeatable
    if outcome.status == _TOO_MANY_REQUESTS:
        return True
    if outcome.ok:
        return bool(Parts(request).busy(outcome))
    return outcome.status >= 500 and request.repeatable


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and after how long to send again.

    The service documents no ``Retry-After``; its advice is exponential backoff with jitter
    (storage-api-limit-handling). By default a sidecar that needs some five seconds to start
    is waited for, and a user who waits for an answer (25 seconds at most, in Forge) gets
    an error rather than silence.

    Attributes:
        attempts: how often a request is sent at most, the first time included.
        first: seconds before the second attempt, at most; doubled for each one after.
        longest: seconds between two attempts, at most, unless the service asks for more.
        max_elapsed: seconds after which no new attempt begins.
        jitter: the share of each wait that is left to chance; with 1 a wait is anything
            from nothing to its most, which spreads callers best.
    """

    attempts: int = 7
    first: float = 0.2
    longest: float = 5.0
    max_elapsed: float = 20.0
    jitter: float = 1.0

    def __post_init__(self) -> None:
        """Refuse numbers that make no policy."""
        if self.attempts < 1:
            raise ConfigurationError(f"RetryPolicy.attempts is {self.attempts}: at least 1")
        for name in ("first", "longest", "max_elapsed"):
            if getattr(self, name) < 0:
                raise ConfigurationError(
                    f"RetryPolicy.{name} is {getattr(self, name)}: below 0"
                )
        if not 0 <= self.jitter <= 1:
            raise ConfigurationError(f"RetryPolicy.jitter is {self.jitter}: not from 0 to 1")

    def delay(
        self,
        attempt: int,
        outcome: Outcome,
        request: Request,
        *,
        elapsed: float = 0.0,
        random: Callable[[], float] = random_numbers.random,
    ) -> float | None:
        """Return the seconds to wait after *attempt* (from 1), or None to stop.

        A ``Retry-After`` is waited for in full, with the backoff on top so that callers told
        the same do not return together; where that is past *max_elapsed* there is no point.
        """
        if attempt >= self.attempts or not may_repeat(outcome, request):
            return None
        wait = self._backoff(attempt, random)
        if isinstance(outcome, Response):
            wait += outcome.retry_after or 0.0
        return wait if elapsed + wait <= self.max_elapsed else None

    def _backoff(self, attempt: int, random: Callable[[], float]) -> float:
        # The exponent is bounded: a float overflows at 2**1024.
        most = min(self.longest, self.first * 2.0 ** min(attempt - 1, 64))
        return most * (1 - self.jitter * random())


class Retrying(Wrapping):
    """A backend that sends again through another, of either colour.

    The last answer is given back, or the last error raised. Of a batch only the items that
    were throttled, or that the service failed for, are sent again, and one answer is put
    together in the end. Where a write may have been carried out by an attempt whose answer
    was lost, a later attempt that was refused raises `AnswerLost`: the write is unknown. Each
    wait is one line of the logger ``forge_orm.retry``.
    """

    def __init__(
        self,
        backend: Backend | AsyncBackend,
        policy: RetryPolicy | None = None,
        *,
        sleep: Callable[[float], object] = time.sleep,
        asleep: Callable[[float], Awaitable[object]] = wait,
        random: Callable[[], float] = random_numbers.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wrap *backend*; *asleep* is `asyncio.sleep` unless given."""
        super().__init__(backend)
        self._policy = RetryPolicy() if policy is None else policy
        self._sleep = sleep
        self._asleep = asleep
        self._random = random
        self._clock = clock

    def send(self, request: Request, /) -> Response:
        """Answer one request, blocking, after as many attempts as the policy allows."""
        course = _Course(self._policy, request, self._random, self._clock)
        while True:
            outcome = self._attempt(course.request)
            seconds = course.wait_after(outcome)
            if seconds is None:
                return course.result(outcome)
            self._sleep(seconds)

    async def asend(self, request: Request, /) -> Response:
        """Answer one request, awaiting, after as many attempts as the policy allows."""
        course = _Course(self._policy, request, self._random, self._clock)
        while True:
            outcome = await self._aattempt(course.request)
            seconds = course.wait_after(outcome)
            if seconds is None:
                return course.result(outcome)
            await self._asleep(seconds)

    def __repr__(self) -> str:
        """Name the wrapped backend and the policy."""
        return f"Retrying({self._backend!r}, {self._policy!r})"

    def _attempt(self, request: Request) -> Outcome:
        backend = self._blocking
        try:
            return backend.send(request)
        except TransportError as error:
            return error

    async def _aattempt(self, request: Request) -> Outcome:
        backend = self._awaiting
        try:
            return await backend.asend(request)
        except TransportError as error:
            return error


class _Course:
    """One request's attempts, in both colours."""

    def __init__(
        self,
        policy: RetryPolicy,
        request: Request,
        random: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._parts = Parts(request)
        self._random = random
        self._clock = clock
        self._begun = clock()
        self._attempt = 0
        self._doubted = False

    @property
    def request(self) -> Request:
        """What is to be sent now."""
        return self._parts.request

    def wait_after(self, outcome: Outcome) -> float | None:
        """Count an attempt; return the seconds to wait for the next, or None to stop."""
        self._attempt += 1
        answered = isinstance(outcome, Response) and outcome.ok
        if answered and not self.request.operation.startswith("batch/"):
            return None
        wait = self._policy.delay(
            self._attempt,
            outcome,
            self.request,
            elapsed=self._clock() - self._begun,
            random=self._random,
        )
        if wait is not None:
            note_retry()
            note_wait(wait)
            self._tell(outcome, wait)
            self._note(outcome)
        elif self._attempt > 1 and isinstance(outcome, TransportError):
            outcome.add_note(f"This was attempt {self._attempt}.")
        return wait

    def result(self, outcome: Outcome) -> Response:
        """Return the answer to the whole request, or raise why there is none."""
        if self._parts.begun:
            return self._parts.whole(outcome)
        if self._doubted and _refuses(outcome):
            raise AnswerLost(
                f"{self.request.operation}: an earlier attempt may have been carried out, and "
                f"attempt {self._attempt} ended with {_reason(outcome)}"
            ) from (outcome if isinstance(outcome, TransportError) else None)
        if isinstance(outcome, TransportError):
            raise outcome
        return self._parts.whole(outcome) if outcome.ok and self._doubted else outcome

    def _note(self, outcome: Outcome) -> None:
        """Note what an attempt may have done; a read does nothing."""
        if isinstance(outcome, Response) and outcome.ok:
            self._parts.narrow(outcome)
        elif not _refuses(outcome) and not self.request.operation.endswith(("get", "query")):
            self._doubted = True
            self._parts.doubt()

    def _tell(self, outcome: Outcome, wait: float) -> None:
        _log.warning(
            "%s: attempt %d of %d ended with %s; again in %.2f s",
            self.request.operation,
            self._attempt,
            self._policy.attempts,
            _reason(outcome),
            wait,
        )


def _refuses(outcome: Outcome) -> bool:
    """Whether an attempt surely did nothing."""
    if isinstance(outcome, Response):
        return outcome.status in _REFUSED
    return isinstance(outcome, NotSent)


def _reason(outcome: Outcome) -> str:
    # A status or a class says enough; a body or a message may hold what is private.
    if isinstance(outcome, Response):
        return "items that failed" if outcome.ok else f"status {outcome.status}"
    return type(outcome).__name__
