"""The service's behaviour: a request's bytes in, a response's bytes out.

This is a second, independent reading of the protocol: nothing here is shared with the code
that makes the requests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from pydantic_core import to_json

from .. import limits
from ..schema import EntitySchema, IndexSchema
from ..wire import Response
from . import shapes, values
from .answers import Answers
from .columns import ColumnChecker, Columns, plain_sets
from .readings import Readings
from .refusal import JSON, Refusal, bad_request, key_not_found
from .search import Search
from .shapes import SetOptions
from .store import Row, Store, Table
from .transactions import Transaction
from .values import EntityChecker
from .vault import Vault

_KEY: Final = {"key": str}
_ENTITY: Final = {"entityName": str, "key": str}
_OPTIONS: Final = {"options": dict}
_TTL_LAG_MS: Final = limits.TTL_DELETION_LAG_SECONDS * 1000

_PLAIN_GET: Final = re.compile(
    rb'\{"entityName":"([a-z0-9:\-_.]{3,60})","key":"([A-Za-z0-9:._\-#]{1,500})"\}'
).fullmatch

Schemas = Callable[[str], EntitySchema | None]


class Engine:
    """Answers requests from a `Store`.

    *schemas* finds the schema of an entity, *vault* opens the vault of secrets when one is
    first needed, *clock* returns the Unix time in seconds.
    """

    def __init__(
        self,
        store: Store,
        schemas: Schemas,
        vault: Callable[[], Vault],
        clock: Callable[[], float],
        readings: Readings,
    ) -> None:
        """Serve *store*."""
        self.store, self.readings = store, readings
        self.answers = Answers(readings)
        self._schemas, self._vault, self._clock = schemas, vault, clock
        self._checkers: dict[str, tuple[EntityChecker, ColumnChecker]] = {}
        self._answers: dict[str, Callable[[bytes, int], Response]] = {
            "get": self._get,
            "set": self._set,
            "delete": self._delete,
            "query": self._query,
            "secret/get": self._secret_get,
            "secret/set": self._secret_set,
            "secret/delete": self._secret_delete,
            "entity/get": self._entity_get,
            "entity/set": self._entity_set,
            "entity/delete": self._entity_delete,
            "entity/query": self._entity_query,
            "batch/get": self._batch_get,
            "batch/set": self._batch_set,
            "batch/delete": self._batch_delete,
            "transaction": self._transaction,
        }

    def handle(self, operation: str, body: bytes, tenant: str) -> Response:
        """Answer one request of the installation called *tenant*."""
        handler = self._answers.get(operation)
        if handler is None:
            return Refusal("NOT_FOUND", f"no operation {operation!r}", 404).response()
        try:
            return handler(body, self.store.tenant(tenant))
        except Refusal as refusal:
            return refusal.response()

    # --- time ---------------------------------------------------------------------------

    def now(self) -> int:
        """Return the Unix time in milliseconds."""
        return int(self._clock() * 1000)

    def gone(self) -> int:
        """Return the time; what expired before it is no longer there."""
        return self.now() - (_TTL_LAG_MS if self.readings.expired_visible else 0)

    # --- readings -----------------------------------------------------------------------

    def parse(self, body: bytes) -> Any:
        """Return *body* parsed; refuses what is not JSON."""
        return shapes.parse(body, self.readings)

    # --- schemas ------------------------------------------------------------------------

    def knows(self, name: str) -> bool:
        """Whether an entity is declared."""
        return self._schemas(name) is not None

    def schema(self, name: str) -> EntitySchema:
        """Return the schema of an entity; refuses one that is not declared."""
        if (schema := self._schemas(name)) is not None:
            return schema
        values.check_entity_name(name)
        raise Refusal("SCHEMA_NOT_FOUND", f"entity {name!r} is not declared", 404)

    def declared(self, name: str, key: str) -> EntitySchema:
        """Return the schema of an entity; refuses a *key* that could be none of it, too."""
        if self.readings.schema_before_key:
            schema = self.schema(name)
            values.check_key(key)
            return schema
        values.check_key(key)
        return self.schema(name)

    def table_of(self, item: dict[str, Any]) -> Table:
        """Return where *item*, of a body or a list in one, is stored."""
        if "entityName" in item:
            return self.store.table(self.declared(item["entityName"], item["key"]))
        values.check_key(item["key"])
        return self.store.keys

    # --- one row ------------------------------------------------------------------------

    def row(self, table: Table, tenant: int, key: str) -> Row | None:
        """Return what is stored under *key* and not gone."""
        found = self.store.read_one(table.get, (tenant, key))
        return None if found is None else self.present(found)

    def present(self, found: tuple[Any, ...]) -> Row | None:
        """Return *found* as a row, unless it is gone."""
        if found[3] is not None and found[3] <= self.gone():
            return None
        return Row._make(found)

    def put(
        self,
        table: Table,
        tenant: int,
        key: str,
        stored: bytes,
        cells: tuple[Any, ...],
        options: SetOptions,
    ) -> tuple[Row | None, Row]:
        """Write one row under *options*; return what was there before, and what is now."""
        with self.store.writing() as connection:
            now = self.now()
            found = connection.execute(table.get, (tenant, key)).fetchone()
            before = None if found is None else self.present(found)
            if options.fail_if_exists and found is not None and self._conflicts(found[3], now):
                raise Refusal("KEY_CONFLICT", "Provided key already exists", 409)
            expires = self.expiry(options.ttl, now, before)
            parameters = (tenant, key, stored, now, now, expires, *cells, self.gone())
            connection.execute(table.put, parameters)
        return before, Row(stored, before.created if before else now, now, expires)

    def expiry(self, ttl: int | None, now: int, before: Row | None) -> int | None:
        """Return when a row written now expires, in milliseconds."""
        if ttl is not None:
            return now + ttl * 1000
        keeps = before is not None and not self.readings.set_clears_ttl
        return before.expires if keeps and before is not None else None

    def remove(self, table: Table, tenant: int, key: str) -> None:
        """Delete one row; refuses an absent key, where the readings say so."""
        with self.store.writing() as connection:
            found = connection.execute(table.get, (tenant, key)).fetchone()
            connection.execute(table.delete, (tenant, key))
        absent = found is None or self.present(found) is None
        if absent and self.readings.delete_reports_absent:
            raise key_not_found()

    def _conflicts(self, expires: int | None, now: int) -> bool:
        lag = _TTL_LAG_MS if self.readings.expired_conflicts else 0
        return expires is None or expires > now - lag

    # --- plain keys and secrets ----------------------------------------------------------

    def _get(self, body: bytes, tenant: int) -> Response:
        request = shapes.fields(self.parse(body), _KEY, _OPTIONS)
        return self._found(request, tenant, shapes.get_options(request))

    def _set(self, body: bytes, tenant: int) -> Response:
        request = shapes.fields(self.parse(body), {"key": str, "value": object}, _OPTIONS)
        options = shapes.set_options(request, extended=True)
        values.check_key(request["key"])
        stored = values.plain_value(request["value"], self.readings)
        before, after = self.put(self.store.keys, tenant, request["key"], stored, (), options)
        return self.answers.returned(options, request["key"], before, after)

    def _delete(self, body: bytes, tenant: int) -> Response:
        request = shapes.fields(self.parse(body), _KEY, {})
        self.remove(self.table_of(request), tenant, request["key"])
        return self.answers.nothing

    def _secret_get(self, body: bytes, tenant: int) -> Response:
        request = shapes.fields(self.parse(body), _KEY, _OPTIONS)
        metadata = shapes.get_options(request)
        values.check_key(request["key"])
        vault = self._vault()
        if (row := self.row(self.store.secrets, tenant, request["key"])) is None:
            raise key_not_found()
        return self.answers.found(
            request["key"], row._replace(value=vault.decrypt(row.value)), metadata
        )

    def _secret_set(self, body: bytes, tenant: int) -> Response:
        request = shapes.fields(self.parse(body), {"key": str, "value": object}, _OPTIONS)
        options = shapes.set_options(request, extended=True)
        values.check_key(request["key"])
        vault, plain = self._vault(), values.secret_value(request["value"], self.readings)
        sealed = vault.encrypt(plain)
        before, after = self.put(
            self.store.secrets, tenant, request["key"], sealed, (), options
        )
        if before is not None:
            before = before._replace(value=vault.decrypt(before.value))
        return self.answers.returned(
            options, request["key"], before, after._replace(value=plain)
        )

    def _secret_delete(self, body: bytes, tenant: int) -> Response:
        request = shapes.fields(self.parse(body), _KEY, {})
        values.check_key(request["key"])
        self._vault()
        self.remove(self.store.secrets, tenant, request["key"])
        return self.answers.nothing

    def _found(
        self, request: dict[str, Any], tenant: int, metadata: tuple[str, ...]
    ) -> Response:
        row = self._present(request, tenant)
        return self.answers.found(request["key"], row, metadata, request.get("entityName"))

    def _present(self, item: dict[str, Any], tenant: int) -> Row:
        """Return the row that *item* names; refuses where there is none."""
        if (row := self.row(self.table_of(item), tenant, item["key"])) is None:
            raise key_not_found()
        return row

    # --- entities -----------------------------------------------------------------------

    def _entity_get(self, body: bytes, tenant: int) -> Response:
        plain = _PLAIN_GET(body)
        if plain is None:
            return self._any_entity_get(body, tenant)
        # The call programs make most, with names and a key that need no further look.
        name, key = plain.groups()
        table = self.store.table(self.schema(name.decode()))
        found = self.store.read_one(table.peek, (tenant, key.decode()))
        if found is None or (found[1] is not None and found[1] <= self.gone()):
            raise key_not_found()
        answer = b'{"key":"%s","value":%s,"entityName":"%s"}' % (key, found[0], name)
        return Response(200, answer, JSON)

    def _any_entity_get(self, body: bytes, tenant: int) -> Response:
        request = shapes.fields(self.parse(body), _ENTITY, _OPTIONS)
        return self._found(request, tenant, shapes.get_options(request))

    def _entity_set(self, body: bytes, tenant: int) -> Response:
        request = shapes.fields(self.parse(body), {**_ENTITY, "value": dict}, _OPTIONS)
        options = shapes.set_options(request, extended=True)
        schema = self.declared(request["entityName"], request["key"])
        stored, cells = self.entity_row(schema, request["value"])
        table = self.store.table(schema)
        before, after = self.put(table, tenant, request["key"], stored, cells, options)
        return self.answers.returned(options, request["key"], before, after, schema.name)

    def _entity_delete(self, body: bytes, tenant: int) -> Response:
        request = shapes.fields(self.parse(body), _ENTITY, {})
        self.remove(self.table_of(request), tenant, request["key"])
        return self.answers.nothing

    def entity_row(
        self, schema: EntitySchema, value: dict[str, Any]
    ) -> tuple[bytes, tuple[Any, ...]]:
        """Return what is written for an entity *value*: its JSON and its columns."""
        stored = self._checkers_of(schema)[0].stored(value)
        if len(stored) > limits.RANGE_VALUE_MAX_BYTES:  # else no text in it can be too long
            _check_index_sizes(schema, value)
        return stored, self.store.table(schema).cells(value)

    def _checkers_of(self, schema: EntitySchema) -> tuple[EntityChecker, ColumnChecker]:
        """Return what checks one value of an entity, and what checks many."""
        known = self._checkers.get(schema.name)
        if known is None or known[0].schema is not schema:
            known = EntityChecker(schema, self.readings), ColumnChecker(schema)
            self._checkers[schema.name] = known
        return known

    # --- queries ------------------------------------------------------------------------

    def _query(self, body: bytes, tenant: int) -> Response:
        return self.answers.page(*Search(self, tenant).keys(self.parse(body)))

    def _entity_query(self, body: bytes, tenant: int) -> Response:
        return self.answers.page(*Search(self, tenant).entities(self.parse(body)))

    # --- batches ------------------------------------------------------------------------

    def _batch_get(self, body: bytes, tenant: int) -> Response:
        done: list[bytes] = []
        failed: list[dict[str, Any]] = []
        for item in self._items(self._batch(body), _OPTIONS, {}):
            try:
                row = self._present(item, tenant)
                metadata = shapes.get_options(item)
                done.append(
                    self.answers.row(item["key"], row, metadata, item.get("entityName"))
                )
            except Refusal as refusal:
                failed.append(_failure(item, refusal))
        return _batch_answer(b"[%s]" % b",".join(done), failed)

    def _batch_set(self, body: bytes, tenant: int) -> Response:
        items = shapes.batch(body, self.readings, of_sets=True)
        if (answer := self._set_alike(items, tenant)) is not None:
            return answer
        done: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        writes: list[tuple[Table, str, bytes, tuple[Any, ...], int | None]] = []
        for item in self._items(items, _OPTIONS, {"value": object}):
            try:
                writes.append(self._batch_write(item))
                done.append(_name(item))
            except Refusal as refusal:
                failed.append(_failure(item, refusal))
        if writes:
            self._write_all(writes, tenant)
        return _batch_answer(to_json(done), failed)

    def _set_alike(self, items: list[Any], tenant: int) -> Response | None:
        """Write a batch of entities that are all alike, or leave it alone and return None."""
        sets = plain_sets(items)
        if sets is None or not self.readings.set_clears_ttl:
            return None
        schema = self._schemas(sets.entity)
        found = None if schema is None else self._checkers_of(schema)[1].columns(sets.values)
        if schema is None or found is None or not _indexable(schema, found, sets.values):
            return None
        table = self.store.table(schema)
        with self.store.writing() as connection:
            rows = found.rows(table, tenant, sets.keys, self.now(), self.gone())
            connection.executemany(table.put, rows)
        done = [{"key": key, "entityName": schema.name} for key in sets.keys]
        return _batch_answer(to_json(done), [])

    def _batch_write(
        self, item: dict[str, Any]
    ) -> tuple[Table, str, bytes, tuple[Any, ...], int | None]:
        ttl = shapes.set_options(item, extended=False).ttl
        return (*self.prepared(item), ttl)

    def prepared(self, item: dict[str, Any]) -> tuple[Table, str, bytes, tuple[Any, ...]]:
        """Return what a set of *item* writes: table, key, JSON and columns."""
        key, value = item["key"], item["value"]
        if "entityName" not in item:
            values.check_key(key)
            return self.store.keys, key, values.plain_value(value, self.readings), ()
        schema = self.declared(item["entityName"], key)
        if not isinstance(value, dict):
            raise bad_request("the value of an entity must be an object")
        stored, cells = self.entity_row(schema, cast("Any", value))
        return self.store.table(schema), key, stored, cells

    def _write_all(
        self,
        writes: Iterable[tuple[Table, str, bytes, tuple[Any, ...], int | None]],
        tenant: int,
    ) -> None:
        with self.store.writing() as connection:
            now, gone = self.now(), self.gone()
            grouped: dict[str, list[tuple[Any, ...]]] = {}
            for table, key, stored, cells, ttl in writes:
                expires = None
                if ttl is not None or not self.readings.set_clears_ttl:
                    found = connection.execute(table.get, (tenant, key)).fetchone()
                    before = None if found is None else self.present(found)
                    expires = self.expiry(ttl, now, before)
                row = (tenant, key, stored, now, now, expires, *cells, gone)
                grouped.setdefault(table.put, []).append(row)
            for statement, rows in grouped.items():
                connection.executemany(statement, rows)

    def _batch_delete(self, body: bytes, tenant: int) -> Response:
        done: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for item in self._items(self._batch(body), {}, {}):
            try:
                self.remove(self.table_of(item), tenant, item["key"])
                done.append(_name(item))
            except Refusal as refusal:
                failed.append(_failure(item, refusal))
        return _batch_answer(to_json(done), failed)

    def _batch(self, body: bytes) -> list[Any]:
        return shapes.batch(body, self.readings, of_sets=False)

    def _items(
        self, found: list[Any], optional: shapes.Shape, required: shapes.Shape
    ) -> list[dict[str, Any]]:
        more: shapes.Shape = {"entityName": str, **optional}
        needed: shapes.Shape = {**_KEY, **required}
        items = [shapes.fields(item, needed, more, "item") for item in found]
        if len({(item.get("entityName"), item["key"]) for item in items}) < len(items):
            own = "KEY_DUPLICATION_ERROR" if self.readings.own_batch_codes else "BAD_REQUEST"
            raise Refusal(own, "a key occurs twice in the batch")
        return items

    # --- transactions -------------------------------------------------------------------

    def _transaction(self, body: bytes, tenant: int) -> Response:
        Transaction(self, shapes.transaction(body, self.readings)).run(tenant)
        return self.answers.nothing


def _indexable(schema: EntitySchema, found: Columns, values: list[dict[str, Any]]) -> bool:
    """Whether no value is too long for its index; a short body holds none that is."""
    if found.longest > limits.RANGE_VALUE_MAX_BYTES:
        try:
            for value in values:
                _check_index_sizes(schema, value)
        except Refusal:
            return False
    return True


def _check_index_sizes(schema: EntitySchema, value: dict[str, Any]) -> None:
    for index in schema.indexes.values():
        _check_size(
            value, index, index.partition, limits.PARTITION_VALUES_MAX_BYTES, "partition"
        )
        _check_size(value, index, (index.range,), limits.RANGE_VALUE_MAX_BYTES, "range")


def _check_size(
    value: dict[str, Any], index: IndexSchema, names: tuple[str, ...], limit: int, what: str
) -> None:
    texts = [text for name in names if type(text := value.get(name)) is str]
    if sum(map(len, texts)) * 4 <= limit:
        return
    if (size := sum(len(text.encode()) for text in texts)) > limit:
        raise Refusal(
            "INVALID_ENTITY_VALUE",
            f"{what} of index {index.name} is {size} bytes; at most {limit}",
        )


def _name(item: dict[str, Any]) -> dict[str, Any]:
    key, entity = item["key"], item.get("entityName")
    return {"key": key} if entity is None else {"key": key, "entityName": entity}


def _failure(item: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
    return {**_name(item), "error": refusal.body()}


def _batch_answer(done: bytes, failed: list[dict[str, Any]]) -> Response:
    body = b'{"successfulKeys":%s,"failedKeys":%s}' % (done, to_json(failed))
    return Response(200, body, JSON)
