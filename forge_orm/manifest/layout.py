"""Plain data as lines of YAML, indented the way a manifest already is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from .reading import Kind, Node

# Plain is what every YAML version reads as text; the rest is quoted.
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*(:[A-Za-z0-9_.\-]+)*")
_NOT_TEXT: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})


@dataclass(frozen=True, slots=True)
class Style:
    """How a manifest is laid out.

    Attributes:
        step: columns from a key to the keys below it.
        dash: columns from a key to the dashes below it.
        item: columns from a dash to what follows it.
        newline: how lines end.
    """

    step: int = 2
    dash: int = 2
    item: int = 2
    newline: str = "\n"


def style_of(text: str, root: Node) -> Style:
    """Return how *text* is laid out, by its first example of each."""
    pairs = list(_pairs(root))
    steps = [
        _column(text, entry.value.entries[0].start) - _column(text, entry.start)
        for entry in pairs
        if entry.value.kind is Kind.MAPPING
    ]
    lists = [entry for entry in pairs if entry.value.kind is Kind.LIST]
    dashes = [
        _column(text, entry.value.entries[0].start) - _column(text, entry.start)
        for entry in lists
    ]
    items = [
        item.value.start - item.start
        for entry in lists
        for item in entry.value.entries
        if "\n" not in text[item.start : item.value.start]
    ]
    newline = "\r\n" if "\r\n" in text else "\n"
    return Style(_first(steps), _first(dashes), _first(items), newline)


def lines(value: Any, column: int, style: Style) -> list[str]:
    """Return *value*, a mapping or a list, as lines that begin at *column*."""
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        return [line for key, item in fields.items() for line in pair(key, item, column, style)]
    return [line for item in value for line in list_item(item, column, style)]


def pair(key: str, value: Any, column: int, style: Style) -> list[str]:
    """Return ``key: value`` as lines."""
    start = f"{' ' * column}{scalar(key)}:"
    if isinstance(value, str | bool):
        return [f"{start} {scalar(value)}"]
    if not value:
        return [f"{start} {'[]' if isinstance(value, list) else '{}'}"]
    deeper = style.dash if isinstance(value, list) else style.step
    return [start, *lines(value, column + deeper, style)]


def list_item(value: Any, column: int, style: Style) -> list[str]:
    """Return ``- value`` as lines."""
    dash = " " * column + "-".ljust(style.item)
    if isinstance(value, str):
        return [dash + scalar(value)]
    first, *rest = lines(value, column + style.item, style)
    return [dash + first.lstrip(), *rest]


def scalar(value: str | bool) -> str:
    """Return a name as YAML, quoted where it could be read as something else."""
    if isinstance(value, bool):
        return str(value).lower()
    plain = _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT
    return value if plain else json.dumps(value)


def _pairs(node: Node) -> Iterator[Any]:
    """Yield every entry of a mapping whose value is a collection written in lines."""
    for entry in node.entries:
        if node.kind is Kind.MAPPING and entry.value.block and entry.value.entries:
            yield entry
        yield from _pairs(entry.value)


def _column(text: str, offset: int) -> int:
    return offset - (text.rfind("\n", 0, offset) + 1)


def _first(found: list[int]) -> int:
    return found[0] if found else 2
