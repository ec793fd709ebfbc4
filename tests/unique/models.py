"""The entities with unique values that these tests speak about."""

from __future__ import annotations

from forge_orm import Attr, Entity, LocalBackend, Registry, Session, attr, unique, version
from forge_orm.drivers import Channel

registry = Registry("unique")


class User(Entity, name="user", key="user:{id}", registry=registry):
    id: Attr[int] = attr()
    email: Attr[str | None] = attr(default=None, unique=True)
    name: Attr[str] = attr(default="n")


class Page(Entity, name="page", key="page:{id}", registry=registry):
    id: Attr[int] = attr()
    space: Attr[str] = attr(default="s")
    slug: Attr[str | None] = attr(default=None)
    rank: Attr[float | None] = attr(default=None, unique=True)
    revision: Attr[int] = version()

    one_slug = unique(space, slug)


class Note(Entity, name="note", key="note:{id}", registry=registry):
    id: Attr[int] = attr()
    text: Attr[str] = attr(default="t")


RESERVED = "forge-orm-unique"


def rows(store: LocalBackend, entity: str) -> dict[str, dict[str, object]]:
    """Return what is stored of one entity, by key."""
    return {row["key"]: row["value"] for row in store.dump() if row.get("entity") == entity}


def session(store: LocalBackend) -> Session:
    return Session(Channel(store, None))
