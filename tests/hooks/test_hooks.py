"""Hooks: when they are called, what they can do, and what becomes of what they raise."""

from __future__ import annotations

from typing import Any

import pytest

from forge_orm import (
    AnswerLost,
    AsyncForge,
    CommitEvent,
    DeclarationError,
    Entity,
    Forge,
    ForgeError,
    HookFailed,
    KeyConflict,
    LocalBackend,
    PartialCommit,
    RetryPolicy,
    SessionError,
    WriteEvent,
    after,
    before,
    capture,
)
from forge_orm.faults import Faults, Faulty
from forge_orm.flows import hooked, writes
from forge_orm.flows.hooked import NOBODY
from forge_orm.unit import UnitOfWork
from tests.backends.colours import COLOURS, play

from .models import (
    Awaiting,
    Endless,
    Event,
    Login,
    Logout,
    Plain,
    Special,
    Stamped,
    Task,
    journal,
    registry,
)


@pytest.fixture(autouse=True)
def _empty() -> None:
    journal.clear()


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def store() -> LocalBackend:
    return LocalBackend(schemas=registry)


async def given(forge: Any, *entities: Entity) -> None:
    """Write *entities*, and forget that hooks were called."""
    async with forge.session() as session:
        session.add(*entities)
    journal.said.clear()
    journal.events.clear()


def hearing(colour: str, listen: Any, function: Any) -> Any:
    """Listen with *function*, as a coroutine function where that is possible."""

    async def awaited(event: Any) -> Any:
        return function(event)

    return listen(awaited if colour == "async" else function)


# --- What a before-hook changes is written --------------------------------------------------


def test_what_a_before_hook_changes_is_written(colour: str) -> None:
    async def scene(forge: Any) -> None:
        async with forge.session() as session:
            session.add(Task(number=1))
        journal.user = "bob"
        async with forge.session() as session:
            task = await session.get(Task, "task:1")
            assert task.updated_by == "ann"
            task.tags.append("x")  # a change nobody assigned
        async with forge.session() as session:
            task = await session.get(Task, "task:1")
            assert (task.updated_by, task.tags) == ("bob", ["x"])

    play(colour, store(), scene)
    assert journal.said == [
        "stamp task:1",
        "told-insert task:1",
        "stamp task:1",
        "told-update task:1",
    ]


def test_an_event_tells_what_is_written_and_what_was_there(colour: str) -> None:
    async def scene(forge: Any) -> None:
        async with forge.session() as session:
            session.add(Task(number=1))
        async with forge.session() as session:
            task = await session.get(Task, "task:1")
            task.title = "new"
        async with forge.session() as session:
            session.delete(await session.get(Task, "task:1"))

    play(colour, store(), scene)
    stamp, _, again, told, keep, gone = journal.events
    assert [each.verb for each in journal.events] == [
        "insert",
        "insert",
        "update",
        "update",
        "delete",
        "delete",
    ]
    assert (stamp.previous, stamp.changed, stamp.entity.number) == (None, (), 1)
    old = {"number": 1, "title": "t", "tags": [], "updated_by": "ann"}
    assert again.previous == told.previous == old
    assert again.changed == ("title",)
    assert str(again.plan.items[0]).startswith("set task 'task:1' (title), ")
    assert gone.previous == keep.previous == {**old, "title": "new"}
    assert told.plan.items[0].attributes == ("title",)


def test_what_was_not_read_is_an_insert_whether_or_not_it_is_there(colour: str) -> None:
    async def scene(forge: Any) -> None:
        await given(forge, Task(number=1))
        async with forge.session() as session:
            session.add(Task(number=1, title="over"))
            session.insert(Task(number=2))

    play(colour, store(), scene)
    assert sorted(journal.said) == [
        "stamp task:1",
        "stamp task:2",
        "told-insert task:1",
        "told-insert task:2",
    ]


def test_hooks_are_called_bases_first_then_listeners(colour: str) -> None:
    said: list[str] = []

    async def scene(forge: Any) -> None:
        for name, of in (("any", None), ("stamped", Stamped), ("plain", Plain)):
            listen = forge.before("insert", "delete", of=of) if of else forge.before("insert")
            hearing(colour, listen, lambda event, name=name: said.append(f"{name} {event.key}"))
        hearing(colour, forge.before("commit"), lambda event: said.append("commit"))
        hearing(colour, forge.after("commit"), lambda event: said.append("committed"))
        async with forge.session() as session:
            session.add(Task(number=1), Plain(number=1))
        said.append("--")
        async with forge.session() as session:
            session.delete(await session.get(Task, "task:1"))

    play(colour, store(), scene)
    assert said == [
        "any task:1",
        "stamped task:1",
        "any plain:1",
        "plain plain:1",
        "commit",
        "committed",
        "--",
        "stamped task:1",
        "commit",
        "committed",
    ]
    assert journal.said[-2:] == ["keep task:1", "told-delete task:1"]


def test_a_hook_is_inherited_and_can_be_overridden(colour: str) -> None:
    async def scene(forge: Any) -> Any:
        async with forge.session() as session:
            session.add(Special(number=1, title="loud"))
        async with forge.session() as session:
            special = await session.get(Special, "special:1")
            session.delete(special)
        return special

    special = play(colour, store(), scene)
    assert (special.title, special.updated_by) == ("LOUD", "ann")
    assert journal.said == ["stamp special:1", "keep special:1", "special-told special:1"]


def test_of_several_kinds_each_has_its_own(colour: str) -> None:
    async def scene(forge: Any) -> Any:
        async with forge.session() as session:
            session.add(Login(number=1, who="annabel"), Logout(number=2))
        async with forge.session() as session:
            login = await session.get(Event, "event:1")
            login.who = "robert"
        async with forge.session() as session:
            return await session.get(Event, "event:1")

    assert play(colour, store(), scene).who == "rob"
    assert journal.said == ["shorten event:1", "shorten event:1"]


# --- What hooks write besides ---------------------------------------------------------------


def test_a_before_hook_may_write_more_and_that_has_hooks_too(colour: str) -> None:
    def audit(event: WriteEvent[Any]) -> None:
        event.add(Plain(number=event.entity.number, text=f"{event.verb} by {journal.user}"))
        event.insert(Task(number=event.entity.number + 100))

    async def scene(forge: Any) -> Any:
        await given(forge, Special(number=1))
        hearing(colour, forge.before("update", of=Special), audit)
        async with forge.session(atomic="never") as session:
            (await session.get(Special, "special:1")).title = "new"
        async with forge.session() as session:
            return await session.get(Plain, "plain:1"), await session.get(Task, "task:101")

    plain, task = play(colour, store(), scene)
    assert plain.text == "update by ann"
    assert task.updated_by == "ann"


def test_a_hook_may_delete_what_was_to_be_saved(colour: str) -> None:
    async def scene(forge: Any) -> Any:
        await given(forge, Task(number=1))
        hearing(
            colour, forge.before("update", of=Task), lambda event: event.delete(event.entity)
        )
        async with forge.session() as session:
            (await session.get(Task, "task:1")).title = "new"
        async with forge.session() as session:
            return await session.get(Task, "task:1")

    assert play(colour, store(), scene) is None
    assert journal.said == ["stamp task:1", "keep task:1", "told-delete task:1"]


def test_a_commit_listener_may_write_and_sees_the_plan(colour: str) -> None:
    seen: list[CommitEvent] = []

    def outbox(event: CommitEvent) -> None:
        seen.append(event)
        event.add(Plain(number=9, text=",".join(each.key for each in event.writes)))

    async def scene(forge: Any) -> Any:
        await given(forge, Plain(number=1))
        hearing(colour, forge.before("commit"), outbox)
        hearing(colour, forge.after("commit"), seen.append)
        async with forge.session() as session:
            session.add(Task(number=1))
            session.delete_keys(Plain, "plain:1")
        async with forge.session() as session:
            return await session.get(Plain, "plain:9")

    assert play(colour, store(), scene).text == "task:1"
    before_it, after_it = seen
    assert len(before_it.plan.items) == 2  # a deletion by key is of no entity, but planned
    assert len(after_it.plan.items) == 3
    assert {each.key for each in after_it.writes} == {"task:1", "plain:9"}


def test_hooks_that_never_come_to_an_end_send_nothing(colour: str) -> None:
    async def scene(forge: Any) -> None:
        session = forge.session()
        session.add(Endless(number=1))
        message = r"after 10 rounds .* insert of Endless"
        with capture() as calls, pytest.raises(SessionError, match=message):
            await session.commit()
        calls.assert_count(exactly=0)

    play(colour, store(), scene)


def test_nothing_is_called_where_nothing_is_written(colour: str) -> None:
    async def scene(forge: Any) -> None:
        await given(forge, Task(number=1))
        hearing(colour, forge.before("commit"), lambda event: journal.said.append("commit"))
        hearing(colour, forge.after("commit"), lambda event: journal.said.append("commit"))
        async with forge.session() as session:
            await session.get(Task, "task:1")

    play(colour, store(), scene)
    assert journal.said == []


# --- What hooks raise -----------------------------------------------------------------------


def test_raising_in_a_before_hook_sends_nothing(colour: str) -> None:
    async def scene(forge: Any) -> None:
        session = forge.session()
        session.add(Plain(number=1), Task(number=1))
        journal.failing["stamp"] = ZeroDivisionError("no")
        with capture() as calls, pytest.raises(ZeroDivisionError):
            await session.commit()
        calls.assert_count(exactly=0)
        assert len(session.plan().items) == 2
        journal.failing.clear()
        assert (await session.commit()).saved == 2

    play(colour, store(), scene)
    assert journal.said == ["stamp task:1", "stamp task:1", "told-insert task:1"]


def test_what_an_after_hook_raises_does_not_hide_that_everything_is_saved(colour: str) -> None:
    async def scene(forge: Any) -> None:
        journal.failing["told-insert"] = KeyConflict("KEY_CONFLICT", "of the hook's own")
        session = forge.session()
        session.add(Task(number=1), Task(number=2))
        with capture() as calls, pytest.raises(HookFailed) as caught:
            await session.commit()
        error = caught.value
        assert error.report.saved == 2
        assert [type(each) for each in error.errors] == [KeyConflict, KeyConflict]
        assert error.__cause__ is error.errors[0]
        assert "everything is saved" in str(error)
        assert error.errors[1].__notes__ == ["in the after-hook Task.tell"]
        calls.assert_count(exactly=1)
        assert not session.plan()
        async with forge.session() as session:
            assert len(await session.get_many(Task, ["task:1", "task:2"])) == 2

    play(colour, store(), scene)


def test_a_run_is_not_repeated_for_what_an_after_hook_raises(colour: str) -> None:
    """Its work is done: a second time would do it twice."""

    async def scene(forge: Any) -> None:
        def once(session: Any) -> None:
            session.add(Task(number=1))

        async def awaited(session: Any) -> None:
            once(session)

        journal.failing["told-insert"] = KeyConflict("KEY_CONFLICT", "of the hook's own")
        with capture() as calls, pytest.raises(HookFailed):
            await forge.run(awaited if colour == "async" else once)
        calls.assert_count(exactly=1)

    play(colour, store(), scene)


def test_after_hooks_are_called_for_what_was_confirmed_only(colour: str) -> None:
    async def scene(forge: Any) -> None:
        committed: list[Any] = []
        hearing(colour, forge.after("commit"), committed.append)
        session = forge.session()
        session.add(*[Task(number=number) for number in range(20)])
        with pytest.raises(PartialCommit) as caught:
            await session.commit()
        told = [line for line in journal.said if line.startswith("told")]
        assert sorted(told) == sorted(f"told-insert {key}" for _, key in caught.value.saved)
        assert 0 < len(told) < 20
        assert committed == []
        journal.said.clear()

        await session.commit()  # what is sent again unchanged was let pass before
        assert [line.split()[0] for line in journal.said] == ["told-insert"] * (20 - len(told))
        assert len(committed) == 1

    faults = Faults("partial,rate=1.0,times=1", seed=3)
    play(colour, Faulty(store(), faults), scene, retry=None)


def test_a_failure_of_an_after_hook_is_told_beside_what_was_not_saved(colour: str) -> None:
    async def scene(forge: Any) -> None:
        journal.failing["told-insert"] = ZeroDivisionError("hook")
        with pytest.raises(PartialCommit) as caught:
            async with forge.session() as session:
                session.add(*[Task(number=number) for number in range(20)])
        assert "an after-hook raised ZeroDivisionError('hook')" in caught.value.__notes__[0]

    faults = Faults("partial,rate=1.0,times=1", seed=3)
    play(colour, Faulty(store(), faults), scene, retry=None)


def test_where_nothing_was_confirmed_no_after_hook_is_called(colour: str) -> None:
    async def scene(forge: Any) -> None:
        with pytest.raises(ForgeError):
            async with forge.session() as session:
                session.add(Task(number=1))

    play(colour, Faulty(store(), Faults("fail")), scene, retry=RetryPolicy(attempts=1))
    assert journal.said == ["stamp task:1"]


def test_an_after_hook_is_called_once_a_lost_answer_is_resolved(colour: str) -> None:
    async def scene(forge: Any) -> None:
        session = forge.session(atomic="always")
        session.add(Task(number=1))
        with pytest.raises(AnswerLost):
            await session.commit()
        assert journal.said == ["stamp task:1"]
        outcome = await session.resolve()
        assert outcome.saved == (("task", "task:1"),)
        assert journal.said == ["stamp task:1", "told-insert task:1"]
        assert journal.events[-1].previous is None

    faults = Faults("lose,operations=transaction,times=1")
    play(colour, Faulty(store(), faults), scene, retry=None)


def test_a_retry_asks_nobody_again_and_tells_of_what_it_saved(colour: str) -> None:
    async def scene(forge: Any) -> None:
        session = forge.session()
        session.add(*[Task(number=number) for number in range(20)])
        with pytest.raises(PartialCommit) as caught:
            await session.commit()
        journal.said.clear()
        await session.retry()
        failed = [f"told-insert {each.key}" for each in caught.value.unknown]
        assert sorted(journal.said) == sorted(failed)
        assert failed

    faults = Faults("partial,rate=1.0,times=1", seed=3)
    play(colour, Faulty(store(), faults), scene, retry=None)


@pytest.mark.parametrize("drop", ["rollback", "expunge"])
def test_what_was_dropped_and_is_asked_for_again_is_asked_about_again(
    colour: str, drop: str
) -> None:
    async def scene(forge: Any) -> None:
        session = forge.session()
        task = Task(number=1)
        session.add(task)
        with pytest.raises(ForgeError):
            await session.commit()
        session.rollback() if drop == "rollback" else session.expunge(task)
        session.add(Task(number=1, updated_by="ann"))  # as the hook had left the first
        await session.commit()

    faults = Faults("drop,times=1")
    play(colour, Faulty(store(), faults), scene, retry=None)
    assert journal.said == ["stamp task:1", "stamp task:1", "told-insert task:1"]


def test_an_entity_of_another_session_is_deleted_with_its_hooks(colour: str) -> None:
    async def scene(forge: Any) -> None:
        await given(forge, Task(number=1))
        async with forge.session() as session:
            session.delete(Task(number=1))

    play(colour, store(), scene)
    assert journal.said == ["keep task:1", "told-delete task:1"]


# --- What hooks cannot do -------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_hook_cannot_commit_its_own_session(colour: str, when: str) -> None:
    async def scene(forge: Any) -> None:
        session = forge.session()
        session.add(Task(number=1))

        async def awaited(event: Any) -> None:
            await session.commit()

        def blocking(event: Any) -> None:
            session._blocking.commit()

        getattr(forge, when)("insert")(awaited if colour == "async" else blocking)
        with pytest.raises((SessionError, HookFailed), match="a hook cannot flush or commit"):
            await session.commit()
        session.rollback()

    play(colour, store(), scene)


def test_an_after_hook_cannot_add_to_what_is_done(colour: str) -> None:
    async def scene(forge: Any) -> None:
        hearing(colour, forge.after("insert"), lambda event: event.add(Plain(number=1)))
        with pytest.raises(HookFailed, match="write in a session of its own"):
            async with forge.session() as session:
                session.add(Plain(number=2))

    play(colour, store(), scene)


def test_a_hook_may_use_another_session_of_the_same_forge(colour: str) -> None:
    async def scene(forge: Any) -> Any:
        async def awaited(event: Any) -> None:
            async with forge.session() as other:
                other.add(Plain(number=7))

        def blocking(event: Any) -> None:
            with forge._blocking.session() as other:
                other.add(Plain(number=7))

        forge.after("insert", of=Task)(awaited if colour == "async" else blocking)
        async with forge.session() as session:
            session.add(Task(number=1))
        async with forge.session() as session:
            return await session.get(Plain, "plain:7")

    assert play(colour, store(), scene) is not None


def test_an_async_hook_is_awaited_where_it_can_be() -> None:
    async def scene(forge: Any) -> None:
        async with forge.session() as session:
            session.add(Awaiting(number=1))

    play("async", store(), scene)
    assert journal.said == ["awaited awaiting:1"]


def test_an_async_hook_in_a_blocking_session_is_refused_before_anything_is_sent() -> None:
    forge = Forge(store())
    session = forge.session()
    session.add(Awaiting(number=1), Task(number=1))
    with capture() as calls, pytest.raises(SessionError, match=r"hook Awaiting\.tell is async"):
        session.commit()
    calls.assert_count(exactly=0)

    async def late(event: Any) -> None:
        return None

    with pytest.raises(SessionError, match="late is async"):
        forge.before("insert")(late)


def test_a_function_that_only_turns_out_to_be_async_is_refused_too() -> None:
    async def late() -> None:
        return None

    forge = Forge(store())
    forge.before("insert")(lambda event: late())
    session = forge.session()
    session.add(Plain(number=1))
    with capture() as calls, pytest.raises(SessionError, match="is to be awaited"):
        session.commit()
    calls.assert_count(exactly=0)


# --- In bulk --------------------------------------------------------------------------------


def test_what_is_changed_in_bulk_has_hooks_page_by_page(colour: str) -> None:
    async def scene(forge: Any) -> Any:
        await given(forge, *[Task(number=number) for number in range(120)])
        journal.user = "bulk"
        async with forge.session() as session:
            await session.update_all(Task.index("by-key"), lambda task: task.tags.append("x"))
            tasks = await session.all(Task.index("by-key"))
            assert {task.updated_by for task in tasks} == {"bulk"}
            assert await session.delete_all(Task.index("by-key")) == 120

    play(colour, store(), scene)
    verbs = [line.split()[0] for line in journal.said]
    assert {name: verbs.count(name) for name in set(verbs)} == {
        "stamp": 120,
        "told-update": 120,
        "keep": 120,
        "told-delete": 120,
    }


def test_a_failed_hook_in_bulk_says_where_to_go_on(colour: str) -> None:
    async def scene(forge: Any) -> None:
        await given(forge, *[Task(number=number) for number in range(30)])
        journal.failing["told-delete"] = ZeroDivisionError("hook")
        async with forge.session() as session:
            with pytest.raises(HookFailed) as caught:
                await session.delete_all(Task.index("by-key").page_size(10))
            assert caught.value.__notes__[0].startswith("10 entities were done; go on with")
            assert await session.count(Task.index("by-key")) == 20

    play(colour, store(), scene)


# --- Declaring ------------------------------------------------------------------------------


@pytest.mark.parametrize("decorator", [before, after])
@pytest.mark.parametrize(
    ("verbs", "message"), [((), "no verb"), (("save",), "'save'"), (("commit",), "'commit'")]
)
def test_a_hook_says_when_it_is_called(decorator: Any, verbs: Any, message: str) -> None:
    with pytest.raises(DeclarationError, match=f"{message}: .* insert, update, delete"):
        decorator(*verbs)


@pytest.mark.parametrize("make", [Forge, AsyncForge])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_listener_says_when_it_is_called(make: Any, when: str) -> None:
    listen = getattr(make(store()), when)
    with pytest.raises(DeclarationError, match=r"no verb: .* commit"):
        listen()
    with pytest.raises(DeclarationError, match="'save'"):
        listen("save")
    with pytest.raises(DeclarationError, match="a commit is of no class"):
        listen("commit", of=Task)


def test_moments_of_several_decorators_add_up() -> None:
    class Both(Entity):
        @before("insert")
        @after("delete")
        def hook(self, event: WriteEvent[Any]) -> None: ...

    (hook,) = Both.__forge_hooks__
    assert hook.moments == {("before", "insert"), ("after", "delete")}
    assert not hook.awaited


def test_a_class_without_hooks_takes_the_way_without() -> None:
    unit = UnitOfWork()
    unit.add(Plain(number=1))
    inner = writes.flush(unit, "auto")
    assert hooked.hooked(unit, NOBODY, inner) is inner
    assert (Plain.__forge_hooked__, Task.__forge_hooked__) == (False, True)
    assert not Entity.__forge_hooked__
    inner.close()
