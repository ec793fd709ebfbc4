"""What must be true of every answer, whatever was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from forge_orm import LocalBackend, Tenant
from forge_orm.local import STRICT
from forge_orm.local.backend import Snapshot
from forge_orm.wire import Request
from tests.local.world import BOOK, PLANT, T0
from tests.server.document import check_answer, wrong_in_request

from .bodies import CURSOR, PRESENT
from .calls import Call

Dump = dict[str, list[Any]]
READS = {"get", "query", "secret/get", "entity/get", "entity/query", "batch/get"}


def opened() -> LocalBackend:
    """Open a store of books and plants, a few of them there, at a time that stands still."""
    store = LocalBackend(schemas=[BOOK, PLANT], readings=STRICT, clock=lambda: T0)
    store.restore(_begun())
    return store


@cache
def _begun() -> Snapshot:
    """What is there at the start, of two installations."""
    with LocalBackend(schemas=[BOOK, PLANT], readings=STRICT, clock=lambda: T0) as store:
        for name in ("one", "two"):
            for operation, body in _rows():
                request = Request(operation, json.dumps(body).encode())
                sent = store.send(request._replace(tenant=Tenant(installation=name)))
                assert sent.status == 204, sent.body
        return store.snapshot()


def _rows() -> Iterator[tuple[str, Any]]:
    """Yield calls that set something under every key that is present."""
    for number, key in enumerate(PRESENT):
        value = {"title": "a", "shelf": "b", "pages": number % 2, "price": 1.5, "lent": True}
        yield "set", {"key": key, "value": number}
        yield "secret/set", {"key": key, "value": [number]}
        yield "entity/set", {"entityName": "book", "key": key, "value": value}
        yield "entity/set", {"entityName": "plant", "key": key, "value": {"name": "é"}}


def dump(store: LocalBackend) -> Dump:
    """Return every row there is. A table may be made, and an installation named, by a read."""
    connection = store._store.connection
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'tenants'"
    )
    found = {
        name: connection.execute(f'SELECT * FROM "{name}" ORDER BY tenant, key').fetchall()
        for (name,) in tables.fetchall()
    }
    return {name: rows for name, rows in found.items() if rows}


class Cursors:
    """Puts the cursors of earlier answers into later calls."""

    def __init__(self) -> None:
        self._last = "none"

    def put_into(self, body: bytes) -> bytes:
        return body.replace(CURSOR.encode(), self._last.encode())

    def learn(self, body: bytes) -> None:
        try:
            found = json.loads(body)
        except ValueError:
            return
        if isinstance(found, dict) and "cursor" in found:
            self._last = found["cursor"]


def check(call: Call, status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Check an answer; return whether anything may have changed in the store."""
    assert status < 500, (call, status, body)
    assert b"Traceback" not in body
    if call.operation is not None and call.method == "POST":
        check_answer(call.operation, status, body)
    if status >= 400:
        _check_refusal(call.method, status, headers, body)
        return False
    if call.operation is None:
        assert call.method == "HEAD" or json.loads(body, parse_constant=_no_json)
        return False
    if call.credible:
        _check_accepted(call, body)
    return call.operation not in READS


def _no_json(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


def _check_refusal(method: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    assert headers["content-type"].partition(";")[0] == "application/json"
    assert (status == 405) == ("allow" in headers)
    assert method not in headers.get("allow", "").split(", ")
    if method == "HEAD" and not body:  # over HTTP it has none
        return
    found = json.loads(body)
    assert set(found) == {"code", "message"}
    assert all(isinstance(part, str) and part for part in found.values())


def _check_accepted(call: Call, body: bytes) -> None:
    """Check that what was carried out, each item of it, is what the document describes."""
    assert call.operation is not None
    mistakes = wrong_in_request(call.operation, json.loads(call.body))
    partly = call.operation.startswith("batch/") and json.loads(body)["failedKeys"]
    assert partly or mistakes == [], (call, mistakes)
