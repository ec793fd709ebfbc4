"""Unique values, through both colours and every store."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from forge_orm import (
    Attr,
    ConditionFailed,
    Entity,
    KeyAbsent,
    KeyConflict,
    PartialCommit,
    Registry,
    SessionError,
    UniqueViolation,
    VersionConflict,
    attr,
)
from forge_orm.model.uniques import RESERVATIONS

from .faces import Face, scenario
from .models import Member, Note, Pass


async def save(forge: Any, *members: Member) -> None:
    async with forge.session() as session:
        session.add(*members)


async def change(forge: Any, number: int, **values: Any) -> None:
    async with forge.session() as session:
        member = await session.get(Member, f"member:{number}")
        for name, value in values.items():
            setattr(member, name, value)


async def violation(forge: Any, *members: Member) -> UniqueViolation:
    with pytest.raises(UniqueViolation) as raised:
        await save(forge, *members)
    return raised.value


@scenario
async def test_a_value_is_one_entitys(forge: Any, face: Face) -> None:
    await save(forge, Member(number=1, email="a@x"), Member(number=2))
    error = await violation(forge, Member(number=3, email="a@x"))
    assert (error.entity, error.key, error.owner) == ("member", "member:3", "member:1")
    assert (error.attributes, error.values, error.passing) == (("email",), ("a@x",), False)
    assert str(error) == (
        "KEY_CONFLICT [409]: member 'member:3': email = 'a@x' is unique, and member 'member:1' "
        "has it"
    )
    with pytest.raises(UniqueViolation):
        await change(forge, 2, email="a@x")
    await save(forge, Member(number=3, email="A@X"), Member(number=4), Member(number=5))


@scenario
async def test_values_together_are_one_entitys(forge: Any, face: Face) -> None:
    await save(forge, Member(number=1, shirt=7), Member(number=2, shirt=7, team="blue"))
    error = await violation(forge, Member(number=3, shirt=7.0))
    assert (error.attributes, error.values) == (("shirt", "team"), (7.0, "red"))
    with pytest.raises(UniqueViolation):
        await change(forge, 2, team="red")
    await change(forge, 1, shirt=None)
    await change(forge, 2, team="red")


@scenario
async def test_a_value_moves_and_is_freed(forge: Any, face: Face) -> None:
    await save(forge, Member(number=1, email="a"))
    await change(forge, 1, email="b")
    await save(forge, Member(number=2, email="a"))
    await change(forge, 1, email=None)
    await save(forge, Member(number=3, email="b"))
    async with forge.session() as session:
        session.delete(await session.get(Member, "member:3"))
        session.delete_keys(Member, "member:2", "member:99")
    await save(forge, Member(number=4, email="a"), Member(number=5, email="b"))


@scenario
async def test_a_value_is_handed_over_in_one_flush(forge: Any, face: Face) -> None:
    await save(forge, Member(number=1, email="a"), Member(number=2, email="b"))
    async with forge.session() as session:
        one = await session.get(Member, "member:1")
        two = await session.get(Member, "member:2")
        one.email, two.email = two.email, one.email
        (call,) = session.plan().calls
        assert str(call).count("\n  move email") == 2
    async with forge.session() as session:
        session.delete(await session.get(Member, "member:1"))
        session.add(Member(number=3, email="b"))
    assert (await violation(forge, Member(number=4, email="b"))).owner == "member:3"
    assert (await violation(forge, Member(number=4, email="a"))).owner == "member:2"


@scenario
async def test_a_value_is_handed_over_to_a_row_that_is_there(forge: Any, face: Face) -> None:
    await save(forge, Member(number=1, email="a"), Member(number=2, email="b"))
    async with forge.session() as session:
        session.delete(await session.get(Member, "member:1"))
        session.add(Member(number=2, email="a"))
    assert (await violation(forge, Member(number=3, email="a"))).owner == "member:2"
    await save(forge, Member(number=3, email="b"))


@scenario
async def test_a_condition_goes_with_those_of_unique_values(forge: Any, face: Face) -> None:
    await save(forge, Member(number=1, email="a"))
    session = forge.session()
    member = await session.get(Member, "member:1")
    member.email = "b"
    session.add(member, condition=Member.team == "blue")
    with pytest.raises(ConditionFailed):
        await session.commit()
    session.add(member, condition=(Member.team == "blue") | (Member.team == "red"))
    with pytest.raises(
        SessionError, match=r"member 'member:1' has unique values, so .* without"
    ):
        session.plan()
    session.add(member, condition=Member.team == "red")
    await session.commit()
    await save(forge, Member(number=2, email="a"))


@scenario
async def test_saving_over_a_row_frees_what_it_had(forge: Any, face: Face) -> None:
    await save(forge, Member(number=1, email="a", shirt=1))
    await save(forge, Member(number=1, email="b", shirt=1))
    await save(forge, Member(number=1, email="b", shirt=2))
    await save(forge, Member(number=2, email="a", shirt=1))
    assert (await violation(forge, Member(number=3, email="b"))).owner == "member:1"


@scenario
async def test_an_insert_never_writes_over_another(forge: Any, face: Face) -> None:
    await save(forge, Member(number=1, email="a"))
    with pytest.raises(KeyConflict, match="member 'member:1' exists already"):
        async with forge.session() as session:
            session.insert(Member(number=1, email="b"))
    await save(forge, Member(number=2, email="b"))
    async with forge.session(atomic="always") as session:
        session.insert(Member(number=3, email="c"), Member(number=4, email="d"))
    assert (await violation(forge, Member(number=5, email="d"))).owner == "member:4"


@scenario
async def test_an_update_frees_and_reserves_and_creates_nothing(forge: Any, face: Face) -> None:
    await save(forge, Member(number=1, email="a"))
    async with forge.session() as session:
        session.update(Member(number=1, email="b"))
    await save(forge, Member(number=2, email="a"))
    with pytest.raises(KeyAbsent):
        async with forge.session() as session:
            session.update(Member(number=3, email="c"))
    assert (await violation(forge, Member(number=4, email="b"))).owner == "member:1"
    await save(forge, Member(number=4, email="c"))


@scenario
async def test_versions_go_with_unique_values(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.add(Pass(number=1, code="a"))
    with pytest.raises(KeyConflict):
        async with forge.session() as session:
            session.add(Pass(number=1, code="b"))
    stale = forge.session()
    held = await stale.get(Pass, "pass:1")
    async with forge.session() as session:
        (await session.get(Pass, "pass:1")).code = "b"
    held.code = "c"
    with pytest.raises(VersionConflict):
        await stale.commit()
    async with forge.session() as session:
        session.add(Pass(number=2, code="a"), Pass(number=3, code="c"))


@scenario
async def test_a_row_read_before_somebody_changed_it(forge: Any, face: Face) -> None:
    await save(forge, Member(number=1, email="a"))
    stale = forge.session()
    member = await stale.get(Member, "member:1")
    await change(forge, 1, email="b")
    member.tags = ["x"]
    with pytest.raises(ConditionFailed, match="its unique values changed, since it was read"):
        await stale.commit()
    stale.delete(member)
    await stale.commit()  # a deletion is one whatever the row holds by now
    await save(forge, Member(number=2, email="a"), Member(number=3, email="b"))


@scenario
async def test_a_row_that_is_gone_is_not_saved_anew(forge: Any, face: Face) -> None:
    await save(forge, Member(number=1))
    stale = forge.session()
    member = await stale.get(Member, "member:1")
    async with forge.session() as session:
        session.delete_keys(Member, "member:1")
    member.email = "a"
    with pytest.raises(ConditionFailed):
        await stale.commit()
    assert await forge.session().get(Member, "member:1") is None


@scenario
async def test_a_refused_value_stops_the_flush_and_stays_pending(
    forge: Any, face: Face
) -> None:
    await save(forge, Member(number=1, email="a"))
    session = forge.session()
    session.add(Member(number=2, email="a"), Member(number=3, email="c"))
    session.add(Note(text="t").with_key("n"))
    with pytest.raises(UniqueViolation) as raised:
        await session.commit()
    assert raised.value.__notes__ == ["2 other writes were not sent"]
    outcome = raised.value.outcome
    assert outcome is not None
    assert (len(outcome.failed), outcome.saved, outcome.unknown) == (3, (), ())
    assert await forge.session().get(Note, "n") is None
    await change(forge, 1, email=None)
    report = await session.retry()
    assert (report.saved, report.deleted) == (3, 0)


@scenario
async def test_two_of_one_flush_want_a_value(forge: Any, face: Face) -> None:
    session = forge.session()
    session.add(Member(number=1, email="a"), Member(number=2, email="a"))
    with pytest.raises(UniqueViolation) as raised:
        session.plan()
    assert (raised.value.key, raised.value.owner) == ("member:2", "member:1")


@scenario
async def test_many_are_saved_in_transactions_that_fit(forge: Any, face: Face) -> None:
    members = [Member(number=number, email=f"{number}@x") for number in range(30)]
    await save(forge, *members)
    async with forge.session() as session:
        found = await session.get_many(Member, [f"member:{number}" for number in range(30)])
        for member in found.values():
            member.email = f"new {member.email}"
        sizes = [str(call).count("\n") for call in session.plan().calls if call.items]
        assert sizes == [24, 24, 24, 18]
    assert (await violation(forge, Member(number=30, email="new 7@x"))).owner == "member:7"


@scenario
async def test_what_expired_gives_its_value_back(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.add(Member(number=1, email="a"), ttl=timedelta(hours=1))
    face.now += 3601
    if face.store != "lenient":  # the service may show it for two days more
        assert (await violation(forge, Member(number=2, email="a"))).owner == "member:1"
        face.now += 48 * 3600
    await save(forge, Member(number=2, email="a"))
    assert (await violation(forge, Member(number=3, email="a"))).owner == "member:2"


@scenario
async def test_a_row_that_was_there_before_its_attribute_was_unique(
    forge: Any, face: Face
) -> None:
    await save(forge, Member(number=1, email="a"))
    await forget_reservations(forge)
    await change(forge, 1, tags=["x"])
    await change(forge, 1, email="b")  # nothing to free
    await forget_reservations(forge)
    await save(forge, Member(number=1, email="b"))  # reserves what the row had
    assert (await violation(forge, Member(number=2, email="b"))).owner == "member:1"
    await forget_reservations(forge)
    async with forge.session() as session:
        session.delete_keys(Member, "member:1")


class Held(Entity, name=RESERVATIONS.name, registry=Registry("past the library")):
    """The reservations, to be deleted past the library."""

    owner: Attr[str] = attr()


async def forget_reservations(forge: Any) -> None:
    async with forge.session() as session:
        assert await session.delete_all(Held.index("by-key")) > 0


@scenario
async def test_never_is_refused_where_values_are_unique(forge: Any, face: Face) -> None:
    session = forge.session(atomic="never")
    session.add(Member(number=1, email="a"))
    with pytest.raises(SessionError, match="unique values need a transaction"):
        session.plan()


@scenario
async def test_a_partial_commit_frees_what_was_not_saved(forge: Any, face: Face) -> None:
    await save(forge, Member(number=1, email="a"))
    session = forge.session()
    for number in range(10, 40):
        session.add(Member(number=number, email=f"{number}"))
    stale = await session.get(Member, "member:1")
    stale.tags = ["t"]
    await change(forge, 1, email="z")
    with pytest.raises((PartialCommit, ConditionFailed)):
        await session.commit()
    async with forge.session() as other:
        saved = [
            number for number in range(10, 40) if await other.get(Member, f"member:{number}")
        ]
    missing = [number for number in range(10, 40) if number not in saved]
    assert missing
    await save(forge, *[Member(number=100 + number, email=f"{number}") for number in missing])
