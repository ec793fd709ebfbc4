"""Where the checks of references go: which calls, in which order, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from forge_orm import (
    Attr,
    Entity,
    Forge,
    LocalBackend,
    Ref,
    Registry,
    Session,
    SessionError,
    attr,
    ref,
    version,
)

registry = Registry("checked references")


class Person(Entity, name="person", key="{name}", registry=registry):
    name: Attr[str] = attr()
    boss: Attr[Ref[Person] | None] = ref(default=None, check=True)


class Letter(Entity, name="letter", key="letter:{number}", registry=registry):
    number: Attr[int] = attr()
    sender: Attr[Ref[Person]] = ref(check=True)
    reader: Attr[Ref[Person] | None] = ref(default=None, check=True)


class Parcel(Entity, name="parcel", key="{name}", registry=registry):
    name: Attr[str] = attr()
    sender: Attr[Ref[Person]] = ref(check=True)


class Bag(Entity, name="bag", registry=registry):
    things: Attr[list[str]] = attr()


class Label(Entity, name="label", key="label:{number}", registry=registry):
    number: Attr[int] = attr()
    bag: Attr[Ref[Bag] | None] = ref(default=None, check=True)


class Counted(Entity, name="counted", key="counted:{number}", registry=registry):
    number: Attr[int] = attr()
    owner: Attr[Ref[Person] | None] = ref(default=None, check=True)
    revision: Attr[int] = version()


class Shape(Entity, name="shape", key="shape:{name}", discriminator="sort", registry=registry):
    name: Attr[str] = attr()


class Polygon(Shape, kind="polygon"):
    sides: Attr[int] = attr(default=3)


class Square(Polygon, kind="square"):
    """A kind below another: who refers to polygons may refer to it."""


class Drawing(Entity, name="drawing", key="drawing:{number}", registry=registry):
    number: Attr[int] = attr()
    shows: Attr[Ref[Polygon]] = ref(check=True)


def session(**options: Any) -> Session:
    return Forge(LocalBackend(schemas=registry)).session(**options)


def letter(number: int, sender: str = "a", reader: str | None = None) -> Letter:
    to = None if reader is None else Ref(Person, reader)
    return Letter(number=number, sender=Ref(Person, sender), reader=to)


def sent(unit: Session) -> list[list[tuple[str, list[str], list[str]]]]:
    """Return the stages of the plan: the path, the keys written and the keys checked."""
    return [
        [
            (call.path, [i.name[1] for i in call.items], [c.key for c in call.checks])
            for call in s
        ]
        for s in unit.plan().stages
    ]


def test_referrers_of_one_target_share_a_check() -> None:
    unit = session()
    unit.add(letter(1), letter(2, reader="a"), letter(3, "b", "a"))
    keys = [f"letter:{number}" for number in (1, 2, 3)]
    assert sent(unit) == [[("transaction", keys, ["a", "b"])]]
    (call,) = unit.plan().calls
    assert "  check person 'a' when name EXISTS" in str(call)
    assert b'"check":[{' in call.operation.request.body


def test_checks_count_among_the_25_operations() -> None:
    unit = session()
    unit.add(*[letter(number) for number in range(30)])
    assert [(len(i), c) for _, i, c in sent(unit)[0]] == [(24, ["a"]), (6, ["a"])]
    unit = session()
    unit.add(*[letter(number, f"p{number}", "b") for number in range(30)])
    counts = [(len(i), len(c)) for _, i, c in sent(unit)[0]]
    assert counts == [(12, 13), (12, 13), (6, 7)]
    with pytest.raises(SessionError, match="31 operations"):
        always = session(atomic="always")
        always.add(*[letter(number) for number in range(30)])
        always.plan()


def test_what_is_written_too_comes_before_what_refers_to_it() -> None:
    unit = session()
    ada = Person(name="a")
    bob = Person(name="b", boss=ada)
    unit.add(letter(1, "b", "a"), bob, ada, Bag(things=[]).with_key("bag:1"))
    assert sent(unit) == [
        [("entity/set", ["a"], [])],
        [("transaction", ["b"], ["a"])],
        [("transaction", ["letter:1"], ["b", "a"])],
        [("entity/set", ["bag:1"], [])],
    ]


def test_what_one_transaction_sets_needs_no_check() -> None:
    unit = session(atomic="always")
    unit.add(letter(1, "a", "b"), Person(name="a"))
    assert sent(unit) == [[("transaction", ["letter:1", "a"], ["b"])]]


def test_a_circle_needs_one_transaction() -> None:
    ada, bob = Person(name="a"), Person(name="b")
    ada.boss, bob.boss = Ref(Person, "b"), Ref(Person, "a")
    unit = session()
    unit.add(ada, bob)
    with pytest.raises(SessionError, match=r"person 'a': boss refers to person 'b'.*circle"):
        unit.plan()
    unit = session(atomic="always")
    unit.add(ada, bob)
    assert sent(unit) == [[("transaction", ["a", "b"], [])]]


def test_what_refers_to_itself_needs_no_check() -> None:
    unit = session()
    unit.add(Person(name="a", boss=Ref(Person, "a")))
    assert sent(unit) == [[("entity/set", ["a"], [])]]


def test_only_what_changed_is_checked() -> None:
    unit = session()
    unit.add(Person(name="a"), Person(name="b"), letter(1, "a"))
    unit.commit()
    found = unit.get(Letter, "letter:1")
    assert found is not None
    found.reader = Ref(Person, "b")
    assert sent(unit) == [[("transaction", ["letter:1"], ["b"])]]
    unit.commit()
    found.reader = None
    assert sent(unit) == [[("entity/set", ["letter:1"], [])]]


def test_a_check_and_a_requirement_of_one_target_are_one() -> None:
    unit = session()
    ada = Person(name="a")
    unit.add(ada)
    unit.commit()
    unit.require(ada, Person.boss.missing())
    unit.add(letter(1))
    (call,) = unit.plan().calls
    (check,) = call.checks
    assert [repr(each) for each in check.conditions] == ["boss NOT EXISTS", "name EXISTS"]
    unit.commit()


def test_a_target_may_be_of_a_kind_below() -> None:
    unit = session()
    unit.add(Square(name="s"))
    unit.commit()
    unit.add(Drawing(number=1, shows=Ref(Polygon, "shape:s")))
    assert "check shape 'shape:s' when sort EXISTS" in str(unit.plan())
    unit.commit()
    assert unit.get(Drawing, "drawing:1") is not None


def test_one_key_of_two_entities_is_in_two_transactions() -> None:
    unit = session()
    unit.add(Parcel(name="x", sender=Ref(Person, "a")), letter(1, "x"))
    assert sent(unit) == [[("transaction", ["x"], ["a"]), ("transaction", ["letter:1"], ["x"])]]


def _deleted(unit: Session) -> None:
    unit.add(letter(1))
    unit.delete_keys(Person, "a")


def _twins(unit: Session) -> None:
    unit.add(Parcel(name="a", sender=Ref(Person, "a")))


def _unaskable(unit: Session) -> None:
    unit.add(Label(number=1, bag=Ref(Bag, "bag:1")))


def _created(unit: Session) -> None:
    unit.insert(letter(1))


def _numbered(unit: Session) -> None:
    unit.add(Counted(number=1, owner=Ref(Person, "a")))


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (_deleted, "letter 'letter:1': sender refers to person 'a', which is about to be"),
        (_twins, "parcel 'a': sender refers to person 'a', which has the same key"),
        (_unaskable, "Bag has no attribute that is always stored"),
        (_created, "insert of letter 'letter:1' cannot check what sender refers to"),
        (_numbered, "insert of counted 'counted:1' cannot check what owner refers to"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(ask: Any, says: str) -> None:
    unit = session()
    ask(unit)
    with pytest.raises(SessionError, match=says):
        unit.plan()


def test_without_transactions_there_are_no_checks() -> None:
    unit = session(atomic="never")
    unit.add(letter(1))
    with pytest.raises(SessionError, match="check=True need a transaction"):
        unit.plan()
