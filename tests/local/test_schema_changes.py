"""The schema changes under a store that keeps its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from forge_orm import Attr, Entity, Forge, LocalBackend, Registry, attr, index


def versions() -> tuple[type[Entity], type[Entity], Registry, Registry]:
    old, new = Registry("old"), Registry("new")

    class Before(Entity, name="thing", key="thing:{n}", registry=old):
        n: Attr[int] = attr()
        a: Attr[str] = attr()

    class After(Entity, name="thing", key="thing:{n}", registry=new):
        n: Attr[int] = attr()
        a: Attr[str] = attr()

        by_a = index(range=a)

    return Before, After, old, new


def test_an_index_is_right_after_a_visit_of_the_older_schema(tmp_path: Path) -> None:
    before, after, old, new = versions()
    path = tmp_path / "a.db"
    with Forge(LocalBackend(path, schemas=old)) as forge, forge.session() as session:
        session.add(before.model_validate({"n": 1, "a": "x"}))
    for letter in "wvu":
        with Forge(LocalBackend(path, schemas=new)) as forge, forge.session() as session:
            assert session.count(after.index("by_a")) >= 1
        with Forge(LocalBackend(path, schemas=old)) as forge, forge.session() as session:
            session.add(before.model_validate({"n": 1, "a": letter}))
            session.add(before.model_validate({"n": ord(letter), "a": "z" + letter}))
    with Forge(LocalBackend(path, schemas=new)) as forge, forge.session() as session:
        found = [row.model_dump()["a"] for row in session.all(after.index("by_a"))]
    assert found == ["u", "zu", "zv", "zw"]


def test_a_class_declared_again_is_known_at_once() -> None:
    registry = Registry("notebook")

    def cell(attribute: str) -> type[Entity]:
        namespace = {
            "__module__": __name__,
            "__qualname__": "Cell",
            "__annotations__": {attribute: str},
        }
        metaclass: Any = type(Entity)
        made: type[Entity] = metaclass(
            "Cell", (Entity,), namespace, name="cell", key="cell:{ulid}", registry=registry
        )
        return made

    with Forge(LocalBackend(schemas=registry)) as forge:
        for attribute in ("a", "b"):
            with forge.session() as session:
                session.add(cell(attribute).model_validate({attribute: "x"}))
