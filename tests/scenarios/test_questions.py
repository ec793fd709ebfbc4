"""Questions in both colours: selections, groups, budgets, streams ahead, pages back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from pydantic import BaseModel, Field

from forge_orm import BudgetExceeded, CursorError, InvalidValue, Progress, QueryError

from .faces import Face, scenario
from .models import NOON, Address, Status, Task, make_tasks


async def fill(forge: Any, count: int) -> list[Task]:
    tasks = make_tasks(count)
    async with forge.session() as session:
        session.add(*tasks)
    return tasks


class Summary(BaseModel):
    key: str
    title: str
    due: datetime
    who: str | None = Field(alias="assignee")
    place: Address | None


@scenario
async def test_a_selection_gives_tuples_or_models_of_what_is_stored(
    forge: Any, face: Face
) -> None:
    tasks = await fill(forge, 12)
    async with forge.session() as session:
        known = await session.get(Task, "task:P:3")
        known.title = "not saved"
        search = Task.query(Task.number < 4).allow_scan().order(Task.number.asc())
        pairs = await session.all(search.select(Task.title, Task.due))
        alone = await session.first(search.select(Task.assignee))
        summaries = await session.all(search.select(Summary))
        page = await session.page(Task.index("title").page_size(5).select(Task.number))
        assert "1 entities" in repr(session)
        session.rollback()
    assert pairs == [(task.title, task.due) for task in tasks[:4]]
    assert alone == (None,)
    assert [type(each) for each in summaries] == [Summary] * 4
    assert [(each.key, each.who) for each in summaries[:2]] == [
        ("task:P:0", None),
        ("task:P:1", "user 1"),
    ]
    assert ([*page], page.cursor is None) == ([(0,), (1,), (2,), (3,), (4,)], False)


@scenario
async def test_a_value_inside_an_attribute_can_be_selected(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        for task, city in zip(make_tasks(3), ["Basel", "Bern", None], strict=True):
            task.place = None if city is None else Address(city=city)
            session.add(task)
        await session.flush()
        search = Task.query().allow_scan().order(Task.number.asc())
        cities = await session.all(search.select(Task.number, Task.place["city"]))
    assert cities == [(0, "Basel"), (1, "Bern"), (2, None)]


@scenario
async def test_matches_are_counted_by_a_value(forge: Any, face: Face) -> None:
    await fill(forge, 50)
    async with forge.session() as session:
        by_status = await session.group_count(Task.index("title"), Task.status)
        search = Task.query(Task.project == "P", Task.status == Status.OPEN)
        by_assignee = await session.group_count(search, Task.assignee)
        assert "0 entities" in repr(session)
    assert by_status == {Status.DONE: 17, Status.OPEN: 33}
    assert by_assignee[None] == sum(number % 5 == 0 and number % 3 > 0 for number in range(50))
    assert sum(by_assignee.values()) == 33


@scenario
async def test_a_budget_of_calls_or_units_says_what_was_found_and_goes_on(
    forge: Any, face: Face
) -> None:
    tasks = await fill(forge, 60)
    search = Task.query(Task.title >= "title").order(Task.title.asc()).page_size(20)
    for bounded in (search.budget(requests=2), search.budget(units=2)):
        async with forge.session() as session:
            with pytest.raises(BudgetExceeded, match="more than its budget") as stopped:
                await session.all(bounded)
            with pytest.raises(BudgetExceeded) as counting:
                await session.count(bounded)
            rest = await session.all(search.cursor(stopped.value.cursor))
            again = [task.number async for task in session.stream(search.limit(40))]
        found = [*stopped.value.found, *rest]
        assert [task.number for task in found] == [task.number for task in tasks]
        assert len(stopped.value.found) == 40
        assert counting.value.__notes__ == ["40 were counted before"]
        assert again == [*range(40)]


@scenario
async def test_a_budget_holds_for_a_query_and_for_a_page(forge: Any, face: Face) -> None:
    await fill(forge, 60)
    search = Task.query(Task.title > "t", Task.title.contains("e 005")).page_size(10)
    async with forge.session() as session:
        with pytest.raises(BudgetExceeded) as stopped:
            await session.page(search.budget(requests=3))
        assert not stopped.value.found
        rest = await session.all(search.cursor(stopped.value.cursor).budget(requests=9))
        assert [task.number for task in rest] == [*range(50, 60)]
        with pytest.raises(BudgetExceeded) as stopped:
            await session.all(Task.index("title").page_size(10).budget(requests=3))
        assert len(stopped.value.found) == 30


@scenario
async def test_a_stream_asked_ahead_gives_the_same_and_saves_changes(
    forge: Any, face: Face
) -> None:
    tasks = await fill(forge, 60)
    search = Task.query(Task.project == "P", Task.status.in_([*Status])).order(Task.due.asc())
    async with forge.session() as session:
        held = await session.get(Task, "task:P:7")
        stream = session.stream(search.page_size(7), ahead=3)
        seen: list[Any] = []
        async for task in stream:
            seen.append(task.number)
            assert (task is held) is (task.number == 7)
            if task.number % 10 == 0:
                task.priority = 99
        assert stream.cursor is None
        titles = [
            title async for (title,) in session.stream(search.select(Task.title), ahead=1)
        ]
    assert seen == [task.number for task in tasks]
    assert titles == [task.title for task in tasks]
    async with forge.session() as session:
        assert await session.count(Task.query(Task.priority == 99).allow_scan()) == 6


@scenario
async def test_a_stream_goes_on_from_any_item(forge: Any, face: Face) -> None:
    await fill(forge, 30)
    search = Task.query(Task.project == "P", Task.status.in_([*Status])).order(Task.due.desc())
    for ahead in (0, 2):
        async with forge.session() as session:
            stream = session.stream(search.page_size(4), ahead=ahead)
            async for task in stream:
                if task.number == 11:
                    break
            cursor = stream.cursor
            stream.close()
        async with forge.session() as session:
            rest = [task.number async for task in session.stream(search.cursor(cursor))]
        assert rest == [*range(10, -1, -1)]


@scenario
async def test_pages_go_back_from_query_and_search(forge: Any, face: Face) -> None:
    await fill(forge, 25)
    for question in (Task.index("title"), Task.query(Task.title > "t").order(Task.title.asc())):
        async with forge.session() as session:
            first = await session.page(question.page_size(10))
            second = await session.page(question.page_size(10).cursor(first.cursor))
            third = await session.page(question.page_size(10).cursor(second.cursor))
            back = await session.page(question.page_size(10).cursor(third.previous))
            begin = await session.page(question.page_size(10).cursor(back.previous))
            with pytest.raises(CursorError, match="goes back one page"):
                await session.all(question.page_size(10).cursor(third.previous))
        assert first.previous is None
        assert [task.number for task in back] == [*range(10, 20)]
        assert [task.number for task in begin] == [*range(10)]
        assert begin.previous is None


@scenario
async def test_a_change_of_everything_is_tried_first_and_goes_on_after_a_stop(
    forge: Any, face: Face
) -> None:
    await fill(forge, 45)
    query = Task.index("by-key").page_size(10)
    told: list[Progress] = []

    def change(task: Task) -> None:
        task.priority = 50

    def stop(progress: Progress) -> None:
        told.append(progress)
        if progress.count == 20:
            raise KeyboardInterrupt

    async def changed() -> int:
        number: int = await session.count(Task.query(Task.priority == 50).allow_scan())
        return number

    async with forge.session() as session:
        assert await session.update_all(query, change, dry_run=True) == 45
        assert await changed() == 0
        with pytest.raises(InvalidValue):
            await session.update_all(
                query, lambda task: setattr(task, "title", ""), dry_run=True
            )
        with pytest.raises(KeyboardInterrupt):
            await session.update_all(query, change, progress=stop)
        assert await changed() == 20
        assert await session.update_all(query.cursor(told[-1].cursor), change) == 25
        assert await changed() == 45


@scenario
async def test_what_cannot_be_selected_is_refused_where_it_is_written(
    forge: Any, face: Face
) -> None:
    class Wrong(BaseModel):
        headline: str

    search = Task.query(Task.due > NOON)
    with pytest.raises(QueryError, match=r"Wrong\.headline: Task has no attribute 'headline'"):
        search.select(Wrong)
    with pytest.raises(QueryError, match="an entity class is asked for with its own query"):
        search.select(Task)
    with pytest.raises(TypeError, match=r"select\(\) takes attributes such as Task\.key"):
        search.select("title")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert repr(search.select(Task.title, Task.place["city"])).endswith(
        ".select(Task.title, Task.place['city'])"
    )
    assert search.select(Task.title) == search.select(Task.title)
    assert search.select(Task.title) != search.select(Task.due)
