"""A class body becomes a schema: inheritance, generics, aliases, computed fields."""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar, Generic, Literal, NewType, TypeVar

import pytest
from pydantic import (
    BaseModel,
    PrivateAttr,
    ValidationError,
    computed_field,
    field_validator,
    model_validator,
)

from forge_orm import Attr, DeclarationError, Entity, Registry, attr, index

from .declaring import entity


def test_attr_is_the_plain_annotation_at_run_time() -> None:
    class Plain(Entity, name="plain", registry=Registry()):
        title: str
        count: int = 0

    class Marked(Entity, name="plain", registry=Registry()):
        title: Attr[str] = attr()
        count: Attr[int] = attr(default=0)

    assert Plain.__forge__.schema == Marked.__forge__.schema
    assert Plain(title="a").model_dump() == Marked(title="a").model_dump()
    assert Plain.model_json_schema()["properties"] == Marked.model_json_schema()["properties"]


apps = Registry("apps")


class Timestamps(BaseModel):
    created: datetime


class Base(Entity, key="{tenant}:{ulid}", registry=apps):
    """Abstract: it has no name and is not stored."""

    tenant: Attr[str] = attr()
    by_tenant = index(range=tenant)


class Article(Base, Timestamps, name="article"):
    title: Attr[str] = attr()
    by_title = index("tenant", range="title")


class Review(Article, name="review", key="review:{stars}"):
    stars: Attr[int] = attr()
    by_stars = index(Base.tenant, range=stars)


def test_attributes_indexes_and_key_are_inherited_from_bases_and_mixins() -> None:
    assert set(Article.__forge__.schema.attributes) == {"tenant", "created", "title"}
    assert list(Article.__forge__.schema.indexes) == ["by_tenant", "by_title"]
    assert list(Review.__forge__.schema.indexes) == ["by_tenant", "by_title", "by_stars"]
    assert str(Review.__forge__.schema.indexes["by_stars"]) == "by_stars(tenant -> stars)"
    assert Article.key_for(tenant="T").startswith("T:")
    assert Review.key_for(stars=5) == "review:5"
    assert Review.by_tenant().entity is Review


def test_only_named_classes_are_entered_in_the_registry_of_their_base() -> None:
    assert list(apps) == [Article, Review]
    assert [schema.name for schema in apps.schemas()] == ["article", "review"]
    assert apps["review"] is Review
    assert ("article" in apps, "base" in apps, len(apps)) == (True, False, 2)
    assert repr(apps) == "Registry('apps': article, review)"


def test_an_inherited_attribute_may_be_narrowed() -> None:
    class Dated(Article, name="dated", registry=Registry()):
        tenant: Attr[Literal["T"]] = attr(default="T")  # pyright: ignore[reportIncompatibleVariableOverride]

    assert Dated.__forge__.schema.attributes["tenant"] == "string"
    assert Dated.by_tenant().spec.index.range == "tenant"
    with pytest.raises(ValidationError, match="tenant"):
        Dated.model_validate({"tenant": "U", "created": "2026-01-01T00:00Z", "title": "t"})


V = TypeVar("V")


class Setting(Entity, Generic[V], registry=apps):
    chosen: V


class Limit(Setting[int], name="limit", registry=Registry()):
    pass


class Labels(Setting[list[str]], name="labels", registry=Registry()):
    pass


def test_a_generic_base_gives_each_entity_its_own_type() -> None:
    assert Limit.__forge__.schema.attributes == {"chosen": "integer"}
    assert Labels.__forge__.schema.attributes == {"chosen": "any"}


class Person(Entity, name="person", registry=Registry()):
    VERSION: ClassVar[int] = 3
    _cache: str = PrivateAttr(default="")
    name_: Attr[str] = attr(alias="name")
    born: Attr[date] = attr(serialization_alias="bornOn", default=date(2000, 1, 1))
    note: Attr[str] = attr(exclude=True, default="")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def initial(self) -> str:
        return self.name_[0]

    @computed_field(alias="bornIn")  # type: ignore[prop-decorator]
    @property
    def year(self) -> int:
        return self.born.year

    @field_validator("name_")
    @classmethod
    def tidy(cls, value: str) -> str:
        return value.strip()

    @model_validator(mode="after")
    def no_zero(self) -> Person:
        if self.name_ == "0":
            raise ValueError("no such person")
        return self

    by_initial = index("initial", range="born", name="by-initial")
    by_name = index(range=name_, name="name")


def test_aliases_are_the_names_in_the_store_and_computed_fields_are_stored() -> None:
    schema = Person.__forge__.schema

    assert dict(schema.attributes) == {
        "name": "string",
        "bornOn": "string",
        "initial": "string",
        "bornIn": "integer",
    }
    assert str(schema.indexes["by-initial"]) == "by-initial(initial -> bornOn)"
    assert (schema.indexes["name"].simple, schema.indexes["by-initial"].simple) == (True, False)
    assert Person.__forge__.stored(Person(name=" Ada ", note="x")) == {
        "name": "Ada",
        "bornOn": "2000-01-01",
        "initial": "A",
        "bornIn": 2000,
    }


def test_validators_run_on_what_is_read_and_what_is_not_stored_has_its_default() -> None:
    read = Person.__forge__.readers.value

    person = read({"name": " Ada ", "bornOn": "1815-12-10", "initial": "?", "note": "x"})
    assert person.__dict__ == {"name_": "Ada", "born": date(1815, 12, 10), "note": ""}
    with pytest.raises(ValidationError, match="no such person"):
        read({"name": "0", "bornOn": "1815-12-10"})


class Node(Entity, name="node", registry=Registry()):
    label: Attr[str] = attr()
    first: Attr[Leaf | None] = attr(default=None)
    weight: Attr[Grams] = attr()

    by_label = index("label", range="weight")


def test_a_forward_reference_is_resolved_when_it_is_defined() -> None:
    assert Node.__forge__.schema.attributes == {
        "label": "string",
        "first": "any",
        "weight": "integer",
    }
    node = Node(label="a", first=Leaf(size=1), weight=Grams(3))
    assert Node.__forge__.stored(node) == {"label": "a", "first": {"size": 1}, "weight": 3}


class Leaf(BaseModel):
    size: int


Grams = NewType("Grams", int)


def test_a_class_declared_again_takes_the_place_of_the_earlier_one() -> None:
    registry = Registry()
    entity({"a": int}, registry=registry)
    later = entity({"b": int}, registry=registry)

    assert list(registry) == [later]


def test_registries_keep_classes_of_one_name_apart() -> None:
    ours, theirs = (entity({"a": int}, label=label) for label in ("Ours", "Theirs"))

    assert ours.__forge__.schema == theirs.__forge__.schema
    assert ours is not theirs


def test_one_name_for_two_classes_of_a_registry_is_refused() -> None:
    registry = Registry("app")
    first = entity({"a": str}, label="One", registry=registry)

    with pytest.raises(DeclarationError, match=r"Two: entity 'thing' .*\.One in .*'app'"):
        entity({"a": str}, label="Two", registry=registry)
    assert list(registry) == [first]


def test_an_app_has_twenty_entities() -> None:
    registry = Registry("app")
    for number in range(20):
        entity({"a": str}, name=f"entity{number}", label=f"E{number}", registry=registry)
    assert len(registry.schemas()) == 20

    with pytest.raises(
        DeclarationError, match=r"E20: registry 'app' has 20 entities, the limit"
    ):
        entity({"a": str}, name="entity20", label="E20", registry=registry)
    assert len(registry.schemas()) == 20


def test_a_field_of_a_mixin_is_refused_under_a_reserved_name_too() -> None:
    class Described(BaseModel):
        metadata: str

    with pytest.raises(DeclarationError, match=r"Thing\.metadata: .* metadata_"):

        class Thing(Entity, Described, name="thing", registry=Registry()):  # type: ignore[misc] # pyright: ignore[reportIncompatibleVariableOverride]
            pass
