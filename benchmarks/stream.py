"""Streaming 100,000 entities: the memory it holds, and pages asked for by hand beside it."""

from __future__ import annotations

import asyncio
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

from forge_orm import AsyncForge, Forge, LocalBackend, Search
from forge_orm.wire import Request, Response

from .harness import compare
from .models import Ticket, make_ticket, registry
from .scale import filled

COUNT = 100_000
PROJECTS = [f"project-{number}" for number in range(10)]
MERGED: Search[Ticket] = Ticket.query(Ticket.project.in_(PROJECTS)).order(Ticket.due.asc())
ONE: Search[Ticket] = Ticket.query(Ticket.project == "project-3")
LATENCY = WORK = 0.005


def held(forge: Forge, search: Search[Ticket], what: str, *, ahead: int = 0) -> None:
    """Print the memory held at intervals while everything streams by."""
    tracemalloc.start()
    print(f"\n{what}: Python memory held, and its peak so far")
    with forge.session() as session:
        number = 0
        for number, _ in enumerate(session.stream(search, ahead=ahead), 1):
            if number % (COUNT // 5) == 0:
                now, peak = (size / 1024 for size in tracemalloc.get_traced_memory())
                print(f"  after {number:7,}: {now:8.0f} KiB   peak {peak:8.0f} KiB")
    assert number == COUNT
    tracemalloc.stop()


def by_hand(forge: Forge, search: Search[Ticket]) -> int:
    """Ask page after page, each in a session of its own, so that nothing is kept."""
    cursor, count = None, 0
    while True:
        with forge.session() as session:
            page = session.page(search.cursor(cursor))
        count += sum(ticket.priority >= 0 for ticket in page)
        if (cursor := page.cursor) is None:
            return count


def streamed(forge: Forge, search: Search[Ticket], ahead: int = 0) -> int:
    with forge.session() as session:
        return sum(ticket.priority >= 0 for ticket in session.stream(search, ahead=ahead))


class Far:
    """A store that takes its time to answer, as one does over a network."""

    def __init__(self, store: LocalBackend) -> None:
        self._store = store

    async def asend(self, request: Request, /) -> Response:
        await asyncio.sleep(LATENCY)
        return self._store.send(request)


def far(ahead: int) -> Any:
    """Return a case: stream 20 pages that take as long to come as to work on."""
    store = LocalBackend(schemas=registry)
    with Forge(store).session() as session:
        session.add(*map(make_ticket, range(0, 20_000, 10)))
    forge = AsyncForge(Far(store), retry=None)

    async def main() -> int:
        count = 0
        async for _ in forge.session().stream(Ticket.index("by-key"), ahead=ahead):
            count += 1
            if count % 100 == 0:
                await asyncio.sleep(WORK)
        return count

    return lambda: asyncio.run(main())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        forge = filled(Path(folder) / "large.db", COUNT)
        start = time.perf_counter()
        assert streamed(forge, MERGED) == COUNT
        print(f"\n{COUNT:,} entities of 10 merged partitions in ", end="")
        print(f"{time.perf_counter() - start:.1f} s")
        held(forge, MERGED, f"Streaming {COUNT:,} entities through a search of 10 partitions")
        held(forge, MERGED, "The same, two pages ahead", ahead=2)
        compare(
            "10,000 entities of one partition",
            {
                "session.page by hand, cursor after cursor": lambda: by_hand(forge, ONE),
                "session.stream": lambda: streamed(forge, ONE),
                "session.stream, ahead=2": lambda: streamed(forge, ONE, 2),
            },
            repeat=1,
            rounds=11,
            goals={"session.stream": "1.00 at most"},
        )
        forge.close()
    compare(
        "20 pages, 5 ms to come and 5 ms to work on each",
        {"session.stream": far(0), "session.stream, ahead=2": far(2)},
        repeat=1,
        rounds=5,
    )


if __name__ == "__main__":
    main()
