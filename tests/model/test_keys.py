"""Keys: the service's rule, templates that build and parse, parts that are made."""

from __future__ import annotations

import contextlib
import enum
import re
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Strict, StrictInt

from forge_orm import Attr, DeclarationError, Entity, InvalidValue, Registry, attr
from forge_orm.limits import KEY_PATTERN
from forge_orm.model.keys import KeyTemplate, check_key, new_ulid, new_uuid

from .declaring import entity


class Colour(enum.Enum):
    RED = "red"


class Name(enum.StrEnum):
    ANNA = "anna"


class Level(enum.IntEnum):
    LOW = 1


class Task(Entity, name="task", key="task:{project}:{number}:{ulid}", registry=Registry()):
    project: Attr[str] = attr()
    number: Attr[int] = attr()
    note: Attr[str | None] = attr(default=None)


ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def keyed(template: str, annotation: Any = str) -> Any:
    return entity({"a": annotation}, key=template)


def test_a_key_is_built_from_a_template_and_taken_apart_again() -> None:
    key = Task.key_for(project="P", number=7, ulid=ULID)
    parts = Task.parse_key(key)

    assert key == f"task:P:7:{ULID}"
    assert (parts.project, parts.number, parts.ulid) == ("P", 7, ULID)
    assert dict(parts) == {"project": "P", "number": 7, "ulid": ULID}
    assert len(parts) == 3
    assert repr(parts) == f"KeyParts(project='P', number=7, ulid='{ULID}')"


def test_an_entity_builds_its_key_once() -> None:
    task = Task(project="P", number=7)
    key = task.key

    assert key.startswith("task:P:7:")
    task.project = "Q"
    assert task.key == key
    assert Task(project="P", number=7).key != key


PARTS: list[tuple[Any, Any, str]] = [
    (str, "a b", "a b"),
    (int, -3, "-3"),
    (UUID, UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (date, date(2026, 1, 2), "2026-01-02"),
    (datetime, datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00.000000Z"),
    (Colour, Colour.RED, "red"),
    (Level, Level.LOW, "1"),
    (Literal[1, 2], 2, "2"),
    (StrictInt, 3, "3"),
    (Annotated[Name, Strict()], Name.ANNA, "anna"),
    (Annotated[Level, Strict()], Level.LOW, "1"),
    (Annotated[Colour, Strict()], Colour.RED, "red"),
    (Annotated[UUID, Strict()], UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Annotated[date, Strict()], date(2026, 1, 2), "2026-01-02"),
    (Literal[Colour.RED], Colour.RED, "red"),
    (Literal[Level.LOW], Level.LOW, "1"),
]


@pytest.mark.parametrize(("annotation", "value", "text"), PARTS, ids=str)
@pytest.mark.parametrize("template", ["{a}", "x:{a}", "{a}#y", "{ulid}.{a}", "{a}-{uuid}"])
def test_a_part_is_written_as_it_is_stored_and_read_as_its_type(
    template: str, annotation: Any, value: Any, text: str
) -> None:
    thing = keyed(template, annotation)
    key = thing(a=value).key

    assert text in key
    assert thing.parse_key(key).a == value
    assert type(thing.parse_key(key).a) is type(value)


@settings(max_examples=100, deadline=None, database=None)
@given(st.text("ab:-", min_size=1, max_size=4), st.text("ab:-", min_size=1, max_size=4))
def test_a_key_is_parsed_into_the_parts_it_was_built_of_or_refused(a: str, b: str) -> None:
    thing = entity({"a": str, "b": str}, key="{a}:{b}")
    key = None
    with contextlib.suppress(InvalidValue):
        key = thing.key_for(a=a, b=b)

    if key is None:
        assert ":" in a
    else:
        assert dict(thing.parse_key(key)) == {"a": a, "b": b}


def test_what_is_made_can_be_given_and_an_attribute_comes_first() -> None:
    thing = entity({"ulid": str}, key="{ulid}:{uuid}")
    given_uuid = "9b2fc1d4-0000-4000-8000-000000000000"

    assert thing.key_for(ulid="mine", uuid=given_uuid) == f"mine:{given_uuid}"
    template: KeyTemplate = thing.__forge__.template
    assert template.placeholders == ("ulid", "uuid")
    assert template.attributes == ("ulid",)
    assert repr(template) == "KeyTemplate('{ulid}:{uuid}')"


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Task.key_for(project="P"), "needs a value for 'number'"),
        (lambda: Task.key_for(project="P", number=1, extra=2), "has no ['extra']"),
        (lambda: Task.key_for(project="a/b", number=1), "it holds '/'"),
        (lambda: Task.key_for(project="a:b", number=1), "holds the separator"),
        (lambda: Task.key_for(project="P", number=1, ulid="short"), "could not be parsed"),
        (lambda: Task.key_for(project="P" * 480, number=1), "allowed are 1 to 500"),
        (lambda: Task.parse_key("task:P"), "'task:P' does not fit 'task:{project}"),
        (lambda: Task.parse_key(f"note:P:1:{ULID}"), "does not fit"),
        (lambda: keyed("x:{a}", str | None)(a=None).key, "needs a value for 'a'"),
        (lambda: entity({"a": str})(a="b").key, ".with_key('…')"),
    ],
)
def test_a_key_that_cannot_be_is_refused(build: Callable[[], Any], says: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        build()

    assert says in str(refusal.value)


def test_a_part_that_does_not_fit_its_type_is_refused() -> None:
    with pytest.raises(InvalidValue, match="'number'"):
        Task.parse_key(f"task:P:seven:{ULID}")


def test_a_part_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no part 'title'; it has project, number"):
        _ = Task.parse_key(f"task:P:7:{ULID}").title


@pytest.mark.parametrize(
    "key", ["a", "0", "a b", " a", "a:b.c_d-e#f", "#", "a" * 500], ids=lambda key: key[:12]
)
def test_a_key_the_service_takes_is_taken(key: str) -> None:
    assert check_key(key) == key
    assert KEY_PATTERN.fullmatch(key)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "has 0 characters; allowed are 1 to 500"),
        ("a" * 501, "has 501 characters"),
        ("  ", "it is blank"),
        ("a/b", "it holds '/'"),
        ("a@b+c", "it holds '+' '@'"),
        ("zürich", "it holds 'ü'"),
        ("a\tb", r"it holds '\t'"),
        ("a\n", r"it holds '\n'"),
        ("a\u00a0b", r"it holds '\xa0'"),
    ],
)
def test_a_key_the_service_refuses_is_refused_with_the_reason(key: str, says: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        check_key(key, "Task key")

    assert str(refusal.value).startswith("Task key ")
    assert says in str(refusal.value)


def test_ulids_are_unique_and_in_order_even_from_many_threads() -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def make(into: list[str]) -> None:
        into.extend(new_ulid() for _ in range(500))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(ulids == sorted(ulids) for ulids in made)
    assert len({ulid for ulids in made for ulid in ulids}) == 2000
    assert all(re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", ulid) for ulid in made[0])


def test_a_uuid_is_a_random_one() -> None:
    assert UUID(new_uuid()).version == 4
    assert new_uuid() != new_uuid()


REFUSED: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "an unknown part": (
        lambda: keyed("x:{b}"),
        ["Thing:", "'x:{b}' names 'b'", "known are a, ulid, uuid"],
    ),
    "a float": (lambda: keyed("x:{a}", float), ["Thing:", "'a'", "no storable scalar"]),
    "a list": (lambda: keyed("x:{a}", list[str]), ["Thing:", "'a'", "no storable scalar"]),
    "no part": (lambda: keyed("x"), ["Thing:", "gives every entity one key"]),
    "a part twice": (lambda: keyed("{a}:{a}"), ["Thing:", "names 'a' twice"]),
    "an open brace": (lambda: keyed("x:{a"), ["Thing:", "expected '}'"]),
    "too long": (
        lambda: keyed("x" * 475 + "{ulid}"),
        ["Thing:", "makes keys of 501 characters or more; the limit is 500"],
    ),
    "a slash": (lambda: keyed("x/{a}"), ["Thing:", "holds '/'", "Allowed are letters"]),
    **{
        text: (partial(keyed, text), ["Thing:", text, "write {name} only"])
        for text in ("{a:3}", "{a!r}", "{}", "{a.b}", "{0}")
    },
}


def test_a_template_may_fill_a_key() -> None:
    assert len(keyed("x" * 474 + "{ulid}").key_for()) == 500
    assert len(keyed("x" * 463 + "{a}{uuid}").key_for(a="1")) == 500


@pytest.mark.parametrize(("declare", "says"), REFUSED.values(), ids=REFUSED)
def test_a_template_that_cannot_work_is_refused_where_it_is_declared(
    declare: Callable[[], Any], says: list[str]
) -> None:
    with pytest.raises(DeclarationError) as refusal:
        declare()

    missing = [words for words in says if words not in str(refusal.value)]
    assert not missing, str(refusal.value)
