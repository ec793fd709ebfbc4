"""What a search asks: which index, how many calls, and what it refuses."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from forge_orm import (
    AsyncForge,
    BudgetExceeded,
    CursorError,
    Forge,
    LocalBackend,
    QueryError,
    ScanRefused,
    Session,
    SortTooLarge,
    StaleIndex,
    UnknownIndex,
    capture,
)
from forge_orm.drivers import run
from forge_orm.flows import reads
from forge_orm.query import Search
from forge_orm.unit import UnitOfWork
from forge_orm.wire import Request, Response

from .test_property import Colour, Thing, fill, registry, thing


class Counting:
    """A store that remembers what it was asked."""

    in_process = True

    def __init__(self, store: LocalBackend) -> None:
        self._store = store
        self.asked: list[dict[str, Any]] = []

    def send(self, request: Request, /) -> Response:
        body = json.loads(request.body)
        self.asked.append(body if isinstance(body, dict) else {request.operation: body})
        return self._store.send(request)

    async def asend(self, request: Request, /) -> Response:
        return self.send(request)


@pytest.fixture(scope="module")
def store() -> Iterator[Counting]:
    rows = [
        {
            "project": "abcde"[number % 5],
            "colour": list(Colour)[number % 2],
            "rank": number % 11,
            "weight": None if number % 3 else number / 4,
            "flag": number % 4 == 0,
            "text": f"t{number:05}",
        }
        for number in range(10_000)
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
        (Thing.query(thing.key > "thing:0990"), "by-key"),
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
        assert session.count(Thing.query().allow_scan()) == 10_000


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
        (lambda one: one, Thing.query(thing.project == "b").page_size(5), "another question"),
        (lambda one: one, Thing.query(thing.project == "a").page_size(6), "another question"),
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
    assert "21 calls, 2000 rows read, 2000 kept, 41 units, " in str(told)
    as_data = told.to_dict()
    assert as_data["reads"][0]["partition"] == {"project": "a"}
    assert as_data["ran"]["rows"] == 2000
    assert as_data["ran"]["milliseconds"] > 0


def test_a_budget_stops_before_a_call_too_many_and_goes_on(
    store: Counting, calls: list[dict[str, Any]]
) -> None:
    search = Thing.query(thing.project == "a").page_size(30)
    with Forge(store).session() as session:
        every = session.all(search)
        calls.clear()
        with pytest.raises(BudgetExceeded, match="more than its budget") as stopped:
            session.all(search.budget(requests=2))
        assert len(calls) == 2
        found = [*stopped.value.found]
        assert len(found) == 60
        rest = session.all(search.cursor(stopped.value.cursor))
    assert found + rest == every


# --- Reading by key -------------------------------------------------------------------------


def key(number: int) -> str:
    return f"thing:{number:03}"


def batches(calls: list[dict[str, Any]]) -> list[list[str]]:
    """Return the keys of each call; every call must be a batch get."""
    assert all([*call] == ["batch/get"] for call in calls)
    return [[item["key"] for item in call["batch/get"]] for call in calls]


def test_keys_are_read_in_batches_whatever_else_is_asked(
    store: Counting, calls: list[dict[str, Any]]
) -> None:
    wanted = [key(number) for number in range(0, 120, 2)]
    search = Thing.query(thing.key.in_([*wanted, "thing:zzz"]), thing.project != "b")
    with Forge(store).session() as session:
        found = session.all(search)
        told = session.explain(search)
    assert [each.key for each in found] == sorted(
        key(number) for number in range(0, 120, 2) if number % 5 != 1
    )
    assert [len(keys) for keys in batches(calls)] == [25, 25, 11]
    assert (told.requests, told.reads[0].why) == (3, "61 keys, by /batch/get")
    assert set(told.reads[0].rejected.values()) == {"a key finds its entity alone"}


def test_as_many_keys_are_read_as_are_wanted(
    store: Counting, calls: list[dict[str, Any]]
) -> None:
    search = Thing.query(thing.key.in_([key(number) for number in range(2000)]))
    with Forge(store).session() as session:
        first = session.first(search)
        last = session.first(search.order(thing.key.desc()))
        assert [len(keys) for keys in batches(calls)] == [1, 1]
        assert [first and first.key, last and last.key] == ["thing:000", "thing:999"]
        calls.clear()
        assert len(session.all(search)) == 2000
    assert len(batches(calls)) == 80


def test_keys_are_put_in_an_order_here(store: Counting, calls: list[dict[str, Any]]) -> None:
    search = Thing.query(thing.key.in_([key(number) for number in range(30)]))
    with Forge(store).session() as session:
        found = session.all(search.order(thing.rank.desc()).limit(4))
        told = session.explain(search.order(thing.rank.desc()))
    assert [(each.rank, each.number) for each in found] == [(10, 21), (10, 10), (9, 20), (9, 9)]
    assert len(batches(calls)) == 2
    assert (told.mode, told.order) == ("single", "by rank, descending, keys sorted here")


def test_keys_and_partitions_are_merged_without_repeats(
    store: Counting, calls: list[dict[str, Any]]
) -> None:
    asked = thing.key.in_([key(5), key(6)]) | (thing.project == "a")
    search = Thing.query(asked).order(thing.rank.asc()).limit(1000)
    with Forge(store).session() as session:
        found = session.all(search.limit(2100))
        told = session.explain(search)
    assert (told.mode, told.repeats) == ("merge", True)
    assert len(found) == len({each.key for each in found}) == 2001
    assert [each.rank for each in found] == sorted(each.rank for each in found)


def test_the_first_of_the_known_keys_that_matches_ends_it(
    store: Counting, calls: list[dict[str, Any]]
) -> None:
    with Forge(store).session() as session:
        assert session.exists(Thing.query(thing.key == key(3)))
        assert session.all(Thing.query(thing.key == key(3), thing.key == key(4))) == []
        assert session.count(Thing.query(thing.key == key(3), thing.rank == 4)) == 0
    assert batches(calls) == [[key(3)], [key(3)]]


# --- What a question may cost ---------------------------------------------------------------


def test_seconds_are_counted_by_the_clock_of_who_runs_it(store: Counting) -> None:
    times = iter(range(100))
    search = Thing.query(thing.project == "a").page_size(10).budget(seconds=3.5)
    flow = reads.collect(UnitOfWork(), search, lambda: float(next(times)))
    with pytest.raises(BudgetExceeded) as stopped:
        run(flow, store)
    assert len(stopped.value.found) == 30
    assert stopped.value.cursor is not None


def test_a_session_gives_the_time(store: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(range(100))
    monkeypatch.setattr("forge_orm.session.monotonic", lambda: float(next(times)))
    with Forge(store).session() as session:
        told = session.explain(Thing.query(thing.project == "a").limit(5), run=True)
        assert told.ran is not None
        assert (told.ran.milliseconds, told.ran.units) == (1000.0, 1)
        with pytest.raises(BudgetExceeded):
            session.all(Thing.query(thing.project == "a").budget(seconds=5))


@pytest.mark.parametrize("bounds", [{}, {"requests": 0}, {"seconds": -1.0}])
def test_a_budget_has_a_bound(bounds: dict[str, Any]) -> None:
    with pytest.raises(QueryError, match="needs a bound, and one above 0"):
        Thing.query().budget(**bounds)


def test_five_partitions_of_ten_thousand_take_a_page_of_each_and_one_more_at_most(
    store: Counting, calls: list[dict[str, Any]]
) -> None:
    for search in (
        Thing.query(thing.project.in_([*"abcde"])).order(thing.rank.desc()).limit(20),
        Thing.query(thing.project.in_([*"abcde"]), thing.flag == True)  # noqa: E712
        .order(thing.rank.asc())
        .limit(20),
        Thing.by_project.any_of([*"abcde"]).limit(20),
    ):
        calls.clear()
        with Forge(store).session() as session:
            assert len(session.all(search)) == 20
        assert len(calls) <= 6


# --- Asked ahead ----------------------------------------------------------------------------


def test_a_stream_is_never_more_pages_ahead_than_said(
    store: Counting, calls: list[dict[str, Any]]
) -> None:
    with Forge(store).session() as session:
        stream = session.stream(Thing.query(thing.project == "a").page_size(10), ahead=2)
        assert not calls
        for number, _ in zip(range(45), stream, strict=False):
            assert len(calls) <= number // 10 + 3
        stream.close()
        assert 5 <= len(calls) <= 8


def test_calls_made_ahead_are_captured_too(store: Counting) -> None:
    with Forge(store).session() as session, capture() as calls:
        stream = session.stream(Thing.query(thing.project == "a").limit(100), ahead=1)
        assert len(list(stream)) == 100
    calls.assert_count("entity/query", min=1)


async def _ahead(store: Counting, calls: list[dict[str, Any]]) -> None:
    session = AsyncForge(store).session()
    stream = session.stream(Thing.query(thing.project == "a").page_size(10), ahead=2)
    assert not calls
    number = 0
    async for _ in stream:
        number += 1
        await asyncio.sleep(0)
        assert len(calls) <= (number - 1) // 10 + 3
        if number == 45:
            break
    await asyncio.sleep(0.01)
    assert len(calls) == 7
    session.close()
    await asyncio.sleep(0.01)
    assert len(calls) == 7


def test_an_awaited_stream_is_as_far_ahead_as_said(
    store: Counting, calls: list[dict[str, Any]]
) -> None:
    asyncio.run(_ahead(store, calls))


@pytest.mark.parametrize("ahead", [0, 2])
def test_an_error_comes_where_the_stream_reaches_it(store: Counting, ahead: int) -> None:
    search = Thing.query(thing.project == "a").page_size(10).budget(requests=3)
    found: list[Thing] = []
    with Forge(store).session() as session:
        stream = session.stream(search, ahead=ahead)
        with pytest.raises(BudgetExceeded) as stopped:
            found.extend(stream)
        assert stream.cursor == stopped.value.cursor
    assert len(found) == 30


# --- What the service says ------------------------------------------------------------------


def _refusing(code: str) -> Session:
    words = json.dumps({"code": code, "message": "words"}).encode()

    class Refusing:
        def send(self, request: Request, /) -> Response:
            return Response(400, words)

    return Forge(Refusing(), retry=None).session()


def test_an_index_has_to_be_declared_and_deployed() -> None:
    with pytest.raises(UnknownIndex, match="Thing has no index 'by_rank'; it has by_project"):
        Thing.index("by_rank")
    with pytest.raises(StaleIndex, match="INVALID_ENTITY_INDEX"):
        _refusing("INVALID_ENTITY_INDEX").all(Thing.query(thing.project == "a"))


def test_a_cursor_the_service_has_forgotten_is_outdated(cursor: str) -> None:
    search = Thing.query(thing.project == "a").page_size(5).cursor(cursor)
    with pytest.raises(CursorError, match="no longer takes the cursor"):
        _refusing("INVALID_CURSOR").all(search)


def test_a_cursor_of_a_query_is_refused_by_another(store: Counting) -> None:
    query = Thing.by_project("a").page_size(5)
    with Forge(store).session() as session:
        page = session.page(query)
        rest = session.page(query.limit(3).cursor(page.cursor))
        assert [*rest] == session.all(query.limit(8))[5:]
        for other in (Thing.by_project("b"), query.descending(), query.metadata()):
            with pytest.raises(CursorError, match="another question"):
                session.page(other.cursor(page.cursor))
