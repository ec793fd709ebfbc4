"""Everything a question finds, changed or deleted."""

from __future__ import annotations

from typing import Any

import pytest

from forge_orm import InvalidValue, Progress

from .faces import Face, scenario
from .models import Task, make_tasks


async def fill(forge: Any, count: int) -> None:
    async with forge.session() as session:
        session.add(*make_tasks(count))


@scenario
async def test_everything_found_is_changed_page_by_page(forge: Any, face: Face) -> None:
    await fill(forge, 120)
    told: list[Progress] = []
    async with forge.session() as session:
        pending = await session.get(Task, "task:P:1")
        pending.title = "not saved"
        query = Task.index("title").page_size(50)

        def change(task: Task) -> None:
            task.tags.append("seen")

        assert await session.update_all(query, change, progress=told.append) == 120
        session.rollback()
        found = await session.all(Task.index("by-key"))

    assert [each.count for each in told] == [50, 100, 120]
    assert [each.cursor is None for each in told] == [False, False, True]
    assert all(task.tags == ["seen"] for task in found)
    assert all(task.title.startswith("title") for task in found)


@scenario
async def test_everything_found_is_deleted_or_only_counted(forge: Any, face: Face) -> None:
    await fill(forge, 60)
    search = Task.query(Task.priority == 3).allow_scan()
    async with forge.session() as session:
        many = await session.count(search)
        assert await session.delete_all(search, dry_run=True) == many
        assert await session.count(search) == many
        assert await session.delete_all(search) == many
        assert await session.count(search) == 0
        assert await session.count(Task.index("by-key")) == 60 - many


@scenario
async def test_an_error_says_where_to_go_on(forge: Any, face: Face) -> None:
    await fill(forge, 30)

    def change(task: Task) -> None:
        task.title = "" if task.number == 9 else "changed"
        task.priority = 50

    async with forge.session() as session:
        query = Task.index("by-key").page_size(20)
        with pytest.raises(InvalidValue) as raised:
            await session.update_all(query, change)
        assert "20 entities were done; go on with .cursor(" in raised.value.__notes__[0]
        changed = [task.priority for task in await session.all(Task.index("by-key"))]
    assert changed.count(50) == 20
