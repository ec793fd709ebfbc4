"""What becomes of entities that refer to one that is deleted."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

from forge_orm import (
    Attr,
    CascadeTooLarge,
    ConditionFailed,
    DeleteRestricted,
    Entity,
    LocalBackend,
    Ref,
    Registry,
    SessionError,
    attr,
    index,
    ref,
    version,
)
from forge_orm.faults import MovableClock, Stale
from forge_orm.testing import Recorder

from .faces import COLOURS, Face, scenario
from .test_references import over

registry = Registry("delete rules")


class Org(Entity, name="org", key="org:{name}", registry=registry):
    name: Attr[str] = attr()


class Member(Entity, name="member", key="member:{name}", registry=registry):
    name: Attr[str] = attr()
    org: Attr[Ref[Org]] = ref(on_delete="restrict")

    by_org = index(range=org)


class Job(Entity, name="job", key="job:{number}", registry=registry):
    number: Attr[int] = attr()
    owner: Attr[Ref[Member]] = ref(on_delete="cascade")
    helper: Attr[Ref[Member] | None] = ref(default=None, on_delete="clear")
    parent: Attr[Ref[Job] | None] = ref(default=None, on_delete="cascade")

    by_owner = index(owner, range=number)
    by_helper = index(range=helper)
    by_parent = index(range=parent)


class Remark(Entity, name="remark", key="remark:{number}", registry=registry):
    number: Attr[int] = attr()
    job: Attr[Ref[Job]] = ref(on_delete="cascade")
    revision: Attr[int] = version()

    by_job = index(job, range=number)


def job(number: int, owner: str = "a", **values: Any) -> Job:
    return Job(number=number, owner=Ref(Member, f"member:{owner}"), **values)


def helped(number: int, helper: str, owner: str = "b") -> Job:
    return job(number, owner, helper=Ref(Member, f"member:{helper}"))


def below(number: int, parent: int, owner: str = "b") -> Job:
    return job(number, owner, parent=Ref(Job, f"job:{parent}"))


def remark(number: int, job: int) -> Remark:
    return Remark(number=number, job=Ref(Job, f"job:{job}"))


async def saved(forge: Any, *entities: Entity) -> None:
    org = Org(name="o")
    members = [Member(name=name, org=org) for name in ("a", "b")]
    async with forge.session() as session:
        session.add(org, *members, *entities)


async def left(forge: Any, cls: type[Entity]) -> list[str]:
    async with forge.session() as session:
        return [entity.key for entity in await session.all(cls.index("by-key"))]


def shown(plan: Any) -> list[str]:
    return [str(item) for item in plan.items]


@scenario
async def test_cascade_and_clear_are_planned_and_done(forge: Any, face: Face) -> None:
    await saved(forge, job(1), job(2, "b"), helped(3, "a"), below(4, 1), below(5, 4))
    await saved(forge, remark(1, 1), remark(2, 2), remark(3, 5))
    async with forge.session() as session:
        session.delete(await session.get(Member, "member:a"))
        assert await session.prepare() == session.plan()
        assert sorted(shown(session.plan())) == [
            "delete job 'job:1' when owner == 'member:a'",
            "delete job 'job:4' when parent == 'job:1'",
            "delete job 'job:5' when parent == 'job:4'",
            "delete member 'member:a'",
            "delete remark 'remark:1' when job == 'job:1' & revision == 1",
            "delete remark 'remark:3' when job == 'job:5' & revision == 1",
            "set job 'job:3' (helper), 31 bytes when helper == 'member:a'",
        ]
        report = await session.flush()
        assert (report.saved, report.deleted, report.calls) == (1, 6, 2)
        assert not session.plan()
    assert await left(forge, Member) == ["member:b"]
    assert await left(forge, Job) == ["job:2", "job:3"]
    assert await left(forge, Remark) == ["remark:2"]
    async with forge.session() as session:
        assert (await session.get(Job, "job:3")).helper is None


@scenario
async def test_a_plan_says_what_it_does_not_know(forge: Any, face: Face) -> None:
    await saved(forge, job(1))
    async with forge.session() as session:
        session.delete_keys(Member, "member:a", cascade=7)
        plan = session.plan()
        (lookup,) = plan.lookups
        assert lookup.address == ("member", "member:a")
        assert (
            "to be looked up first: what refers to member 'member:a': Job.owner (cascade), "
            "Job.helper (clear); 7 at most" in str(plan)
        )
        assert not (await session.prepare()).lookups
        session.delete_keys(Org, "org:none")
        assert [each.address for each in session.plan().lookups] == [("org", "org:none")]
        assert "delete job 'job:1'" in str(session.plan()), "what is prepared stays"
    assert await left(forge, Job) == []


@scenario
async def test_restrict_names_who_is_in_the_way_and_sends_nothing(
    forge: Any, face: Face
) -> None:
    await saved(forge)
    async with forge.session() as session:
        org = await session.get(Org, "org:o")
        session.delete(org)
        for attempt in (session.flush, session.prepare):
            with pytest.raises(DeleteRestricted) as caught:
                await attempt()
            error = caught.value
            assert isinstance(error, SessionError)
            assert (error.entity, error.key) == ("org", "org:o")
            assert error.referrers == (("member", "member:a"), ("member", "member:b"))
            assert str(error) == (
                "org 'org:o' cannot be deleted: member 'member:a', member 'member:b' refers "
                "to it through Member.org, and its rule is on_delete='restrict'; nothing was "
                "sent. Delete those too, or let them refer to something else"
            )
            assert pickle.loads(pickle.dumps(error)).referrers == error.referrers
        assert shown(session.plan()) == ["delete org 'org:o'"]
        session.rollback()
    assert await left(forge, Org) == ["org:o"]


@scenario
async def test_what_this_session_deletes_or_moves_is_not_in_the_way(
    forge: Any, face: Face
) -> None:
    await saved(forge)
    async with forge.session() as session:
        session.add(Org(name="p"))
    async with forge.session() as session:
        session.delete(await session.get(Org, "org:o"), await session.get(Member, "member:a"))
        (await session.get(Member, "member:b")).org = Ref(Org, "org:p")
    assert await left(forge, Org) == ["org:p"]
    assert await left(forge, Member) == ["member:b"]


@scenario
async def test_a_restrict_below_a_cascade_stops_all_of_it(forge: Any, face: Face) -> None:
    await saved(forge, job(1))
    async with forge.session() as session:
        session.add(Pin(number=1, job=Ref(Job, "job:1")))
    async with forge.session() as session:
        session.delete_keys(Member, "member:a")
        with pytest.raises(
            DeleteRestricted, match=r"job 'job:1' cannot be deleted: pin 'pin:1'"
        ):
            await session.flush()
        assert shown(session.plan()) == ["delete member 'member:a'"]
        session.delete_keys(Pin, "pin:1")
    assert await left(forge, Job) == []


class Pin(Entity, name="pin", key="pin:{number}", registry=registry):
    number: Attr[int] = attr()
    job: Attr[Ref[Job]] = ref(on_delete="restrict")

    by_job = index(job, range=number)


@scenario
async def test_more_than_the_bound_is_refused_before_anything_is_sent(
    forge: Any, face: Face
) -> None:
    await saved(forge, *[job(number) for number in range(6)], helped(7, "a"))
    async with forge.session() as session:
        member = await session.get(Member, "member:a")
        session.delete(member, cascade=6)
        with pytest.raises(CascadeTooLarge) as caught:
            await session.flush()
        error = caught.value
        assert (error.entity, error.key, error.found, error.limit) == (
            "member", "member:a", 7, 6,
        )  # fmt: skip
        assert "would reach at least 7 other entities through Job.owner (cascade)" in str(error)
        assert pickle.loads(pickle.dumps(error)).found == 7
        assert shown(session.plan()) == ["delete member 'member:a'"]
        session.delete(member, cascade=7)
    assert await left(forge, Job) == ["job:7"]


@scenario
async def test_the_bound_is_for_all_levels_together(forge: Any, face: Face) -> None:
    await saved(forge, job(1), below(2, 1), below(3, 2))
    async with forge.session() as session:
        session.delete_keys(Member, "member:a", cascade=2)
        with pytest.raises(CascadeTooLarge, match=r"at least 3 .* Job\.parent \(cascade\)"):
            await session.flush()
        session.delete_keys(Member, "member:a", cascade=3)
    assert await left(forge, Job) == []


@scenario
async def test_a_restriction_is_found_however_many_there_are(forge: Any, face: Face) -> None:
    await saved(forge)
    async with forge.session() as session:
        session.add(*[Member(name=f"m{n:03}", org=Ref(Org, "org:o")) for n in range(120)])
    async with forge.session() as session:
        session.delete_keys(Org, "org:o", cascade=1)
        with pytest.raises(DeleteRestricted, match=r"and \d+ more refers to it"):
            await session.flush()
        session.delete(*await session.all(Member.by_org()))
    assert await left(forge, Org) == []
    assert await left(forge, Member) == []


@scenario
async def test_a_circle_of_references_ends(forge: Any, face: Face) -> None:
    await saved(forge, below(1, 2), below(2, 3), below(3, 1), below(4, 4))
    async with forge.session() as session:
        session.delete_keys(Job, "job:1", "job:4")
    assert await left(forge, Job) == []


@scenario
async def test_unsaved_references_count_as_they_are_here(forge: Any, face: Face) -> None:
    """A new entity would be lost with a cascade, so that is refused; clearing it is not."""
    await saved(forge)
    async with forge.session() as session:
        session.add(new := job(1))
        session.delete_keys(Member, "member:a")
        with pytest.raises(
            DeleteRestricted, match="a change of this session that is not saved"
        ):
            await session.flush()
        new.owner = Ref(Member, "member:b")
        new.helper = Ref(Member, "member:a")
        await session.flush()
        assert vars(new)["helper"] is None
    assert await left(forge, Job) == ["job:1"]


@scenario
async def test_somebody_else_s_change_stops_the_cascade(forge: Any, face: Face) -> None:
    """A job that was given to another in the meantime is not deleted, nor is the member."""
    await saved(forge, job(1))
    async with forge.session() as session:
        session.delete_keys(Member, "member:a")
        await session.prepare()
        async with forge.session() as faster:
            (await faster.get(Job, "job:1")).owner = Ref(Member, "member:b")
        with pytest.raises(ConditionFailed):
            await session.flush()
        session.rollback()
    assert await left(forge, Member) == ["member:a", "member:b"]

    async def remove(session: Any) -> None:
        session.delete_keys(Member, "member:a")

    def removed(session: Any) -> None:
        session.delete_keys(Member, "member:a")

    await forge.run(remove if face.colour == "async" else removed)
    assert await left(forge, Job) == ["job:1"]
    assert await left(forge, Member) == ["member:b"]


@scenario
async def test_always_is_one_transaction_and_never_is_none(forge: Any, face: Face) -> None:
    await saved(forge, job(1), helped(2, "a"))
    async with forge.session(atomic="always") as session:
        session.delete_keys(Member, "member:a")
        assert [call.path for call in (await session.prepare()).calls] == ["transaction"]
        assert len(session.plan().items) == 3
    async with forge.session(atomic="never") as session:
        session.delete_keys(Member, "member:b")
        assert {call.path for call in (await session.prepare()).calls} <= {
            "batch/delete", "entity/delete", "entity/set",
        }  # fmt: skip
    assert await left(forge, Job) == []
    assert await left(forge, Member) == []


@scenario
async def test_deleting_what_a_query_finds_follows_the_rules(forge: Any, face: Face) -> None:
    await saved(forge, *[job(number) for number in range(4)])
    async with forge.session() as session:
        assert await session.delete_all(Member.index("by-key")) == 2
        with pytest.raises(DeleteRestricted):
            async with forge.session() as other:
                other.add(Member(name="c", org=Ref(Org, "org:o")))
                await other.flush()
                await other.delete_all(Org.index("by-key"))
    assert await left(forge, Job) == []
    assert await left(forge, Org) == ["org:o"]


# --- What indexes do not know yet -------------------------------------------------------------


@pytest.mark.parametrize("colour", COLOURS)
def test_a_late_index_deletes_nothing_that_was_given_away(colour: str) -> None:
    """Keys come from the index, which may be late; what is true is read by key."""

    async def main() -> None:
        clock = MovableClock(1_800_000_000.0)
        with LocalBackend(schemas=registry, clock=clock) as local:
            forge = over(Stale(local, 60, clock=clock), colour)
            await saved(forge, job(1), job(2))
            clock.move(120)
            async with forge.session() as session:
                (await session.get(Job, "job:1")).owner = Ref(Member, "member:b")
                session.delete_keys(Job, "job:2")
            async with forge.session() as session:
                session.delete_keys(Member, "member:a")
                assert shown(await session.prepare()) == ["delete member 'member:a'"]
            clock.move(120)
            assert await left(forge, Job) == ["job:1"]

    asyncio.run(main())


@pytest.mark.parametrize("colour", COLOURS)
def test_what_the_session_holds_is_found_where_the_index_is_late(colour: str) -> None:
    async def main() -> None:
        clock = MovableClock(1_800_000_000.0)
        with LocalBackend(schemas=registry, clock=clock) as local:
            forge = over(Stale(local, 60, clock=clock), colour)
            await saved(forge)
            clock.move(120)
            async with forge.session() as session:
                session.add(job(1))
            async with forge.session() as session:
                assert await session.get(Job, "job:1")
                session.delete_keys(Member, "member:a")
            clock.move(120)
            assert await left(forge, Job) == []

    asyncio.run(main())


# --- How many calls ---------------------------------------------------------------------------


@pytest.mark.parametrize("colour", COLOURS)
def test_looking_up_is_one_round_of_queries_and_one_of_batch_gets_a_level(colour: str) -> None:
    async def main() -> None:
        with LocalBackend(schemas=registry) as local:
            recorder = Recorder(local)
            forge = over(recorder, colour)
            await saved(forge, *[job(number) for number in range(40)])
            async with forge.session() as session:
                session.delete_keys(Member, "member:a")
                recorder.calls.clear()
                await session.prepare()
                # What refers to the member, and then to each job: children, remarks, pins.
                recorder.calls.assert_count("entity/query", exactly=2 + 3 * 40)
                recorder.calls.assert_count("batch/get", exactly=2)
                recorder.calls.clear()
                await session.flush()
                assert sorted(call.operation for call in recorder.calls) == [
                    "entity/delete", "transaction", "transaction",
                ]  # fmt: skip

    asyncio.run(main())


@pytest.mark.parametrize("colour", COLOURS)
def test_a_deletion_without_rules_looks_nothing_up(colour: str) -> None:
    async def main() -> None:
        with LocalBackend(schemas=registry) as local:
            recorder = Recorder(local)
            forge = over(recorder, colour)
            await saved(forge, job(1), remark(1, 1))
            recorder.calls.clear()
            async with forge.session() as session:
                session.delete_keys(Remark, "remark:1")
            recorder.calls.assert_count(exactly=1)

    asyncio.run(main())
