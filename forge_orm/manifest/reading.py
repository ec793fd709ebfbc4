"""YAML as plain data, and as a tree that knows where in the text everything stands."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, cast

from ..errors import ConfigurationError
from ..schema import EntitySchema
from .document import check, parse_schemas


class Kind(Enum):
    """What a node is; an alias stands for a node elsewhere."""

    SCALAR = "scalar"
    MAPPING = "mapping"
    LIST = "list"
    ALIAS = "alias"


@dataclass(frozen=True, slots=True)
class Node:
    """A value in the text, from *start* to *end*; *block* if it is written in lines."""

    kind: Kind
    start: int
    end: int
    text: str = ""
    block: bool = False
    entries: tuple[Entry, ...] = ()

    def entry(self, key: str) -> Entry | None:
        """Return the entry of a mapping under *key*."""
        return next((entry for entry in self.entries if entry.key == key), None)

    @property
    def empty(self) -> bool:
        """Whether nothing is here: no value, ``null``, ``{}`` or ``[]``."""
        if self.kind is Kind.SCALAR:
            return self.text in ("", "~", "null")
        return self.kind is not Kind.ALIAS and not self.entries


@dataclass(frozen=True, slots=True)
class Entry:
    """A ``key: value`` of a mapping, or a ``- value`` of a list; *start* is its first sign."""

    key: str
    start: int
    value: Node

    @property
    def end(self) -> int:
        """Where its last sign ends; a comment after it is not part of it."""
        return self.value.end


def read_schemas(path: str | os.PathLike[str]) -> list[EntitySchema]:
    """Read the entities that the manifest at *path* declares.

    Raises:
        ConfigurationError: the file is missing, is no YAML, has another shape, or declares
            what the service would refuse; or the extra ``cli`` is not installed.
    """
    try:
        schemas = parse_schemas(load(read_text(path)))
        check(schemas)
    except ConfigurationError as error:
        raise ConfigurationError(f"{os.fspath(path)}: {error}") from error
    return schemas


def read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a manifest with its line endings as they are."""
    try:
        return Path(path).read_bytes().decode()
    except FileNotFoundError:
        raise ConfigurationError(
            "there is no such file; `forge create` makes an app with its manifest.yml"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot be read: {error}") from error


def load(text: str) -> dict[str, Any]:
    """Read YAML as plain data; anchors, aliases and merge keys are resolved."""
    yaml = _yaml()
    try:
        found: Any = yaml.load(text)
    except Exception as error:
        raise _not_yaml(error) from error
    if not isinstance(found, dict):
        raise ConfigurationError("is not a manifest: it holds no mapping")
    return cast("dict[str, Any]", found)


def parse(text: str) -> Node:
    """Read YAML, which `load` accepts, as a tree of what stands where."""
    yaml = _yaml()
    events: Iterator[Any] = iter(yaml.parse(text))
    names = "StreamStartEvent", "DocumentStartEvent"
    first = next(event for event in events if type(event).__name__ not in names)
    return _node(first, events, text)


def _node(event: Any, events: Iterator[Any], text: str) -> Node:
    start, end = event.start_mark.index, event.end_mark.index
    match type(event).__name__:
        case "AliasEvent":
            return Node(Kind.ALIAS, start, end)
        case "MappingStartEvent":
            return _mapping(event, events, text)
        case "SequenceStartEvent":
            return _list(event, events, text)
        case _:
            # A scalar of several lines is said to end where the next thing begins.
            end = start + len(text[start:end].rstrip())
            return Node(Kind.SCALAR, start, end, text=str(event.value))


def _mapping(event: Any, events: Iterator[Any], text: str) -> Node:
    entries: list[Entry] = []
    for item in events:
        if _ends(item):
            return _collection(Kind.MAPPING, event, item, entries)
        key = _node(item, events, text)
        entries.append(Entry(key.text, key.start, _node(next(events), events, text)))
    raise AssertionError("a mapping that begins also ends")


def _list(event: Any, events: Iterator[Any], text: str) -> Node:
    entries: list[Entry] = []
    end = event.start_mark.index
    for item in events:
        if _ends(item):
            return _collection(Kind.LIST, event, item, entries)
        value = _node(item, events, text)
        start = value.start if event.flow_style else _dash(text, end, value.start)
        entries.append(Entry("", start, value))
        end = value.end
    raise AssertionError("a list that begins also ends")


def _collection(kind: Kind, event: Any, ending: Any, entries: list[Entry]) -> Node:
    start, block = event.start_mark.index, not event.flow_style
    # A collection in lines is said to end where the next thing begins.
    end = entries[-1].end if block and entries else ending.end_mark.index
    return Node(kind, start, end, block=block, entries=tuple(entries))


def _ends(event: Any) -> bool:
    return type(event).__name__ in ("MappingEndEvent", "SequenceEndEvent")


def _dash(text: str, start: int, end: int) -> int:
    """Return where the dash of a list item is: the last one before its value."""
    dashes = re.finditer(r"^[ ]*(-)(?=\s|\Z)", text[start:end], re.MULTILINE)
    return start + [dash.start(1) for dash in dashes][-1]


def _yaml() -> Any:
    try:
        from ruamel.yaml import YAML
    except ImportError as error:
        raise ConfigurationError(
            "reading a manifest needs ruamel.yaml: pip install 'forge-orm[cli]'"
        ) from error
    return YAML(typ="safe", pure=True)


def _not_yaml(error: Exception) -> ConfigurationError:
    mark: Any = getattr(error, "problem_mark", None)
    what: Any = getattr(error, "problem", None) or str(error)
    where = f"line {mark.line + 1}: " if mark else ""
    return ConfigurationError(f"is not YAML: {where}{str(what).splitlines()[0]}")
