"""`ref()`: rules of a reference are refused where they could not be kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from forge_orm import Attr, DeclarationError, Entity, Ref, Registry, attr, index, ref

from .declaring import entity

registry = Registry("rules")


class User(Entity, name="user", key="user:{name}", registry=registry):
    name: Attr[str] = attr()


class Admin(User, name="admin"):
    pass


class Task(Entity, name="task", registry=registry):
    number: Attr[int] = attr()
    due: Attr[int | None] = attr(default=None)
    owner: Attr[Ref[User]] = ref(on_delete="restrict", description="who does it")
    reviewer: Attr[Ref[User] | None] = ref(default=None, on_delete="clear", alias="checkedBy")
    admin: Attr[Ref[Admin] | None] = ref(default=None, on_delete="cascade")
    other: Attr[Ref[User] | None] = ref(default=None)
    parent: Attr[Ref[Task] | None] = attr(default=None)

    by_due = index(owner, range=due)
    by_owner = index(owner, range=number)
    by_reviewer = index(range=reviewer)
    by_admin = index(admin, range=number)


def test_a_rule_finds_the_index_that_leads_to_every_referrer() -> None:
    """Not `by_due`: what has no due date may not be in it."""
    rules = {rule.field: rule for rule in Task.__forge__.delete_rules}
    assert {name: (rule.action, rule.index.name) for name, rule in rules.items()} == {
        "owner": ("restrict", "by_owner"),
        "reviewer": ("clear", "by_reviewer"),
        "admin": ("cascade", "by_admin"),
    }
    assert str(rules["owner"]) == "Task.owner (restrict)"
    assert rules["owner"].referrers("user:a") == Task.by_owner("user:a").spec
    assert rules["reviewer"].referrers("u") == Task.by_reviewer().equal_to("u").spec


def test_rules_are_found_by_what_they_lead_to() -> None:
    assert [rule.field for rule in registry.rules_about(User)] == ["owner", "reviewer"]
    assert [rule.field for rule in registry.rules_about(Admin)] == ["admin"]
    assert registry.rules_about(Task) == ()

    class Later(Entity, name="later", registry=registry):
        user: Attr[Ref[User]] = ref(on_delete="cascade")
        by_user = index(range=user)

    assert [rule.owner for rule in registry.rules_about(User)] == [Task, Task, Later]


def test_ref_is_otherwise_an_attribute() -> None:
    assert Task.model_fields["owner"].is_required()
    assert Task.model_fields["owner"].description == "who does it"
    assert Task(number=1, owner=Ref(User, "u")).other is None
    assert Task.reviewer.name == "checkedBy"


def test_a_base_without_a_name_needs_no_index() -> None:
    class Owned(Entity, registry=Registry("base")):
        owner: Attr[Ref[User]] = ref(on_delete="cascade")

    with pytest.raises(DeclarationError, match=r"Note\.owner: on_delete='cascade' has to find"):
        entity({}, name="note", label="Note", base=Owned)

    class Letter(Owned, name="letter", registry=Registry("base")):
        by_owner = index(range=Owned.owner)

    assert [rule.owner for rule in Letter.__forge__.delete_rules] == [Letter]


def declared(annotation: Any, **options: Any) -> Callable[[], Any]:
    """Return what declares a class with this reference, and the indexes among *options*."""
    indexes = {name: options.pop(name) for name in [*options] if name.startswith("by_")}
    fields = {"owner": annotation, "size": Attr[int], "due": Attr[int | None]}
    return lambda: entity(fields, owner=ref(**options), due=attr(default=None), **indexes)


REFUSED: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "no index": (
        declared(Attr[Ref[User]], on_delete="cascade"),
        [
            "Thing.owner: on_delete='cascade' has to find what refers to an entity, and no",
            "Add one to Thing, for example\n    by_owner = index(range=owner)\n",
        ],
    ),
    "an index with more in its partition": (
        declared(
            Attr[Ref[User]], on_delete="restrict", by_it=index("owner", "due", range="size")
        ),
        ["Thing.owner: on_delete='restrict' has to find", "its only partition attribute"],
    ),
    "an index that leads elsewhere": (
        declared(Attr[Ref[User]], on_delete="restrict", by_it=index("size", range="owner")),
        ["Thing.owner: on_delete='restrict' has to find"],
    ),
    "an index whose range may be absent": (
        declared(Attr[Ref[User]], on_delete="restrict", by_it=index("owner", range="due")),
        ["a range that is never absent"],
    ),
    "clearing what is not optional": (
        declared(Attr[Ref[User]], on_delete="clear", by_it=index(range="owner")),
        ["Thing.owner: on_delete='clear' sets it to None", "Attr[Ref[User] | None]"],
    ),
    "no reference": (
        declared(Attr[str], on_delete="cascade"),
        ["Thing.owner: ref() declares a reference, Attr[Ref[…]]"],
    ),
}


@pytest.mark.parametrize(("make", "said"), REFUSED.values(), ids=REFUSED)
def test_a_rule_that_cannot_be_kept_is_refused(
    make: Callable[[], Any], said: list[str]
) -> None:
    with pytest.raises(DeclarationError) as caught:
        make()
    for part in said:
        assert part in str(caught.value)
