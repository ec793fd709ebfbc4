"""What a session sends, and when: at the end of its block, or never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from forge_orm import (
    AsyncForge,
    AsyncSession,
    Forge,
    PartialCommit,
    RateLimited,
    Session,
    SessionError,
    Tenant,
    acting_for,
)

from .script import Line, Scripted, Task, done, read_tasks, refusal, session, stored

Use = Callable[[Any], object]
Block = Callable[[Scripted, Use], Any]


def _blocking(script: Scripted, use: Use) -> Session:
    with Forge(script, retry=None).session() as held:
        use(held)
    return held


def _awaiting(script: Scripted, use: Use) -> AsyncSession:
    async def main() -> AsyncSession:
        async with AsyncForge(script, retry=None).session() as held:
            use(held)
        return held

    return asyncio.run(main())


both = pytest.mark.parametrize("block", [_blocking, _awaiting])


@both
def test_leaving_the_block_commits_and_closes(block: Block) -> None:
    script = Scripted(Line("batch/set", done))
    held = block(script, lambda held: held.add(Task(number=1), Task(number=2)))
    script.finish()
    assert "closed" in repr(held)


@both
def test_leaving_a_block_that_did_nothing_sends_nothing(block: Block) -> None:
    block(Scripted(), lambda held: None)


@both
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_an_exception_sends_nothing_and_closes(
    block: Block, error: type[BaseException]
) -> None:
    opened: list[Any] = []

    def use(held: Any) -> None:
        opened.append(held)
        held.add(Task(number=1))
        held.delete_keys(Task, "task:2")
        raise error

    with pytest.raises(error):
        block(Scripted(), use)
    assert "closed" in repr(opened[0])
    assert not opened[0].plan()


@both
@pytest.mark.parametrize(
    ("count", "line", "error"),
    [
        (1, Line("entity/set", refusal("TOO_MANY_REQUESTS", 429)), RateLimited),
        (2, Line("batch/set", lambda request: done(request, task_0=("A", "b"))), PartialCommit),
    ],
)
def test_after_a_commit_that_failed_the_session_is_open_and_can_be_flushed(
    block: Block, count: int, line: Line, error: type[Exception]
) -> None:
    opened: list[Any] = []

    def use(held: Any) -> None:
        opened.append(held)
        held.add(*[Task(number=number) for number in range(count)])

    with pytest.raises(error):
        block(Scripted(line), use)
    (held,) = opened
    assert "closed" not in repr(held)
    assert [item.address[1] for item in held.plan().items] == ["task:0"]


CALLS: list[Callable[[Session, Task], object]] = [
    lambda held, task: held.get(Task, "task:1"),
    lambda held, task: held.get_many(Task, ["task:1"]),
    lambda held, task: held.all(Task.by_title("t")),
    lambda held, task: held.first(Task.by_title("t")),
    lambda held, task: held.one(Task.by_title("t")),
    lambda held, task: held.exists(Task.by_title("t")),
    lambda held, task: held.count(Task.by_title("t")),
    lambda held, task: held.page(Task.by_title("t")),
    lambda held, task: next(held.stream(Task.by_title("t"))),
    lambda held, task: held.refresh(task),
    lambda held, task: held.add(task),
    lambda held, task: held.delete(task),
    lambda held, task: held.delete_keys(Task, "task:1"),
    lambda held, task: held.require(task, Task.rank == 1),
    lambda held, task: held.flush(),
    lambda held, task: held.commit(),
    lambda held, task: held.__enter__(),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_closed_session_does_nothing_more(call: Callable[[Session, Task], object]) -> None:
    with session() as (held, _):
        held.close()
        with pytest.raises(SessionError, match="closed"):
            call(held, Task(number=1))


def test_after_a_rollback_the_session_starts_anew() -> None:
    with session() as (held, script):
        (old,) = read_tasks(held, script, [stored(1)])
        old.rank = 5
        held.add(Task(number=2))
        held.rollback()
        assert not held.plan()
        (new,) = read_tasks(held, script, [stored(1)])
        assert new is not old
        new.rank = old.rank = 6
        script.expect(Line("entity/set", done))
        assert held.flush().saved == 1


def test_an_entity_may_move_from_one_session_to_another() -> None:
    script = Scripted()
    with Forge(script, retry=None).session() as first:
        (task,) = read_tasks(first, script, [stored(1)])
    with Forge(script, retry=None).session() as second:
        second.add(task)
        script.expect(Line("entity/set", done))
        second.flush()
        task.rank = 4
        script.expect(Line("entity/set", done))
    script.finish()


def test_a_session_keeps_the_tenant_it_was_opened_for() -> None:
    script = Scripted(Line("entity/set", done))
    with acting_for(Tenant(installation="i-1")):
        forge = Forge(script, tenant=Tenant(installation="i-0"), retry=None)
        held = forge.session()
    held.add(Task(number=1))
    held.flush()
    assert script.heard[0].tenant == Tenant(installation="i-1")


@pytest.mark.parametrize(
    ("own", "around", "given", "spoken_for"),
    [
        (None, None, None, None),
        ("own", None, None, "own"),
        ("own", "around", None, "around"),
        ("own", "around", "given", "given"),
    ],
)
def test_the_nearest_tenant_is_spoken_for(
    own: str | None, around: str | None, given: str | None, spoken_for: str | None
) -> None:
    def tenant(name: str | None) -> Tenant | None:
        return None if name is None else Tenant(installation=name)

    script = Scripted(Line("entity/set", done))
    forge = Forge(script, tenant=tenant(own), retry=None)

    def write() -> None:
        with forge.session(tenant=tenant(given)) as held:
            held.add(Task(number=1))

    if around is None:
        write()
    else:
        with acting_for(Tenant(installation=around)):
            write()
    assert script.heard[0].tenant == tenant(spoken_for)
