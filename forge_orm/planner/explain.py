"""How a search runs, in words and as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ReadExplained:
    """One read: the index and why, what the service filters, what is tried here."""

    index: str
    why: str
    partition: Mapping[str, Any]
    range: str | None
    filters: tuple[str, ...]
    residual: str | None
    rejected: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Run:
    """What a search did: calls made, rows read, entities kept."""

    calls: int
    rows: int
    kept: int


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """The plan of a search; *ran* is there after ``session.explain(search)``.

    Attributes:
        search: as it could be written.
        mode: ``nothing``, ``single``, ``merge``, ``chain`` or ``sort``.
        order: what the answer is in order of, and who sees to it.
        rows: how many rows each call reads.
        reads: each query of the service; a page takes one call of each at least.
        ran: what happened when it was run.
    """

    search: str
    mode: str
    order: str
    rows: int
    reads: tuple[ReadExplained, ...]
    ran: Run | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        """Show it on several lines."""
        return "\n".join(self._lines())

    __repr__ = __str__

    def _lines(self) -> Iterator[str]:
        yield self.search
        count = len(self.reads)
        calls = f"{count} read{'s' * (count != 1)} of {self.rows} rows a call"
        yield f"  {self.mode}: {calls}; order: {self.order}"
        for number, read in enumerate(self.reads, start=1):
            yield f"  {number}. {read.index}: {read.why}"
            if read.filters:
                yield f"     filtered by the service: {', '.join(read.filters)}"
            if read.residual is not None:
                yield f"     tried here: {read.residual}"
            for index, why in read.rejected.items():
                yield f"     not {index}: {why}"
        if self.ran is not None:
            ran = self.ran
            yield f"  ran: {ran.calls} calls, {ran.rows} rows read, {ran.kept} kept"
