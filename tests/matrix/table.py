"""The matrix as tables: put together from what each cell yielded, and read from the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path as File
from typing import Final, NamedTuple

from .faults import FAULTS
from .paths import PATHS

PAGE: Final = File(__file__).parents[2] / "docs" / "guides" / "when-things-fail.md"
MODES: Final = {"once": "Without another attempt", "again": "With the default retries"}
TRANSPORTS: Final = ("embedded", "http")
_ORDER: Final = ("saved", "failed", "unknown")


class Cell(NamedTuple):
    """Where a result stands."""

    mode: str
    path: str
    fault: str
    transport: str


def word(told: Iterable[str]) -> str:
    """Return what a cell says: every kind of result there was."""
    kinds = set(told)
    return " + ".join(kind for kind in _ORDER if kind in kinds)


def tables(cells: Mapping[Cell, str]) -> str:
    """Show *cells* in Markdown, a table for each mode."""
    return "\n\n".join(f"### {title}\n\n{_table(mode, cells)}" for mode, title in MODES.items())


def _table(mode: str, cells: Mapping[Cell, str]) -> str:
    rows = [["", *FAULTS], ["---"] * (len(FAULTS) + 1)]
    rows += [[path, *(_shown(mode, path, fault, cells) for fault in FAULTS)] for path in PATHS]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _shown(mode: str, path: str, fault: str, cells: Mapping[Cell, str]) -> str:
    """Return one cell; where the two transports differ, both, the embedded store's first."""
    words = [cells.get(Cell(mode, path, fault, each), "?") for each in TRANSPORTS]
    return words[0] if words[0] == words[1] else " / ".join(words)


def on_the_page() -> dict[Cell, str]:
    """Return what the page says of every cell."""
    cells: dict[Cell, str] = {}
    text = PAGE.read_text("utf-8")
    for mode, title in MODES.items():
        found = re.search(rf"### {title}\n\n((?:\|.*\n)+)", text)
        head, _, *rows = map(_parts, found.group(1).splitlines()) if found else ([], [])
        for path, *words in rows:
            for fault, said in zip(head[1:], words, strict=True):
                each = said.split(" / ")
                for transport, shown in zip(TRANSPORTS, each * (3 - len(each)), strict=True):
                    cells[Cell(mode, path, fault, transport)] = shown
    return cells


def _parts(row: str) -> list[str]:
    return [part.strip() for part in row.strip("|").split("|")]


def write_page(cells: Mapping[Cell, str]) -> None:
    """Put the tables where the page has them."""
    text = PAGE.read_text("utf-8")
    begin, end = "<!-- the matrix begins -->\n", "<!-- the matrix ends -->"
    head, rest = text.split(begin)
    PAGE.write_text(f"{head}{begin}\n{tables(cells)}\n\n{end}{rest.split(end)[1]}", "utf-8")
