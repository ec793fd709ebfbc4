"""What is sent again, how often and after how long: `RetryPolicy` and `Retrying`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from forge_orm import AnswerLost, ConfigurationError, Forge, LocalBackend, NotSent
from forge_orm import operations as ops
from forge_orm.backends import Retrying, RetryPolicy
from forge_orm.errors import RateLimited
from forge_orm.operations import BatchItem, Setting, Write
from forge_orm.query import Query
from forge_orm.wire import Request, Response
from tests.scenarios.models import Task

from .colours import Scripted, ask, play

OK = Response(204)
BUSY = Response(503)
SAFE = Request("get", b'{"key":"private"}')
UNSAFE = Request("transaction", b"{}", repeatable=False)


@dataclass
class Time:
    """A clock that only sleeping moves, and how long was slept."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


def retrying(backend: Any, policy: RetryPolicy, time: Time, chance: float = 0.0) -> Retrying:
    """Wrap *backend*; with *chance* 0 every wait is as long as it can be."""
    return Retrying(
        backend,
        policy,
        sleep=time.sleep,
        asleep=time.asleep,
        random=lambda: chance,
        clock=time.clock,
    )


QUERY: Query[Any] = Task.index("by-key")
REQUESTS: dict[str, tuple[Request, bool]] = {
    "get": (ops.get("k").request, True),
    "set": (ops.set("k", b"1").request, True),
    "set-latest": (ops.set("k", b"1", Setting(returns="LATEST")).request, True),
    "set-override": (ops.set("k", b"1", Setting(policy="OVERRIDE")).request, True),
    "set-create": (ops.set("k", b"1", Setting(policy="FAIL_IF_EXISTS")).request, False),
    "set-previous": (ops.set("k", b"1", Setting(returns="PREVIOUS")).request, False),
    "delete": (ops.delete("k").request, True),
    "query": (ops.query(rows=1).request, True),
    "secret-get": (ops.get("k", space="secret/").request, True),
    "secret-set": (ops.set("k", b"1", space="secret/").request, True),
    "secret-create": (
        ops.set("k", b"1", Setting(policy="FAIL_IF_EXISTS"), space="secret/").request,
        False,
    ),
    "secret-delete": (ops.delete("k", space="secret/").request, True),
    "entity-get": (ops.entity_get("e", "k").request, True),
    "entity-set": (ops.entity_set("e", "k", b"{}").request, True),
    "entity-create": (
        ops.entity_set("e", "k", b"{}", Setting(policy="FAIL_IF_EXISTS")).request,
        False,
    ),
    "entity-delete": (ops.entity_delete("e", "k").request, True),
    "entity-query": (ops.entity_query(QUERY.spec, rows=1).request, True),
    "batch-get": (ops.batch_get([BatchItem("k")]).request, True),
    "batch-set": (ops.batch_set([BatchItem("k", None, b"1")]).request, True),
    "batch-delete": (ops.batch_delete([BatchItem("k")]).request, True),
    "transaction": (ops.transaction([Write("k", None, b"1")]).request, False),
}
# An outcome, and whether a request goes again after it: always, never, or where repeatable.
OUTCOMES: dict[str, tuple[Response | Exception, bool | None]] = {
    "not-sent": (NotSent("x"), True),
    "429": (Response(429), True),
    "answer-lost": (AnswerLost("x"), None),
    **{str(status): (Response(status), None) for status in (500, 502, 503, 504, 599)},
    **{
        str(status): (Response(status), False)
        for status in (301, 400, 401, 403, 404, 408, 409, 413, 422, 499)
    },
}


@pytest.mark.parametrize(("request_", "repeatable"), REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize(("outcome", "again"), OUTCOMES.values(), ids=OUTCOMES)
def test_only_what_cannot_happen_twice_goes_again(
    colour: str,
    request_: Request,
    repeatable: bool,
    outcome: Response | Exception,
    again: bool | None,
) -> None:
    backend, time = Scripted(outcome, OK), Time()
    expected = repeatable if again is None else again
    try:
        (answer,) = ask(colour, retrying(backend, RetryPolicy(), time), request_)
    except (NotSent, AnswerLost):
        answer = None

    assert len(backend.asked) == (2 if expected else 1)
    assert len(time.slept) == (1 if expected else 0)
    assert (answer == OK) == expected
    assert set(backend.asked) == {request_}


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_success_is_asked_for_once(colour: str, status: int) -> None:
    backend, time = Scripted(Response(status)), Time()
    (answer,) = ask(colour, retrying(backend, RetryPolicy(), time), SAFE)

    assert answer.status == status
    assert (len(backend.asked), time.slept) == (1, [])


@pytest.mark.parametrize("attempts", [1, 2, 7])
def test_the_last_answer_is_given_back_when_attempts_end(colour: str, attempts: int) -> None:
    script = [Response(503, b"%d" % number) for number in range(1, 10)]
    backend, time = Scripted(*script), Time()
    policy = RetryPolicy(attempts=attempts, max_elapsed=1e6)
    (answer,) = ask(colour, retrying(backend, policy, time), SAFE)

    assert answer.body == b"%d" % attempts
    assert (len(backend.asked), len(time.slept)) == (attempts, attempts - 1)


@pytest.mark.parametrize(("attempts", "notes"), [(1, []), (3, ["This was attempt 3."])])
def test_the_last_error_is_raised_when_attempts_end(
    colour: str, attempts: int, notes: list[str]
) -> None:
    backend = Scripted(BUSY, AnswerLost("second"), NotSent("last"), OK)
    backend = backend if attempts > 1 else Scripted(NotSent("last"))
    with pytest.raises(NotSent, match="last") as caught:
        ask(colour, retrying(backend, RetryPolicy(attempts=attempts), Time()), SAFE)

    assert getattr(caught.value, "__notes__", []) == notes


def test_an_error_that_is_not_of_the_transport_is_raised_at_once(colour: str) -> None:
    backend = Scripted(ConfigurationError("no tenant"), OK)
    with pytest.raises(ConfigurationError, match="no tenant"):
        ask(colour, retrying(backend, RetryPolicy(), Time()), SAFE)

    assert len(backend.asked) == 1


def test_a_forge_tries_again_and_then_tells_the_error(colour: str) -> None:
    policy = RetryPolicy(attempts=3, first=0)
    backend = Scripted(BUSY, NotSent("x"), Response(200, b'{"key":"k","value":7}'))
    assert play(colour, backend, lambda forge: forge.kvs.get("k"), retry=policy) == 7

    backend = Scripted(Response(429))
    with pytest.raises(RateLimited):
        play(colour, backend, lambda forge: forge.kvs.get("k"), retry=policy)
    assert len(backend.asked) == 3


def test_a_forge_told_not_to_retry_asks_once(colour: str) -> None:
    backend = Scripted(Response(429), OK)
    with pytest.raises(RateLimited):
        play(colour, backend, lambda forge: forge.kvs.get("k"), retry=None)

    assert len(backend.asked) == 1


def test_each_wait_is_a_line_that_holds_nothing_private(
    colour: str, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Scripted(Response(503, b"private"), NotSent("private"), OK)
    ask(colour, retrying(backend, RetryPolicy(attempts=5), Time()), SAFE)

    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("forge_orm.retry", "get: attempt 1 of 5 ended with status 503; again in 0.20 s"),
        ("forge_orm.retry", "get: attempt 2 of 5 ended with NotSent; again in 0.40 s"),
    ]


def test_a_store_in_this_process_is_not_wrapped() -> None:
    with LocalBackend() as local:
        assert Forge(local)._sender is local
        assert isinstance(Forge(Scripted(OK))._sender, Retrying)
