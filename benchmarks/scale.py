"""How the embedded store grows: a page at 1,000 and at 100,000 entities; a long stream."""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

from forge_orm import Forge, LocalBackend

from .harness import compare
from .models import Ticket, make_ticket, registry

SMALL, LARGE = 1_000, 100_000


def filled(path: Path, count: int) -> Forge:
    """Return a store of *count* tickets, written as a stream of batches."""
    forge = Forge(LocalBackend(path, schemas=registry))
    for start in range(0, count, 1000):
        with forge.session() as session:
            session.add(*map(make_ticket, range(start, start + 1000)))
    return forge


def page_of(forge: Forge) -> Any:
    with forge.session() as session:
        return session.all(Ticket.by_project("project-3").limit(100))


def streaming(forge: Forge) -> None:
    """Print the memory held at intervals while every entity streams by."""
    tracemalloc.start()
    print(f"\nStreaming {LARGE:,} entities: Python memory held, and its peak so far")
    with forge.session() as session:
        for number, _ in enumerate(session.stream(Ticket.index("by-key")), 1):
            if number % (LARGE // 5) == 0:
                now, peak = tracemalloc.get_traced_memory()
                print(
                    f"  after {number:7,}: {now / 1024:8.0f} KiB   peak {peak / 1024:8.0f} KiB"
                )
    tracemalloc.stop()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        small = filled(Path(folder) / "small.db", SMALL)
        large = filled(Path(folder) / "large.db", LARGE)
        compare(
            "An index query for a page of 100",
            {
                f"{SMALL:,} entities": lambda: page_of(small),
                f"{LARGE:,} entities": lambda: page_of(large),
            },
            goals={f"{LARGE:,} entities": "3.00 at most"},
        )
        streaming(large)
        small.close()
        large.close()


if __name__ == "__main__":
    main()
