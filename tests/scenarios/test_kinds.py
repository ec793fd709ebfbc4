"""Several classes of one entity, stored, found and changed on every face."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from forge_orm import (
    Attr,
    ConditionFailed,
    DeclarationError,
    Entity,
    KeyAbsent,
    PartialRead,
    Registry,
    SessionError,
    UnknownKind,
    VersionConflict,
    WrongKind,
    attr,
    index,
    version,
)

from .faces import Face, scenario
from .models import registry


class Event(Entity, name="event", key="event:{ulid}", discriminator="kind", registry=registry):
    kind: Attr[str] = attr(init=False)
    user: Attr[str] = attr()
    at: Attr[int] = attr(default=0)
    version: Attr[int] = version()

    by_user = index(user, range=at)
    by_kind = index(kind, range=at)


class Access(Event):
    place: Attr[str | None] = attr(default=None)


class Login(Access, kind="login"):
    tags: Attr[list[str]] = attr(default_factory=list)


class Logout(Access, kind="logout"):
    after: Attr[timedelta] = attr(default=timedelta(hours=1))

    by_after = index(Event.user, range=after)


class Note(Event, kind="note"):
    text: Attr[str] = attr(default="x")


class Older(Entity, name="event", discriminator="kind", registry=Registry("an older version")):
    """The same entity as an older version of the program knows it."""

    kind: Attr[str] = attr(init=False)
    user: Attr[str] = attr()
    at: Attr[int] = attr(default=0)
    version: Attr[int] = version()

    by_user = index(user, range=at)


class OlderNote(Older, kind="note"):
    text: Attr[str] = attr(default="x")


async def fill(forge: Any) -> list[Event]:
    found: list[Event] = [
        made
        for n in range(10)
        for made in (
            Login(user=f"u{n % 2}", at=n, tags=["a"]),
            Logout(user=f"u{n % 2}", at=n),
            Note(user=f"u{n % 2}", at=n),
        )
    ]
    async with forge.session() as session:
        session.add(*found)
    return found


@scenario
async def test_a_query_of_the_base_returns_each_as_what_it_is(forge: Any, face: Face) -> None:
    stored = await fill(forge)
    async with forge.session() as session:
        found = await session.all(Event.index("by-key"))
        assert [type(each) for each in found] == [type(each) for each in stored]
        assert found == stored
        assert len(await session.all(Event.by_user("u1").since(5))) == 9
        assert await session.count(Event.query(Event.user == "u0")) == 15
        page = await session.page(Event.index("by-key").page_size(4))
        assert [type(each) for each in page] == [Login, Logout, Note, Login]


@scenario
async def test_a_query_of_a_kind_returns_only_its_own(forge: Any, face: Face) -> None:
    await fill(forge)
    async with forge.session() as session:
        for query in (
            Login.by_user("u1"),
            Login.index("by-key").filter(Login.user == "u1"),
            Login.index("by_kind").filter(Login.user == "u1"),
            Login.query(Login.user == "u1"),
        ):
            found = await session.all(query)
            assert ({type(each) for each in found}, len(found)) == ({Login}, 5)
        accesses = await session.all(Access.by_user("u1").since(3).filter(Access.version == 1))
        assert [type(each) for each in accesses] == [Login, Logout] * 4
        assert await session.all(Access.query().order(Access.at.asc()).limit(3)) == accesses_of(
            await session.all(Event.index("by-key"))
        )
        assert await session.count(Logout.by_after("u1")) == 5
        first = await session.first(Note.by_user("u1").limit(1))
        assert isinstance(first, Note)
        assert [type(each) async for each in session.stream(Note.by_kind("note"))] == [
            Note
        ] * 10
        page = await session.page(Logout.index("by-key").page_size(3))
        assert {type(each) for each in page} == {Logout}
        assert not await session.exists(Note.by_user("u9"))


def accesses_of(events: list[Event]) -> list[Access]:
    found = [each for each in events if isinstance(each, Access)]
    return sorted(found, key=lambda each: (each.at, each.key))[:3]


@scenario
async def test_one_key_is_one_object_whatever_class_it_is_asked_for(
    forge: Any, face: Face
) -> None:
    login, logout, note, *_ = await fill(forge)
    async with forge.session() as session:
        one = await session.get(Event, login.key)
        assert type(one) is Login
        assert await session.get(Login, login.key) is one
        assert await session.get(Access, login.key) is one
        assert (await session.all(Login.by_user("u0")))[0] is one
        assert (await session.get_many(Access, [login.key]))[login.key] is one
        assert await session.get(Login, "event:none") is None
        for _ in range(2):  # read, and known
            with pytest.raises(WrongKind, match="is of kind 'logout', which is no Login") as no:
                await session.get(Login, logout.key)
            assert (no.value.key, no.value.kind) == (logout.key, "logout")
            assert await session.get(Event, logout.key)
    async with forge.session() as session:
        with pytest.raises(PartialRead, match="which is no Access") as part:
            await session.get_many(Access, [login.key, note.key])
        assert [*part.value.found] == [login.key]
        assert type(await session.get(Event, note.key)) is Note
        with pytest.raises(SessionError, match="the session holds another object"):
            session.add(Login(user="x").with_key(note.key))


@scenario
async def test_changes_of_every_kind_are_noticed_and_saved(forge: Any, face: Face) -> None:
    await fill(forge)
    async with forge.session() as session:
        login, logout, note, *_ = await session.all(Event.index("by-key"))
        login.tags.append("b")
        logout.after = timedelta(days=1)
        note.text = "changed"
        assert [item.attributes for item in session.plan().items] == [
            ("after",),
            ("text",),
            ("tags",),
        ]
    async with forge.session() as session:
        login, logout, note, *_ = await session.all(Event.index("by-key"))
        assert (login.tags, logout.after, note.text) == (
            ["a", "b"],
            timedelta(days=1),
            "changed",
        )
        assert login.version == 2
        session.delete(login)
    async with forge.session() as session:
        assert await session.get(Login, login.key) is None
        stale = await session.get(Note, note.key)
        async with forge.session() as other:
            (await other.get(Event, note.key)).user = "first"
        stale.text = "late"
        with pytest.raises(VersionConflict, match="was read with version 2"):
            await session.commit()
        session.rollback()


@scenario
async def test_what_a_newer_version_stored_is_not_damaged(forge: Any, face: Face) -> None:
    login, logout, note, *_ = await fill(forge)
    async with forge.session() as session:
        found = await session.all(Older.by_user("u0"))
        assert len(found) == 15
        assert [type(each) for each in found if not isinstance(each, UnknownKind)] == [
            OlderNote
        ] * 5
        old = await session.get(Older, login.key)
        assert UnknownKind in type(old).__mro__
        assert (old.kind, old.user, old.model_extra) == ("login", "u0", {"tags": ["a"]})
        assert not session.plan()
        old.at = 77
        old.model_extra["tags"].append("old")
        with pytest.raises(WrongKind, match="of kind 'logout', which is no OlderNote"):
            await session.get(OlderNote, logout.key)
        (await session.get(Older, note.key)).text = "changed"
        assert await session.all(OlderNote.by_user("u1"))
    async with forge.session() as session:
        again = await session.get(Login, login.key)
        assert (again.at, again.tags, again.version) == (77, ["a", "old"], 2)
        assert (await session.get(Logout, logout.key)).after == timedelta(hours=1)
        assert (await session.get(Note, note.key)).text == "changed"


class Shape(Entity, name="shape", key="s:{name}", discriminator="kind", registry=registry):
    name: Attr[str] = attr()


class Circle(Shape, kind="circle"):
    pass


class Square(Shape, kind="square"):
    pass


@scenario
async def test_an_update_is_of_the_same_kind(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.add(Circle(name="a"))
    async with forge.session() as session:
        session.update(Circle(name="a"))
        assert [repr(each) for each in session.plan().items[0].conditions] == [
            "kind == 'circle'"
        ]
        await session.commit()
        session.update(Square(name="b"))
        with pytest.raises(KeyAbsent):
            await session.commit()
        session.rollback()
    async with forge.session() as session:
        session.update(Square(name="a"))
        with pytest.raises(ConditionFailed):
            await session.commit()
        session.rollback()
        assert type(await session.get(Shape, "s:a")) is Circle


@scenario
async def test_what_is_no_kind_is_not_written(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        with pytest.raises(DeclarationError, match="Access is not stored: it has no kind"):
            session.add(Access.model_construct(user="u"))


@scenario
async def test_everything_of_a_kind_is_changed_and_deleted(forge: Any, face: Face) -> None:
    await fill(forge)

    def move(login: Login) -> None:
        login.place = "Bern"

    async with forge.session() as session:
        assert await session.update_all(Login.index("by-key"), move) == 10
        assert await session.delete_all(Note.query()) == 10
    async with forge.session() as session:
        events = await session.all(Event.index("by-key"))
        assert {type(each) for each in events} == {Login, Logout}
        assert {each.place for each in events} == {"Bern", None}


@scenario
async def test_a_kind_declared_while_the_store_is_used_is_stored(
    forge: Any, face: Face
) -> None:
    class Base(Entity, name="plugged", key="p:{ulid}", discriminator="sort", registry=registry):
        at: Attr[int] = attr(default=0)

        by_sort = index("sort", range="at")

    class Early(Base, kind="early"):
        pass

    async with forge.session() as session:
        session.add(Early())
        assert await session.count(Base.index("by-key")) == 0

    class Late(Base, kind="late"):
        size: Attr[int] = attr()

        by_size = index("sort", range="size")

    late = Late(size=3)
    async with forge.session() as session:
        session.add(late)
    async with forge.session() as session:
        assert type(await session.get(Base, late.key)) is Late
        assert await session.all(Late.query(Late.size > 2)) == [late]
        assert len(await session.all(Base.index("by-key"))) == 2
