"""What cannot be stored is refused where it is declared, by name and with the way out."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, Literal, TypeAlias

import pytest
from pydantic import BaseModel, NaiveDatetime, Secret, SecretStr

from forge_orm import Attr, DeclarationError, Entity, QueryError, Registry, attr, index

from .declaring import entity

Rows: TypeAlias = dict[str, tuple[Callable[[], Any], list[str]]]


class Plain(enum.Enum):
    A = "a"


class Credentials(BaseModel):
    user: str
    password: SecretStr | None = None
    before: list[Credentials] = []


def fields(count: int) -> dict[str, Any]:
    return {f"a{number}": str for number in range(count)}


def indexes(count: int) -> dict[str, Any]:
    return {f"by_{number}": index(range=f"a{number}") for number in range(count)}


def indexed(annotation: Any, *partition: str, range: str = "a", **options: Any) -> Any:
    return entity({"a": annotation, "b": str}, by_it=index(*partition, range=range, **options))


def named(name: str) -> Any:
    return entity({"a": str}, name=name)


def index_named(name: str) -> Any:
    return entity({"a": str}, by_it=index(range="a", name=name))


def configured(annotation: Any, **keywords: Any) -> Any:
    def body(namespace: dict[str, Any]) -> None:
        namespace.update(__annotations__={"a": annotation}, __module__=__name__)

    given = {"name": "thing", "registry": Registry(), **keywords}
    return types.new_class("Thing", (Entity,), given, body)


NAMES: Rows = {
    **{
        name: (
            partial(entity, {name: str}),
            [f"Thing.{name}:", f"Call the field {name}_", f"attr(alias='{name}')"],
        )
        for name in ("key", "index", "metadata", "with_key", "parse_key", "copy", "model_dump")
    },
    "reserved by the service": (
        lambda: entity({"value": str}),
        ["Thing:", "'value' is reserved by the service"],
    ),
    "reserved as an alias": (
        lambda: entity({"created": int}, created=attr(alias="createdAt")),
        ["Thing:", "'createdAt' is reserved"],
    ),
    "31 letters": (
        lambda: entity({"a" * 31: str}),
        ["Thing:", "a" * 31, "has 31 characters; the limit is 30"],
    ),
    "a hyphen": (
        lambda: entity({"a": str}, a=attr(alias="a-b")),
        ["Thing:", "'a-b' must be a letter, then letters, digits or _"],
    ),
    "an underscore first": (
        lambda: entity({"a": str}, a=attr(alias="_a")),
        ["Thing:", "'_a' must be a letter"],
    ),
    "two fields of one name": (
        lambda: entity({"a": str, "b": str}, b=attr(alias="a")),
        ["Thing:", "two fields are stored as 'a'"],
    ),
    "entity too short": (lambda: named("ab"), ["'ab' has 2 characters; allowed are 3 to 60"]),
    "entity too long": (lambda: named("a" * 61), ["has 61 characters"]),
    **{
        f"entity {name}": (partial(named, name), [f"{name!r} may hold only a-z 0-9"])
        for name in ("Task", "-task", "_task", "ta..sk", "task.", "ta sk")
    },
    "index too short": (lambda: index_named("ab"), ["'ab' has 2 characters; allowed are 3"]),
    "index too long": (lambda: index_named("a" * 51), ["has 51 characters"]),
    "index by-key": (lambda: index_named("by-key"), ["every entity has that index"]),
    **{
        f"index {name}": (
            partial(index_named, name),
            [f"{name!r} may hold only"],
        )
        for name in (".abc", "abc.", "a..b", "a b", "aü1")
    },
    "two indexes of one name": (
        lambda: entity(
            fields(2), x=index(range="a0", name="by"), y=index(range="a1", name="by")
        ),
        ["Thing:", "index 'by' is declared twice"],
    ),
}
COUNTS: Rows = {
    "no attribute": (lambda: entity({}), ["Thing:", "at least one attribute"]),
    "51 attributes": (lambda: entity(fields(51)), ["Thing:", "51 attributes; the limit is 50"]),
    "8 indexes": (
        lambda: entity(fields(8), **indexes(8)),
        ["Thing:", "8 indexes; the limit is 7"],
    ),
}
TYPES: Rows = {
    "bytes": (lambda: entity({"a": bytes}), ["Thing.a", "bytes", "base64"]),
    "complex": (lambda: entity({"a": complex}), ["Thing.a", "store two floats"]),
    "a naive datetime": (lambda: entity({"a": NaiveDatetime}), ["Thing.a", "AwareDatetime"]),
    "a class": (lambda: entity({"a": type}), ["Thing.a", "no JSON form"]),
    **{
        str(annotation): (
            partial(entity, {"a": annotation}),
            ["Thing.a", "session.secrets.set(key, value)"],
        )
        for annotation in (
            SecretStr,
            SecretStr | None,
            Secret[int],
            list[SecretStr],
            dict[str, list[SecretStr]],
            Credentials,
            list[Credentials],
        )
    },
    "an empty literal": (
        lambda: entity({"a": Literal["a", ""]}),
        ["Thing.a", "''", "use None"],
    ),
    "a large literal": (
        lambda: entity({"a": Literal[2**31]}),
        ["Thing.a", "32-bit integer", "declare the attribute as float"],
    ),
    "excluded but required": (
        lambda: entity({"a": str, "b": str}, b=attr(exclude=True)),
        ["Thing.b", "needs a default"],
    ),
}
CONFIGURED: Rows = {
    "extra attributes": (
        lambda: configured(str, extra="allow"),
        ["Thing: with extra='allow'", "a save would drop them", "more: Attr[dict[str, Any]]"],
    ),
    **{
        f"values of {annotation}": (
            partial(configured, annotation, use_enum_values=True),
            ["Thing.a", "use_enum_values", "Leave that out"],
        )
        for annotation in (Plain, Plain | None, list[Plain], Literal[Plain.A])
    },
    "a keyword that is none": (
        lambda: configured(str, nmae="thing"),
        ["Thing: nmae= is no keyword", "There are name, key, ttl", "pydantic's own"],
    ),
    **{
        f"{keyword}={value!r}": (
            partial(configured, str, **{keyword: value}),
            [f"Thing: {keyword}={value!r}; it is {what}"],
        )
        for keyword, value, what in (
            ("name", 3, "the name of the entity"),
            ("key", 3, "the template of its keys"),
            ("ttl", 30, "a timedelta, such as timedelta(days=30)"),
            ("discriminator", 3, "the name of an attribute"),
            ("registry", {}, "a Registry"),
        )
    },
}
INDEXES: Rows = {
    "an unknown range": (
        lambda: indexed(str, range="c"),
        ["Thing:", "'by_it'", "'c', which is no stored attribute; known are a, b"],
    ),
    "an unknown partition": (lambda: indexed(str, "c"), ["Thing:", "'by_it'", "'c'"]),
    "an object": (
        lambda: entity({"a": str}, by_it=index(range=attr())),
        ["Thing.by_it", "an attribute's name as text"],
    ),
    "type any in the range": (
        lambda: indexed(list[str]),
        ["Thing.a", "'any'", "'by_it'", "a computed field can derive one"],
    ),
    "type any in the partition": (lambda: indexed(dict, "a", range="b"), ["Thing.a", "'any'"]),
    "an unordered decimal": (
        lambda: indexed(Decimal),
        ["Thing.a", "'by_it'", "give max_digits and decimal_places"],
    ),
    "an unordered enum": (
        lambda: indexed(Plain),
        ["Thing.a", "derive from StrEnum"],
    ),
    "an attribute twice": (lambda: indexed(str, "a"), ["Thing:", "'by_it' names 'a' twice"]),
    "an excluded attribute": (
        lambda: entity(
            {"a": str, "b": str}, b=attr(exclude=True, default=""), by_it=index(range="b")
        ),
        ["Thing:", "'b', which is no stored attribute; known are a"],
    ),
}
REFUSED = {
    f"{table}: {case}": row
    for table, rows in {
        "name": NAMES,
        "count": COUNTS,
        "type": TYPES,
        "class": CONFIGURED,
        "index": INDEXES,
    }.items()
    for case, row in rows.items()
}


@pytest.mark.parametrize(("declare", "says"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_says_where_why_and_what_to_do(
    declare: Callable[[], Any], says: list[str]
) -> None:
    with pytest.raises(DeclarationError) as refusal:
        declare()

    missing = [words for words in says if words not in str(refusal.value)]
    assert not missing, str(refusal.value)


@pytest.mark.parametrize(
    "declare",
    [
        lambda: entity(fields(50), **indexes(7)),
        lambda: entity({"a" * 30: str}),
        lambda: named("abc"),
        lambda: named("a" * 60),
        lambda: index_named("a" * 50),
        lambda: entity({"at": str}, by_at=index(range="at", name="at")),
        lambda: indexed(Decimal, "a", range="b"),
        lambda: indexed(Literal[Plain.A], "a", range="b"),
        lambda: configured(str, use_enum_values=True),
        lambda: configured(str, extra="forbid", frozen=True),
    ],
)
def test_what_just_fits_is_declared(declare: Callable[[], Any]) -> None:
    assert declare().__forge__.schema.attributes


class Waiting(Entity, name="waiting", registry=Registry()):
    then: Attr[Nowhere] = attr()  # type: ignore[name-defined] # noqa: F821 # pyright: ignore[reportUndefinedVariable]


class Unnamed(Entity):
    a: Attr[str] = attr()


@pytest.mark.parametrize(
    ("use", "error", "says"),
    [
        (lambda: Waiting.__forge__, DeclarationError, "Waiting.model_rebuild()"),
        (lambda: Waiting.then, DeclarationError, "not defined yet"),
        (lambda: Unnamed.index("by-key"), DeclarationError, 'class Unnamed(Entity, name="…")'),
        (lambda: Unnamed.key_for(), DeclarationError, 'key="…{attribute}…"'),
        (
            lambda: named("thing").index("by_a"),
            QueryError,
            "no index 'by_a'; it has by-key",
        ),
        (lambda: named("thing").b, AttributeError, "b"),
    ],
)
def test_an_unfinished_class_says_what_it_lacks(
    use: Callable[[], Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as refusal:
        use()

    assert says in str(refusal.value)
