"""What may be declared unique, and what a reservation is keyed by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import Field, computed_field

from forge_orm import (
    Attr,
    DeclarationError,
    Entity,
    InvalidValue,
    LocalBackend,
    Registry,
    attr,
    index,
    unique,
    version,
)

from .models import Page, User, registry, session

META: Any = type(Entity)
NUMBER: Any = 5


def uniques(cls: type[Entity]) -> list[tuple[str, ...]]:
    return [each.attributes for each in cls.__forge__.uniques]


def test_marks_and_declarations_are_kept_by_stored_name() -> None:
    class Thing(Entity, name="thing", registry=Registry("u")):
        b: Attr[str] = attr()
        a: Attr[str] = attr(alias="z", unique=True)
        c: Attr[int] = attr()

        by_text = unique("c", "a")
        by_object = unique(b, c)

    assert uniques(Thing) == [("z",), ("c", "z"), ("b", "c")]


def test_bases_and_expressions() -> None:
    class Base(Entity, registry=Registry("u")):
        tenant: Attr[str] = attr()
        code: Attr[str] = attr(unique=True)

        one_code = unique(tenant, code)

    class Thing(Base, name="thing"):
        rank: Attr[int] = attr()

        one_rank = unique(Base.tenant, rank)

    assert uniques(Base) == []
    assert uniques(Thing) == [("code",), ("code", "tenant"), ("rank", "tenant")]
    assert isinstance(Thing.one_rank, type(unique("a")))


def test_a_computed_field_can_be_unique() -> None:
    class Thing(Entity, name="thing", registry=Registry("u")):
        code: Attr[str] = attr()

        @computed_field  # type: ignore[prop-decorator]
        @property
        def folded(self) -> str:
            return self.code.casefold()

        one_code = unique("folded")

    assert uniques(Thing) == [("folded",)]


def _any(name: str, registry: Registry) -> Any:
    class Thing(Entity, name="thing", registry=registry):
        tags: Attr[list[str]] = attr(unique=True, default_factory=list)


def _missing(name: str, registry: Registry) -> Any:
    class Thing(Entity, name="thing", registry=registry):
        a: Attr[str] = attr()

        one = unique("a", "b")


def _default(name: str, registry: Registry) -> Any:
    class Thing(Entity, name="thing", registry=registry):
        a: Attr[str] = attr(default="x", unique=True)


def _twice(name: str, registry: Registry) -> Any:
    class Thing(Entity, name="thing", registry=registry):
        a: Attr[str] = attr(unique=True)

        one = unique(a)


def _version(name: str, registry: Registry) -> Any:
    class Thing(Entity, name="thing", registry=registry):
        a: Attr[int] = version()

        one = unique(a)


def _nothing(name: str, registry: Registry) -> Any:
    class Thing(Entity, name="thing", registry=registry):
        one = unique()


def _foreign(name: str, registry: Registry) -> Any:
    class Thing(Entity, name="thing", registry=registry):
        one = unique(NUMBER)


def _many(name: str, registry: Registry) -> Any:
    fields = {f"f{number}": Annotated[str, Field()] for number in range(11)}
    members = {f"u{number}": unique(f"f{number}") for number in range(11)}
    body = {"__annotations__": fields, "__module__": __name__, **members}
    META("Thing", (Entity,), body, name="thing", registry=registry)


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (_any, "Thing.tags is stored as type 'any' and cannot be unique"),
        (_missing, "Thing: unique names 'b', which is no stored attribute; known are a"),
        (_default, "Thing.a is unique and has the default 'x', which only one entity"),
        (_twice, "Thing: a is unique twice"),
        (_version, "Thing.a is a version and cannot be unique"),
        (_nothing, "unique() needs an attribute"),
        (_foreign, "Thing.one: 5 is no attribute of the class"),
        (_many, "Thing has 11 unique values; at most 10"),
    ],
)
def test_a_wrong_declaration_says_why(declare: Any, words: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        declare("thing", Registry("u"))
    assert words in str(raised.value)


def test_the_reservations_are_declared_once_and_count() -> None:
    names = [schema.name for schema in registry.schemas()]
    assert names == ["user", "page", "note", "forge-orm-unique"]
    assert len(registry) == 3
    plenty = Registry("plenty")
    for number in range(19):
        body = {"__annotations__": {"a": str}, "__module__": __name__}
        META("Thing", (Entity,), body, name=f"thing{number}", registry=plenty)
    assert len(plenty.schemas()) == 19

    class First(Entity, name="first", registry=plenty):
        a: Attr[str] = attr(unique=True)

    with pytest.raises(DeclarationError, match="21 entities; the limit for one app is 20"):
        plenty.schemas()


class Colour(StrEnum):
    RED = "red"


class Kinds(Entity, name="kinds", key="kinds:{id}", registry=Registry("kinds")):
    id: Attr[int] = attr()
    text: Attr[str | None] = attr(default=None, unique=True)
    number: Attr[float | None] = attr(default=None, unique=True)
    whole: Attr[int | None] = attr(default=None, unique=True)
    exact: Attr[Decimal | None] = attr(default=None, unique=True)
    moment: Attr[datetime | None] = attr(default=None, unique=True)
    uuid: Attr[UUID | None] = attr(default=None, unique=True)
    colour: Attr[Colour | None] = attr(default=None, unique=True)
    flag: Attr[bool | None] = attr(default=None, unique=True)

    by_text = index(range=text)


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def keys(**values: Any) -> set[str]:
    stored = Kinds.__forge__.stored(Kinds(id=1, **values))
    found = (each.reservation(stored, "k") for each in Kinds.__forge__.uniques)
    return {each.key for each in found if each is not None}


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("number", 1, 1.0),
        ("number", 0.0, -0.0),
        ("exact", Decimal("1.10"), Decimal("1.1")),
        ("moment", NOON, NOON.astimezone(timezone(timedelta(hours=5)))),
        ("uuid", UUID(int=7), UUID(str(UUID(int=7)).upper())),
        ("colour", Colour.RED, "red"),
    ],
)
def test_equal_values_have_one_reservation(name: str, one: Any, other: Any) -> None:
    assert one == other or name == "colour"
    assert keys(**{name: one}) == keys(**{name: other})


def test_different_values_and_attributes_have_different_reservations() -> None:
    values: list[dict[str, Any]] = [
        *({"text": text} for text in ("1", "1.0", "a@b/c", "ü", "u\u0308", "x" * 1000, "true")),
        {"number": 1},
        {"whole": 1},
        {"flag": True},
        {"exact": Decimal(1)},
    ]
    found = [key for each in values for key in keys(**each)]
    assert len(set(found)) == len(values)
    assert all(len(key) < 130 for key in found)
    assert keys() == set()


def test_a_long_value_is_refused_before_anything_is_sent() -> None:
    with LocalBackend(schemas=registry) as store:
        held = session(store)
        held.add(User(id=1, email="x" * 3000))
        with pytest.raises(
            InvalidValue, match=r"user 'user:1': email is unique and has 3004 b"
        ):
            held.plan()


def test_the_plan_shows_claims_reads_and_frees_and_sends_nothing() -> None:
    with LocalBackend(schemas=registry) as store:
        held = session(store)
        held.add(User(id=1, email="a"), Page(id=1, slug="s"))
        held.delete_keys(User, "user:9")
        told = str(held.plan())
        assert list(store.dump()) == []
        assert held.plan() != held.plan()  # a claim is new each time
        held.commit()
        user = held.get(User, "user:1")
        assert user is not None
        user.email = "b"
        changed = str(held.plan())
        held.rollback()
    for line in (
        "claim email = 'a' of user 'user:1'",
        "claim the key of user 'user:1'",
        "read user 'user:9'",
        "confirm slug, space = 's', 's' of page 'page:1'",
        "free the key of page 'page:1'",
    ):
        assert f"\n  {line}" in told
    assert "set user 'user:1' (email), 31 bytes when email == 'a'" in changed
    assert "free email = 'a' of user 'user:1'" in changed
