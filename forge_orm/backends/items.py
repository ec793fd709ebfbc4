"""A batch sent again in part: only the items that failed for now, and one answer in the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from ..errors import RateLimited, ServiceError, TransportError, error_from, service_error
from ..wire import Request, Response

Row: TypeAlias = dict[str, Any]
Name: TypeAlias = tuple[str | None, str]
Outcome: TypeAlias = Response | TransportError

_TOO_MANY_REQUESTS: Final = 429
_NONE_FAILED: Final = b'"failedKeys":[]'


def is_throttled(request: Request, response: Response) -> bool:
    """Whether the service asks to slow down: with 429, or of items of a batch."""
    if response.status == _TOO_MANY_REQUESTS:
        return True
    return any(isinstance(_error(row), RateLimited) for row in Parts(request).busy(response))


class Parts:
    """A request and, if it is a batch, what of it is settled. *request* is what is left."""

    def __init__(self, request: Request) -> None:
        """Begin with all of *request* to be sent."""
        self.request = request
        self._settled: list[Row] = []
        self._refused: list[Row] = []
        self._left: list[Row] = []
        self._doubted: set[Name] = set()

    @property
    def begun(self) -> bool:
        """Whether some items are settled, and others are left."""
        return bool(self._left)

    def busy(self, response: Response) -> list[Row]:
        """Return the items that *response* says to have failed for now only.

        They were throttled, or the service failed for them alone. All items of a batch may be
        sent twice: none has conditions or a key policy (storage-reference/entities-batch).
        """
        # Nearly always nothing failed, and then nothing is parsed.
        batch = self.request.operation.startswith("batch/") and response.ok
        if not batch or _NONE_FAILED in response.body:
            return []
        try:
            rows: list[Row] = json.loads(response.body)["failedKeys"]
            return [row for row in self._named(rows) if _error(row).retryable]
        except (ValueError, TypeError, LookupError, AttributeError):
            return []  # who reads the answer says what is wrong with it

    def narrow(self, response: Response) -> None:
        """Keep what *response* settles; only the items that are busy are left."""
        if not (left := self.busy(response)):
            return
        names = {_name(row) for row in left}
        answer = json.loads(response.body)
        self._settled += answer["successfulKeys"]
        rows = self._named(answer["failedKeys"])
        self._refused += [row for row in rows if _name(row) not in names]
        self._left = left
        self._doubted |= {_name(row) for row in left if _error(row).doubtful}
        items = [item for item in json.loads(self.request.body) if _name(item) in names]
        self.request = self.request._replace(body=_json(items))

    def doubt(self) -> None:
        """Note that everything left may have been carried out."""
        if self.request.operation.startswith("batch/"):
            self._doubted |= {_name(item) for item in json.loads(self.request.body)}

    def whole(self, outcome: Outcome) -> Response:
        """Return the answer to the whole batch, where what was left ended as *outcome*."""
        if isinstance(outcome, Response) and outcome.ok:
            return self._completed(outcome)
        rows = [self._told(_ended(row, outcome)) for row in self._left]
        return self._answered(self._settled, rows, Response(200))

    def _completed(self, response: Response) -> Response:
        again = {_name(row) for row in self.busy(response)} & self._doubted
        if not self.begun and not again:
            return response
        answer = json.loads(response.body)
        rows = [self._told(row) for row in self._named(answer["failedKeys"])]
        return self._answered([*self._settled, *answer["successfulKeys"]], rows, response)

    def _told(self, row: Row) -> Row:
        """Not let a refusal hide that an earlier attempt may have been carried out."""
        error = _error(row)
        if _name(row) in self._doubted and error.retryable and not error.doubtful:
            return _doubtful(row, f"an earlier attempt may have been carried out; then {error}")
        return row

    def _answered(self, done: list[Row], failed: list[Row], like: Response) -> Response:
        answer = {"successfulKeys": done, "failedKeys": [*self._refused, *failed]}
        return like._replace(body=_json(answer))

    def _named(self, rows: Iterable[Row]) -> list[Row]:
        """Give rows their entity's name, which is optional in an answer."""
        names = [_name(item) for item in json.loads(self.request.body)]
        return [row if "entityName" in row else _completed_name(row, names) for row in rows]


def _completed_name(row: Row, names: Sequence[Name]) -> Row:
    entities = [entity for entity, key in names if key == row["key"]]
    if len(entities) != 1 or entities[0] is None:
        return row
    return {**row, "entityName": entities[0]}


def _ended(row: Row, outcome: Outcome) -> Row:
    """Return the failed item *row* with what its last attempt ended in."""
    error = outcome if isinstance(outcome, TransportError) else error_from(outcome)
    if error.doubtful:
        return _doubtful(row, f"sent again, and then: {error}")
    if error.retryable or isinstance(error, TransportError):
        return row  # refused once more
    return {**row, "error": {"code": error.code, "message": error.message}}


def _doubtful(row: Row, message: str) -> Row:
    return {**row, "error": {"code": "INTERNAL_SERVER_ERROR", "message": message}}


def _error(row: Row) -> ServiceError:
    error = row["error"]
    return service_error(str(error.get("code")), str(error.get("message", "")))


def _name(row: Row) -> Name:
    return row.get("entityName"), row["key"]


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
