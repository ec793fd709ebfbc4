"""What a call costs in the service's capacity units (limits-kvs-ce)."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast

from pydantic_core import from_json, to_json

from . import limits
from .wire import Request, Response

READS: Final = frozenset(
    {"get", "query", "secret/get", "entity/get", "entity/query", "batch/get"}
)
"""The operations that only read; all others write."""

_SEVERAL: Final = frozenset({"batch/get", "batch/set", "batch/delete", "transaction"})
_THROTTLED: Final = 429


class Units(NamedTuple):
    """The units of one call, or of several together."""

    read: int = 0
    write: int = 0


def units_of(size: int) -> int:
    """Return the units of *size* bytes: 10 KB each, rounded up, and one at least."""
    return max(1, -(-size // limits.UNIT_BYTES))


def units(request: Request, response: Response, *, rounded_once: bool = True) -> Units:
    """Return what a call costs: a read the size of its answer, a write that of its body.

    A batch or transaction is *rounded_once*, else each of its items is. A call that was
    throttled or that the service failed to answer costs nothing.
    """
    if response.status == _THROTTLED or response.status >= 500:
        return Units()
    if request.operation in READS:
        return Units(read=_cost(request, response.body, rounded_once))
    return Units(write=write_units(request, rounded_once=rounded_once))


def write_units(request: Request, *, rounded_once: bool = True) -> int:
    """Return what a call that writes will cost."""
    return _cost(request, request.body, rounded_once)


def _cost(request: Request, body: bytes, rounded_once: bool) -> int:
    if rounded_once or request.operation not in _SEVERAL:
        return units_of(len(body))
    return max(1, sum(units_of(len(to_json(item))) for item in _items(body)))


def _items(body: bytes) -> list[Any]:
    """Return the items of a batch, of a transaction, or of the answer to either."""
    try:
        found: Any = from_json(body)
    except ValueError:
        return []
    groups = (
        list(cast("dict[str, Any]", found).values()) if isinstance(found, dict) else [found]
    )
    return [item for group in groups if isinstance(group, list) for item in cast("Any", group)]
