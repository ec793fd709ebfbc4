"""`capture`: every call of a block is on the list, once, with what it cost, in both colours."""

from __future__ import annotations

import asyncio
import threading
from contextvars import copy_context
from typing import Any

import pytest

from forge_orm import AsyncForge, Calls, Forge, LocalBackend, NotSent, RetryPolicy, capture
from forge_orm.backends import Retrying
from forge_orm.units import Units
from forge_orm.wire import Response
from tests.backends.colours import COLOURS, Scripted, play
from tests.flows.script import Task, registry

THROTTLED = Response(429, b'{"code":"RATE_LIMIT_EXCEEDED","message":"slow"}')


def store() -> LocalBackend:
    return LocalBackend(schemas=registry)


def patient(*outcomes: Response | Exception) -> Retrying:
    """A backend that tries again over a script, and does not really wait."""

    async def pause(seconds: float) -> None:
        return None

    policy = RetryPolicy(first=0.25, jitter=0)
    return Retrying(Scripted(*outcomes), policy, sleep=lambda seconds: None, asleep=pause)


@pytest.mark.parametrize("colour", COLOURS)
def test_each_call_is_listed_with_what_it_is_about(colour: str) -> None:
    async def scene(forge: Any) -> Calls:
        with capture() as calls:
            async with forge.session() as session:
                session.add(*[Task(number=number) for number in range(30)])
            async with forge.session() as session:
                await session.get(Task, "task:1")
                await session.get(Task, "task:1")
                await session.all(Task.by_title("t"))
            await forge.kvs.get("absent")
        await forge.kvs.get("not listed")
        return calls

    calls = play(colour, store(), scene)
    assert str(calls) == "\n".join(
        [
            "  1. batch/set task task:0, task:1, task:2 and 22 more -> 200",
            "  2. batch/set task task:25, task:26, task:27 and 2 more -> 200",
            "  3. entity/get task task:1 -> 200",
            "  4. entity/query task index by_title -> 200",
            "  5. get absent -> 404 KEY_NOT_FOUND",
        ]
    )
    assert calls.units == Units(read=3, write=2)
    assert all(call.milliseconds > 0 for call in calls)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_call_that_is_sent_again_is_one_call_with_its_attempts(colour: str) -> None:
    async def scene(forge: Any) -> Calls:
        with capture() as calls:
            await forge.kvs.delete("k")
        return calls

    backend = patient(THROTTLED, NotSent("no"), Response(204))
    (call,) = calls = play(colour, backend, scene, retry=None)
    assert (call.attempts, call.retries, calls.retries) == (3, 2, 2)
    assert call.waited == 750.0
    assert str(call) == "delete k -> 204, 3 attempts"
    assert call.cost.endswith("ms, 750 of them waiting")


@pytest.mark.parametrize("colour", COLOURS)
def test_side_by_side_each_call_has_attempts_of_its_own(colour: str) -> None:
    """In asyncio two calls of one round trip are under way at once."""

    async def scene(forge: Any) -> Calls:
        async with forge.session() as session:
            session.add(*[Task(number=number) for number in range(30)])
            with capture() as calls, pytest.raises(Exception, match="not confirmed"):
                await session.flush()
            session.rollback()
        return calls

    calls = play(colour, patient(NotSent("no"), THROTTLED, THROTTLED), scene, retry=None)
    assert sorted(call.attempts for call in calls) == [7, 7]


@pytest.mark.parametrize("colour", COLOURS)
def test_a_call_without_an_answer_is_listed_and_raised(colour: str) -> None:
    async def scene(forge: Any) -> Calls:
        with capture() as calls, pytest.raises(NotSent):
            await forge.kvs.get("k")
        return calls

    (call,) = play(colour, Scripted(NotSent("no")), scene, retry=None)
    assert (call.status, call.code, call.units) == (None, "NotSent", Units())


def test_a_batch_that_fails_in_part_says_how_much_of_it() -> None:
    with Forge(store()) as forge, capture() as calls:
        forge.kvs.set_many({"a": 1, "b": 2})
        forge.kvs.get_many(["a", "b", "c", "d"])
    assert [call.failed for call in calls] == [0, 2]
    assert str(calls[1]) == "batch/get a, b, c and 1 more -> 200, 2 failed"


def test_blocks_within_blocks_have_lists_of_their_own() -> None:
    with Forge(store()) as forge, capture() as outer:
        forge.kvs.get("a")
        with capture() as inner:
            forge.kvs.get("b")
        forge.kvs.get("c")
    assert [call.keys for call in outer] == [("a",), ("b",), ("c",)]
    assert [call.keys for call in inner] == [("b",)]


def test_a_block_left_by_an_error_has_listed_what_was_called() -> None:
    calls = Calls()
    with Forge(store()) as forge:
        with pytest.raises(ZeroDivisionError), capture() as calls:
            forge.kvs.get("a")
            raise ZeroDivisionError
        forge.kvs.get("b")
    assert [call.keys for call in calls] == [("a",)]


def test_the_list_follows_tasks_and_leaves_others_alone() -> None:
    async def main() -> tuple[Calls, Calls]:
        shared = store()
        forge = AsyncForge(shared)

        async def ask(*keys: str) -> Calls:
            with capture() as mine:
                for key in keys:
                    await forge.kvs.get(key)
                    await asyncio.sleep(0)
            return mine

        with capture() as all_of_it:
            mine, _ = await asyncio.gather(ask("a", "b"), ask("c", "d"))
            await asyncio.to_thread(Forge(shared).kvs.get, "e")
        return mine, all_of_it

    mine, all_of_it = asyncio.run(main())
    assert [call.keys for call in mine] == [("a",), ("b",)]
    assert sorted(call.keys for call in all_of_it) == [("a",), ("b",), ("c",), ("d",), ("e",)]


@pytest.mark.parametrize(
    ("options", "listed"),
    [({}, ["own", "given"]), ({"everywhere": True}, ["own", "given", "x"])],
)
def test_a_thread_is_listed_if_it_is_given_the_context_or_everywhere(
    options: dict[str, bool], listed: list[str]
) -> None:
    def in_thread(*work: Any) -> None:
        thread = threading.Thread(target=work[0], args=work[1:])
        thread.start()
        thread.join()

    with Forge(store()) as forge, capture(**options) as calls:
        forge.kvs.get("own")
        in_thread(copy_context().run, forge.kvs.get, "given")
        in_thread(forge.kvs.get, "x")
    assert [call.keys[0] for call in calls] == listed


def test_threads_that_all_write_down_lose_nothing() -> None:
    with Forge(store()) as forge, capture(everywhere=True) as calls:
        work = [
            threading.Thread(target=lambda: [forge.kvs.get("k") for _ in range(200)])
            for _ in range(8)
        ]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
    calls.assert_count("get", exactly=1600)


def test_a_stream_is_listed_page_by_page_from_where_the_block_begins() -> None:
    with Forge(store()) as forge, forge.session() as session:
        session.add(*[Task(number=number) for number in range(30)])
        session.flush()
        stream = session.stream(Task.index("by-key").page_size(10))
        next(stream)
        with capture() as calls:
            list(stream)
    calls.assert_count("entity/query", max=3, min=2)


def test_a_count_that_is_wrong_lists_the_calls() -> None:
    with Forge(store()) as forge, capture() as calls:
        forge.kvs.get("a")
        forge.secrets.get("b")
    with pytest.raises(
        AssertionError, match=r"2 calls \(all\) were made, not at most 1:\n  1\. get a"
    ):
        calls.assert_count(max=1)
    report = calls.report()
    assert "get a -> 404 KEY_NOT_FOUND   [1r 0w, " in report
    assert "secret/get <secret> -> 404 KEY_NOT_FOUND" in report
    assert report.splitlines()[-1].startswith("2 calls, 2 read and 0 write units, ")


@pytest.mark.parametrize("colour", COLOURS)
def test_a_stream_that_asks_ahead_is_listed_too(colour: str) -> None:
    """In blocking sessions it asks in a thread."""

    async def scene(forge: Any) -> Calls:
        async with forge.session() as session:
            session.add(*[Task(number=number) for number in range(30)])
            await session.flush()
            with capture() as calls:
                async for _ in session.stream(Task.index("by-key").page_size(10), ahead=2):
                    pass
        return calls

    play(colour, store(), scene).assert_count("entity/query", min=3, max=4)
