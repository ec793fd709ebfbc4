"""The class keywords about how long entities live and what is read of it."""

from __future__ import annotations

import types
from datetime import timedelta
from typing import Any

import pytest

from forge_orm import DeclarationError, Entity, MetadataField, Registry
from forge_orm.model.lifetime import Lifetime

HOUR = timedelta(hours=1)
CREATED, EXPIRES = MetadataField.CREATED_AT, MetadataField.EXPIRE_TIME


def lifetime(base: type[Entity] = Entity, **options: Any) -> Lifetime:
    def body(namespace: dict[str, Any]) -> None:
        namespace.update(__annotations__={"text": str}, __module__=__name__)

    keywords = {"name": "thing", "registry": Registry("lifetimes"), **options}
    thing: Any = types.new_class("Thing", (base,), keywords, body)
    found: Lifetime = thing.__forge__.lifetime
    return found


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, Lifetime()),
        ({"ttl": HOUR}, Lifetime(HOUR, metadata=(EXPIRES,))),
        ({"ttl": HOUR, "metadata": ()}, Lifetime(HOUR)),
        ({"ttl": HOUR, "metadata": ["CREATED_AT"]}, Lifetime(HOUR, metadata=(CREATED,))),
        ({"ttl": HOUR, "ttl_on_update": "renew"}, Lifetime(HOUR, metadata=(EXPIRES,))),
        ({"ttl_on_update": "keep"}, Lifetime(None, keeps=True, metadata=(EXPIRES,))),
        (
            {"ttl_on_update": "keep", "metadata": [CREATED]},
            Lifetime(None, keeps=True, metadata=(CREATED, EXPIRES)),
        ),
    ],
)
def test_what_is_declared(options: dict[str, Any], said: Lifetime) -> None:
    assert lifetime(**options) == said


def test_a_subclass_inherits_it_and_may_say_otherwise() -> None:
    class Base(Entity, ttl=HOUR, ttl_on_update="keep"):
        pass

    assert lifetime(Base) == Lifetime(HOUR, keeps=True, metadata=(EXPIRES,))
    assert lifetime(Base, ttl_on_update="renew").keeps is False
    assert lifetime(Base, ttl=2 * HOUR).ttl == 2 * HOUR


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ttl": timedelta(0)}, "whole seconds, from 1 to"),
        ({"ttl": timedelta(days=366)}, "whole seconds, from 1 to"),
        ({"ttl_on_update": "maybe"}, "'renew' or 'keep'"),
        ({"ttl": 30}, "ttl=30; it is a timedelta, such as"),
        ({"metadata": 3}, "metadata=3; write a list; known fields are CREATED_AT"),
        ({"metadata": ["CREATED"]}, "known fields are CREATED_AT, UPDATED_AT, EXPIRE_TIME"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=f"Thing: .*{said}"):
        lifetime(**options)


def test_what_is_asked_and_what_is_always_asked_go_together() -> None:
    assert Lifetime().asking([CREATED]) == (CREATED,)
    assert Lifetime(HOUR, metadata=(EXPIRES,)).asking([CREATED, EXPIRES]) == (CREATED, EXPIRES)
