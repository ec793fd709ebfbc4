"""The entity both clients speak about: an attribute of each type, an index of each kind."""

from __future__ import annotations

from forge_orm import Attr, Entity, Registry, attr, index

registry = Registry("interop")


class Employee(Entity, name="employee", registry=registry):
    surname: Attr[str] = attr()
    age: Attr[int] = attr(default=30)
    height: Attr[float] = attr(default=1.5)
    remote: Attr[bool] = attr(default=False)
    team: Attr[str] = attr(default="maths")
    nickname: Attr[str | None] = attr(default=None)
    skills: Attr[list[str] | None] = attr(default=None)

    by_surname = index(range=surname, name="surname")
    by_age = index(range=age, name="by-age")
    by_team = index(team, range=age, name="by-team")
    by_desk = index(team, remote, range=height, name="by-desk")
    by_remote = index(range=remote, name="by-remote")
