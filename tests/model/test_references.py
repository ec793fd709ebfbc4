"""`Ref`: assigned, compared, dumped and copied it is a key; only loading gives the entity."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from pydantic import ConfigDict, ValidationError

from forge_orm import (
    Attr,
    DanglingReference,
    DeclarationError,
    Entity,
    InvalidValue,
    NotLoaded,
    QueryError,
    RangeQuery,
    Ref,
    Registry,
    Reverse,
    SessionError,
    attr,
    index,
    reverse,
)
from forge_orm.model.references import resolve
from forge_orm.schema import AttributeType

from .declaring import entity

registry = Registry("references")


class Team(Entity, name="team", key="team:{name}", registry=registry):
    name: Attr[str] = attr()


class User(Entity, name="user", key="user:{name}", registry=registry):
    name: Attr[str] = attr()
    team: Attr[Ref[Team] | None] = attr(default=None)


class Task(Entity, name="task", key="task:{ulid}", registry=registry):
    owner: Attr[Ref[User]] = attr()
    reviewer: Attr[Ref[User] | None] = attr(default=None)
    parent: Attr[Ref[Task] | None] = attr(default=None)
    bug: Attr[Ref[Bug] | None] = attr(default=None)

    by_owner = index(owner, range=reviewer)
    owners = index(range=owner)


class Bug(Entity, name="bug", registry=registry):
    """Defined after the class that refers to it."""

    model_config = ConfigDict(validate_assignment=True)
    finder: Attr[Ref[User] | None] = attr(default=None)


class Admin(User, name="admin", key="admin:{name}"):
    """A subclass that is stored elsewhere."""


ADA = User(name="ada")
KEY = "user:ada"


def any_(value: Any) -> Any:
    """Return *value* as what type checkers say nothing about."""
    return value


def task(**values: Any) -> Task:
    return Task(**{"owner": KEY, **values})


# --- Assignment -------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [ADA, KEY, Ref(User, KEY), Ref(User, ADA)], ids=repr)
def test_an_entity_a_key_or_a_reference_is_taken(given: Any) -> None:
    made, assigned = task(owner=given), task(owner="user:other")
    assigned.owner = given
    validated = Task.model_validate({"owner": given})
    for each in (made, assigned, validated):
        assert each.owner == Ref(User, KEY)
        assert each.owner.key == KEY
        assert each.owner.target is User
        assert each.owner.loaded is (given is ADA or getattr(given, "loaded", False))


def test_what_was_given_as_an_entity_is_loaded() -> None:
    assert task(owner=ADA).owner.value is ADA


REFUSED: dict[str, tuple[Any, str]] = {
    "a number": (5, "expected a User, its key or a Ref[User], not the int 5"),
    "an entity of another class": (Team(name="t"), "expected a User, its key or a Ref[User]"),
    "a reference to another class": (
        Ref(Team, "team:t"),
        "expected a Ref[User], not <Ref Team",
    ),
    "a subclass stored elsewhere": (Admin(name="a"), "expected a User, its key or a Ref[User]"),
    "what is no key": ("a/b", "User key 'a/b' is refused by the service: it holds '/'"),
}


@pytest.mark.parametrize(("given", "said"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_and_changes_nothing(given: Any, said: str) -> None:
    with pytest.raises(ValidationError) as made:
        task(owner=given)
    assert said in str(made.value)
    known = task()
    with pytest.raises(InvalidValue) as assigned:
        known.owner = given
    assert str(assigned.value).startswith("Task.owner: ")
    assert said in str(assigned.value)
    assert known.owner.key == KEY
    with pytest.raises(InvalidValue, match=r"^Ref\(User\): "):
        Ref(User, given)
    with pytest.raises(InvalidValue, match=r"Task\.owner"):
        Task.owner == given  # noqa: B015  # pyright: ignore[reportUnusedExpression]


def test_an_entity_without_a_key_cannot_be_referred_to() -> None:
    class Note(Entity, name="note", registry=Registry("note")):
        text: Attr[str] = attr(default="x")
        after: Attr[Ref[Note] | None] = attr(default=None)

    with pytest.raises(ValidationError, match="has no key yet"):
        Note(after=Note())
    assert Note(after=Note().with_key("n:1")).after == Ref(Note, "n:1")


def test_none_is_taken_where_it_is_optional() -> None:
    known = task(reviewer=ADA)
    known.reviewer = None
    assert known.reviewer is None
    with pytest.raises(ValidationError, match="expected a User"):
        task(owner=None)


def test_validate_assignment_goes_together_with_it() -> None:
    bug = Bug()
    bug.finder = ADA
    assert bug.finder == Ref(User, KEY)
    with pytest.raises(InvalidValue):
        bug.finder = 5  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]


# --- The value --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made", [task(), Task.model_validate_json('{"owner": "user:ada"}')], ids=["made", "parsed"]
)
def test_a_value_that_is_not_loaded_says_what_to_write(made: Task) -> None:
    assert made.owner.key == KEY
    assert (made.owner.loaded, made.owner.dangling) == (False, False)
    with pytest.raises(NotLoaded) as caught:
        print(made.owner.value)
    assert isinstance(caught.value, SessionError)
    assert str(caught.value) == (
        "Task.owner refers to User 'user:ada', which is not loaded, and reading an attribute "
        "makes no call. Before it write session.prefetch(entities, Task.owner), or ask with "
        "query.prefetch(Task.owner); one alone is session.get(User, ref.key)"
    )


def test_an_ambiguous_attribute_is_not_guessed() -> None:
    """A loose reference belongs to no attribute."""
    with pytest.raises(NotLoaded, match=r"^Entity\.attribute refers to"):
        print(Ref(User, KEY).value)


def test_a_target_that_is_gone_is_a_state() -> None:
    made = task()
    resolve(made.owner, None)
    assert (made.owner.loaded, made.owner.dangling, made.owner.key) == (False, True, KEY)
    with pytest.raises(
        DanglingReference, match=r"Task\.owner refers to User 'user:ada', which"
    ):
        print(made.owner.value)
    resolve(made.owner, ADA)
    assert made.owner.value is ADA
    assert not made.owner.dangling


def test_a_reference_shows_its_key_and_never_the_entity() -> None:
    made = task(owner=ADA)
    assert repr(made.owner) == "<Ref User 'user:ada' loaded>"
    assert "name=" not in repr(made)
    resolve(made.owner, None)
    assert repr(made.owner) == "<Ref User 'user:ada' gone>"


def test_references_are_equal_by_what_they_lead_to() -> None:
    assert Ref(User, KEY) == Ref(User, ADA)
    assert hash(Ref(User, KEY)) == hash(Ref(User, ADA))
    assert Ref(User, "same") != Ref(Team, "same")
    assert Ref(User, KEY) != KEY
    assert task(owner=ADA).with_key("t") == task(owner=KEY).with_key("t")


# --- Dumps, copies, pickles -------------------------------------------------------------------


def test_dumps_hold_the_key() -> None:
    made = task(owner=ADA, reviewer="user:bob")
    assert made.model_dump(exclude_none=True) == {"owner": KEY, "reviewer": "user:bob"}
    assert (
        made.model_dump_json(exclude_none=True) == '{"owner":"user:ada","reviewer":"user:bob"}'
    )
    assert Task.model_validate_json(made.model_dump_json()) == made


def test_the_json_schema_is_that_of_a_key() -> None:
    described = Task.model_json_schema()
    key = {"type": "string", "minLength": 1, "maxLength": 500}
    assert described["properties"]["owner"] == {**key, "title": "Owner"}
    assert described["properties"]["reviewer"]["anyOf"] == [key, {"type": "null"}]
    assert described["required"] == ["owner"]
    assert "$defs" not in described
    assert (
        Task.model_json_schema(mode="serialization")["properties"]["owner"]["type"] == "string"
    )


COPIES: dict[str, Callable[[Task], Task]] = {
    "copy": copy.copy,
    "model_copy": lambda known: known.model_copy(),
    "deepcopy": copy.deepcopy,
    "pickle": lambda known: pickle.loads(pickle.dumps(known)),
}


@pytest.mark.parametrize("way", COPIES.values(), ids=COPIES)
def test_copies_keep_the_key(way: Callable[[Task], Task]) -> None:
    made = task(owner=ADA)
    again = way(made)
    assert again == made
    assert again.owner.key == KEY
    assert made.owner.value is ADA


@pytest.mark.parametrize("way", [COPIES["deepcopy"], COPIES["pickle"]])
def test_a_deep_copy_leaves_the_entity_to_the_session(way: Callable[[Task], Task]) -> None:
    assert not way(task(owner=ADA)).owner.loaded


# --- Storing ----------------------------------------------------------------------------------


def test_it_is_stored_as_a_string_that_indexes_take() -> None:
    schema = Task.__forge__.schema
    assert schema.attributes["owner"] is AttributeType.STRING
    assert schema.indexes["by_owner"].attributes == ("owner", "reviewer")
    assert Task.__forge__.stored(task(owner=ADA)) == {"owner": KEY}
    assert Task.__forge__.stored(Task.model_construct(owner=ADA)) == {"owner": KEY}


def test_a_list_of_references_is_stored_as_keys() -> None:
    many = entity({"them": Attr[list[Ref[User]]]})
    made = many(them=[ADA, "user:bob"])
    assert many.__forge__.schema.attributes["them"] is AttributeType.ANY
    assert many.__forge__.stored(made) == {"them": [KEY, "user:bob"]}


def test_a_key_template_may_name_it() -> None:
    note = entity({"owner": Attr[Ref[User]]}, key="note:{ulid}:{owner}")
    key = note(owner=ADA).key
    assert key.endswith(KEY)
    assert note.parse_key(key).owner == Ref(User, KEY)


# --- Conditions and paths ---------------------------------------------------------------------


@pytest.mark.parametrize("given", [ADA, KEY, Ref(User, KEY)], ids=repr)
def test_conditions_compare_keys(given: Any) -> None:
    assert repr(Task.owner == given) == "owner == 'user:ada'"
    assert repr(Task.owner != given) == "owner != 'user:ada'"
    assert repr(Task.owner.in_([given])) == "owner == 'user:ada'"
    assert Task.by_owner(given) == Task.index("by_owner").where(Task.owner == KEY)
    assert Task.owners().equal_to(given) == Task.index("owners").where(Task.owner == KEY)


def test_a_missing_one_is_asked_for_as_usual() -> None:
    assert repr(Task.reviewer == None) == "reviewer NOT EXISTS"  # noqa: E711
    assert repr(Task.reviewer.missing()) == "reviewer NOT EXISTS"


def test_paths_are_values() -> None:
    path = Task.parent / Task.owner / User.team
    assert repr(path) == "Task.parent / Task.owner / User.team"
    assert path == Task.parent / (Task.owner / User.team)
    assert hash(path) == hash(Task.parent / (Task.owner / User.team))
    shorter: object = Task.parent / Task.owner
    assert path != shorter
    assert repr(Task.owners().prefetch(path, Task.owner)) == (
        "Task.index('owners').prefetch(Task.parent / Task.owner / User.team, Task.owner)"
    )
    assert repr(Task.query(Task.owner == KEY).prefetch(Task.owner)) == (
        "Task.query(owner == 'user:ada').prefetch(Task.owner)"
    )


WRONG_PATHS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "ends that do not meet": (
        lambda: any_(Task).owner / Task.parent,
        QueryError,
        r"Task\.owner leads to User, where Task\.parent does not begin",
    ),
    "a path of another class": (
        lambda: any_(Task).owners().prefetch(User.team),
        QueryError,
        r"User\.team does not begin at Task",
    ),
    "no reference": (
        lambda: any_(Task).query().prefetch(User.name),
        TypeError,
        r"User\.name is no reference such as Task\.owner",
    ),
}


@pytest.mark.parametrize(("make", "kind", "said"), WRONG_PATHS.values(), ids=WRONG_PATHS)
def test_a_wrong_path_is_refused(
    make: Callable[[], Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        make()


# --- The other side ---------------------------------------------------------------------------


def by_owner() -> Any:
    return Thing.by_owner


class Owner(Entity, name="owner", key="owner:{name}", registry=registry):
    name: Attr[str] = attr()

    named = reverse("Thing.by_owner")
    made = reverse(by_owner)
    ranged: ClassVar[Reverse[Thing, Any]] = reverse("Thing.owners")
    more_in_partition = reverse("Thing.by_both")
    no_reference = reverse("Thing.by_size")
    of_another = reverse("Task.by_owner")
    no_index = reverse("Thing.size")
    nothing = reverse("Thing.sizes")
    no_class = reverse("Things.by_owner")
    no_name = reverse("by_owner")
    silent = reverse(any_(lambda: None))


class Thing(Entity, name="thing", registry=registry):
    name: Attr[str] = attr(default="x")
    size: Attr[int] = attr()
    owner: Attr[Ref[Owner]] = attr()

    by_owner = index(owner, range=size)
    owners = index(range=owner)
    by_both = index(owner, size, range=name)
    by_size = index(range=size)


@pytest.mark.parametrize("way", ["named", "made"])
def test_the_other_side_is_the_query_of_an_index(way: str) -> None:
    owner = Owner(name="o")
    assert getattr(owner, way) == Thing.by_owner(owner)
    assert isinstance(getattr(owner, way), RangeQuery)
    assert owner.ranged == Thing.owners().equal_to(owner)
    assert isinstance(Owner.ranged, Reverse)
    assert owner.model_dump() == {"name": "o"}


WRONG_SIDES = {
    "more_in_partition": r"Owner\.more_in_partition: the index Thing\.by_both\(owner, size -> ",
    "no_reference": r"Thing\.by_size\(size\) does not lead from a Ref\[Owner\] alone",
    "of_another": r"Task\.by_owner\(owner -> reviewer\) does not lead from a Ref\[Owner\]",
    "no_index": r"Thing\.size is no index of an entity class",
    "nothing": r"'Thing\.sizes' is no index of a class in this registry",
    "no_class": r"'Things\.by_owner' is no index of a class in this registry",
    "no_name": r"'by_owner' is no index of a class in this registry",
    "silent": r"None is no index of an entity class",
}


@pytest.mark.parametrize(("name", "said"), WRONG_SIDES.items(), ids=WRONG_SIDES)
def test_an_index_that_does_not_lead_there_is_refused(name: str, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        getattr(Owner(name="o"), name)


# --- Declaring --------------------------------------------------------------------------------


@pytest.mark.parametrize("annotation", [Ref, any_(Ref)[Any], any_(Ref)[str]], ids=repr)
def test_a_reference_names_an_entity_class(annotation: Any) -> None:
    with pytest.raises(DeclarationError, match=r"does not say which entity class it refers to"):
        entity({"them": Attr[annotation]})


def test_a_class_of_the_registry_is_found_by_name() -> None:
    """Two modules may refer to each other, and only one can import the other."""
    apart = Registry("apart")

    letter = entity({"sender": any_(Attr)[any_(Ref)["Person"]]}, label="Letter", registry=apart)

    with pytest.raises(DeclarationError, match="names a type that is not defined yet"):
        print(letter.sender)

    person = entity({"name": str}, name="person", label="Person", registry=apart)
    assert letter(sender="p:1").sender == Ref(person, "p:1")
    assert letter.__forge__.references["sender"].link.target is person
