"""References: loaded many at once, through the identity map, and never by attribute access."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from forge_orm import (
    AsyncForge,
    Attr,
    DanglingReference,
    Entity,
    Forge,
    LocalBackend,
    NotLoaded,
    PartialRead,
    Ref,
    Registry,
    attr,
    index,
    reverse,
)
from forge_orm.faults import Faults, Faulty
from forge_orm.testing import Recorder

from .faces import COLOURS, Awaited, Face, scenario

registry = Registry("references in scenarios")


class Team(Entity, name="team", key="team:{name}", registry=registry):
    name: Attr[str] = attr()


class User(Entity, name="user", key="user:{name}", registry=registry):
    name: Attr[str] = attr()
    team: Attr[Ref[Team] | None] = attr(default=None)

    tickets = reverse("Ticket.by_owner")


class Ticket(Entity, name="ticket", key="ticket:{number}", registry=registry):
    number: Attr[int] = attr()
    owner: Attr[Ref[User]] = attr()
    reviewer: Attr[Ref[User] | None] = attr(default=None)
    parent: Attr[Ref[Ticket] | None] = attr(default=None)

    by_owner = index(owner, range=number)
    by_number = index(range=number)


async def saved(forge: Any, tickets: int, users: int, teams: int = 2) -> None:
    """Save tickets of users of teams, each ticket the child of the one before."""
    of_team = [Team(name=f"t{number}") for number in range(teams)]
    of_user = [User(name=f"u{number}", team=of_team[number % teams]) for number in range(users)]
    made = [
        Ticket(
            number=number,
            owner=of_user[number % users],
            parent=Ref(Ticket, f"ticket:{number - 1}"),
        )
        for number in range(1, tickets + 1)
    ]
    async with forge.session() as session:
        session.add(*of_team, *of_user, *made)


@scenario
async def test_conditions_and_indexes_take_entities_keys_and_references(
    forge: Any, face: Face
) -> None:
    await saved(forge, tickets=6, users=3)
    async with forge.session() as session:
        user = await session.get(User, "user:u1")
        for given in (user, user.key, Ref(User, user)):
            assert [each.number for each in await session.all(Ticket.by_owner(given))] == [1, 4]
        found = await session.all(Ticket.query(Ticket.owner.in_(["user:u1", "user:u2"])))
        assert sorted(each.number for each in found) == [1, 2, 4, 5]


@scenario
async def test_what_is_prefetched_is_there_and_the_same_object(forge: Any, face: Face) -> None:
    await saved(forge, tickets=6, users=3)
    async with forge.session() as session:
        tickets = await session.all(Ticket.by_number())
        with pytest.raises(NotLoaded, match=r"session\.prefetch\(entities, Ticket\.owner\)"):
            print(tickets[0].owner.value)
        assert await session.prefetch(tickets, Ticket.owner) == tickets
        assert [each.owner.value.name for each in tickets[:4]] == ["u1", "u2", "u0", "u1"]
        assert tickets[0].owner.value is tickets[3].owner.value
        assert tickets[0].owner.value is await session.get(User, "user:u1")
        tickets[0].owner.value.name = "u1"
        assert not session.plan()


@scenario
async def test_a_path_is_loaded_level_by_level(forge: Any, face: Face) -> None:
    await saved(forge, tickets=6, users=3)
    async with forge.session() as session:
        tickets = await session.all(
            Ticket.by_number().prefetch(
                Ticket.owner / User.team, Ticket.parent / Ticket.owner, Ticket.reviewer
            )
        )
        assert [each.owner.value.team.value.name for each in tickets[:3]] == ["t1", "t0", "t0"]
        assert tickets[0].parent.dangling
        assert [each.parent.value for each in tickets[1:]] == tickets[:-1]
        assert tickets[1].parent.value.owner.value.name == "u1"


@scenario
async def test_every_way_of_asking_prefetches(forge: Any, face: Face) -> None:
    await saved(forge, tickets=5, users=5)
    query = Ticket.by_number().prefetch(Ticket.owner)
    search = Ticket.query().allow_scan().prefetch(Ticket.owner)
    for asked in (query, search):
        async with forge.session() as session:
            assert [each.owner.value.key for each in await session.all(asked)]
        async with forge.session() as session:
            assert (await session.first(asked)).owner.loaded
        async with forge.session() as session:
            assert all(each.owner.loaded for each in (await session.page(asked)).items)
        async with forge.session() as session:
            assert all([each.owner.loaded async for each in session.stream(asked.page_size(2))])
        async with forge.session() as session:
            assert (await session.one(asked.where(Ticket.number == 3))).owner.loaded
        async with forge.session() as session:
            assert await session.update_all(asked, lambda each: each.owner.value.name) == 5
            assert await session.count(asked) == 5


@scenario
async def test_a_target_that_is_gone_is_known_to_be(forge: Any, face: Face) -> None:
    await saved(forge, tickets=2, users=2)
    async with forge.session() as session:
        session.delete_keys(User, "user:u0")
    async with forge.session() as session:
        one, two = await session.all(Ticket.by_number().prefetch(Ticket.owner))
        assert one.owner.value.name == "u1"
        assert (two.owner.dangling, two.owner.key) == (True, "user:u0")
        with pytest.raises(DanglingReference, match="'user:u0', which is not stored"):
            print(two.owner.value)
        session.add(User(name="u0"))
        await session.flush()
        await session.prefetch([two], Ticket.owner)
        assert two.owner.value.name == "u0"


@scenario
async def test_a_target_about_to_be_deleted_counts_as_gone(forge: Any, face: Face) -> None:
    await saved(forge, tickets=1, users=2)
    async with forge.session() as session:
        ticket = await session.get(Ticket, "ticket:1")
        session.delete(await session.get(User, ticket.owner.key))
        await session.prefetch([ticket], Ticket.owner)
        assert ticket.owner.dangling


@scenario
async def test_a_reference_changes_like_any_attribute(forge: Any, face: Face) -> None:
    await saved(forge, tickets=1, users=2)
    async with forge.session() as session:
        ticket = await session.get(Ticket, "ticket:1")
        ticket.owner = "user:u1"
        assert not session.plan(), "the same key is no change"
        ticket.reviewer = await session.get(User, "user:u0")
        ticket.owner = Ref(User, "user:u0")
        (item,) = session.plan().items
        assert item.attributes == ("owner", "reviewer")
    async with forge.session() as session:
        ticket = await session.get(Ticket, "ticket:1")
        assert (ticket.owner.key, ticket.reviewer.key) == ("user:u0", "user:u0")
        ticket.reviewer = None
    async with forge.session() as session:
        assert (await session.get(Ticket, "ticket:1")).reviewer is None


@scenario
async def test_prefetch_refuses_what_is_no_list_of_the_class(forge: Any, face: Face) -> None:
    await saved(forge, tickets=1, users=1)
    async with forge.session() as session:
        user = await session.get(User, "user:u0")
        for wrong in ([user], user):
            with pytest.raises(TypeError, match=r"Ticket\.owner is an attribute of Ticket"):
                await session.prefetch(wrong, Ticket.owner)
        assert await session.prefetch([], Ticket.owner) == []


@scenario
async def test_the_other_side_is_asked_like_any_query(forge: Any, face: Face) -> None:
    await saved(forge, tickets=6, users=3)
    async with forge.session() as session:
        user = await session.get(User, "user:u1")
        assert [each.number for each in await session.all(user.tickets)] == [1, 4]
        last = await session.first(user.tickets.descending().prefetch(Ticket.owner))
        assert last.owner.value is user
        assert await session.count(user.tickets.after(1)) == 1


# --- How many calls ---------------------------------------------------------------------------


def over(backend: Any, colour: str) -> Any:
    """Return a forge of the colour that never tries again."""
    if colour == "async":
        return AsyncForge(backend, retry=None)
    return Awaited(Forge(backend, retry=None))


@asynccontextmanager
async def recorded(colour: str, faults: Faults | None = None) -> AsyncGenerator[Any]:
    """Yield a forge of the colour, and the recorder of its calls."""
    with LocalBackend(schemas=registry) as local:
        recorder = Recorder(local if faults is None else Faulty(local, faults))
        yield over(recorder, colour), recorder.calls


@pytest.mark.parametrize("colour", COLOURS)
def test_300_references_to_40_users_are_loaded_in_2_calls(colour: str) -> None:
    async def main() -> None:
        async with recorded(colour) as (forge, calls):
            await saved(forge, tickets=300, users=40)
            async with forge.session() as session:
                tickets = await session.all(Ticket.by_number())
                calls.clear()
                await session.prefetch(tickets, Ticket.owner)
                calls.assert_count(exactly=2)
                calls.assert_count("batch/get", entity="user", exactly=2)
                assert sorted(len(call.keys) for call in calls) == [15, 25]
                await session.prefetch(tickets, Ticket.owner)
                await session.prefetch(tickets, Ticket.owner / User.team)
                calls.assert_count(exactly=3)
                calls.assert_count("batch/get", entity="team", exactly=1)

    asyncio.run(main())


@pytest.mark.parametrize("colour", COLOURS)
def test_no_attribute_access_makes_a_call(colour: str) -> None:
    """So there is no N+1: what is not loaded is an error, never a call."""

    async def main() -> None:
        async with recorded(colour) as (forge, calls):
            await saved(forge, tickets=30, users=3)
            async with forge.session() as session:
                tickets = await session.all(Ticket.by_number())
                calls.clear()
                for ticket in tickets:
                    for ref in (ticket.owner, ticket.parent):
                        assert ref.key
                        assert ref.target
                        assert not ref.loaded
                        assert not ref.dangling
                        repr(ref)
                        with pytest.raises(NotLoaded):
                            print(ref.value)
                    ticket.model_dump()
                    repr(ticket)
                calls.assert_count(exactly=0)
                await session.prefetch(tickets, Ticket.owner, Ticket.parent)
                calls.clear()
                for ticket in tickets:
                    assert ticket.owner.value.team.key
                    assert ticket.parent.dangling or ticket.parent.value.number
                calls.assert_count(exactly=0)

    asyncio.run(main())


@pytest.mark.parametrize("colour", COLOURS)
def test_what_the_session_holds_is_not_read_again(colour: str) -> None:
    async def main() -> None:
        async with recorded(colour) as (forge, calls):
            await saved(forge, tickets=9, users=3)
            async with forge.session() as session:
                known = await session.get(User, "user:u1")
                tickets = await session.all(Ticket.by_number())
                calls.clear()
                await session.prefetch(tickets, Ticket.owner, Ticket.parent)
                assert {call.keys for call in calls.of(entity="user")} == {
                    ("user:u2", "user:u0")
                }
                assert {call.keys for call in calls.of(entity="ticket")} == {("ticket:0",)}
                assert tickets[0].owner.value is known

    asyncio.run(main())


@pytest.mark.parametrize("colour", COLOURS)
def test_keys_that_fail_are_named_and_the_rest_is_kept(colour: str) -> None:
    async def main() -> None:
        faults = Faults("partial,operations=batch/get,times=1")
        async with recorded(colour, faults) as (forge, calls):
            await saved(forge, tickets=8, users=4)
            async with forge.session() as session:
                tickets = await session.all(Ticket.by_number())
                calls.clear()
                with pytest.raises(PartialRead) as caught:
                    await session.prefetch(tickets, Ticket.owner)
                failed = {failure.key for failure in caught.value.failed}
                assert failed | set(caught.value.found) == {f"user:u{n}" for n in range(4)}
                assert not any(ticket.owner.loaded for ticket in tickets)
                await session.prefetch(tickets, Ticket.owner)
                assert set(calls[-1].keys) == failed
                assert all(ticket.owner.loaded for ticket in tickets)

    asyncio.run(main())
