"""Keys: the service's rule, generated parts, and templates that build and parse them."""

from __future__ import annotations

import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from string import Formatter
from typing import Any, Final

from .. import limits
from ..errors import DeclarationError, InvalidValue

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class _UlidClock:
    """Makes ULIDs that increase even within one millisecond."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        fresh = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
        with self._lock:
            same_moment = fresh >> 80 <= self._last >> 80
            self._last = self._last + 1 if same_moment else fresh
            return self._last


_clock: Final = _UlidClock()


def new_ulid() -> str:
    """Return a new ULID: 26 characters, ordered by the moment they were made."""
    number = _clock.next()
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def new_uuid() -> str:
    """Return a new random UUID as text."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class _Generator:
    make: Callable[[], str]
    length: int
    pattern: str


GENERATORS: Final[Mapping[str, _Generator]] = {
    "ulid": _Generator(new_ulid, 26, "[0-9A-HJKMNP-TV-Z]{26}"),
    "uuid": _Generator(new_uuid, 36, "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}
"""The parts of a key template that forge_orm fills in itself."""


def check_key(key: str, what: str = "key") -> str:
    """Return *key* if the service takes it; raises `InvalidValue` otherwise.

    Source: limits-kvs-ce. Only a plain space is accepted as white space, since languages
    disagree on the rest.
    """
    if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValue(f"{what} {key!r} is no text")
    if not 1 <= len(key) <= limits.KEY_MAX_CHARACTERS:
        raise InvalidValue(
            f"{what} {key[:40]!r} has {len(key)} characters; "
            f"allowed are 1 to {limits.KEY_MAX_CHARACTERS}"
        )
    if not _PORTABLE_KEY.fullmatch(key):
        bad = sorted(set(_refused(key)))
        reason = f"it holds {' '.join(map(repr, bad))}" if bad else "it is blank"
        raise InvalidValue(
            f"{what} {key!r} is refused by the service: {reason}. "
            "Allowed are letters, digits, space and : . _ - #"
        )
    return key


def _refused(text: str) -> str:
    return re.sub(r"[A-Za-z0-9:._\-# ]", "", text)


_PORTABLE_KEY: Final = re.compile(r"(?! +\Z)[A-Za-z0-9:._\-# ]+")


class KeyParts(Mapping[str, Any]):
    """What a key was built from: ``Task.parse_key(key).project``."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Mapping[str, Any]) -> None:
        """Hold *parts*, by placeholder."""
        self._parts = dict(parts)

    def __getattr__(self, name: str) -> Any:
        """Return one part."""
        if name.startswith("_") or name not in self._parts:
            raise AttributeError(
                f"the key has no part {name!r}; it has {', '.join(self._parts)}"
            )
        return self._parts[name]

    def __getitem__(self, name: str) -> Any:
        """Return one part."""
        return self._parts[name]

    def __iter__(self) -> Any:
        """Iterate over the names of the parts, in the order of the template."""
        return iter(self._parts)

    def __len__(self) -> int:
        """Count the parts."""
        return len(self._parts)

    def __repr__(self) -> str:
        """Show the parts."""
        return f"KeyParts({', '.join(f'{name}={value!r}' for name, value in self.items())})"


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One typed placeholder: how its value is written into a key and read back."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


class KeyTemplate:
    """``"task:{project}:{ulid}"``: builds keys from values and parses them back."""

    def __init__(self, text: str, owner: str, parts: Mapping[str, KeyPart]) -> None:
        """Compile *text* for the entity class *owner*; raises `DeclarationError`."""
        self.text, self._owner, self._parts = text, owner, parts
        self._fields = _placeholders(text, owner)
        for name, _ in self._fields:
            if name not in parts and name not in GENERATORS:
                known = ", ".join(sorted([*parts, *GENERATORS]))
                raise DeclarationError(
                    f"{owner}: key template {text!r} names {name!r}, which is no storable "
                    f"scalar attribute; known are {known}"
                )
        if refused := sorted(set(_refused("".join(self._literals())))):
            raise DeclarationError(
                f"{owner}: key template {text!r} holds {' '.join(map(repr, refused))}, which "
                "no key may. Allowed are letters, digits, space and : . _ - #"
            )
        self._refuse_long()
        self._pattern = re.compile(self._regex())
        self._parts_used = [(name, parts[name]) for name, _ in self._fields if name in parts]

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names in the template, in order."""
        return tuple(name for name, _ in self._fields)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The placeholders that are attributes of the entity."""
        return tuple(name for name in self.placeholders if name in self._parts)

    def __repr__(self) -> str:
        """Show the template."""
        return f"KeyTemplate({self.text!r})"

    def build(self, values: Mapping[str, Any]) -> str:
        """Return the key of *values*; generated parts not given are made.

        Raises `InvalidValue` for a part that is missing or absent, for one that makes the
        key ambiguous, and for a key the service refuses.
        """
        unknown = set(values) - set(self.placeholders)
        if unknown:
            raise InvalidValue(f"{self._owner}: the key {self.text!r} has no {sorted(unknown)}")
        written = {name: self._write(name, values) for name in self.placeholders}
        key = check_key(self.text.format(**written), f"{self._owner} key")
        if (found := self._pattern.fullmatch(key)) is None or found.groupdict() != written:
            raise InvalidValue(
                f"{self._owner}: the key {key!r} could not be parsed back with {self.text!r}: "
                f"a part holds the separator that follows it (parts: {written})"
            )
        return key

    def contradicted(self, key: str, values: Mapping[str, Any]) -> str | None:
        """Return the attribute whose value is not that in *key*; None for a free key."""
        if (found := self._pattern.fullmatch(key)) is None:
            return None
        for name, part in self._parts_used:
            if str(part.encode(values[name])) != found[name]:
                return name
        return None

    def parse(self, key: str) -> KeyParts:
        """Return the typed parts of *key*; raises `InvalidValue` where it does not fit."""
        if (found := self._pattern.fullmatch(key)) is None:
            raise InvalidValue(f"{self._owner}: the key {key!r} does not fit {self.text!r}")
        return KeyParts(
            {name: self._read(name, text) for name, text in found.groupdict().items()}
        )

    def _write(self, name: str, values: Mapping[str, Any]) -> str:
        if name not in self._parts:
            return str(values.get(name) or GENERATORS[name].make())
        if values.get(name) is None:
            raise InvalidValue(
                f"{self._owner}: the key {self.text!r} needs a value for {name!r}"
            )
        return str(self._parts[name].encode(values[name]))

    def _read(self, name: str, text: str) -> Any:
        if name not in self._parts:
            return text
        decode = self._parts[name].decode
        try:
            return decode(text)
        except ValueError as error:  # pydantic's is one
            with suppress(ValueError):  # a Literal[1, 2] or a strict int takes no text
                return decode(int(text))
            raise InvalidValue(
                f"{self._owner}: {text!r} is no {name!r} of the key {self.text!r}: {error}"
            ) from None

    def _refuse_long(self) -> None:
        """Refuse a template whose shortest key would be too long."""
        shortest = len("".join(self._literals())) + sum(
            1 if name in self._parts else GENERATORS[name].length for name in self.placeholders
        )
        if shortest > limits.KEY_MAX_CHARACTERS:
            raise DeclarationError(
                f"{self._owner}: key template {self.text[:40]!r}… makes keys of {shortest} "
                f"characters or more; the limit is {limits.KEY_MAX_CHARACTERS}"
            )

    def _literals(self) -> list[str]:
        return [literal for literal, *_ in Formatter().parse(self.text)]

    def _regex(self) -> str:
        pieces: list[str] = []
        last = len(self._fields) - 1
        for position, (name, literal) in enumerate(self._fields):
            pattern = GENERATORS[name].pattern if name not in self._parts else ".+"
            lazy = "?" if pattern == ".+" and position != last else ""
            pieces.append(f"{re.escape(literal)}(?P<{name}>{pattern}{lazy})")
        return "".join(pieces) + re.escape(self.text.rpartition("}")[2])


def _placeholders(text: str, owner: str) -> tuple[tuple[str, str], ...]:
    """Return (name, literal text before it) for each placeholder of *text*."""
    found: list[tuple[str, str]] = []
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        raise DeclarationError(f"{owner}: key template {text!r}: {error}") from None
    for literal, name, spec, conversion in parsed:
        if name is None:
            continue
        if not name.isidentifier() or spec or conversion:
            raise DeclarationError(f"{owner}: key template {text!r}: write {{name}} only")
        if name in (earlier for earlier, _ in found):
            raise DeclarationError(f"{owner}: key template {text!r} names {name!r} twice")
        found.append((name, literal))
    if not found:
        raise DeclarationError(f"{owner}: key template {text!r} gives every entity one key")
    return tuple(found)
