"""What a search asks: which index, how many calls, and what it refuses."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from forge_orm import (
    BudgetExceeded,
    CursorError,
    Forge,
    LocalBackend,
    QueryError,
    ScanRefused,
    SortTooLarge,
)
from forge_orm.query import Search
from forge_orm.wire import Request, Response

from .test_property import Colour, Thing, fill, registry, thing


class Counting:
    """A store that remembers what it was asked."""

    in_process = True

    def __init__(self, store: LocalBackend) -> None:
        self._store = store
        self.asked: list[dict[str, Any]] = []

    def send(self, request: Request, /) -> Response:
        self.asked.append(json.loads(request.body))
        return self._store.send(request)


@pytest.fixture(scope="module")
def store() -> Iterator[Counting]:
    rows = [
        {
            "project": "abcde"[number % 5],
            "colour": list(Colour)[number % 2],
            "rank": number % 11,
            "weight": None if number % 3 else number / 4,
            "flag": number % 4 == 0,
            "text": f"t{number:04}",
        }
        for number in range(1000)
    ]
    with LocalBackend(schemas=registry) as backend:
        fill(backend, rows)
        yield Counting(backend)


@pytest.fixture
def calls(store: Counting) -> list[dict[str, Any]]:
    store.asked.clear()
    return store.asked


def test_a_few_of_five_merged_partitions_take_a_page_of_each(
    store: Counting, calls: list[dict[str, Any]]
) -> None:
    search = Thing.query(thing.project.in_([*"abcde"])).order(thing.rank.desc()).limit(20)
    with Forge(store).session() as session:
        found = session.all(search)
    assert [each.rank for each in found] == [10] * 20
    assert [each.key for each in found] == sorted((each.key for each in found), reverse=True)
    assert len(calls) == 5
    assert all(call["limit"] == 20 and call["sort"] == "DESC" for call in calls)


def test_first_on_an_index_is_one_call(store: Counting, calls: list[dict[str, Any]]) -> None:
    with Forge(store).session() as session:
        found = session.first(Thing.query(thing.project == "a").order(thing.rank.asc()))
    assert found is not None
    assert found.rank == 0
    assert [(call["indexName"], call["limit"]) for call in calls] == [("by_project", 1)]


@pytest.mark.parametrize(
    ("search", "index"),
    [
        (Thing.query(thing.key == "thing:005", thing.project == "a"), "by-key"),
        (Thing.query(thing.project == "a"), "by_project"),
        (Thing.query(thing.project == "a", thing.colour == Colour.RED), "by_colour"),
        (Thing.query(thing.project == "a", thing.number > 3), "by_project"),
        (Thing.query(thing.weight > 3), "by_weight"),
        (Thing.query(thing.flag == True, thing.text.startswith("t01")), "by_text"),  # noqa: E712
    ],
)
def test_the_most_selective_index_is_asked(
    store: Counting, calls: list[dict[str, Any]], search: Search[Thing], index: str
) -> None:
    with Forge(store).session() as session:
        assert session.explain(search).reads[0].index.startswith(f"{index}(")
        assert not calls
        assert session.first(search) is not None
    assert {call["indexName"] for call in calls} == {index}


def test_two_ends_of_a_range_are_one_between(
    store: Counting, calls: list[dict[str, Any]]
) -> None:
    search = Thing.query(thing.project == "a", thing.rank >= 3, thing.rank < 5)
    with Forge(store).session() as session:
        assert {each.rank for each in session.all(search)} == {3, 4}
        (read,) = session.explain(search).reads
    assert calls[0]["range"] == {"condition": "BETWEEN", "values": [3, 5]}
    assert read.residual == "(rank < 5)"


def test_alternatives_of_one_partition_are_one_call_with_or(
    store: Counting, calls: list[dict[str, Any]]
) -> None:
    search = Thing.query(
        thing.project == "a", (thing.colour != Colour.RED) | (thing.text.contains("9"))
    )
    with Forge(store).session() as session:
        session.all(search.limit(100))
    assert [*calls[0]["filters"]] == ["or"]


def test_contradictions_ask_nothing(store: Counting, calls: list[dict[str, Any]]) -> None:
    with Forge(store).session() as session:
        assert session.all(Thing.query(thing.rank == 1, thing.rank == 2)) == []
        assert session.explain(Thing.query(thing.rank == 1, thing.rank == 2)).mode == "nothing"
    assert not calls


def test_a_scan_is_refused_with_the_index_that_would_help(store: Counting) -> None:
    with Forge(store).session() as session:
        with pytest.raises(ScanRefused) as refused:
            session.all(Thing.query(thing.rank > 2, thing.colour == Colour.RED))
        assert "declare by_rank = index(colour, range=rank) in Thing" in str(refused.value)
        assert ".allow_scan()" in str(refused.value)
        with pytest.raises(ScanRefused):
            session.all(Thing.query())
        assert session.count(Thing.query().allow_scan()) == 1000


def test_sorting_here_has_a_bound(store: Counting) -> None:
    search = Thing.query(thing.project == "a").order(thing.text.asc())
    with Forge(store).session() as session:
        assert [each.number for each in session.all(search.limit(3))] == [0, 5, 10]
        with pytest.raises(SortTooLarge, match="more than 50 matches"):
            session.all(search.sort_limit(50))


def test_a_condition_of_too_many_alternatives_is_tried_here(store: Counting) -> None:
    many = (thing.rank == 0) | (thing.number == 1)
    for number in range(2, 9):
        many = many & ((thing.rank == number) | (thing.number < 900 + number))
    search = Thing.query(thing.project == "a", many)
    with Forge(store).session() as session:
        (read,) = session.explain(search).reads
        found = session.all(search)
    assert read.index.startswith("by_project(")
    assert {each.rank for each in found} == {0}


@pytest.fixture
def cursor(store: Counting) -> str:
    with Forge(store).session() as session:
        page = session.page(Thing.query(thing.project == "a").page_size(5))
    assert page.cursor is not None
    return page.cursor


def test_a_cursor_is_url_safe_and_goes_on(store: Counting, cursor: str) -> None:
    assert cursor.replace("-", "a").replace("_", "a").isalnum()
    with Forge(store).session() as session:
        search = Thing.query(thing.project == "a").page_size(5)
        every = [each.key for each in session.all(search)]
        rest = [each.key for each in session.all(search.cursor(cursor))]
    assert rest == every[5:]


def _tampered(cursor: str) -> str:
    data = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    data[-2] ^= 1
    return base64.urlsafe_b64encode(bytes(data)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("change", "search", "said"),
    [
        (_tampered, Thing.query(thing.project == "a").page_size(5), "was changed"),
        (lambda _: "nonsense", Thing.query(thing.project == "a").page_size(5), "no cursor"),
        (lambda one: one, Thing.query(thing.project == "b").page_size(5), "another search"),
        (lambda one: one, Thing.query(thing.project == "a").page_size(6), "another search"),
    ],
)
def test_a_cursor_that_does_not_belong_is_refused(
    store: Counting, cursor: str, change: Any, search: Search[Thing], said: str
) -> None:
    with Forge(store).session() as session, pytest.raises(CursorError, match=said):
        session.all(search.cursor(change(cursor)))


def test_what_a_query_cannot_say_is_sent_to_a_search() -> None:
    for condition in (thing.extra["p"] > 1, ~thing.text.startswith("a")):
        with pytest.raises(QueryError, match=r"search for thing with \.query"):
            Thing.index("by-key").filter(condition)


def test_one_or_none(store: Counting) -> None:
    with Forge(store).session() as session:
        assert session.one_or_none(Thing.query(thing.key == "thing:zzz")) is None
        found = session.one_or_none(Thing.query(thing.key == "thing:003"))
        assert found is not None
        with pytest.raises(QueryError, match="more than one"):
            session.one_or_none(Thing.query(thing.project == "a"))
        with pytest.raises(QueryError, match="no match"):
            session.one(Thing.query(thing.key == "thing:zzz"))


def test_an_explanation_can_be_read_and_taken_apart(store: Counting) -> None:
    search = Thing.query(thing.project == "a", thing.extra["p"].missing())
    with Forge(store).session() as session:
        told = session.explain(search, run=True)
    assert "tried here: (extra['p'] NOT EXISTS)" in str(told)
    assert "calls, 200 rows read, 200 kept" in str(told)
    as_data = told.to_dict()
    assert as_data["reads"][0]["partition"] == {"project": "a"}
    assert as_data["ran"]["rows"] == 200


def test_a_budget_stops_before_a_call_too_many_and_goes_on(
    store: Counting, calls: list[dict[str, Any]]
) -> None:
    search = Thing.query(thing.project == "a").page_size(30)
    with Forge(store).session() as session:
        every = session.all(search)
        calls.clear()
        with pytest.raises(BudgetExceeded, match="more than the 2 calls") as stopped:
            session.all(search.budget(requests=2))
        assert len(calls) == 2
        found = [*stopped.value.found]
        assert len(found) == 60
        rest = session.all(search.cursor(stopped.value.cursor))
    assert found + rest == every
