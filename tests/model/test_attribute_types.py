"""Which Forge type, order and optionality each Python annotation has."""

from __future__ import annotations

import enum
import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypeVar
from uuid import UUID

import pytest
from pydantic import (
    AwareDatetime,
    Base64Bytes,
    Base64Str,
    BaseModel,
    ByteSize,
    Field,
    HttpUrl,
    IPvAnyAddress,
    PastDate,
    PositiveInt,
)
from typing_extensions import TypeAliasType, TypedDict

from forge_orm import index

from .declaring import entity


class Colour(enum.StrEnum):
    RED = "red"


class OldColour(str, enum.Enum):  # noqa: UP042 - the older way
    RED = "red"


class PlainColour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Ratio(float, enum.Enum):
    HALF = 0.5


class Switch(enum.Enum):
    ON = True


class Mixed(enum.Enum):
    WORD, NUMBER = "a", 1


class Nested(BaseModel):
    city: str


class Row(TypedDict):
    city: str


class Pair(NamedTuple):
    left: int
    right: int


class Title(str):
    __slots__ = ()


UserId = NewType("UserId", str)
AdminId = NewType("AdminId", UserId)
Count = TypeAliasType("Count", int)
Number = TypeVar("Number", bound=int)
Left = TypeVar("Left")
Right = TypeVar("Right")
Turned = TypeAliasType("Turned", dict[Right, Left], type_params=(Left, Right))
Same = TypeAliasType("Same", Annotated[Left, "said"], type_params=(Left,))
Money = Annotated[Decimal, Field(max_digits=9, decimal_places=2)]

ORDERED = [
    (str, "string"),
    (int, "integer"),
    (float, "float"),
    (int | float, "float"),
    (bool, "boolean"),
    (datetime, "string"),
    (AwareDatetime, "string"),
    (date, "string"),
    (PastDate, "string"),
    (time, "string"),
    (timedelta, "float"),
    (UUID, "string"),
    (Money, "string"),
    (Colour, "string"),
    (OldColour, "string"),
    (Level, "integer"),
    (Ratio, "float"),
    (Literal["a", "b"], "string"),
    (Literal[1, 2], "integer"),
    (Literal[True], "boolean"),
    (Literal[Colour.RED], "string"),
    (Literal[Level.LOW], "integer"),
    (Literal[Colour.RED] | str, "string"),
    (Colour | str, "string"),
    (UserId, "string"),
    (AdminId, "string"),
    (Count, "integer"),
    (Same[int], "integer"),
    (Number, "integer"),
    (PositiveInt, "integer"),
    (ByteSize, "integer"),
    (Annotated[str, Field(max_length=3)], "string"),
]
EQUALITY_ONLY = [
    (Decimal, "string"),
    (PlainColour, "string"),
    (Switch, "boolean"),
    (Literal[PlainColour.RED], "string"),
    (Literal[Switch.ON], "boolean"),
    (IPv4Address, "string"),
    (IPvAnyAddress, "string"),
    (HttpUrl, "string"),
    (PurePosixPath, "string"),
    (Fraction, "string"),
    (Base64Str, "string"),
    (Base64Bytes, "string"),
]
NOT_INDEXABLE = [
    Any,
    object,
    list,
    list[str],
    dict[str, int],
    tuple[int, ...],
    set[int],
    Nested,
    Row,
    Pair,
    Mixed,
    Literal["a", 1],
    str | int,
    bool | int,
    datetime | str,
    list[Nested] | Nested,
    Turned[int, str],
]
TYPES = [
    *((annotation, type, True) for annotation, type in ORDERED),
    *((annotation, type, False) for annotation, type in EQUALITY_ONLY),
    *((annotation, "any", False) for annotation in NOT_INDEXABLE),
]


@pytest.mark.parametrize(("annotation", "type", "ordered"), TYPES, ids=str)
def test_each_annotation_has_one_forge_type(annotation: Any, type: str, ordered: bool) -> None:
    required = entity({"field": annotation}).__forge__
    optional = entity({"field": annotation | None}, field=None).__forge__

    assert required.schema.attributes == optional.schema.attributes == {"field": type}
    assert [m.attributes["field"].codec.ordered for m in (required, optional)] == [ordered] * 2
    assert [m.attributes["field"].optional for m in (required, optional)] == [False, True]


if sys.version_info >= (3, 12):  # the statement is not there before

    def test_pythons_own_aliases_are_what_they_stand_for() -> None:
        names: dict[str, Any] = {}
        exec("type Whole = int\ntype Pairs[A] = list[A]\ntype More[A] = A | None", names)
        whole, pairs, more = names["Whole"], names["Pairs"], names["More"]
        thing = entity(
            {"a": whole, "b": pairs[whole], "c": more[whole]}, by_it=index("c", range="a")
        )

        assert thing.__forge__.schema.attributes == {"a": "integer", "b": "any", "c": "integer"}
        assert thing.__forge__.attributes["c"].optional
        assert thing.__forge__.stored(thing(a=1, b=[2], c=None)) == {"a": 1, "b": [2]}


def test_none_among_the_literals_makes_an_attribute_optional() -> None:
    thing = entity({"field": Literal["a", None]})  # noqa: PYI061 - the point

    assert thing.__forge__.schema.attributes == {"field": "string"}
    assert thing.__forge__.stored(thing(field=None)) == {}
