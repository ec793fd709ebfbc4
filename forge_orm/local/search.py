"""Queries: a range of an index, in order, from a cursor on, filtered after reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from pydantic_core import from_json

from .. import limits
from ..schema import EntitySchema, IndexSchema
from . import conditions, cursors, shapes
from .conditions import Clause, Conditions
from .readings import Readings
from .refusal import Refusal, bad_request
from .store import UTF16, Table, column_of
from .values import column, fits

if TYPE_CHECKING:
    from .engine import Engine

_COMPARISONS: Final = {
    "EQUAL_TO": "=",
    "LESS_THAN": "<",
    "LESS_THAN_EQUAL_TO": "<=",
    "GREATER_THAN": ">",
    "GREATER_THAN_EQUAL_TO": ">=",
}
_QUERY: Final = {
    "partition": list,
    "range": dict,
    "filters": dict,
    "sort": str,
    "cursor": str,
    "limit": object,
    "options": dict,
}

Found = tuple[list[tuple[Any, ...]], tuple[str, ...], str | None]
"""The rows of a page, each a key and a `Row`'s fields; the metadata asked for; the cursor."""


class Search:
    """One query, by one tenant."""

    def __init__(self, engine: Engine, tenant: int) -> None:
        """Search what *engine* stores for *tenant*."""
        self._engine, self._tenant = engine, tenant

    def keys(self, raw: Any) -> Found:
        """Answer ``/query``: plain keys by prefix, in key order."""
        optional = {"limit": object, "after": str, "where": list, "options": dict}
        request = shapes.fields(raw, {}, optional)
        limit = _limit(self._meant(request), "LIST_QUERY_LIMIT_EXCEEDED")
        metadata = shapes.get_options(request)
        clause = _key_clause(request.get("where"))
        asked = self._asked(("keys",), (clause,), limit)
        after = cursors.read(request["after"], asked) if "after" in request else None
        readings = self._engine.readings
        walk = _Walk(self._engine.store.keys, None, readings, descending=False)
        walk.narrow(clause)
        rows, more = self._read(walk, limit, Conditions(), after)
        return self._found(rows, more, metadata, asked)

    def entities(self, raw: Any) -> Found:
        """Answer ``/entity/query``."""
        request = shapes.fields(raw, {"entityName": str, "indexName": str}, _QUERY)
        schema = self._engine.schema(request["entityName"])
        index = _index(schema, request["indexName"])
        self._refuse_building(schema, index)
        limit = _limit(request, "COMPLEX_QUERY_PAGE_LIMIT_NOT_IN_RANGE")
        metadata = shapes.get_options(request)
        descending = _descending(request.get("sort"))
        clause = None
        if "range" in request:
            clause = conditions.read_range(request["range"], schema, index)
        filters = self._filters(request, schema, index)
        _check_count(filters, clause)
        partition = self._partition(request.get("partition"), schema, index)
        question = (partition, clause, filters, descending)
        asked = self._asked((schema.name, index.name), question, limit)
        after = cursors.read(request["cursor"], asked) if "cursor" in request else None
        table = self._engine.store.table(schema)
        along = None if index.name == limits.BY_KEY else index
        walk = _Walk(table, along, self._engine.readings, descending=descending)
        walk.partition(partition)
        walk.narrow(clause)
        rows, more = self._read(walk, limit, filters, after)
        return self._found(rows, more, metadata, asked)

    def _meant(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a query of plain keys with an odd limit put right, where that is allowed."""
        limit = request.get("limit")
        if self._engine.readings.refuse_odd_limit or type(limit) not in (int, float):
            return request
        return {**request, "limit": int(cast("float", limit)) or limits.PAGE_DEFAULT}

    def _asked(self, where: tuple[str, ...], question: tuple[Any, ...], limit: int) -> str:
        """Return what a cursor is bound to."""
        readings = self._engine.readings
        return cursors.fingerprint(
            where,
            question if readings.cursor_bound_to_query else None,
            limit if readings.cursor_bound_to_limit else None,
        )

    def _refuse_building(self, schema: EntitySchema, index: IndexSchema) -> None:
        if not self._engine.store.is_building(schema, index):
            return
        if self._engine.readings.building_is_unknown:
            raise Refusal(
                "INVALID_ENTITY_INDEX",
                f"index {index.name!r} of {schema.name} is not active yet: it is being built",
            )
        raise Refusal(
            "SERVICE_UNAVAILABLE", f"index {index.name!r} of {schema.name} is being built", 503
        )

    def _filters(
        self, request: dict[str, Any], schema: EntitySchema, index: IndexSchema
    ) -> Conditions:
        if "filters" not in request:
            return Conditions()
        filters = conditions.read_conditions(request["filters"], schema)
        if self._engine.readings.refuse_index_filters:
            conditions.refuse_index_attributes(filters, index)
        return filters

    def _partition(
        self, given: list[Any] | None, schema: EntitySchema, index: IndexSchema
    ) -> tuple[Any, ...]:
        if index.name == limits.BY_KEY:
            if given and self._engine.readings.refuse_by_key_partition:
                raise Refusal("INVALID_PARTITION", "by-key takes no partition")
            return ()
        partition = tuple(given or ())
        names = index.partition
        if len(partition) != len(names) or not all(
            fits(schema.attributes[name], value)
            for name, value in zip(names, partition, strict=True)
        ):
            wanted = (
                ", ".join(f"{name} ({schema.attributes[name]})" for name in names) or "none"
            )
            raise Refusal(
                "INVALID_PARTITION", f"index {index.name} takes a value for each of: {wanted}"
            )
        return partition

    def _read(
        self, walk: _Walk, limit: int, filters: Conditions, after: tuple[Any, ...] | None
    ) -> tuple[list[tuple[Any, ...]], tuple[Any, ...] | None]:
        """Return the rows of a page, and the position to go on from (None at the end)."""
        readings, store = self._engine.readings, self._engine.store
        rows: list[tuple[Any, ...]] = []
        while True:
            wanted = limit if readings.limit_before_filters else limit - len(rows)
            sql, parameters = walk.page(self._tenant, self._engine.gone(), after, wanted + 1)
            read = store.read(sql, parameters)
            full = len(read) > wanted or (
                readings.cursor_after_full_page and len(read) == wanted
            )
            del read[wanted:]
            rows += _passing(read, filters, readings) if filters.clauses else read
            after = _position(read[-1]) if read and full else None
            if after is None or readings.limit_before_filters or len(rows) == limit:
                return rows, after

    def _found(
        self,
        rows: list[tuple[Any, ...]],
        more: tuple[Any, ...] | None,
        metadata: tuple[str, ...],
        asked: str,
    ) -> Found:
        cursor = None if more is None else cursors.make(asked, more)
        return rows, metadata, cursor


class _Walk:
    """A SELECT along an index: of *table* by key where *index* is None."""

    def __init__(
        self, table: Table, index: IndexSchema | None, readings: Readings, *, descending: bool
    ) -> None:
        self._table, self._readings, self._descending = table, readings, descending
        self._direction = "DESC" if descending else "ASC"
        self._key_direction = self._direction if readings.ties_follow_sort else "ASC"
        self._range = "key" if index is None else column_of(index.range)
        if index is not None and not readings.utf8_order:
            self._range += f" COLLATE {UTF16}"
        self._partition_columns = () if index is None else index.partition
        self._terms: list[str] = []
        self._values: list[Any] = []
        if index is not None and readings.absent_range_hides:
            self._terms.append(f"{self._range} IS NOT NULL")

    def partition(self, values: tuple[Any, ...]) -> None:
        for name, value in zip(self._partition_columns, values, strict=True):
            self._term(f"{column_of(name)} = ?", column(value))

    def narrow(self, clause: Clause | None) -> None:
        if clause is None:
            return
        values = [column(value) for value in clause.values]
        if clause.condition == "BETWEEN":
            self._term(f"{self._range} BETWEEN ? AND ?", *values)
        elif clause.condition == "BEGINS_WITH" and not self._readings.utf8_order:
            self._term(f"substr({self._range}, 1, length(?)) = ?", *values * 2)
        elif clause.condition == "BEGINS_WITH":
            self._term(f"{self._range} >= ?", values[0])
            if (beyond := _after_prefix(values[0])) is not None:
                self._term(f"{self._range} < ?", beyond)
        else:
            self._term(f"{self._range} {_COMPARISONS[clause.condition]} ?", *values)

    def page(
        self, tenant: int, gone: int, after: tuple[Any, ...] | None, rows: int
    ) -> tuple[str, list[Any]]:
        """Return the statement for up to *rows* rows after a position, and its parameters."""
        terms = ["tenant = ?", *self._terms, "(expires IS NULL OR expires > ?)"]
        parameters = [tenant, *self._values, gone]
        if after is not None:
            term, values = self._beyond(after)
            terms.append(term)
            parameters += values
        sql = (
            f"SELECT key, value, created, updated, expires, {self._range} "
            f"FROM {self._table.quoted} WHERE {' AND '.join(terms)} "
            f"ORDER BY {self._order()} LIMIT ?"
        )
        return sql, [*parameters, rows]

    def _order(self) -> str:
        if self._range == "key":
            return f"key {self._direction}"
        return f"{self._range} {self._direction}, key {self._key_direction}"

    def _beyond(self, after: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        """Return the term for what comes after a position, and its parameters."""
        readings, sign = self._readings, "<" if self._descending else ">"
        if self._range == "key" or (readings.absent_range_hides and readings.ties_follow_sort):
            return f"({self._range}, key) {sign} (?, ?)", after
        # SQLite has what is NULL before everything, so at the end of a descending order.
        column, at, key = self._range, *after
        tie = "<" if self._key_direction == "DESC" else ">"
        if at is None:
            rest = "" if self._descending else f" OR {column} IS NOT NULL"
            return f"(({column} IS NULL AND key {tie} ?){rest})", (key,)
        rest = f" OR {column} IS NULL" if self._descending else ""
        term = f"({column} {sign} ? OR ({column} = ? AND key {tie} ?){rest})"
        return term, (at, at, key)

    def _term(self, sql: str, *values: Any) -> None:
        self._terms.append(sql)
        self._values += values


def _position(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row[5], row[0]


def _passing(rows: list[Any], filters: Conditions, readings: Readings) -> list[Any]:
    return [row for row in rows if filters.hold(from_json(row[1]), readings)]


def _after_prefix(prefix: str) -> str | None:
    """Return the least text after every text that begins with *prefix*."""
    for end in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[end])
        if code < 0x10FFFF:
            following = 0xE000 if code == 0xD7FF else code + 1  # not into the surrogates
            return prefix[:end] + chr(following)
    return None


def _index(schema: EntitySchema, name: str) -> IndexSchema:
    if (index := schema.index(name)) is None:
        raise Refusal("INVALID_ENTITY_INDEX", f"{schema.name} has no index {name!r}")
    return index


def _descending(sort: str | None) -> bool:
    if sort not in (None, "ASC", "DESC"):
        raise bad_request("sort must be ASC or DESC")
    return sort == "DESC"


def _limit(request: dict[str, Any], code: str) -> int:
    limit = request.get("limit", limits.PAGE_DEFAULT)
    if type(limit) is float and limit.is_integer():
        limit = int(limit)
    if type(limit) is not int:
        raise bad_request("limit must be a whole number")
    if not 1 <= limit <= limits.PAGE_MAX:
        raise Refusal(code, f"limit {limit} is not from 1 to {limits.PAGE_MAX}")
    return limit


def _check_count(filters: Conditions, clause: Clause | None) -> None:
    count = len(filters.clauses) + (clause is not None)
    if count > limits.CONDITIONS_MAX:
        raise bad_request(f"{count} conditions; at most {limits.CONDITIONS_MAX}")


def _key_clause(where: list[Any] | None) -> Clause | None:
    if not where:
        return None
    if len(where) > 1:
        raise Refusal("QUERY_WHERE_INVALID", "at most one where clause")
    required = {"property": str, "condition": str, "values": list}
    body = shapes.fields(where[0], required, {}, "where")
    if body["property"] != "key":
        raise Refusal("QUERY_WHERE_FIELD_INVALID", "where takes the property key only")
    if body["condition"] != "BEGINS_WITH":
        raise Refusal("INVALID_FILTER_CONDITION", "where takes the condition BEGINS_WITH only")
    values = body["values"]
    if len(values) != 1 or type(values[0]) is not str or not values[0]:
        raise Refusal("INVALID_FILTER_VALUES", "BEGINS_WITH takes one text")
    return Clause("key", "BEGINS_WITH", (values[0],))
