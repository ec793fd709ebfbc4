"""The service's budget of capacity units, kept by a stand-in for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .. import limits
from ..units import READS, units_of
from ..wire import AsyncBackend, Backend, Request, Response, Tenant

_THROTTLED: Final = Response(
    429,
    b'{"code":"REQUEST_THROTTLED","message":"the capacity units of this minute are used up"}',
    {"content-type": "application/json"},
)


@dataclass(slots=True)
class Usage:
    """The units an installation used in a minute."""

    minute: int = -1
    reads: int = 0
    writes: int = 0


class Capacity:
    """Answers 429 once an installation has used up its units of a minute, as Forge does.

    A read costs the units of its answer, a write those of its request; a batch or
    transaction is rounded once (limits-kvs-ce).

    Args:
        backend: what answers while there are units left; either colour.
        reads: read units a minute.
        writes: write units a minute.
        clock: returns the Unix time in seconds.
    """

    def __init__(
        self,
        backend: Backend | AsyncBackend,
        *,
        reads: int = limits.READ_UNITS_PER_MINUTE,
        writes: int = limits.WRITE_UNITS_PER_MINUTE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin with nothing used."""
        self.backend, self.reads, self.writes = backend, reads, writes
        self._clock = clock
        self._used: dict[Tenant | None, Usage] = {}

    def usage(self, tenant: Tenant | None = None) -> Usage:
        """Return what *tenant* used in this minute."""
        minute = int(self._clock() // 60)
        used = self._used.setdefault(tenant, Usage())
        if used.minute != minute:
            used.minute, used.reads, used.writes = minute, 0, 0
        return used

    def send(self, request: Request, /) -> Response:
        """Answer one request, blocking."""
        if self._spent(request):
            return _THROTTLED
        backend: Any = self.backend
        return self._counted(request, backend.send(request))

    async def asend(self, request: Request, /) -> Response:
        """Answer one request, awaiting."""
        if self._spent(request):
            return _THROTTLED
        backend: Any = self.backend
        return self._counted(request, await backend.asend(request))

    def _spent(self, request: Request) -> bool:
        used = self.usage(request.tenant)
        if request.operation in READS:
            return used.reads >= self.reads
        return used.writes + units_of(len(request.body)) > self.writes

    def _counted(self, request: Request, response: Response) -> Response:
        used = self.usage(request.tenant)
        if request.operation in READS:
            used.reads += units_of(len(response.body))
        else:
            used.writes += units_of(len(request.body))
        return response

    def __repr__(self) -> str:
        """Show the backend and the budget."""
        return f"Capacity({self.backend!r}, reads={self.reads}, writes={self.writes})"
