"""How long `RetryPolicy` waits: backoff, jitter, ``Retry-After``, and when it gives up."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_orm import ConfigurationError, NotSent
from forge_orm.backends import Retrying, RetryPolicy
from forge_orm.wire import Request, Response

from .colours import COLOURS, Scripted, ask
from .test_retry import BUSY, OK, SAFE, UNSAFE, Time, retrying

LATER = "Sun, 06 Nov 1994 08:49:37 GMT"


def test_the_waits_double_up_to_the_longest(colour: str) -> None:
    time = Time()
    policy = RetryPolicy(attempts=8, first=0.5, longest=5, max_elapsed=1000)
    ask(colour, retrying(Scripted(BUSY), policy, time), SAFE)

    assert time.slept == [0.5, 1, 2, 4, 5, 5, 5]


@pytest.mark.parametrize(
    ("jitter", "chance", "wait"),
    [(1, 0, 4), (1, 0.75, 1), (0.5, 0, 4), (0.5, 0.5, 3), (0.5, 0.999, 2.002), (0, 0.7, 4)],
)
def test_jitter_leaves_its_share_to_chance(
    colour: str, jitter: float, chance: float, wait: float
) -> None:
    time = Time()
    policy = RetryPolicy(attempts=2, first=4, jitter=jitter)
    ask(colour, retrying(Scripted(BUSY), policy, time, chance), SAFE)

    assert time.slept == pytest.approx([wait])


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ({}, 1.0),
        ({"retry-after": "3"}, 4.0),
        ({"retry-after": "0"}, 1.0),
        ({"retry-after": "007"}, 8.0),
        # A date counts from the answer's own; it may have passed.
        ({"retry-after": LATER, "date": "Sun, 06 Nov 1994 08:49:34 GMT"}, 4.0),
        ({"retry-after": LATER, "date": LATER}, 1.0),
        ({"retry-after": LATER, "date": "Sun, 06 Nov 1994 08:49:38 GMT"}, 1.0),
        # What cannot be read asks for nothing, and only the backoff counts.
        ({"retry-after": LATER}, 1.0),
        ({"retry-after": LATER, "date": "today"}, 1.0),
        ({"retry-after": "Sun, 66 Nov 1994 08:49:37 GMT", "date": LATER}, 1.0),
        ({"retry-after": "-5"}, 1.0),
        ({"retry-after": "1.5"}, 1.0),
        ({"retry-after": "soon"}, 1.0),
        ({"retry-after": ""}, 1.0),
        ({"retry-after": "²"}, 1.0),
        ({"retry-after": "٣"}, 1.0),
        ({"retry-after": "nan"}, 1.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for_with_the_backoff_on_top(
    colour: str, status: int, said: dict[str, str], wait: float
) -> None:
    backend, time = Scripted(Response(status, b"", said), OK), Time()
    ask(colour, retrying(backend, RetryPolicy(first=1), time), SAFE)

    assert time.slept == [wait]


@pytest.mark.parametrize("seconds", ["21", "86400", "9" * 400])
def test_a_retry_after_past_the_end_is_not_waited_for(colour: str, seconds: str) -> None:
    backend, time = Scripted(Response(429, b"", {"retry-after": seconds}), OK), Time()
    (answer,) = ask(colour, retrying(backend, RetryPolicy(max_elapsed=20), time), SAFE)

    assert (answer.status, time.slept, len(backend.asked)) == (429, [], 1)


def test_no_attempt_begins_past_the_end(colour: str) -> None:
    time = Time()
    policy = RetryPolicy(attempts=99, first=1, longest=4, max_elapsed=10)
    ask(colour, retrying(Scripted(BUSY), policy, time), SAFE)

    assert time.slept == [1, 2, 4]  # a fourth would begin at 11


def test_the_time_attempts_themselves_take_counts(colour: str) -> None:
    time = Time()

    class Slow(Scripted):
        def send(self, request: Request, /) -> Response:
            time.now += 6
            return super().send(request)

    backend = Slow(BUSY)
    ask(colour, retrying(backend, RetryPolicy(first=1, max_elapsed=14), time), SAFE)

    assert (len(backend.asked), time.slept) == (2, [1])


def test_requests_do_not_share_their_attempts(colour: str) -> None:
    backend, time = Scripted(BUSY, OK, BUSY, OK), Time()
    ask(colour, retrying(backend, RetryPolicy(first=1), time), SAFE, SAFE)

    assert time.slept == [1, 1]


@settings(deadline=None, max_examples=150)
@given(
    attempt=st.integers(1, 10**6),
    first=st.floats(0, 1e6),
    longest=st.floats(0, 1e6),
    jitter=st.floats(0, 1),
    chance=st.floats(0, 1, exclude_max=True),
    elapsed=st.floats(0, 1e6),
    after=st.none() | st.integers(0, 10**6),
    safe=st.booleans(),
)
def test_a_wait_is_within_its_bounds(
    attempt: int,
    first: float,
    longest: float,
    jitter: float,
    chance: float,
    elapsed: float,
    after: int | None,
    safe: bool,
) -> None:
    policy = RetryPolicy(attempts=10**6, first=first, longest=longest, jitter=jitter)
    headers = {} if after is None else {"retry-after": str(after)}
    wait = policy.delay(
        attempt,
        Response(429, b"", headers),
        SAFE if safe else UNSAFE,
        elapsed=elapsed,
        random=lambda: chance,
    )

    least = after or 0
    if wait is not None:
        assert attempt < policy.attempts
        assert least <= wait <= least + longest
        assert elapsed + wait <= policy.max_elapsed
    elif attempt < policy.attempts:
        assert elapsed + least + min(longest, first * 2.0 ** min(attempt, 64)) > 19.99


POLICIES: dict[str, tuple[Callable[[], RetryPolicy], str]] = {
    "no-attempt": (lambda: RetryPolicy(attempts=0), "attempts is 0: at least 1"),
    "first": (lambda: RetryPolicy(first=-0.1), "first is -0.1: below 0"),
    "longest": (lambda: RetryPolicy(longest=-1), "longest is -1: below 0"),
    "elapsed": (lambda: RetryPolicy(max_elapsed=-1), "max_elapsed is -1: below 0"),
    "jitter": (lambda: RetryPolicy(jitter=1.1), "jitter is 1.1: not from 0 to 1"),
    "negative-jitter": (lambda: RetryPolicy(jitter=-1), "jitter is -1: not from 0 to 1"),
}


@pytest.mark.parametrize(("make", "why"), POLICIES.values(), ids=POLICIES)
def test_numbers_that_make_no_policy_are_refused(
    make: Callable[[], RetryPolicy], why: str
) -> None:
    with pytest.raises(ConfigurationError, match=why):
        make()


def test_by_default_nobody_waits_longer_than_forge_does(colour: str) -> None:
    time = Time()
    ask(colour, retrying(Scripted(NotSent("x"), BUSY), RetryPolicy(), time), SAFE)

    assert 5 < sum(time.slept) <= 20


class OnlyBlocking:
    def send(self, request: Request, /) -> Response:
        return OK


class OnlyAwaiting:
    async def asend(self, request: Request, /) -> Response:
        return OK


@pytest.mark.parametrize("colour", COLOURS)
def test_a_colour_the_wrapped_backend_has_not_is_refused(colour: str) -> None:
    with pytest.raises(ConfigurationError, match=r"has no asend?|has no send"):
        lacking = OnlyBlocking() if colour == "async" else OnlyAwaiting()
        ask(colour, Retrying(lacking), SAFE)
    having = OnlyAwaiting() if colour == "async" else OnlyBlocking()

    assert ask(colour, Retrying(having), SAFE) == [OK]


def test_repr_names_backend_and_policy() -> None:
    shown = repr(Retrying(OnlyBlocking(), RetryPolicy(attempts=2)))

    assert "OnlyBlocking" in shown
    assert "attempts=2" in shown
