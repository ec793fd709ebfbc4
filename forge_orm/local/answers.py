"""Rows as answers: the JSON of one, of a page, and what a set returns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import to_json

from ..wire import Response
from .readings import Readings
from .refusal import JSON
from .shapes import SetOptions
from .store import Row

_ROW: Final = b'{"key":%s,"value":%s}'


class Answers:
    """Makes answers of rows, as *readings* say.

    Attributes:
        nothing: the answer to a call that did what was asked and returns nothing.
    """

    def __init__(self, readings: Readings) -> None:
        """Decide what does not change from call to call."""
        self.nothing = Response(204 if readings.nothing_is_204 else 200)
        self._per_unit = 1 if readings.times_in_milliseconds else 1000

    def row(
        self, key: str, row: Row, metadata: tuple[str, ...], entity: str | None = None
    ) -> bytes:
        """Return a row as JSON; the stored value is spliced in as it is."""
        named = b"" if entity is None else b',"entityName":"%s"' % entity.encode()
        told = self._metadata(row, metadata) if metadata else b""
        return b'{"key":%s,"value":%s%s%s}' % (to_json(key), row.value, named, told)

    def found(
        self, key: str, row: Row, metadata: tuple[str, ...], entity: str | None = None
    ) -> Response:
        """Answer a get."""
        return Response(200, self.row(key, row, metadata, entity), JSON)

    def returned(
        self,
        options: SetOptions,
        key: str,
        before: Row | None,
        after: Row,
        entity: str | None = None,
    ) -> Response:
        """Answer a set, with the row it asks for: that of before, or that of now."""
        row = before if options.returns == "PREVIOUS" else after
        if options.returns is None or row is None:
            return self.nothing
        return self.found(key, row, options.metadata, entity)

    def page(
        self, rows: list[tuple[Any, ...]], metadata: tuple[str, ...], cursor: str | None
    ) -> Response:
        """Answer a query with *rows*, each a key and the fields of a `Row`, in order."""
        if metadata:
            made = [(row[0], Row._make(row[1:5])) for row in rows]
            data = b",".join([self.row(key, row, metadata) for key, row in made])
        else:  # as `row` does, without a call for each
            data = b",".join([_ROW % (to_json(row[0]), row[1]) for row in rows])
        end = b"" if cursor is None else b',"cursor":%s' % to_json(cursor)
        return Response(200, b'{"data":[%s]%s}' % (data, end), JSON)

    def _metadata(self, row: Row, asked: tuple[str, ...]) -> bytes:
        known: dict[str, Any] = {
            "createdAt": row.created // self._per_unit,
            "updatedAt": row.updated // self._per_unit,
        }
        if row.expires is not None:
            moment = datetime.fromtimestamp(row.expires / 1000, UTC).replace(tzinfo=None)
            known["expireTime"] = moment.isoformat(timespec="milliseconds") + "Z"
        told = {name: known[name] for name in asked if name in known}
        return b"," + to_json(told)[1:-1] if told else b""
