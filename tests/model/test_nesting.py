"""What is nested in an attribute is read back as it was, or refused where it is declared."""

from __future__ import annotations

import dataclasses
import enum
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from types import GenericAlias
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    PlainSerializer,
    RootModel,
    computed_field,
    create_model,
)
from typing_extensions import TypedDict

from forge_orm import DeclarationError

from .declaring import entity


class Size(enum.StrEnum):
    SMALL = "s"


class Level(enum.IntEnum):
    LOW = 1


class Colour(enum.Enum):
    RED = "red"


class Total(BaseModel):
    model_config = ConfigDict(extra="forbid")
    parts: list[int]

    @computed_field
    def total(self) -> int:
        return sum(self.parts)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    parts: list[int] = []

    @computed_field
    def total(self) -> int:
        return sum(self.parts)


class Tree(BaseModel):
    branches: list[Tree] = []
    name: str = Field(default="", alias="treeName")


class Row(TypedDict, total=False):
    city: Annotated[str, Field(alias="town")]


class Pair(NamedTuple):
    left: int
    right: date


class Bytes(NamedTuple):
    left: int
    right: bytes


class Key(BaseModel):
    model_config = ConfigDict(frozen=True)
    part: str


class Plain:
    pass


@dataclasses.dataclass
class Point:
    x: int
    start: dataclasses.InitVar[int] = 0


def address(config: ConfigDict | None = None, **fields: Any) -> Any:
    """Declare a model of numbers with these options."""
    made: dict[str, Any] = {name: (int, field) for name, field in fields.items()}
    return create_model("Address", __config__=config, **made)


BY_NAME = ConfigDict(validate_by_name=True)
BOTH = ConfigDict(populate_by_name=True)
BY_NAME_ALONE = ConfigDict(validate_by_name=True, validate_by_alias=False)
Choices = AliasChoices

ALIASES: dict[str, tuple[Any, dict[str, int]]] = {
    "an alias": (address(a=Field(alias="x")), {"x": 1}),
    "an alias or the name": (address(BOTH, a=Field(alias="x")), {"a": 1}),
    "two names, both read": (
        address(a=Field(validation_alias=Choices("y", "x"), serialization_alias="x")),
        {"y": 1},
    ),
    "the name, among choices": (address(a=Field(validation_alias=Choices("y", "a"))), {"y": 1}),
    "the name, read too": (address(BY_NAME, a=Field(validation_alias="y")), {"y": 1}),
    "a path of one": (address(a=Field(validation_alias=AliasPath("a"))), {"a": 1}),
    "each other's names": (
        address(BOTH, a=Field(alias="b"), b=Field(alias="a")),
        {"a": 1, "b": 2},
    ),
    "one left out": (address(a=Field(alias="x"), b=Field(3, exclude=True)), {"x": 1}),
}


def back(annotation: Any, value: Any) -> Any:
    """Store *value* as an attribute and read it."""
    thing = entity({"field": annotation})
    mapping, made = thing.__forge__, thing(field=value)
    fast, careful = mapping.write(made, "k"), mapping.dump(mapping.stored(made), "k")
    assert fast == careful
    return mapping.readers.row(b'{"key":"k","value":%s}' % fast)["value"].field


@pytest.mark.parametrize(("model", "values"), ALIASES.values(), ids=ALIASES)
def test_a_nested_model_is_read_by_the_names_it_is_stored_with(model: Any, values: Any) -> None:
    assert back(model, model(**values)) == model(**values)
    assert back(list[model] | None, [model(**values)]) == [model(**values)]


KEPT: list[tuple[Any, Any]] = [
    (Total, Total(parts=[1, 2])),
    (Open, Open.model_validate({"parts": [1], "more": 2})),
    (Tree, Tree(treeName="a", branches=[Tree(treeName="b")])),
    (list[Json[list[int]]], ["[1]"]),
    (address(a=Field(alias="x")), {"x": 1}),
    (Row, {"town": "Bern"}),
    (RootModel[list[date]], [date(2026, 1, 1)]),
    (Pair, Pair(1, date(2026, 1, 1))),
    (dict[str, Base64Bytes], {"a": b"/w=="}),
    (Sequence[date], [date(2026, 1, 1)]),
    (list[Hashable], ["a"]),
    (dict[int, int], {1: 2}),
    (dict[date, int], {date(2026, 1, 1): 2}),
    (dict[UUID, int], {UUID(int=1): 2}),
    (dict[Colour, int], {Colour.RED: 2}),
    (dict[Level, int], {Level.LOW: 2}),
    (dict[Literal["a"], int], {"a": 2}),
    (dict[Size | str, int], {Size.SMALL: 1, "b": 2}),
    (dict[Annotated[int, Field(gt=0)], int], {1: 2}),
    (defaultdict[str, int], {"a": 1}),
    (Counter[str], {"a": 1}),
    (date | str, date(2026, 1, 1)),
    (date | str, "a"),
    (list[Decimal | str], [Decimal("1.50"), "a"]),
    (str | UUID, UUID(int=1)),
    (Annotated[str, Field(pattern="^x")] | date, date(2026, 1, 1)),
    (list[int] | dict[str, date], {"a": date(2026, 1, 1)}),
    (list[int] | Total, Total(parts=[1])),
    (tuple[int, int] | list[str], (1, 2)),
    (str | Annotated[Decimal, PlainSerializer(float)], Decimal("1.5")),
    (list[Literal[Size.SMALL, Level.LOW, "a", 2]], [Size.SMALL, Level.LOW, "a", 2]),
]


@pytest.mark.parametrize(("annotation", "value"), KEPT, ids=str)
def test_a_nested_value_is_read_back_as_it_was(annotation: Any, value: Any) -> None:
    found, made = back(annotation, value), entity({"field": annotation})(field=value).field

    assert found == made
    assert type(found) is type(made)


def test_a_nested_computed_field_is_not_stored() -> None:
    thing = entity({"field": Total})
    assert thing.__forge__.stored(thing(field=Total(parts=[1]))) == {"field": {"parts": [1]}}


NAMES: dict[str, tuple[Any, list[str]]] = {
    "two names": (
        address(a=Field(validation_alias="x", serialization_alias="y")),
        ["Address.a: ", "stored as 'y' and read as 'x'", "one alias=", "add 'y' to"],
    ),
    "read by another name": (address(a=Field(validation_alias="x")), ["stored as 'a'"]),
    "stored by another name": (address(a=Field(serialization_alias="x")), ["read as 'a'"]),
    "choices": (
        address(a=Field(validation_alias=Choices("x", AliasPath("y", 0)))),
        ["stored as 'a' and read as 'x or y.0'"],
    ),
    "a path": (address(a=Field(validation_alias=AliasPath("a", 0))), ["read as 'a.0'"]),
    "the name alone": (address(BY_NAME_ALONE, a=Field(alias="x")), ["stored as 'x'"]),
    "one name twice": (
        address(a=Field(alias="b"), b=Field()),
        ["Address.a: another field is stored as 'b' too"],
    ),
    "another's name first": (
        address(a=Field(validation_alias=Choices("b", "a")), b=Field()),
        ["Address.a: it is stored as 'a', and another field as what it is read from"],
    ),
    "excluded without a default": (
        address(a=Field(exclude=True)),
        ["Address.a: it is not stored, and has no default"],
    ),
    "a variable of __init__": (Point, ["Point.start: it is not stored"]),
}
TYPES: dict[str, tuple[Any, list[str]]] = {
    "a function": (Callable[[int], int], ["a function has no JSON form"]),
    "any function": (Callable, ["no JSON form"]),
    "a class": (type[int], ["store its name"]),
    "classes": (list[type[int]], ["store its name"]),
    "bytes": (list[bytes], ["Base64Bytes"]),
    "bytes in a sequence": (Sequence[bytes], ["Base64Bytes"]),
    "bytes in a tuple": (Bytes, ["Bytes.right: bytes have no JSON form"]),
    "bytes among others": (dict[str, int | bytes | None], ["Base64Bytes"]),
    "once": (Iterable[int], ["use a list"]),
    "any class": (
        create_model(
            "Odd", __config__=ConfigDict(arbitrary_types_allowed=True), a=(Plain, Plain())
        ),
        ["Odd.a: its class has no JSON form"],
    ),
    "keys of two parts": (dict[tuple[int, int], int], ["only texts as keys"]),
    "keys that are absent": (list[dict[int | None, int]], ["only texts as keys"]),
    "keys of two types": (dict[int | str, int], ["only texts as keys"]),
    "keys that are numbers": (dict[Literal[1], int], ["only texts as keys"]),
    "keys that are models": (dict[Key, int], ["only texts as keys"]),
    "keys with a default": (defaultdict[tuple[int, int], int], ["only texts as keys"]),
    "JSON": (Json[list[int]], ["declare the type that is in it"]),
    "any JSON": (Json, ["declare the type that is in it"]),
    "JSON or nothing": (Json[int] | None, ["declare the type that is in it"]),
    "a member": (list[Literal[Colour.RED]], ["Literal[Colour.RED] would not be read back"]),
    "a member or a number": (Literal[Colour.RED, 1], ["declare the whole enum"]),
    "a date after text": (str | date, ["a date would be read back as the text"]),
    "a date after text in a list": (list[str | date | None], ["put str last"]),
    "a number after text in a model": (
        create_model("Price", amount=(str | Decimal, "1")),
        ["Price.amount: a decimal would be read back as the text"],
    ),
    "a member or its value": (Literal[Colour.RED, "red"], ["are stored alike"]),
}
REFUSED = {**NAMES, **TYPES}


@pytest.mark.parametrize(("annotation", "says"), REFUSED.values(), ids=REFUSED)
def test_what_would_not_be_read_back_is_refused(annotation: Any, says: list[str]) -> None:
    for declared in (annotation, annotation if annotation is Json else annotation | None):
        with pytest.raises(
            DeclarationError, match=r"^Thing.field cannot be stored: "
        ) as refusal:
            entity({"field": declared})

        missing = [words for words in says if words not in str(refusal.value)]
        assert not missing, str(refusal.value)


@pytest.mark.parametrize("annotation", [list[bytes], type[int], dict[tuple[int, int], int]])
def test_a_model_is_looked_at_however_deep_it_is(annotation: Any) -> None:
    part: Any = GenericAlias(list, annotation)
    holder = create_model("Holder", part=(part, ...))
    for declared in (holder, GenericAlias(list, holder), GenericAlias(dict, (str, holder))):
        with pytest.raises(DeclarationError, match=r"^Thing.field .* Holder.part: "):
            entity({"field": declared})
