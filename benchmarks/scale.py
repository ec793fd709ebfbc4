"""How the embedded store grows: a page at 1,000 and at 100,000 entities."""

from __future__ import annotations

import tempfile
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
        small.close()
        large.close()


if __name__ == "__main__":
    main()
