"""A query of one kind: where the kind is asked for, and what is left to drop here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from forge_orm import Attr, Entity, QueryError, Registry, ScanRefused, attr, index
from forge_orm.planner import make_read_plan, plan_query
from forge_orm.query import compile_query

registry = Registry("kinds of queries")


class Event(Entity, name="event", key="event:{ulid}", discriminator="kind", registry=registry):
    kind: Attr[str] = attr(init=False)
    at: Attr[int] = attr()
    user: Attr[str] = attr()

    by_user = index(user, range=at)
    by_kind = index(kind, range=at)
    in_kind = index(kind, user, range=at)
    kinds = index(range=kind, name="kind")
    user_kinds = index(user, range=kind)


class Access(Event):
    pass


class Login(Access, kind="login"):
    place: Attr[str] = attr()

    by_place = index(place, range=Event.at)


class Logout(Access, kind="logout"):
    pass


class Note(Event, kind="note"):
    pass


def payload(query: Any) -> dict[str, Any]:
    (read,) = plan_query(query, None).reads
    return compile_query(read.spec, rows=100)


def equal(*kinds: str) -> list[dict[str, Any]]:
    return [{"property": "kind", "condition": "EQUAL_TO", "values": [kind]} for kind in kinds]


USER = {"property": "user", "condition": "EQUAL_TO", "values": ["u"]}
LATER = {"property": "at", "condition": "GREATER_THAN", "values": [1]}

PAYLOADS: dict[str, tuple[Any, dict[str, Any]]] = {
    "the base asks for all": (Event.by_user("u"), {"partition": ["u"]}),
    "a filter": (Login.by_user("u"), {"partition": ["u"], "filters": {"and": equal("login")}}),
    "its own index": (
        Login.by_place("p"),
        {"partition": ["p"], "filters": {"and": equal("login")}},
    ),
    "several kinds": (
        Access.by_user("u"),
        {"partition": ["u"], "filters": {"or": equal("login", "logout")}},
    ),
    "beside filters joined by and": (
        Login.index("by-key").filter(Login.user == "u", Login.at > 1),
        {"filters": {"and": [USER, LATER, *equal("login")]}},
    ),
    "dropped here: no room beside or": (
        Login.index("by-key").filter((Login.user == "u") | (Login.at > 1)),
        {"filters": {"or": [USER, LATER]}},
    ),
    "dropped here: several kinds beside and": (
        Access.index("by-key").filter(Access.user == "u"),
        {"filters": {"and": [USER]}},
    ),
    "the partition": (Login.index("by_kind"), {"partition": ["login"]}),
    "a part of the partition": (
        Login.index("in_kind").where(Login.user == "u"),
        {"partition": ["login", "u"]},
    ),
    "a given partition": (Login.by_kind("login"), {"partition": ["login"]}),
    "one of several": (Access.by_kind("logout"), {"partition": ["logout"]}),
    "the range": (
        Login.user_kinds("u"),
        {"partition": ["u"], "range": {"condition": "EQUAL_TO", "values": ["login"]}},
    ),
    "dropped here: several kinds in the range": (Access.user_kinds("u"), {"partition": ["u"]}),
}


@pytest.mark.parametrize(("query", "said"), PAYLOADS.values(), ids=PAYLOADS)
def test_the_kind_is_asked_for_where_the_service_can_take_it(query: Any, said: Any) -> None:
    sent = payload(query)
    assert {
        name: sent[name] for name in sent if name in ("partition", "range", "filters")
    } == said
    assert json.dumps(sent)


def test_a_query_itself_says_what_was_written() -> None:
    assert Login.by_user("u").spec == Event.by_user("u").spec
    assert Login.by_user("u") != Event.by_user("u")


def test_where_rows_may_be_dropped_whole_pages_are_read() -> None:
    assert plan_query(Login.by_user("u"), 3).rows == 100
    assert plan_query(Access.user_kinds("u"), 3).rows == 100
    assert plan_query(Event.by_user("u"), 3).rows == 3


def test_an_index_of_one_kind_a_partition_does_not_serve_several() -> None:
    with pytest.raises(QueryError, match=r"Access has 'login', 'logout': .* Access\.query"):
        payload(Access.index("by_kind"))


def test_a_condition_of_another_kind_is_refused() -> None:
    wrong: Any = Login.place == "p"
    with pytest.raises(QueryError, match="is about Login, this search about Event"):
        Event.query(wrong)
    assert len(reads(Login.query(Event.user == "u", Access.at > 1, Login.place == "p"))) == 1


# --- Searches -----------------------------------------------------------------------------


def reads(search: Any) -> list[tuple[str, tuple[Any, ...], list[str], str | None]]:
    return [
        (
            read.spec.index.name,
            tuple(value for _, value in read.spec.partition),
            [repr(each) for each in read.spec.filters],
            None if read.residual is None else repr(read.residual),
        )
        for read in make_read_plan(search).reads
    ]


SEARCHES: dict[str, tuple[Any, Any]] = {
    "the partition": (Login.query(), [("by_kind", ("login",), [], None)]),
    "both in the partition": (
        Login.query(Login.user == "u"),
        [("in_kind", ("login", "u"), [], None)],
    ),
    "a filter": (
        Login.query(Login.place == "p"),
        [("by_place", ("p",), ["kind == 'login'"], None)],
    ),
    "a read for each kind": (
        Access.query(),
        [("by_kind", ("login",), [], None), ("by_kind", ("logout",), [], None)],
    ),
    "the base asks for all": (Event.query(Event.user == "u"), [("by_user", ("u",), [], None)]),
}


@pytest.mark.parametrize(("search", "said"), SEARCHES.values(), ids=SEARCHES)
def test_a_search_finds_the_best_place_for_the_kind(search: Any, said: Any) -> None:
    assert reads(search) == said


def test_a_read_of_keys_leaves_out_other_kinds() -> None:
    (read,) = make_read_plan(Login.query(Login.key == "k")).reads
    assert read.gives("k", {"kind": "login"})
    assert not read.gives("k", {"kind": "logout"})


def test_explain_shows_the_kind() -> None:
    told = str(make_read_plan(Login.query(Login.place == "p")).explain())
    assert "filtered by the service: kind == 'login'" in told
    told = str(plan_query(Access.user_kinds("u"), None).explain())
    assert "(kind == 'login') | (kind == 'logout')" in told


def test_a_kind_that_no_index_holds_is_a_scan() -> None:
    class Base(Entity, name="base", discriminator="sort", registry=Registry("scan")):
        size: Attr[int] = attr()

    class One(Base, kind="one"):
        pass

    with pytest.raises(ScanRefused, match="no index of One narrows sort == 'one'"):
        make_read_plan(One.query())
    assert reads(One.query().allow_scan()) == [("by-key", (), ["sort == 'one'"], None)]


def test_an_index_of_attributes_the_kind_lacks_is_not_used() -> None:
    told = make_read_plan(Note.query(Note.user == "u")).explain()
    assert any("by_place" in name for name in told.reads[0].rejected)
