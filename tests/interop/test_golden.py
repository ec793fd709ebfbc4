"""Our client sends what the official client sends, call by call.

The golden files hold the official client's requests; ``make pytest`` checks both that they
are up to date and that ours are the same. A difference is deliberate if `DIFFERENCES` says so.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any, Final, NamedTuple

import pytest

from forge_orm import Forge, ForgeError, LocalBackend
from forge_orm.wire import OPERATIONS, Request, Response

from .calls import CALLS, Call
from .models import registry
from .node import OfficialClient
from .record import GOLDEN, golden_file, recorded

GOLDENS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    (group, entry["name"]): entry
    for group in CALLS
    for entry in json.loads(golden_file(group).read_text(encoding="utf-8"))
}
each_call = pytest.mark.parametrize(
    ("group", "call"),
    [
        pytest.param(group, call, id=f"{group}: {call.name}")
        for group, calls in CALLS.items()
        for call in calls
    ],
)


class Difference(NamedTuple):
    """The members of the body that ours sends otherwise (None: not at all), and why."""

    reason: str
    ours: dict[str, Any]


_SECONDS: Final = "Ours speaks of a `timedelta`: it has no unit, and seconds say every one."
_POLICY: Final = "The documents disagree on whether returnValue goes without; with it, it does."
_LIMIT: Final = "Ours reads whole pages: fewer calls, and no default that might change."
_DEFAULT: Final = "Ours does not say what is the default."
_HIDDEN: Final = "Theirs reads one row, and misses a match if the filter drops that one."
_ABSENT: Final = "Whether an absent attribute satisfies this is open; in ours it never does."


def _with_exists(condition: str, value: str) -> dict[str, Any]:
    """Return the conditions ours sends for a negative one on an optional attribute."""
    return {
        "and": [
            {"property": "nickname", "condition": condition, "values": [value]},
            {"property": "nickname", "condition": "EXISTS", "values": [True]},
        ]
    }


DIFFERENCES: Final[dict[tuple[str, str], Difference]] = {
    ("plain", "set with a time to live in days"): Difference(
        _SECONDS, {"options": {"ttl": {"value": 172800, "unit": "SECONDS"}}}
    ),
    ("plain", "set and return a value without a key policy"): Difference(
        _POLICY, {"options": {"keyPolicy": "OVERRIDE", "returnValue": "PREVIOUS"}}
    ),
    ("plain", "query"): Difference(_LIMIT, {"limit": 100}),
    ("queries", "without a limit"): Difference(_LIMIT, {"limit": 100}),
    ("queries", "ascending"): Difference(_DEFAULT, {"sort": None}),
    ("queries", "one behind a filter"): Difference(_HIDDEN, {"limit": 100}),
    ("queries", "filter: an optional attribute not equal to"): Difference(
        _ABSENT, {"filters": _with_exists("NOT_EQUAL_TO", "A.")}
    ),
    ("queries", "filter: an optional attribute does not contain"): Difference(
        _ABSENT, {"filters": _with_exists("NOT_CONTAINS", "A")}
    ),
    ("transactions", "check: an optional attribute not equal to"): Difference(
        _ABSENT,
        {
            "check": [
                {
                    "key": "ada",
                    "entityName": "employee",
                    "conditions": _with_exists("NOT_EQUAL_TO", "A."),
                }
            ]
        },
    ),
}


class Recorder:
    """Notes what is sent, and answers from a store."""

    in_process = True

    def __init__(self, store: LocalBackend) -> None:
        self._store = store
        self.requests: list[dict[str, Any]] = []

    def send(self, request: Request, /) -> Response:
        body = json.loads(request.body)
        path = f"/api/v1/{request.operation}"
        self.requests.append({"method": "POST", "path": path, "body": body})
        return self._store.send(request)


def ours(call: Call) -> list[dict[str, Any]]:
    """Return the requests our client makes for *call*."""
    with LocalBackend(schemas=registry) as store:
        recorder = Recorder(store)
        with contextlib.suppress(ForgeError):  # as when recording theirs
            call.ours(Forge(recorder))
        return recorder.requests


@each_call
def test_theirs_sends_what_is_recorded(
    official: OfficialClient, group: str, call: Call
) -> None:
    """If not: python -m tests.interop.record, and look at what changed."""
    assert recorded(official, call) == GOLDENS[group, call.name]


@each_call
def test_ours_sends_what_theirs_sends(group: str, call: Call) -> None:
    theirs = GOLDENS[group, call.name]["requests"]
    sent = canonical(ours(call))
    if (difference := DIFFERENCES.get((group, call.name))) is not None:
        assert sent != canonical(theirs), "no difference: take it off the table"
        theirs = [changed(request, difference.ours) for request in theirs]
    assert sent == canonical(theirs)


def test_the_golden_files_hold_every_call_and_every_operation() -> None:
    named = [(group, call.name) for group, calls in CALLS.items() for call in calls]
    assert [*GOLDENS] == named
    assert {path.stem for path in GOLDEN.iterdir()} == {*CALLS}
    assert {*DIFFERENCES} < {*GOLDENS}

    requests = [request for entry in GOLDENS.values() for request in entry["requests"]]
    assert {request["path"].removeprefix("/api/v1/") for request in requests} == {*OPERATIONS}
    assert {request["method"] for request in requests} == {"POST"}


def changed(request: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return *request* with some members of its body said otherwise, or left out."""
    body = {**request["body"], **changes}
    kept = {name: value for name, value in body.items() if value is not None}
    return {**request, "body": kept}


def canonical(value: Any) -> str:
    """Return *value* as JSON that is equal for equal values: JavaScript has one number."""
    return json.dumps(_one_number(value), sort_keys=True, indent=1, ensure_ascii=False)


def _one_number(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _one_number(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_one_number(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
