"""What a line of the log says, and what it never says."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from forge_orm import LocalBackend, Tenant
from forge_orm.errors import NotSent
from forge_orm.faults import Faults
from forge_orm.server import ForgeApp
from forge_orm.server.log import RequestLog
from forge_orm.units import Units, units, units_of
from forge_orm.wire import OPERATIONS, Request, Response
from tests.local.world import BOOK

from .asgi import HEADERS, JSON, call

ONE = Tenant(installation="one")
NOON = 1_799_928_000.25


class Told:
    """A store whose log is kept."""

    def __init__(self, *, format: Any = "text") -> None:
        self.lines: list[str] = []
        self.store = LocalBackend(schemas=[BOOK], clock=lambda: NOON)
        self.log = RequestLog(self.lines.append, format, clock=lambda: NOON)

    def ask(self, operation: str, body: Any, tenant: Tenant | None = ONE) -> Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        request, begun = Request(operation, raw, tenant=tenant), time.perf_counter()
        response = self.store.send(request)
        self.log.note(request, response, begun)
        return response

    @property
    def plain(self) -> list[str]:
        """The lines without how long it took."""
        return [re.sub(r" +[\d.]+ ms", "", line) for line in self.lines]


BOOK_K: dict[str, Any] = {"entityName": "book", "key": "k"}
QUERY: dict[str, Any] = {"entityName": "book", "indexName": "by_shelf", "partition": ["s"]}
PREFIX = {"property": "key", "condition": "BEGINS_WITH", "values": ["user:"]}
BATCH: list[dict[str, Any]] = [{**BOOK_K, "value": {"pages": "?"}}, {"key": "p", "value": 1}]
CALLS: list[tuple[str, Any, str]] = [
    ("set", {"key": "k", "value": 1}, "204 set             0r 1w  k"),
    ("get", {"key": "k"}, "404 get             1r 0w  k  KEY_NOT_FOUND"),
    ("entity/set", {**BOOK_K, "value": {}}, "204 entity/set      0r 1w  book k"),
    ("entity/get", BOOK_K, "404 entity/get      1r 0w  book k  KEY_NOT_FOUND"),
    ("entity/query", QUERY, "200 entity/query    1r 0w  book[by_shelf]"),
    ("query", {"where": [PREFIX]}, "200 query           1r 0w  user:*"),
    ("query", {}, "200 query           1r 0w"),
    ("secret/set", {"key": "token", "value": "s3cret"}, "204 secret/set      0r 1w  <secret>"),
    ("batch/set", BATCH, "200 batch/set       0r 1w  book/k p  1 failed"),
    (
        "batch/delete",
        [{"key": f"k{number}"} for number in range(9)],
        "200 batch/delete    0r 1w  k0 k1 k2 k3 k4 +4  9 failed",
    ),
    (
        "transaction",
        {"delete": [{"key": "a"}], "set": [{**BOOK_K, "value": {}}]},
        "204 transaction     0r 1w  set:book/k delete:a",
    ),
    ("set", {"key": "k", "value": "x" * 10240}, "204 set             0r 2w  k"),
    ("set", b"{", "400 set             0r 1w  BAD_REQUEST"),
    ("set", b"[" * 5000, "400 set             0r 1w  BAD_REQUEST"),
    ("batch/get", b"7", "400 batch/get       1r 0w  BAD_REQUEST"),
    ("query", {"where": [{"values": 3}, 4]}, "400 query           1r 0w  QUERY_WHERE_INVALID"),
    ("get", {"key": {"a": 1}}, "400 get             1r 0w  BAD_REQUEST"),
    ("get", {"key": "a\n\x1b[31m\u202eb"}, "\\n\\x1b[31m\\u202eb  INVALID_KEY"),
    ("get", {"key": "k" * 400}, f"{'k' * 59}…  KEY_NOT_FOUND"),
]


@pytest.mark.parametrize(("operation", "body", "said"), CALLS)
def test_a_call_is_one_line(operation: str, body: Any, said: str) -> None:
    told = Told()
    told.ask(operation, body)
    (line,) = told.plain
    assert line.startswith("12:00:00.250 ")
    assert said in line
    assert line.endswith(f"{said}  [one]")
    assert "\n" not in line
    assert "\x1b" not in line


def test_milliseconds_are_those_the_backend_took() -> None:
    told = Told()
    told.ask("get", {"key": "k"})
    (found,) = re.findall(r" ([\d.]+) ms", told.lines[0])
    assert 0 < float(found) < 5000


@pytest.mark.parametrize("format", ["text", "json"])
def test_no_value_and_no_token_is_told(format: str) -> None:
    told = Told(format=format)
    tenant = Tenant(token="t0ken-of-a-remote")
    told.ask("secret/set", {"key": "k", "value": "hidden-1"}, tenant)
    previous = {"returnValue": "PREVIOUS"}
    told.ask("secret/set", {"key": "k", "value": "hidden-2", "options": previous}, tenant)
    told.ask("secret/get", {"key": "k"}, tenant)
    told.ask("secret/set", b'{"key": "k", "value": "hidden-3', tenant)
    told.ask("secret/get", {"key": "name-hidden-too"}, tenant)
    told.ask("set", {"key": "k", "value": "hidden-4"}, tenant)
    assert len(told.lines) == 6
    assert "hidden" not in "".join(told.lines)
    assert "t0ken" not in "".join(told.lines)


def test_json_lines_hold_every_part() -> None:
    told = Told(format="json")
    told.ask("batch/set", BATCH)
    told.ask("entity/query", {**QUERY, "limit": 0})
    batch, query = (json.loads(line) for line in told.lines)
    assert batch.pop("milliseconds") > 0
    assert batch == {
        "time": "2027-01-14T12:00:00.250+00:00",
        "operation": "batch/set",
        "installation": "one",
        "keys": ["book/k", "p"],
        "status": 200,
        "failed": 1,
        "readUnits": 0,
        "writeUnits": 1,
    }
    assert (query["entity"], query["index"], query["status"]) == ("book", "by_shelf", 400)
    assert query["code"] == "COMPLEX_QUERY_PAGE_LIMIT_NOT_IN_RANGE"


def test_a_call_without_an_answer_is_told() -> None:
    told = Told()
    told.log.note(Request("get", b'{"key":"k"}'), NotSent("dropped"), time.perf_counter())
    assert told.plain[0].endswith("--- get             0r 0w  k  NotSent")


def test_an_invocation_is_no_installation() -> None:
    text, json_lines = Told(), Told(format="json")
    for told in (text, json_lines):
        told.ask("get", {"key": "k"}, Tenant(invocation="inv-1"))
        told.ask("get", {"key": "k"}, Tenant(invocation="inv-1", installation="one"))
    assert [line.rpartition("  ")[2] for line in text.lines] == ["[inv-1]", "[one]"]
    found = [json.loads(line) for line in json_lines.lines]
    assert [(one.get("installation"), one["invocation"]) for one in found] == [
        (None, "inv-1"),
        ("one", "inv-1"),
    ]


def test_a_server_tells_what_never_came_to_its_store() -> None:
    lines: list[str] = []
    with LocalBackend(schemas=[]) as store:
        faults = Faults("throttle,times=1")
        app = ForgeApp(store, faults=faults, log=RequestLog(lines.append, "json"))
        call(app)
        call(app, headers=(JSON,))
        call(app, method="GET")
        call(app, "/forge/storage/kvs/v1/nothing%0aof/that")
        call(app, headers=HEADERS[1:])
        call(app)
        call(app, "/health", method="GET")
    told = [json.loads(line) for line in lines]
    assert [(one["status"], one["operation"]) for one in told] == [
        (429, "get"),
        (401, "get"),
        (405, "get"),
        (404, "nothing%0aof/that"),
        (415, "get"),
        (404, "get"),
    ]
    assert told[0]["readUnits"] == 0
    assert told[0]["keys"] == ["k"]


@pytest.mark.parametrize(
    ("size", "cost"), [(0, 1), (1, 1), (10240, 1), (10241, 2), (65 * 1024, 7), (4 * 2**20, 410)]
)
def test_units_are_10_kb_each_rounded_up(size: int, cost: int) -> None:
    assert units_of(size) == cost


def test_a_read_costs_its_answer_and_a_write_its_body() -> None:
    reads = {"get", "query", "secret/get", "entity/get", "entity/query", "batch/get"}
    for operation in OPERATIONS:
        request, response = Request(operation, b"x" * 20481), Response(200, b"y" * 10241)
        wanted = Units(read=2) if operation in reads else Units(write=3)
        assert units(request, response) == wanted


@pytest.mark.parametrize(
    ("status", "cost"), [(200, 1), (204, 1), (400, 1), (404, 1), (429, 0), (500, 0), (503, 0)]
)
def test_a_call_that_was_not_carried_out_costs_nothing(status: int, cost: int) -> None:
    assert sum(units(Request("set", b"{}"), Response(status))) == cost
