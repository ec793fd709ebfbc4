"""Plays the matrix and writes its tables into the documentation: python -m tests.matrix."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from .faults import FAULTS
from .paths import PATHS
from .play import play
from .table import MODES, PAGE, TRANSPORTS, Cell, write_page
from .test_matrix import PLACES


def main() -> None:
    with ExitStack() as stack:
        places = {name: make(stack) for name, make in PLACES.items()}
        cells = {
            cell: asyncio.run(play(places[cell.transport], cell, "sync"))
            for mode in MODES
            for path in PATHS
            for fault in FAULTS
            for cell in (Cell(mode, path, fault, each) for each in TRANSPORTS)
        }
    write_page(cells)
    print(f"{len(cells)} cells, written to {PAGE}")


if __name__ == "__main__":
    main()
