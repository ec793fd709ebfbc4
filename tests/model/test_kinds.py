"""Several classes of one entity: how they are declared, and what is refused."""

from __future__ import annotations

import copy
import pickle
import types
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

import pytest
from pydantic import ValidationError, computed_field, field_validator
from pydantic_core import to_json

from forge_orm import (
    Attr,
    CorruptValue,
    DeclarationError,
    Entity,
    InvalidValue,
    QueryError,
    Registry,
    UnknownKind,
    attr,
    index,
    version,
)
from forge_orm.manifest.document import parse_schemas, storage_section
from forge_orm.model.indexes import Index
from forge_orm.schema import AttributeType
from forge_orm.unit import UnitOfWork

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
kinds = Registry("kinds")
T = TypeVar("T")


class Event(
    Entity,
    name="event",
    key="event:{ulid}",
    discriminator="kind",
    ttl=DAY,
    registry=kinds,
):
    kind: Attr[str] = attr(init=False, alias="type")
    at: Attr[datetime] = attr(default=NOON)
    version: Attr[int] = version()

    by_kind = index(kind, range=at)


class Sort(StrEnum):
    ONE = "one"
    TWO = "two"


class Located:
    """A mixin that is no entity."""

    def where(self) -> str:
        return "here"


class Access(Event):
    """In the middle: it has kinds, and is none."""

    user: Attr[str] = attr()

    by_user = index(user, range=Event.at)


class Login(Located, Access, kind="login", key="login:{user}:{ulid}", ttl=HOUR):
    address: Attr[str | None] = attr(default=None)

    @field_validator("user")
    @classmethod
    def lower(cls, value: str) -> str:
        return value.lower()


class Single(Login, kind="sso"):
    """A kind below a kind."""

    provider: Attr[str] = attr(default="idp")


class Logout(Access, kind="logout"):
    after: Attr[timedelta] = attr(default=HOUR)

    @computed_field
    def long(self) -> bool:
        return self.after > HOUR


class Change(Event, Generic[T]):
    before: Attr[T] = attr()


class Renamed(Change[str], kind="renamed"):
    tags: Attr[list[str]] = attr(default_factory=list)


CLASSES: list[Any] = [Event, Access, Login, Single, Logout, Renamed]


def page(*rows: dict[str, Any]) -> bytes:
    return to_json({"data": [{"key": f"k{n}", "value": row} for n, row in enumerate(rows)]})


def read(cls: Any, *rows: dict[str, Any]) -> Any:
    return UnitOfWork().load_page(cls, page(*rows))[0]


# --- One entity ---------------------------------------------------------------------------


def test_the_entity_has_the_attributes_and_indexes_of_every_kind() -> None:
    (schema,) = kinds.schemas()
    assert schema.name == "event"
    assert set(schema.attributes) == {
        *("type", "at", "version", "user", "address", "provider"),
        *("after", "long", "before", "tags"),
    }
    assert schema.attributes["tags"] is AttributeType.ANY
    assert set(schema.indexes) == {"by_kind", "by_user"}
    assert all(cls.__forge__.entity_schema() is schema for cls in CLASSES)


def test_the_registry_and_the_manifest_know_one_entity() -> None:
    assert list(kinds) == [Event]
    assert kinds["event"] is Event
    section = storage_section(kinds.schemas())
    assert [item["name"] for item in section["entities"]] == ["event"]
    assert parse_schemas({"app": {"storage": section}}) == list(kinds.schemas())


def test_a_kind_inherits_or_replaces_key_ttl_version_validators_and_computed_fields() -> None:
    login, logout = Login(user="ANN"), Logout(user="ANN", after=DAY)
    assert login.key.startswith("login:ann:")
    assert logout.key.startswith("event:")
    assert (login.user, logout.user, login.where()) == ("ann", "ANN", "here")
    assert Login.__forge__.ttl == HOUR
    assert Logout.__forge__.ttl == DAY
    assert Logout.__forge__.version is not None
    assert Logout.__forge__.stored(logout)["long"] is True
    assert Single.key_for(user="bob").startswith("login:bob:")


def test_an_entity_has_the_kind_of_its_class_and_keeps_it() -> None:
    login = Login(user="ann")
    assert login.kind == "login"
    assert Login.__forge__.stored(login)["type"] == "login"
    with pytest.raises(ValidationError, match="frozen"):
        login.kind = "logout"
    with pytest.raises(ValidationError, match="'login'"):
        Login.model_validate({"user": "ann", "type": "logout"})
    changed = login.model_copy(update={"kind": "logout"})
    with pytest.raises(InvalidValue, match="kind of an entity never changes; it is 'login'"):
        Login.__forge__.stored(changed)


def test_the_discriminator_is_added_where_it_is_not_declared() -> None:
    class Base(Entity, name="base", discriminator="sort", registry=Registry("added")):
        by_sort = index(range="sort")

    class One(Base, kind="one"):
        pass

    assert One().model_dump() == {"sort": "one"}


def test_kinds_may_be_an_enum() -> None:
    class Base(Entity, name="base", discriminator="sort", registry=Registry("enum")):
        sort: Attr[Sort] = attr(init=False)

    class One(Base, kind=Sort.ONE):
        pass

    class Two(Base, kind="two"):
        pass

    assert (One().sort, Two().sort) == (Sort.ONE, Sort.TWO)
    first, second, third = read(Base, {"sort": "one"}, {"sort": "two"}, {"sort": "three"})
    assert (type(first), first.sort) == (One, Sort.ONE)
    assert (type(second), second.sort) == (Two, Sort.TWO)
    assert (isinstance(third, UnknownKind), third.sort) == (True, "three")


def test_the_base_may_be_a_kind_itself() -> None:
    class Base(Entity, name="base", discriminator="sort", kind="plain", registry=Registry("b")):
        text: Attr[str] = attr(default="x")

    class More(Base, kind="more"):
        pass

    assert [type(each) for each in read(Base, {"sort": "plain"}, {"sort": "more"})] == [
        Base,
        More,
    ]


def test_a_kind_that_waits_for_a_type_joins_when_the_type_is_there() -> None:
    class Base(Entity, name="base", discriminator="sort", registry=Registry("later")):
        pass

    class Late(Base, kind="late"):
        part: Attr[Part | None] = attr(default=None)

    with pytest.raises(DeclarationError, match="names a type that is not defined yet"):
        Base.__forge__.declared_schema()

    class Part(Entity):
        size: int

    Late.model_rebuild()
    assert set(Base.__forge__.declared_schema().attributes) == {"sort", "part"}
    assert type(read(Base, {"sort": "late", "part": {"size": 3}})[0]) is Late


def test_a_plug_in_is_picked_up_after_the_first_use() -> None:
    registry = Registry("plug-ins")

    class Base(Entity, name="base", discriminator="sort", registry=registry):
        pass

    class One(Base, kind="one"):
        pass

    row = {"sort": "two", "size": 3}
    assert isinstance(read(Base, row)[0], UnknownKind)
    assert set(registry.schemas()[0].attributes) == {"sort"}

    class Two(Base, kind="two"):
        size: Attr[int] = attr()

        by_size = index("size", range="sort")

    (found,) = read(Base, row)
    assert (type(found), found.size) == (Two, 3)
    assert set(registry.schemas()[0].attributes) == {"sort", "size"}
    assert One.index("by_size").spec.index.name == "by_size"


def test_a_class_declared_again_takes_the_place_of_the_earlier_one() -> None:
    registry = Registry("again")

    class Base(Entity, name="base", discriminator="sort", registry=registry):
        pass

    kind(Base, "One", {"size": int}, kind="one")
    again = kind(Base, "One", {"size": str}, kind="one")
    assert registry.schemas()[0].attributes["size"] is AttributeType.STRING
    assert type(read(Base, {"sort": "one", "size": "x"})[0]) is again


# --- Unknown kinds --------------------------------------------------------------------------


NEWER = {"type": "paid", "at": "2026-01-01T12:00:00.000000Z", "sum": 3.5, "lines": [{"n": 1}]}


def test_an_unknown_kind_is_of_the_base_and_keeps_everything() -> None:
    (event,) = read(Event, NEWER)
    assert isinstance(event, Event)
    assert isinstance(event, UnknownKind)
    assert (event.kind, event.at) == ("paid", NOON)
    assert event.model_extra == {"sum": 3.5, "lines": [{"n": 1}]}
    assert {**type(event).__forge__.stored(event), "at": NEWER["at"]} == {**NEWER, "version": 0}
    assert "kind='paid'" in repr(event)
    assert "sum=3.5" in repr(event)


@pytest.mark.parametrize(
    "copied",
    [
        lambda event: pickle.loads(pickle.dumps(event)),
        copy.copy,
        copy.deepcopy,
        lambda event: event.model_copy(),
    ],
)
def test_a_copy_of_an_unknown_kind_is_complete(copied: Callable[[Any], Any]) -> None:
    (event,) = read(Event, NEWER)
    twin = copied(event)
    assert (twin, type(twin), twin.key) == (event, type(event), event.key)
    assert twin.model_extra == event.model_extra


def test_a_row_without_a_kind_is_of_an_unknown_one() -> None:
    (event,) = read(Event, {"at": NEWER["at"]})
    assert UnknownKind in type(event).__mro__
    assert event.kind is None
    assert "type" not in type(event).__forge__.stored(event)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"type": "login"},
            r"does not fit Event: data\.1\.value\.login\.user: Field required\.",
        ),
        ({"type": "paid", "at": "?"}, r"does not fit Event: data\.1\.value\.at: Input"),
    ],
)
def test_a_row_that_does_not_fit_its_kind_is_named(row: Any, said: str) -> None:
    with pytest.raises(CorruptValue, match=f"the stored event 'k1' {said}") as caught:
        read(Event, {"type": "login", "user": "u"}, row)
    assert "known" not in str(caught.value)


# --- Refused --------------------------------------------------------------------------------


def family(**options: Any) -> Any:
    class Base(Entity, name="base", discriminator="sort", registry=Registry("r"), **options):
        size: Attr[int] = attr(default=0)

        by_size = index("size", range="sort")

    return Base


def kind(base: Any, label: str, members: dict[str, Any] | None = None, **keywords: Any) -> Any:
    """Declare a class below *base*; text in *members* is the annotation of an attribute."""
    members = members or {}
    indexes = {name: each for name, each in members.items() if isinstance(each, Index)}
    annotations = {name: each for name, each in members.items() if name not in indexes}

    def body(namespace: dict[str, Any]) -> None:
        namespace.update(indexes, __annotations__=annotations, __module__=__name__)

    return types.new_class(label, (base,), keywords, body)


def two_types() -> None:
    base = family()
    kind(base, "One", {"x": str}, kind="one")
    kind(base, "Two", {"x": int}, kind="two")


def two_indexes() -> None:
    base = family()
    kind(base, "One", {"by_it": index("sort", range="size")}, kind="one")
    kind(base, "Two", {"by_it": index("size", range="sort")}, kind="two")


def too_many(attributes: int, indexes: int) -> None:
    base = family()
    for n in range(2):
        members: dict[str, Any] = {f"a{n}_{each}": str for each in range(attributes)}
        members |= {
            f"by_{n}_{each}": index("sort", range="size", name=f"i-{n}-{each}")
            for each in range(indexes)
        }
        kind(base, f"Kind{n}", members, kind=f"k{n}")


def same_kind() -> None:
    base = family()
    kind(base, "One", kind="one")
    kind(base, "Two", kind="one")


def without_a_family() -> None:
    class One(Entity, kind="one"):
        pass


def without_a_name() -> None:
    class One(Entity, discriminator="sort"):
        pass


def a_number() -> None:
    class Base(Entity, name="base", discriminator="sort", registry=Registry("r")):
        sort: Attr[int] = attr()


def no_member() -> None:
    class Base(Entity, name="base", discriminator="sort", registry=Registry("r")):
        sort: Attr[Sort] = attr(init=False)

    class Three(Base, kind="three"):
        pass


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (two_types, r"Two\.x is stored as integer, One\.x as string: .* attr\(alias="),
        (two_indexes, r"Two: index by_it\(size -> sort\) is declared as by_it\(sort -> size\)"),
        (lambda: too_many(25, 0), "Kind1: with all its kinds, .* 52 attributes; .* 50"),
        (lambda: too_many(1, 4), "Kind1: .* 9 indexes; the limit is 7"),
        (same_kind, "Two: kind 'one' is One's already"),
        (without_a_family, "One: kind='one' needs a base class that has a discriminator"),
        (without_a_name, "One: a discriminator tells the kinds .* say which with name="),
        (lambda: kind(family(), "One", discriminator="other"), "One: the discriminator"),
        (lambda: kind(family(), "One", name="other"), "One: name='other': the kinds"),
        (lambda: kind(family(), "One", registry=Registry("x")), "One: the kinds of Base"),
        (lambda: kind(family(), "One", kind=" "), "One: kind=' ' is no text, or a blank one"),
        (a_number, r"Base\.sort: a discriminator is a stored text; declare it as Attr\[str\]"),
        (no_member, "Three: kind='three': 'three' is not a valid Sort"),
    ],
)  # fmt: skip
def test_what_one_entity_cannot_hold_is_refused(declare: Callable[[], None], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        declare()


def test_a_refused_class_leaves_no_trace() -> None:
    base = family()
    before = base.__forge__.declared_schema()

    with pytest.raises(DeclarationError, match=r"Two\.size is stored as string"):
        kind(base, "Two", {"size": str, "text": str}, kind="two")
    assert base.__forge__.declared_schema() is before
    assert isinstance(read(base, {"sort": "two"})[0], UnknownKind)


@pytest.mark.parametrize("cls", [Access, Change[int]])
def test_only_an_entity_of_a_kind_is_stored(cls: Any) -> None:
    entity = cls.model_construct(at=NOON)
    with pytest.raises(DeclarationError, match="is not stored: it has no kind"):
        UnitOfWork().add(entity)


def test_a_class_without_kinds_is_not_asked_for() -> None:
    empty = kind(family(), "Empty")
    with pytest.raises(DeclarationError, match="Empty has no kinds"):
        empty.__forge__.narrowed(empty.index("by-key").spec)


def test_a_partition_of_another_kind_is_refused() -> None:
    with pytest.raises(
        QueryError, match="type == 'logout' is no kind of Login; it has 'login'"
    ):
        Login.__forge__.narrowed(Login.by_kind("logout").spec)
