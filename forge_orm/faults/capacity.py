"""The service's budget of capacity units, kept by a stand-in for it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .. import limits
from ..units import READS, units, write_units
from ..wire import AsyncBackend, Backend, Request, Response, Tenant

_MESSAGE: Final = "the capacity units of this minute are used up"
_MINUTE: Final = 60


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
        reads: read units a minute; None is no limit.
        writes: write units a minute; None is no limit.
        retry_after: a 429 says in ``Retry-After`` when the minute is over; no document says
            that the service does.
        rounded_once: False rounds each item of a batch or transaction by itself.
        clock: returns the Unix time in seconds.
    """

    def __init__(
        self,
        backend: Backend | AsyncBackend,
        *,
        reads: int | None = limits.READ_UNITS_PER_MINUTE,
        writes: int | None = limits.WRITE_UNITS_PER_MINUTE,
        retry_after: bool = False,
        rounded_once: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin with nothing used."""
        self.backend, self.reads, self.writes = backend, reads, writes
        self._retry_after, self._rounded_once, self._clock = retry_after, rounded_once, clock
        self._used: dict[str | None, Usage] = {}

    def usage(self, tenant: Tenant | None = None) -> Usage:
        """Return what the installation of *tenant* used in this minute."""
        minute = int(self._clock() // _MINUTE)
        whose = None if tenant is None else tenant.installation
        used = self._used.setdefault(whose, Usage())
        if used.minute != minute:
            used.minute, used.reads, used.writes = minute, 0, 0
        return used

    def send(self, request: Request, /) -> Response:
        """Answer one request, blocking."""
        if self._spent(request):
            return self._throttled()
        backend: Any = self.backend
        return self._counted(request, backend.send(request))

    async def asend(self, request: Request, /) -> Response:
        """Answer one request, awaiting."""
        if self._spent(request):
            return self._throttled()
        backend: Any = self.backend
        return self._counted(request, await backend.asend(request))

    def _spent(self, request: Request) -> bool:
        if request.operation in READS:
            return self.reads is not None and self.usage(request.tenant).reads >= self.reads
        if self.writes is None:
            return False
        due = write_units(request, rounded_once=self._rounded_once)
        return self.usage(request.tenant).writes + due > self.writes

    def _counted(self, request: Request, response: Response) -> Response:
        if self.reads is not None or self.writes is not None:
            used = self.usage(request.tenant)
            cost = units(request, response, rounded_once=self._rounded_once)
            used.reads, used.writes = used.reads + cost.read, used.writes + cost.write
        return response

    def _throttled(self) -> Response:
        headers = {"content-type": "application/json; charset=utf-8"}
        if self._retry_after:
            headers["retry-after"] = str(math.ceil(_MINUTE - self._clock() % _MINUTE))
        body = json.dumps({"code": "REQUEST_THROTTLED", "message": _MESSAGE})
        return Response(429, body.encode(), headers)

    def __repr__(self) -> str:
        """Show the backend and the budget."""
        return f"Capacity({self.backend!r}, reads={self.reads}, writes={self.writes})"
