"""How a question is answered, in words and as plain data."""

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
    """What answering took: calls, rows read, entities kept, read units, milliseconds."""

    calls: int
    rows: int
    kept: int
    units: int
    milliseconds: float


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """How a question is answered; *ran* is there after ``session.explain(…, run=True)``.

    Attributes:
        question: as it could be written.
        mode: ``nothing``, ``single``, ``merge``, ``chain`` or ``sort``.
        order: what the answer is in order of, and who sees to it.
        rows: how many rows each call reads.
        requests: how many calls the first page takes, if nothing is dropped on the way; None
            where every page of each read comes before the first entity.
        repeats: whether several reads may find the same entity, which is left out here.
        reads: each query of the service.
        ran: what happened when it was run.
    """

    question: str
    mode: str
    order: str
    rows: int
    requests: int | None
    repeats: bool
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
        yield self.question
        calls = f"{_many(len(self.reads), 'read')} of {_many(self.rows, 'row')} a call"
        yield f"  {self.mode}: {calls}; order: {self.order}"
        yield f"  requests: {self._requests()}"
        if self.repeats:
            yield "  repeats: two reads may find the same entity; the later leaves it out"
        for number, read in enumerate(self.reads, start=1):
            yield from _read_lines(number, read)
        if (ran := self.ran) is not None:
            parts = (_many(ran.calls, "call"), f"{_many(ran.rows, 'row')} read")
            spent = (f"{ran.kept} kept", _many(ran.units, "unit"), f"{ran.milliseconds:.1f} ms")
            yield f"  ran: {', '.join((*parts, *spent))}"

    def _requests(self) -> str:
        if self.requests is None:
            return "every page of each read, before the first entity"
        dropping = any(read.filters or read.residual for read in self.reads) or self.repeats
        more = "; more where rows are dropped" if dropping else ""
        match self.mode:
            case "nothing":
                return "none"
            case "merge":
                later = "then 1 for each read that runs out"
                return f"{self.requests} for the first page, {later}{more}"
            case _:
                return f"{self.requests} a page{more}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _read_lines(number: int, read: ReadExplained) -> Iterator[str]:
    yield f"  {number}. {read.index}: {read.why}"
    if read.filters:
        yield f"     filtered by the service: {', '.join(read.filters)}"
    if read.residual is not None:
        yield f"     tried here: {read.residual}"
    for index, why in read.rejected.items():
        yield f"     not {index}: {why}"
