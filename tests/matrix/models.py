"""The entities the matrix writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from forge_orm import Attr, Entity, Ref, Registry, attr, index, ref, version

registry = Registry("matrix")


class Doc(Entity, name="doc", key="doc:{number}", registry=registry):
    number: Attr[int] = attr()
    text: Attr[str] = attr(default="old")


class Count(Entity, name="count", key="count:{name}", registry=registry):
    name: Attr[str] = attr()
    number: Attr[int] = attr(default=0)
    revision: Attr[int] = version()


class Member(Entity, name="member", key="member:{number}", registry=registry):
    number: Attr[int] = attr()
    email: Attr[str] = attr(unique=True)


class Team(Entity, name="team", key="team:{name}", registry=registry):
    name: Attr[str] = attr()


class Player(Entity, name="player", key="player:{number}", registry=registry):
    number: Attr[int] = attr()
    team: Attr[Ref[Team]] = ref(on_delete="cascade")

    by_team = index(team, range=number)


CLASSES: Final[dict[str, type[Any]]] = {
    cls.__forge__.name: cls for cls in (Doc, Count, Member, Team, Player)
}

SHOWN: Final[dict[str, Callable[[Any], Any]]] = {
    "doc": lambda doc: doc.text,
    "count": lambda counter: (counter.number, counter.revision),
    "member": lambda member: member.email,
    "team": lambda team: team.name,
    "player": lambda player: player.team.key,
}
"""What is compared of a stored entity; of a counter its number and its version."""

MADE: Final[dict[str, Callable[[str, Any], Entity]]] = {
    "doc": lambda number, text: Doc(number=int(number), text=text),
    "count": lambda name, shown: Count(name=name, number=shown[0]),
    "member": lambda number, email: Member(number=int(number), email=email),
    "team": lambda name, _: Team(name=name),
    "player": lambda number, team: Player(number=int(number), team=Ref(Team, team)),
}
"""How to make an entity, from the end of its key and from what is shown of it."""


def made(kind: str, key: str, shown: Any) -> Entity:
    """Return a new entity."""
    return MADE[kind](key.rpartition(":")[2], shown)
