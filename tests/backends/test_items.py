"""Items of a batch that failed for now are sent again alone, and the answer is one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from forge_orm import AnswerLost, NotSent, PartialCommit, RateLimited
from forge_orm import operations as ops
from forge_orm.backends import RetryPolicy
from forge_orm.operations import BatchItem
from forge_orm.wire import Request, Response

from .colours import Scripted, ask, play
from .test_retry import Time, retrying

KEYS = ("a", "b", "c")
BUSY, FAULT, LARGE = "REQUEST_THROTTLED", "INTERNAL_SERVER_ERROR", "MAX_SIZE"
SET = ops.batch_set([BatchItem(key, "book", b"1") for key in KEYS]).request


def answer(done: str, *, named: bool = True, **failed: str) -> Response:
    """Return a batch's answer: the keys of *done* in turn, and the failed with their codes."""
    entity = {"entityName": "book"} if named else {}
    rows = [
        {"key": key, **entity, "error": {"code": code, "message": "words"}}
        for key, code in failed.items()
    ]
    body = {"successfulKeys": [{"key": key, **entity} for key in done], "failedKeys": rows}
    return Response(200, json.dumps(body, separators=(",", ":")).encode())


def sent(backend: Scripted) -> list[list[str]]:
    return [[item["key"] for item in json.loads(each.body)] for each in backend.asked]


def told(response: Response) -> tuple[list[str], dict[str, str]]:
    body: Any = json.loads(response.body)
    failed = {row["key"]: row["error"]["code"] for row in body["failedKeys"]}
    return [row["key"] for row in body["successfulKeys"]], failed


LOST, UNSENT = AnswerLost("no answer"), NotSent("no way")
LATER = Response(429, b'{"code":"RATE_LIMIT_EXCEEDED","message":"m"}', {"retry-after": "3"})
CASES: list[tuple[list[Response | Exception], list[str], list[str], dict[str, str]]] = [
    ([answer("abc")], ["abc"], ["a", "b", "c"], {}),
    ([answer("ac", b=BUSY), answer("b")], ["abc", "b"], ["a", "c", "b"], {}),
    ([answer("ac", b=FAULT), answer("b")], ["abc", "b"], ["a", "c", "b"], {}),
    ([answer("a", b=LARGE, c=BUSY), answer("c")], ["abc", "c"], ["a", "c"], {"b": LARGE}),
    ([answer("ac", b=LARGE)], ["abc"], ["a", "c"], {"b": LARGE}),
    ([answer("ac", b=BUSY), answer("", b=BUSY)], ["abc", "b", "b"], ["a", "c"], {"b": BUSY}),
    ([answer("ac", b=BUSY), LATER], ["abc", "b", "b"], ["a", "c"], {"b": BUSY}),
    ([answer("ac", b=BUSY), UNSENT], ["abc", "b", "b"], ["a", "c"], {"b": BUSY}),
    # Whoever may have been carried out stays in doubt, whatever later attempts say.
    ([answer("ac", b=BUSY), LOST], ["abc", "b", "b"], ["a", "c"], {"b": FAULT}),
    ([answer("ac", b=BUSY), LOST, LATER], ["abc", "b", "b"], ["a", "c"], {"b": FAULT}),
    ([answer("ac", b=FAULT), LATER], ["abc", "b", "b"], ["a", "c"], {"b": FAULT}),
    ([answer("ac", b=FAULT), answer("", b=BUSY)], ["abc", "b", "b"], ["a", "c"], {"b": FAULT}),
    ([LOST, LOST, answer("ac", b=BUSY)], ["abc", "abc", "abc"], ["a", "c"], {"b": FAULT}),
    ([answer("a", b=BUSY, c=BUSY), answer("b", c=BUSY), answer("c")],
     ["abc", "bc", "c"], ["a", "b", "c"], {}),
    ([answer("ac", b=BUSY), Response(403, b'{"code":"FORBIDDEN","message":"m"}')],
     ["abc", "b"], ["a", "c"], {"b": "FORBIDDEN"}),
]  # fmt: skip


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(("script", "asked", "done", "failed"), CASES)
def test_only_what_failed_for_now_is_sent_again(
    colour: str,
    script: list[Response | Exception],
    asked: list[str],
    done: list[str],
    failed: dict[str, str],
    named: bool,
) -> None:
    if not named:  # the entity's name is optional in an answer
        script = [_unnamed(each) if isinstance(each, Response) else each for each in script]
    backend = Scripted(*script)
    policy = RetryPolicy(attempts=3, first=0)
    (response,) = ask(colour, retrying(backend, policy, Time()), SET)

    assert sent(backend) == [[*keys] for keys in asked]
    assert told(response) == (done, failed)


def _unnamed(response: Response) -> Response:
    return response._replace(body=response.body.replace(b'"entityName":"book",', b""))


def test_the_wait_is_that_of_the_policy_and_what_the_service_asks_for(colour: str) -> None:
    time = Time()
    backend = Scripted(answer("ac", b=BUSY), LATER, answer("b"))
    policy = RetryPolicy(first=0.5)
    ask(colour, retrying(backend, policy, time), SET)
    assert time.slept == [0.5, 4.0]


def test_a_read_is_put_together_too(colour: str) -> None:
    row = {"key": "a", "value": 1, "entityName": "book"}
    first = {
        "successfulKeys": [row],
        "failedKeys": json.loads(answer("", b=BUSY).body)["failedKeys"],
    }
    second = {"successfulKeys": [{**row, "key": "b"}], "failedKeys": []}
    script = [Response(200, json.dumps(body).encode()) for body in (first, second)]
    request = ops.batch_get([BatchItem(key, "book") for key in "ab"]).request
    (response,) = ask(colour, retrying(Scripted(*script), RetryPolicy(), Time()), request)
    assert told(response) == (["a", "b"], {})


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"failedKeys":[{"key":1}]}', b'{"failedKeys":[{}]}']
)
def test_an_answer_that_makes_no_sense_is_given_back_as_it_is(colour: str, body: bytes) -> None:
    backend = Scripted(Response(200, body))
    (response,) = ask(colour, retrying(backend, RetryPolicy(), Time()), SET)
    assert response.body == body
    assert len(backend.asked) == 1


WRITE = Request("set", b'{"key":"k","value":1}')


@pytest.mark.parametrize("last", [LATER, UNSENT, Response(401), Response(403)])
@pytest.mark.parametrize("first", [LOST, Response(503)])
def test_a_refusal_does_not_hide_that_an_earlier_attempt_may_have_been_carried_out(
    colour: str, first: Any, last: Any
) -> None:
    backend = Scripted(first, last)
    with pytest.raises(AnswerLost, match="an earlier attempt may have been carried out"):
        ask(colour, retrying(backend, RetryPolicy(attempts=2), Time()), WRITE)


@pytest.mark.parametrize("first", [LOST, Response(503)])
def test_a_read_that_is_refused_in_the_end_was_just_refused(colour: str, first: Any) -> None:
    backend = Scripted(first, LATER)
    (response,) = ask(
        colour, retrying(backend, RetryPolicy(attempts=2), Time()), Request("get", b"{}")
    )
    assert response.status == 429


def test_keys_that_were_throttled_are_saved_in_the_end(colour: str) -> None:
    policy = RetryPolicy(attempts=3, first=0)
    unnamed = answer("ac", named=False, b=BUSY)
    backend = Scripted(unnamed, answer("b", named=False))
    play(
        colour, backend, lambda forge: forge.kvs.set_many(dict.fromkeys(KEYS, 1)), retry=policy
    )
    assert sent(backend) == [["a", "b", "c"], ["b"]]

    backend = Scripted(unnamed)
    with pytest.raises(PartialCommit) as caught:
        play(
            colour,
            backend,
            lambda forge: forge.kvs.set_many(dict.fromkeys(KEYS, 1)),
            retry=policy,
        )
    assert [type(each.error) for each in caught.value.failed] == [RateLimited]
    assert not caught.value.unknown
