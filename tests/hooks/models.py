"""Entities that write down when their hooks are called."""

from __future__ import annotations

from copy import copy
from typing import Any

from forge_orm import Attr, Entity, Registry, WriteEvent, after, attr, before

registry = Registry("hooked")


class Journal:
    """What was called, in order, and who is saving."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.user = "ann"
        self.said: list[str] = []
        self.events: list[Any] = []
        self.failing: dict[str, Exception] = {}

    def note(self, name: str, event: Any) -> None:
        self.said.append(f"{name} {event.key}")
        self.events.append(event)
        if (error := self.failing.get(name)) is not None:
            raise copy(error)


journal = Journal()


class Stamped(Entity):
    """A base: whatever is written says by whom."""

    updated_by: Attr[str | None] = attr(default=None)

    @before("insert", "update")
    def stamp(self, event: WriteEvent[Any]) -> None:
        journal.note("stamp", event)
        self.updated_by = journal.user


class Told:
    """A mixin that is no entity."""

    @after("insert", "update", "delete")
    def tell(self, event: WriteEvent[Any]) -> None:
        journal.note(f"told-{event.verb}", event)


class Task(Told, Stamped, name="task", key="task:{number}", registry=registry):
    number: Attr[int] = attr()
    title: Attr[str] = attr(default="t")
    tags: Attr[list[str]] = attr(default_factory=list)

    @before("delete")
    def keep(self, event: WriteEvent[Any]) -> None:
        journal.note("keep", event)


class Special(Task, name="special", key="special:{number}", registry=registry):
    """Overrides two hooks: one at its old moments, one at new ones."""

    def stamp(self, event: WriteEvent[Any]) -> None:
        super().stamp(event)
        self.title = self.title.upper()

    @after("delete")
    def tell(self, event: WriteEvent[Any]) -> None:
        journal.note("special-told", event)


class Plain(Entity, name="plain", key="plain:{number}", registry=registry):
    number: Attr[int] = attr()
    text: Attr[str] = attr(default="x")


class Awaiting(Entity, name="awaiting", key="awaiting:{number}", registry=registry):
    number: Attr[int] = attr()

    @after("insert")
    async def tell(self, event: WriteEvent[Any]) -> None:
        journal.note("awaited", event)


class Endless(Entity, name="endless", key="endless:{number}", registry=registry):
    number: Attr[int] = attr()

    @before("insert")
    def another(self, event: WriteEvent[Any]) -> None:
        event.add(Endless(number=self.number + 1))


class Event(
    Entity, name="event", key="event:{number}", discriminator="kind", registry=registry
):
    """Several kinds of one entity, of which one has a hook."""

    number: Attr[int] = attr()


class Login(Event, kind="login"):
    who: Attr[str] = attr()

    @before("insert", "update")
    def shorten(self, event: WriteEvent[Any]) -> None:
        journal.note("shorten", event)
        self.who = self.who[:3]


class Logout(Event, kind="logout"):
    pass
