"""Data put into a YAML text by changing only the places where the two differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias, cast

from ..errors import ConfigurationError
from ..schema import EntitySchema
from .layout import Style, list_item, pair, scalar, style_of
from .reading import Entry, Kind, Node, load, parse
from .target import target

Keyed: TypeAlias = dict[str, Any]


class _Edit(NamedTuple):
    """Put *text* where *start* to *end* of the old text is."""

    start: int
    end: int
    text: str


class _CannotEdit(Exception):
    """The place has no lines of its own, so the value around it is written anew."""


def rewritten(text: str, schemas: Iterable[EntitySchema]) -> str:
    """Return the manifest *text* with *schemas* and the storage scope in it.

    Every line that need not change stays as it is, comments, quotes and line endings
    included. New lines are indented as the manifest is.

    Raises:
        ConfigurationError: *text* is no manifest, or is written in a way (anchors, a
            mapping in braces at the top) that only an editor can change.
    """
    old = load(text)
    new = target(old, schemas)
    result = _spliced(text, old, new)
    # The proof that nothing else changed: it reads back as exactly what was wanted.
    if load(result) != new:
        raise _by_hand()
    return result


def _spliced(text: str, old: Keyed, new: Keyed) -> str:
    root = parse(text)
    splicer = _Splicer(text, style_of(text, root))
    try:
        edits = list(splicer.mapping(root, old, new))
    except _CannotEdit:
        raise _by_hand() from None
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _by_hand() -> ConfigurationError:
    return ConfigurationError(
        "cannot be changed in place: write app, storage and permissions in lines of their "
        "own, without anchors and merge keys (<<)"
    )


class _Splicer:
    """Finds the edits that turn one value into another, from the outside in."""

    def __init__(self, text: str, style: Style) -> None:
        self._text, self._style = text, style

    def mapping(self, node: Node, old: Keyed, new: Keyed) -> Iterator[_Edit]:
        """Yield the edits within a mapping."""
        if node.block or old.keys() != new.keys():
            self._check(node, old, new)
        written = {entry.key: entry for entry in node.entries}
        if written.keys() != old.keys():
            raise _by_hand()  # some keys come from elsewhere by <<
        for name, entry in written.items():
            if name not in new:
                yield self._without(entry)
            elif old[name] != new[name]:
                yield from self._value(entry, name, old[name], new[name])
        added = [(name, value) for name, value in new.items() if name not in old]
        column = self._column(node.entries[0].start) if added else 0
        lines = [line for add in added for line in pair(*add, column, self._style)]
        yield from self._after(node.end, lines)

    def _list(self, node: Node, old: list[Any], new: list[Any]) -> Iterator[_Edit]:
        if not node.block and new[: len(old)] == old and old:
            yield self._longer(node, new[len(old) :])
            return
        wanted = {_name(item): item for item in new}
        names = [_name(item) for item in old]
        self._check(node, names, wanted)
        added = [item for item in new if _name(item) not in names]
        if [name for name in names if name in wanted] + list(map(_name, added)) != list(wanted):
            raise _CannotEdit  # the order of what is there changes
        for entry, name, item in zip(node.entries, names, old, strict=True):
            if name not in wanted:
                yield self._without(entry)
            elif wanted[name] != item:
                yield from self._item(entry, item, wanted[name])
        column = self._column(node.entries[0].start)
        lines = [line for item in added for line in list_item(item, column, self._style)]
        yield from self._after(node.end, lines)

    def _value(self, entry: Entry, name: str, old: Any, new: Any) -> Iterator[_Edit]:
        try:
            yield from list(self._within(entry.value, old, new))
        except _CannotEdit:
            lines = pair(name, new, self._column(entry.start), self._style)
            yield from self._anew(entry, lines)

    def _item(self, entry: Entry, old: Any, new: Any) -> Iterator[_Edit]:
        try:
            yield from list(self._within(entry.value, old, new))
        except _CannotEdit:
            lines = list_item(new, self._column(entry.start), self._style)
            yield from self._anew(entry, lines)

    def _within(self, node: Node, old: Any, new: Any) -> Iterator[_Edit]:
        if isinstance(old, dict) and isinstance(new, dict):
            yield from self.mapping(node, cast("Keyed", old), cast("Keyed", new))
        elif isinstance(old, list) and isinstance(new, list):
            yield from self._list(node, cast("list[Any]", old), cast("list[Any]", new))
        elif isinstance(new, str) and node.kind is Kind.SCALAR and not node.empty:
            yield _Edit(node.start, node.end, scalar(new))
        else:
            raise _CannotEdit

    def _check(self, node: Node, old: Iterable[str], new: Iterable[str]) -> None:
        """Refuse what has no lines of its own to edit, or would have none left."""
        if not node.block or not node.entries or set(old).isdisjoint(new):
            raise _CannotEdit

    def _without(self, entry: Entry) -> _Edit:
        """Remove the lines of an entry, a comment at their end included."""
        start = self._text.rfind("\n", 0, entry.start) + 1
        if self._text[start : entry.start].strip():
            raise _CannotEdit  # the first key of a list item shares its line with the dash
        return _Edit(start, self._line_end(entry.end, with_break=True), "")

    def _anew(self, entry: Entry, lines: list[str]) -> Iterator[_Edit]:
        """Write an entry again; a comment at the end of its first line stays there."""
        start, end = entry.start, entry.end
        first, *rest = lines
        written = self._text[start:end].rstrip()
        head, tail = written.split("\n", 1)[0].rstrip(), "\n" in written
        if tail:
            yield _Edit(start, start + len(written), self._joined([first.lstrip(), *rest]))
            return
        yield _Edit(start, start + len(head), first.lstrip())
        yield from self._after(end, rest)

    def _longer(self, node: Node, added: list[Any]) -> _Edit:
        """Append to ``[a, b]``."""
        if not all(isinstance(item, str) for item in added):
            raise _CannotEdit
        end = node.entries[-1].end
        return _Edit(end, end, "".join(f", {scalar(item)}" for item in added))

    def _after(self, offset: int, lines: list[str]) -> Iterator[_Edit]:
        """Insert *lines* below the line of *offset*."""
        if lines:
            end = self._line_end(offset)
            yield _Edit(end, end, self._style.newline + self._joined(lines))

    def _joined(self, lines: list[str]) -> str:
        return self._style.newline.join(lines)

    def _line_end(self, offset: int, *, with_break: bool = False) -> int:
        end = self._text.find("\n", offset)
        if end == -1:
            return len(self._text)
        if with_break:
            return end + 1
        return end - 1 if self._text[end - 1] == "\r" else end

    def _column(self, offset: int) -> int:
        return offset - (self._text.rfind("\n", 0, offset) + 1)


def _name(item: Any) -> str:
    return str(cast("Keyed", item)["name"]) if isinstance(item, dict) else str(item)
