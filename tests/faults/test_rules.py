"""What a fault does to a call, and that chance is the same for the same seed."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from forge_orm.errors import AnswerLost, ConfigurationError, NotSent
from forge_orm.faults import Fault, FaultKind, Faults
from forge_orm.wire import Request, Response

GET = Request("get", b'{"key":"k"}')
DONE = Response(200, b'{"key":"k","value":1}')


@pytest.mark.parametrize(
    "text",
    [
        "latency,seconds=0.25",
        "throttle",
        "throttle,retry_after=3",
        "fail,status=500",
        "fail-after,rate=0.5",
        "drop,times=2",
        "lose,operations=batch/set+transaction,rate=0.1",
        "partial",
    ],
)
def test_a_fault_is_read_as_it_is_shown(text: str) -> None:
    fault = Fault.parse(text)
    assert Fault.parse(str(fault)) == fault
    assert Fault.model_validate_json(fault.model_dump_json()) == fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rain", "kind: Input should be 'latency', 'throttle'"),
        ("drop,rate=2", "rate: Input should be less than or equal to 1"),
        ("drop,often=2", "often: Extra inputs are not permitted"),
        ("fail,status=404", "status: Input should be greater than or equal to 500"),
        ("lose,operations=sett", "operations: Value error, 'sett' is none of get, set,"),
    ],
)
def test_what_is_no_fault_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Faults(text)
    assert said in str(raised.value)


def test_a_call_that_is_not_carried_out() -> None:
    assert Faults("throttle,retry_after=3").effect(GET).instead == Response(
        429,
        b'{"code":"RATE_LIMIT_EXCEEDED","message":"too many requests, on purpose"}',
        {"content-type": "application/json; charset=utf-8", "retry-after": "3"},
    )
    transaction = Faults("throttle").effect(GET._replace(operation="transaction")).instead
    assert isinstance(transaction, Response)
    assert json.loads(transaction.body)["code"] == "TOO_MANY_REQUESTS"
    assert "retry-after" not in transaction.headers
    failed = Faults("fail,status=500").effect(GET).instead
    assert isinstance(failed, Response)
    assert failed.status == 500
    assert isinstance(Faults("drop").effect(GET).instead, NotSent)


def test_a_call_that_is_carried_out_and_not_told() -> None:
    lost = Faults("lose").effect(GET)
    assert lost.instead is None
    with pytest.raises(AnswerLost, match="dropped on purpose"):
        lost.answer(DONE)
    assert Faults("fail-after,status=502").effect(GET).answer(DONE).status == 502


def test_latency_goes_with_another_fault() -> None:
    effect = Faults("latency,seconds=1", "latency,seconds=0.5", "fail").effect(GET)
    assert effect.delay == 1.5
    assert isinstance(effect.instead, Response)


def test_no_fault_changes_nothing() -> None:
    for faults in (Faults(), Faults("fail,operations=set"), Faults("partial")):
        effect = faults.effect(GET)
        assert (effect.delay, effect.instead, effect.request) == (0, None, GET)
        assert effect.answer(DONE) is DONE


def test_times_are_counted_by_rule() -> None:
    faults = Faults("drop,times=2", "fail,times=1")
    kinds = [type(faults.effect(GET).instead).__name__ for _ in range(4)]
    assert kinds == ["NotSent", "NotSent", "Response", "NoneType"]
    faults.clear()
    assert len(faults) == 0


def test_a_rate_is_kept_and_a_seed_repeats_it() -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults("drop,rate=0.3", seed=seed)
        return [faults.effect(GET).instead is not None for _ in range(2000)]

    first = struck(7)
    assert first == struck(7)
    assert first != struck(8)
    assert 500 < Counter(first)[True] < 700


@pytest.mark.parametrize("count", [1, 2, 25])
def test_a_batch_fails_in_part(count: int) -> None:
    items = [{"key": f"k{n}", "entityName": "task", "value": {}} for n in range(count)]
    request = Request("batch/set", json.dumps(items).encode())
    for seed in range(20):
        effect = Faults("partial", seed=seed).effect(request)
        if effect.instead is None:
            kept = json.loads(effect.request.body)
            done = [{"key": item["key"], "entityName": "task"} for item in kept]
            told = {"successfulKeys": done, "failedKeys": []}
            response = effect.answer(Response(200, json.dumps(told).encode()))
        else:
            kept = []
            assert isinstance(effect.instead, Response)
            response = effect.instead
        answer = json.loads(response.body)
        failed = [row["key"] for row in answer["failedKeys"]]
        assert failed
        assert all(row["error"]["code"] for row in answer["failedKeys"])
        assert {*failed, *(item["key"] for item in kept)} == {item["key"] for item in items}
        assert len(failed) + len(kept) == count


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"[1]", b'[{"name":"x"}]'])
def test_what_is_no_batch_is_left_to_the_store(body: bytes) -> None:
    request = Request("batch/set", body)
    assert Faults("partial").effect(request).request is request


def test_every_kind_is_explained() -> None:
    assert {str(kind) for kind in FaultKind} == {
        *("latency", "throttle", "fail", "fail-after", "drop", "lose", "partial", "conflict")
    }


def test_only_a_transaction_loses_against_another() -> None:
    faults = Faults("conflict,times=1")
    assert faults.effect(GET).instead is None
    request = Request("transaction", b'{"set":[{"key":"k","value":1}]}')
    lost = faults.effect(request).instead
    assert isinstance(lost, Response)
    assert (lost.status, json.loads(lost.body)["code"]) == (400, "CONDITIONAL_CHECK_FAILED")
    assert faults.effect(request).instead is None
