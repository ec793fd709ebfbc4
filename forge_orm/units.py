"""What a call costs in the service's capacity units (limits-kvs-ce)."""

from __future__ import annotations

from typing import Final, NamedTuple

from . import limits
from .wire import Request, Response

READS: Final = frozenset(
    {"get", "query", "secret/get", "entity/get", "entity/query", "batch/get"}
)
"""The operations that only read; all others write."""

_THROTTLED: Final = 429


class Units(NamedTuple):
    """The units of one call, or of several together."""

    read: int = 0
    write: int = 0


def units_of(size: int) -> int:
    """Return the units of *size* bytes: 10 KB each, rounded up, and one at least."""
    return max(1, -(-size // limits.UNIT_BYTES))


def units(request: Request, response: Response) -> Units:
    """Return what a call costs: a read the size of its answer, a write that of its body.

    A batch or transaction is rounded once. A call that was throttled or that the service
    failed to answer costs nothing.
    """
    if response.status == _THROTTLED or response.status >= 500:
        return Units()
    if request.operation in READS:
        return Units(read=units_of(len(response.body)))
    return Units(write=units_of(len(request.body)))
