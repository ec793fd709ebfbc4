"""Queries: page after page, past empty ones, and no further than is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from forge_orm import (
    Query,
    QueryError,
    Session,
)

from .script import (
    Line,
    Scripted,
    Task,
    page,
    said,
    session,
    stored,
)

QUERY = Task.by_title("t")


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [stored(number) for number in numbers]


def follow(script: Scripted, *pages: list[int], then: str | None = None) -> None:
    """Expect one query for each of *pages*; *then* is the cursor after the last."""
    for number, found in enumerate(pages):
        last = number == len(pages) - 1
        cursor = then if last else f"c{number}"
        script.expect(Line("entity/query", page(*rows(*found), cursor=cursor)))


def cursors(script: Scripted) -> list[str | None]:
    return [said(request).get("cursor") for request in script.heard]


def _numbers(tasks: Any) -> list[int]:
    return [task.number for task in tasks]


def _first(held: Session, query: Query[Task]) -> list[int]:
    found = held.first(query)
    return [] if found is None else [found.number]


Ask = Callable[[Session, Query[Task]], Any]
ASKED: list[tuple[str, Ask, list[list[int]], str | None, Any]] = [
    ("first", _first, [[], [], [7, 8]], "more", [7]),
    ("first of nothing", _first, [[], [], []], None, []),
    ("all", lambda s, q: _numbers(s.all(q)), [[1], [], [2, 3], []], None, [1, 2, 3]),
    ("all, limited", lambda s, q: _numbers(s.all(q.limit(2))), [[1], [], [2, 3]], "m", [1, 2]),
    ("stream", lambda s, q: _numbers(s.stream(q)), [[], [1], [2, 3]], None, [1, 2, 3]),
    ("stream, limited", lambda s, q: _numbers(s.stream(q.limit(1))), [[], [1, 2]], "m", [1]),
    ("one", lambda s, q: s.one(q).number, [[], [4], []], None, 4),
    ("exists", lambda s, q: s.exists(q), [[], [], [4]], "more", True),
    ("exists not", lambda s, q: s.exists(q), [[], []], None, False),
    ("count", lambda s, q: s.count(q), [[1, 2], [], [3]], None, 3),
    ("count, bounded", lambda s, q: s.count(q, at_most=2), [[1], [], [2, 3]], "more", 2),
    ("page", lambda s, q: _numbers(s.page(q)), [[], [1], [2]], None, [1, 2]),
    ("page of nothing", lambda s, q: _numbers(s.page(q)), [[], []], None, []),
]


@pytest.mark.parametrize(("name", "ask", "pages", "then", "found"), ASKED)
def test_reading_goes_on_past_empty_pages_and_no_further_than_needed(
    name: str, ask: Ask, pages: list[list[int]], then: str | None, found: Any
) -> None:
    with session() as (held, script):
        follow(script, *pages, then=then)
        assert ask(held, QUERY.filter(Task.who == "u1")) == found
        assert cursors(script) == [None, *(f"c{number}" for number in range(len(pages) - 1))]
        bodies = [said(request) for request in script.heard]
        assert [{**body, "cursor": None} for body in bodies[1:]] == [
            {**bodies[0], "cursor": None}
        ] * (len(bodies) - 1)


@pytest.mark.parametrize(
    ("query", "limit"),
    [
        (QUERY, 100),
        (QUERY.limit(3), 3),
        (QUERY.limit(150), 75),
        (QUERY.limit(3).page_size(50), 50),
        (QUERY.limit(3).filter(Task.who == "u1"), 100),
        (QUERY.limit(3).filter(Task.who == "u1").page_size(7), 7),
    ],
)
def test_a_call_reads_as_many_rows_as_are_worth_reading(query: Query[Task], limit: int) -> None:
    with session() as (held, script):
        follow(script, [])
        held.all(query)
        assert said(script.heard[0])["limit"] == limit


def test_a_page_goes_on_where_the_one_before_ended() -> None:
    with session() as (held, script):
        follow(script, [], [1, 2], then="here")
        first = held.page(QUERY.page_size(2))
        follow(script, [3])
        second = held.page(QUERY.page_size(2).cursor(first.cursor))
        assert (_numbers(second), second.cursor) == ([3], None)
        assert cursors(script) == [None, "c0", "here"]


@pytest.mark.parametrize(("found", "words"), [([], "no"), ([1, 2], "more than one")])
def test_one_is_exactly_one(found: list[int], words: str) -> None:
    with session() as (held, script):
        follow(script, found, then="more" if found else None)
        with pytest.raises(QueryError, match=f"found {words} match"):
            held.one(QUERY)


def test_counting_keeps_nothing() -> None:
    with session() as (held, script):
        follow(script, [1, 2], [3])
        assert held.count(QUERY) == 3
        assert "0 entities" in repr(held)


def test_a_stream_asks_for_a_page_when_it_is_wanted() -> None:
    with session() as (held, script):
        stream = held.stream(QUERY)
        assert script.heard == []
        follow(script, [1, 2], then="c1")
        assert [next(stream).number, next(stream).number] == [1, 2]
        assert len(script.heard) == 1
        follow(script, [3])
        assert _numbers(stream) == [3]
        assert cursors(script) == [None, "c1"]
