"""Random histories: every answer is the one the plain model gives, under any readings."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from forge_orm.local import SWITCHES, Readings

from .model import Item, Model, Name, refusal
from .strategies import BOOKS, KEYS, NAMES, ODD_BOOKS, PLAIN, TENANTS, TTLS, conditions, queries
from .world import BOOK, DAY, HOUR, T0, World

METADATA = ["CREATED_AT", "UPDATED_AT", "EXPIRE_TIME"]
SWITCHED = [name for name, kind in SWITCHES.items() if kind is bool]
READINGS = st.builds(Readings, **dict.fromkeys(SWITCHED, st.booleans()))


def shown(name: Name, item: Item, readings: Readings) -> dict[str, Any]:
    """Return the answer that tells all of *item*."""
    _, entity, key = name
    told: dict[str, Any] = {"key": key, "value": item.value}
    unit = 1 if readings.times_in_milliseconds else 1000
    told |= {"createdAt": item.created // unit, "updatedAt": item.updated // unit}
    if item.expires is not None:
        moment = datetime.fromtimestamp(item.expires / 1000, UTC)
        told["expireTime"] = f"{moment:%Y-%m-%dT%H:%M:%S}.{item.expires % 1000:03}Z"
    return told if entity is None else {**told, "entityName": entity}


def plainly(answer: tuple[int, Any]) -> tuple[int, str | None]:
    """Return the status, and the code of what was refused."""
    status, body = answer
    return status, body["code"] if status >= 400 else body


class Histories(RuleBasedStateMachine):
    """Two tenants write and read one store while time passes."""

    @initialize(readings=READINGS)
    def begin(self, readings: Readings) -> None:
        self.world, self.model = World(readings=readings), Model(readings, T0)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.backend.close()

    def ask(self, name: Name, verb: str, **more: Any) -> tuple[int, Any]:
        tenant, entity, key = name
        body = {"key": key, **({} if entity is None else {"entityName": entity}), **more}
        path = verb if entity is None else f"entity/{verb}"
        return self.world.call(path, body, tenant)

    @rule(seconds=st.sampled_from([0.001, 1, HOUR, 49 * HOUR, 3 * DAY]))
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds
        self.model.now = self.world.now

    @rule(
        name=NAMES,
        book=ODD_BOOKS,
        plain=PLAIN,
        ttl=TTLS,
        mode=st.sampled_from(["", "PREVIOUS", "LATEST", "FAIL_IF_EXISTS"]),
    )
    def set_one(
        self, name: Name, book: dict[str, Any], plain: Any, ttl: int | None, mode: str
    ) -> None:
        value, insert = plain if name[1] is None else book, mode == "FAIL_IF_EXISTS"
        options: dict[str, Any] = {"keyPolicy": mode} if insert else {}
        if mode in ("PREVIOUS", "LATEST"):
            options = {"returnValue": mode, "returnMetadataFields": METADATA}
        if ttl is not None:
            options["ttl"] = {"value": ttl, "unit": "SECONDS"}
        answer = self.ask(name, "set", value=value, options=options)
        before = self.model.find(name)
        refused = refusal(lambda: self.model.set(name, value, ttl, insert=insert))
        told = {"PREVIOUS": before, "LATEST": self.model.find(name)}.get(mode)
        if refused or told is None:
            assert plainly(answer) == (refused or self.model.nothing)
        else:
            assert answer == (200, shown(name, told, self.model.readings))

    @rule(name=NAMES, book=BOOKS, wait=st.sampled_from([1, DAY, 2 * DAY]), ttl=TTLS)
    def insert_over_an_older_row(
        self, name: Name, book: dict[str, Any], wait: float, ttl: int | None
    ) -> None:
        self.set_one(name, book, 1, ttl, "")
        self.time_passes(wait)
        self.set_one(name, book, 2, None, "FAIL_IF_EXISTS")

    @rule(name=NAMES)
    def delete_one(self, name: Name) -> None:
        answer = self.ask(name, "delete")
        refused = refusal(lambda: self.model.delete(name))
        assert plainly(answer) == (refused or self.model.nothing)

    @rule(name=NAMES)
    def get_one(self, name: Name) -> None:
        status, answer = self.ask(name, "get", options={"metadataFields": METADATA})
        if (item := self.model.find(name)) is None:
            assert (status, answer["code"]) == (404, "KEY_NOT_FOUND")
        else:
            assert (status, answer) == (200, shown(name, item, self.model.readings))

    @rule(tenant=TENANTS, books=st.dictionaries(KEYS, ODD_BOOKS, min_size=1, max_size=4))
    def set_many(self, tenant: str, books: dict[str, Any]) -> None:
        body = [{"entityName": "book", "key": key, "value": books[key]} for key in books]
        status, answer = self.world.call("batch/set", body, tenant)
        writes = {
            key: partial(self.model.set, (tenant, "book", key), books[key]) for key in books
        }
        done = [key for key, write in writes.items() if refusal(write) is None]
        assert status == 200
        assert [item["key"] for item in answer["successfulKeys"]] == done
        assert {item["key"] for item in answer["failedKeys"]} == set(books) - set(done)

    @rule(tenant=TENANTS, data=st.data(), keys=st.lists(KEYS, min_size=1, unique=True))
    def transact(self, tenant: str, data: st.DataObject, keys: list[str]) -> None:
        body: dict[str, list[Any]] = {"set": [], "delete": [], "check": []}
        sets: dict[Name, tuple[Any, int | None]] = {}
        deletes: list[Name] = []
        tests: list[tuple[Name, dict[str, Any]]] = []
        for key in keys[:4]:
            name: Name = (tenant, "book", key)
            item: dict[str, Any] = {"entityName": "book", "key": key}
            part = data.draw(st.sampled_from(["set", "set", "delete", "check"]))
            body[part].append(item)
            if part == "set":
                item["value"], ttl = sets[name] = data.draw(st.tuples(BOOKS, TTLS))
                if ttl is not None:
                    item["options"] = {"ttl": {"value": ttl, "unit": "SECONDS"}}
            elif part == "delete":
                deletes.append(name)
            if part == "check" or data.draw(st.integers(0, 3)) == 0:
                item["conditions"] = data.draw(conditions())
                tests.append((name, item["conditions"]))
        answer = self.world.call("transaction", body, tenant)
        refused = refusal(lambda: self.model.transact(sets, deletes, tests))
        assert plainly(answer) == (refused or self.model.nothing)

    @rule(tenant=TENANTS, query=queries())
    def query(self, tenant: str, query: dict[str, Any]) -> None:
        readings, index = self.model.readings, BOOK.index(query["indexName"])
        filters: dict[str, list[dict[str, Any]]] | None = query.get("filters")
        clauses = [] if filters is None else next(iter(filters.values()))
        named = {clause["property"] for clause in clauses}
        assert index is not None
        if readings.refuse_index_filters and named & set(index.attributes):
            assert self.world.refused("entity/query", query) == (400, "BAD_REQUEST")
            return
        along = self.model.along(tenant, index.name, query["partition"], query.get("range"))
        rows: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in along]
        if query["sort"] == "DESC":
            rows = self.model.turned(rows, index.range)
        limit = query["limit"]
        pages = self.world.walk("entity/query", query, tenant)
        if readings.limit_before_filters:
            starts = range(0, len(rows) + readings.cursor_after_full_page, limit) or [0]
            read = [rows[start : start + limit] for start in starts]
        else:
            read = [rows]
        if filters is not None:
            holds = self.model.holds
            read = [[row for row in page if holds(row["value"], filters)] for page in read]
        if readings.limit_before_filters:
            assert pages == read
        else:
            assert [row for page in pages for row in page] == read[0]
            assert {len(page) for page in pages[:-1]} <= {limit}

    @rule(
        tenant=TENANTS, prefix=st.sampled_from(["", "k", "k:1", "x "]), limit=st.integers(1, 4)
    )
    def query_keys(self, tenant: str, prefix: str, limit: int) -> None:
        body: dict[str, Any] = {"limit": limit}
        if prefix:
            where = {"property": "key", "condition": "BEGINS_WITH", "values": [prefix]}
            body["where"] = [where]
        names = sorted(name for name in self.model.items if name[:2] == (tenant, None))
        found = [(name[2], self.model.find(name)) for name in names]
        rows = [
            {"key": key, "value": item.value}
            for key, item in found
            if item is not None and key.startswith(prefix)
        ]
        pages = self.world.walk("query", body, tenant)
        assert [row for page in pages for row in page] == rows


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True
)
