"""Times to live on every face: what expires is gone, what is saved keeps or renews."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from forge_orm import (
    Attr,
    ConditionFailed,
    Entity,
    InvalidValue,
    KeyAbsent,
    KeyConflict,
    MetadataField,
    SessionError,
    VersionConflict,
    attr,
    index,
    version,
)

from .faces import Face, scenario
from .models import Note, registry

HOUR = timedelta(hours=1)


class Badge(Entity, name="badge", key="badge:{user}", ttl=HOUR, registry=registry):
    user: Attr[str] = attr()
    uses: Attr[int] = attr(default=0)
    note: Attr[str | None] = attr(default=None)

    by_uses = index(range=uses, name="uses")


class Kept(Badge, name="kept", key="kept:{user}", ttl_on_update="keep"):
    pass


class Lock(Entity, name="lock", key="lock:{name}", ttl=HOUR, registry=registry):
    name: Attr[str] = attr()
    owner: Attr[str] = attr()
    version: Attr[int] = version()


class Audited(
    Entity,
    name="audited",
    key="audited:{name}",
    metadata=(MetadataField.CREATED_AT, MetadataField.UPDATED_AT),
    registry=registry,
):
    name: Attr[str] = attr()
    size: Attr[int] = attr(default=0)


class Paper(Entity, name="paper", discriminator="kind", key="paper:{n}", registry=registry):
    n: Attr[int] = attr()
    text: Attr[str] = attr(default="first")


class Draft(Paper, kind="draft", ttl=HOUR, ttl_on_update="keep"):
    pass


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def expires(forge: Any, cls: Any, key: str) -> datetime | None:
    async with forge.session() as session:
        found = await session.get(cls, key, metadata=[MetadataField.EXPIRE_TIME])
        moment: datetime | None = found.metadata.expires_at
        return moment


@scenario
async def test_what_has_expired_is_not_read_though_the_service_still_has_it(
    forge: Any, face: Face
) -> None:
    async with forge.session() as session:
        session.add(*[Badge(user=f"u{n}", uses=n) for n in range(4)])
        session.add(Badge(user="long", uses=9), ttl=timedelta(days=9))
    face.now += 3601
    async with forge.session() as session:
        assert await session.get(Badge, "badge:u1") is None
        assert [*await session.get_many(Badge, ["badge:u1", "badge:long"])] == ["badge:long"]
        for query in (Badge.by_uses(), Badge.query(Badge.uses >= 0), Badge.index("by-key")):
            assert [each.user for each in await session.all(query)] == ["long"]
            assert await session.count(query) == 1
        assert await session.exists(Badge.by_uses().up_to(3)) is False
        found = await session.all(Badge.query(Badge.key.in_(["badge:u2", "badge:long"])))
        assert [each.user for each in found] == ["long"]
        assert (await session.page(Badge.by_uses().page_size(2))).items[0].user == "long"


@scenario
async def test_a_save_renews_or_keeps_the_time_to_live_as_declared(
    forge: Any, face: Face
) -> None:
    start = face.now
    async with forge.session() as session:
        session.add(Badge(user="a"), Kept(user="a"))
    face.now += 600
    async with forge.session() as session:
        for cls in (Badge, Kept):
            (await session.one(cls.index("by-key"))).uses = 5
        assert [item.ttl for item in session.plan().items] == [HOUR, timedelta(minutes=50)]
    assert await expires(forge, Badge, "badge:a") == at(start + 4200)
    assert await expires(forge, Kept, "kept:a") == at(start + 3600)
    async with forge.session() as session:
        kept = await session.get(Kept, "kept:a")
        for uses in (6, 7):
            face.now += 60
            kept.uses = uses
            await session.flush()
        assert kept.metadata.expires_at == at(start + 3600)
    assert await expires(forge, Kept, "kept:a") == at(start + 3600)


@scenario
async def test_a_save_does_not_end_a_time_to_live_that_was_not_asked_for(
    forge: Any, face: Face
) -> None:
    async with forge.session() as session:
        session.add(Draft(n=1))
    created = (MetadataField.CREATED_AT,)
    asked: list[Callable[[Any], Awaitable[Any]]] = [
        lambda session: session.get(Paper, "paper:1", metadata=created),
        lambda session: session.get_many(Paper, ["paper:1"]),
        lambda session: session.one(Paper.index("by-key").metadata(*created)),
    ]
    for number, ask in enumerate(asked):
        async with forge.session() as session:
            await ask(session)
            draft = await session.get(Draft, "paper:1")
            draft.text = f"text {number}"
            with pytest.raises(SessionError, match="its time to live, which was not read"):
                session.plan()
            await session.refresh(draft)
            draft.text = f"text {number}"
            await session.flush()
            assert draft.metadata.expires_at == at(face.now + 3600)


@scenario
async def test_the_time_to_live_a_save_was_given_is_known_after_it(
    forge: Any, face: Face
) -> None:
    async with forge.session() as session:
        session.add(Note(text="a"), key="n")
    async with forge.session() as session:
        note = (await session.get_many(Note, ["n"]))["n"]
        session.add(note, ttl=HOUR)
        await session.flush()
        assert note.metadata.expires_at == at(face.now + 3600)
        with pytest.raises(SessionError, match="or it would end"):
            session.touch(note)


@scenario
async def test_a_save_with_nothing_left_to_keep_is_refused(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.add(Kept(user="a"))
    async with forge.session() as session:
        kept = await session.get(Kept, "kept:a")
        kept.uses = 1
        face.now += 3600
        with pytest.raises(InvalidValue, match=r"Kept 'kept:a' expired at .*; touch it with"):
            session.plan()
        session.touch(kept, ttl=HOUR)
        await session.commit()
        assert kept.metadata.expires_at == at(face.now + 3600)
    assert await expires(forge, Kept, "kept:a") == at(face.now + 3600)


@scenario
async def test_touch_renews_and_changes_nothing(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.add(Badge(user="a", note="n"), Lock(name="l", owner="o"))
    face.now += 600
    async with forge.session() as session:
        badge, lock = await session.get(Badge, "badge:a"), await session.get(Lock, "lock:l")
        session.touch(badge, lock)
        assert [str(item).partition(" when ")[0] for item in session.plan().items] == [
            "touch badge 'badge:a', 32 bytes, ttl 1:00:00",
            "touch lock 'lock:l', 36 bytes, ttl 1:00:00",
        ]
        await session.commit()
        assert not session.plan()
    assert await expires(forge, Badge, "badge:a") == at(face.now + 3600)
    assert await expires(forge, Lock, "lock:l") == at(face.now + 3600)
    async with forge.session() as session:
        assert (await session.get(Badge, "badge:a")).note == "n"
        assert (await session.get(Lock, "lock:l")).version == 2
        with pytest.raises(SessionError, match="was not read here"):
            session.touch(Badge(user="new"))


@scenario
async def test_touch_never_undoes_what_somebody_else_did(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.add(Badge(user="a"), Badge(user="b"), Lock(name="l", owner="o"))
    async with forge.session() as session:
        for cls, key, error in (
            (Badge, "badge:a", ConditionFailed),
            (Badge, "badge:b", KeyAbsent),
            (Lock, "lock:l", VersionConflict),
        ):
            held = await session.get(cls, key)
            async with forge.session() as other:
                theirs = await other.get(cls, key)
                if key == "badge:b":
                    other.delete(theirs)
                elif cls is Badge:
                    theirs.note = "theirs"
                else:
                    theirs.owner = "them"
            session.touch(held)
            with pytest.raises(error):
                await session.commit()
            session.rollback()
    async with forge.session() as session:
        assert (await session.get(Badge, "badge:a")).note == "theirs"
        assert await session.get(Badge, "badge:b") is None
        assert (await session.get(Lock, "lock:l")).owner == "them"


@scenario
async def test_a_touch_of_what_was_changed_too_is_an_ordinary_save(
    forge: Any, face: Face
) -> None:
    async with forge.session() as session:
        session.add(Badge(user="a"))
    async with forge.session() as session:
        badge = await session.get(Badge, "badge:a")
        badge.uses = 3
        session.touch(badge, ttl=timedelta(days=1))
        (item,) = session.plan().items
        assert (item.attributes, item.conditions, item.touch) == (("uses",), (), False)
    assert await expires(forge, Badge, "badge:a") == at(face.now + 86400)


@scenario
async def test_a_touch_that_would_end_a_time_to_live_is_refused(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.add(Audited(name="a"), ttl=HOUR)
        session.add(Audited(name="b"))
    async with forge.session() as session:
        a = await session.get(Audited, "audited:a", metadata=MetadataField)
        with pytest.raises(SessionError, match=r"no ttl= of its own, and 'audited:a' has one"):
            session.touch(a)
        b = await session.get(Audited, "audited:b")
        with pytest.raises(SessionError, match="may have one, which was not read"):
            session.touch(b)
        await session.get(Audited, "audited:b", metadata=MetadataField)
        session.touch(b)
        session.touch(a, ttl=HOUR)
        session.add(fresh := Audited(name="c"))
        await session.flush()
        session.touch(fresh)  # this session knows that it gave it none


@scenario
async def test_an_expired_entity_is_not_in_the_way_of_one_with_a_version(
    forge: Any, face: Face
) -> None:
    async with forge.session() as session:
        session.insert(Lock(name="l", owner="first"))
    async with forge.session() as session:
        session.insert(Lock(name="l", owner="second"))
        with pytest.raises(KeyConflict):
            await session.commit()
        session.rollback()
    face.now += 3601
    async with forge.session() as session:
        lock = Lock(name="l", owner="second")
        session.insert(lock)
        await session.commit()
        assert not session.plan()
        lock.owner = "second still"
    async with forge.session() as session:
        assert (await session.get(Lock, "lock:l")).owner == "second still"
    assert await expires(forge, Lock, "lock:l") == at(face.now + 3600)


@scenario
async def test_without_a_version_the_error_says_what_is_in_the_way(
    forge: Any, face: Face
) -> None:
    async with forge.session() as session:
        session.add(Badge(user="a"))
    face.now += 3601
    async with forge.session() as session:
        session.insert(Badge(user="a"))
        if face.store == "lenient":  # it is gone for the service
            await session.commit()
            return
        with pytest.raises(KeyConflict) as refused:
            await session.commit()
        assert "has not deleted it yet. A class with a version()" in refused.value.__notes__[-1]
        session.rollback()


@scenario
async def test_the_metadata_a_class_names_is_read_with_every_entity(
    forge: Any, face: Face
) -> None:
    async with forge.session() as session:
        session.add(Audited(name="a"))
    face.now += 60
    async with forge.session() as session:
        (await session.get(Audited, "audited:a")).size = 1
    async with forge.session() as session:
        for found in (
            await session.get(Audited, "audited:a"),
            await session.one(Audited.index("by-key")),
            (await session.get_many(Audited, ["audited:a"]))["audited:a"],
        ):
            assert found.metadata.created_at == at(face.now - 60)
            assert found.metadata.updated_at == at(face.now)
            session.expunge(found)


@scenario
async def test_metadata_that_was_not_read_is_read_when_it_is_asked_for(
    forge: Any, face: Face
) -> None:
    async with forge.session() as session:
        session.add(Badge(user="a"))
    async with forge.session() as session:
        badge = await session.get(Badge, "badge:a")
        assert badge.metadata.created_at is None
        again = await session.get(Badge, "badge:a", metadata=[MetadataField.CREATED_AT])
        assert again is badge
        assert badge.metadata.created_at == at(face.now)
