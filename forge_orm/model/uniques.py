"""Unique values: which attributes are declared unique, and the reservations that make them so.

The service knows no unique index. A value is unique because it is the key of an item, its
*reservation*, and a key exists once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from pydantic_core import to_json

from ..errors import DeclarationError
from ..expressions import Expr
from ..schema import AttributeType, EntitySchema
from ..wire import Json, Scalar
from .attributes import Attr
from .indexes import field_name

RESERVATIONS: Final = EntitySchema(
    "forge-orm-unique",
    dict.fromkeys(("entity", "owner", "token", "attributes", "held"), AttributeType.STRING),
)
"""The entity of the reservations, declared with the first class that has a unique value.

*entity* and *owner* are the name and key of the row the value is reserved for, *token* is new
with each claim and each save, *attributes* and *held* say to a reader what is reserved.
"""

UNIQUES_MAX: Final = 10
"""Unique values a class may have: a save that changes all of them fits one transaction."""

_HELD_SHOWN: Final = 200


class Reservation(NamedTuple):
    """One value of one row, or its key while it is created (no *attributes*).

    *key* is the reservation's own: a hash, because a value may hold what no key may.
    """

    key: str
    entity: str
    owner: str
    attributes: tuple[str, ...] = ()
    values: tuple[Scalar, ...] = ()

    def stored(self, token: str) -> bytes:
        """Return the JSON to store: reserved under *token*."""
        value: dict[str, Json] = {"entity": self.entity, "owner": self.owner, "token": token}
        if self.attributes:
            value["attributes"] = ", ".join(self.attributes)
            value["held"] = to_json(self.values).decode()[:_HELD_SHOWN]
        return to_json(value)

    def __str__(self) -> str:
        """Say what is reserved, for whom."""
        owner = f"{self.entity} {self.owner!r}"
        return f"{self.what} of {owner}" if self.attributes else f"the key of {owner}"

    @property
    def what(self) -> str:
        """The attributes and their values, e.g. ``email = 'a@x'``."""
        return equation(self.attributes, self.values)


def equation(attributes: tuple[str, ...], values: tuple[Scalar, ...]) -> str:
    """Return e.g. ``tenant, handle = 't', 'h'``, cut where it is long."""
    shown = ", ".join(map(repr, values))
    shown = shown if len(shown) <= _HELD_SHOWN else f"{shown[:_HELD_SHOWN]}…"
    return f"{', '.join(attributes)} = {shown}"


def key_reservation(entity: str, key: str) -> Reservation:
    """Return what is held while the row *key* is created: its key."""
    return Reservation(_hashed(f"{entity}#key", [entity, key]), entity, key)


class Unique:
    """Attributes whose values together are unique, as declared in a class body."""

    def __init__(self, attributes: tuple[object, ...]) -> None:
        """Remember what was named; `bind` finds out which fields those are."""
        self._attributes = attributes
        self.fields: tuple[str, ...] = ()

    def bind(self, label: str, owner: str, fields: Mapping[int, str]) -> None:
        """Find the fields of *owner* that are meant, by the id of their ``attr()`` object."""
        where = f"{owner}.{label}"
        self.fields = tuple(field_name(part, where, fields) for part in self._attributes)

    def __repr__(self) -> str:
        """Show the fields."""
        return f"unique({', '.join(self.fields)})"


def unique(*attributes: Attr[Any] | Expr[Any, Any] | str) -> Unique:
    """Declare that no two entities have the same values of *attributes* together.

    Assign it in the class body, as an index: ``one_handle = unique(tenant, handle)``. Names
    as text will do too. For one attribute ``attr(unique=True)`` says the same. An entity that
    lacks one of them reserves nothing.
    """
    if not attributes:
        raise DeclarationError("unique() needs an attribute: unique(tenant, handle)")
    return Unique(attributes)


@dataclass(frozen=True, slots=True)
class UniqueMapping:
    """Attributes of one entity that are unique together, by their stored names.

    *floats* are those whose values are floats: 1 and 1.0 are stored differently and equal.
    """

    entity: str
    attributes: tuple[str, ...]
    floats: frozenset[str] = frozenset()

    def values(self, stored: Mapping[str, Any]) -> tuple[Scalar, ...] | None:
        """Return the values in a stored form; None where one is absent."""
        found = tuple(self._value(name, stored.get(name)) for name in self.attributes)
        return None if None in found else found

    def reservation(self, stored: Mapping[str, Any], owner: str) -> Reservation | None:
        """Return what the row *owner* holds if it is stored as *stored*; None for nothing."""
        values = self.values(stored)
        if values is None:
            return None
        key = _hashed(self.entity, [self.entity, *self.attributes, *values])
        return Reservation(key, self.entity, owner, self.attributes, values)

    def _value(self, name: str, value: Any) -> Any:
        if value is None or name not in self.floats:
            return value
        return float(value) + 0.0  # which is 0.0 for -0.0


def _hashed(prefix: str, parts: list[Any]) -> str:
    return f"{prefix}#{sha256(to_json(parts)).hexdigest()}"
