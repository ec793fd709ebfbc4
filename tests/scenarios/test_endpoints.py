"""Every endpoint is called by what users write, on every face."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from forge_orm import capture
from forge_orm.wire import OPERATIONS

from .faces import Face, scenario
from .models import Task, make_tasks


@scenario
async def test_each_of_the_endpoints_is_reached(forge: Any, face: Face) -> None:
    with capture() as calls:
        await plain_keys(forge.kvs)
        await secrets(forge.secrets)
        await entities(forge)

    assert {call.operation for call in calls} == set(OPERATIONS)


async def plain_keys(kvs: Any) -> None:
    await kvs.set("k", 1)
    assert await kvs.get("k") == 1
    await kvs.delete("k")
    await kvs.set_many({"a": 1, "b": 2})
    assert await kvs.get_many(["a", "b", "k"]) == await kvs.all() == {"a": 1, "b": 2}
    await kvs.delete_many(["a", "b"])
    assert await kvs.all() == {}


async def secrets(secrets: Any) -> None:
    await secrets.set("k", SecretStr("hunter2"))
    assert await secrets.get("k") == SecretStr("hunter2")
    await secrets.delete("k")
    assert await secrets.get("k") is None


async def entities(forge: Any) -> None:
    one, two, three = tasks = make_tasks(3)
    async with forge.session() as session:
        session.insert(one)
    async with forge.session(atomic="always") as session:
        session.add(two, three)
    async with forge.session() as session:
        found = await session.get(Task, one.key)
        assert found == one
        assert await session.all(Task.index("by-key")) == tasks
        session.delete(found)
    async with forge.session() as session:
        assert await session.get_many(Task, [task.key for task in tasks]) == {
            task.key: task for task in (two, three)
        }
