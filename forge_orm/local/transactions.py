"""Transactions: every set, delete and check, or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from . import shapes
from .conditions import Conditions, read_conditions
from .refusal import Refusal
from .store import Row, Table

if TYPE_CHECKING:
    from .engine import Engine

_ITEM = {"entityName": str, "conditions": dict}


class Transaction:
    """One transaction: checked as a whole first, then run in one of SQLite's."""

    def __init__(self, engine: Engine, groups: dict[str, list[Any]]) -> None:
        """Check the shape of every item, and that no key occurs twice."""
        self._engine = engine
        more = {**_ITEM, "options": dict}
        self._sets = _read(groups, "set", {"key": str, "value": object}, more)
        self._deletes = _read(groups, "delete", {"key": str}, _ITEM)
        required = {"key": str, "entityName": str, "conditions": dict}
        self._checks = _read(groups, "check", required, {})
        self._refuse_twice()

    def run(self, tenant: int) -> None:
        """Do everything for *tenant*, or raise a `Refusal` and do nothing."""
        engine = self._engine
        writes = [(item, *engine.prepared(item)) for item in self._sets]
        ttls = [shapes.set_options(item, extended=False).ttl for item in self._sets]
        deletes = [(engine.table_of(item), item["key"]) for item in self._deletes]
        guards = list(self._guards())
        with engine.store.writing() as connection:
            for table, key, conditions in guards:
                self._test(self._present(connection, table, tenant, key), conditions)
            now, gone = engine.now(), engine.gone()
            for (_, table, key, stored, cells), ttl in zip(writes, ttls, strict=True):
                before = self._present(connection, table, tenant, key)
                expires = engine.expiry(ttl, now, before)
                row = (tenant, key, stored, now, now, expires, *cells, gone)
                connection.execute(table.put, row)
            for table, key in deletes:
                connection.execute(table.delete, (tenant, key))

    def _guards(self) -> Iterator[tuple[Table, str, Conditions]]:
        for item in (*self._sets, *self._deletes, *self._checks):
            if "conditions" not in item:
                continue
            if "entityName" not in item:
                raise Refusal("BAD_REQUEST", "conditions are for entities, not for plain keys")
            schema = self._engine.declared(item["entityName"], item["key"])
            of_any = not self._engine.readings.refuse_any_conditions
            conditions = read_conditions(item["conditions"], schema, of_any=of_any)
            yield self._engine.store.table(schema), item["key"], conditions

    def _present(
        self, connection: sqlite3.Connection, table: Table, tenant: int, key: str
    ) -> Row | None:
        found = connection.execute(table.get, (tenant, key)).fetchone()
        return None if found is None else self._engine.present(found)

    def _test(self, row: Row | None, conditions: Conditions) -> None:
        readings = self._engine.readings
        item: dict[str, Any] = {} if row is None else from_json(row.value)
        fails = row is None and readings.absent_item_fails
        if fails or not conditions.hold(item, readings):
            raise Refusal(
                "CONDITIONAL_CHECK_FAILED",
                "a conditional check or optimistic locking failed; nothing was written",
            )

    def _refuse_twice(self) -> None:
        items = (*self._sets, *self._deletes, *self._checks)
        by_key = self._engine.readings.one_key_per_transaction
        names = [("" if by_key else item.get("entityName"), item["key"]) for item in items]
        if len(set(names)) < len(names):
            raise Refusal("KEY_DUPLICATION_ERROR", "a key occurs twice in the transaction")


def _read(
    groups: dict[str, list[Any]],
    name: str,
    required: shapes.Shape,
    optional: shapes.Shape,
) -> list[dict[str, Any]]:
    items = groups.get(name, [])
    return [shapes.fields(item, required, optional, f"{name} item") for item in items]
