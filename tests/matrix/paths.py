"""The ways to write: each with what is stored before and after, in both colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from pydantic import SecretStr

from forge_orm import AsyncForge, ForgeError
from forge_orm.unit import Atomic

from .faults import WRITES
from .models import CLASSES, SHOWN, Count, Doc, Member, Team, made

Name: TypeAlias = tuple[str | None, str]
State: TypeAlias = dict[Name, Any]
"""What is stored under each name a path writes to; None where nothing is."""


SECRET: Final = "secret"
TEAM: Final[Name] = "team", "team:a"


def doc(number: int) -> Name:
    return "doc", f"doc:{number}"


async def stored(forge: AsyncForge, names: Mapping[Name, Any]) -> State:
    """Read what is stored under *names*."""
    state: State = {}
    for name in names:
        kind, key = name
        async with forge.session() as session:
            if kind in CLASSES:
                found = await session.get(CLASSES[kind], key)
                state[name] = found and SHOWN[kind](found)
            elif kind == SECRET:
                secret = await forge.secrets.get(key)
                state[name] = secret and secret.get_secret_value()
            else:
                state[name] = await forge.kvs.get(key)
    return state


async def _fill(forge: AsyncForge, before: State) -> None:
    async with forge.session() as session:
        for (kind, key), value in before.items():
            if value is None:
                continue
            if kind in CLASSES:
                session.add(made(kind, key, value))
            elif kind == SECRET:
                await forge.secrets.set(key, SecretStr(value))
            else:
                await forge.kvs.set(key, value)


@dataclass
class Path:
    """One way to write. *before* and *after* are what is stored; faults strike *struck*."""

    name: str
    before: State
    after: State
    atomic: Atomic = "auto"
    struck: str = WRITES
    session: Any = field(default=None, init=False)

    async def prepare(self, forge: AsyncForge) -> None:
        """Store what is there before."""
        await _fill(forge, self.before)

    async def write(self, forge: Any) -> None:
        """Write, in a session that stays open; *forge* is of either colour."""
        self.session = forge.session(atomic=self.atomic)
        await self.change(self.session)
        await self.session.commit()

    async def change(self, session: Any) -> None:
        """Make the changes that a commit writes."""
        keys = {
            kind: [key for of, key in self.before if of == kind] for kind in ("doc", "count")
        }
        docs = await session.get_many(Doc, keys["doc"])
        for key, found in docs.items():
            if self.after["doc", key] is None:
                session.delete(found)
            else:
                found.text = self.after["doc", key]
        for counter in (await session.get_many(Count, keys["count"])).values():
            counter.number += 1

    async def again(self, forge: Any) -> None:
        """Do what is left, whatever was said of the first attempt."""
        if self.session is not None:
            await self.session.retry()
            assert not self.session.plan()

    def told(self, error: ForgeError | None) -> dict[Name, str]:
        """Return what is said of each write: saved, failed or unknown."""
        if error is None:
            return dict.fromkeys(self.after, "saved")
        if error.outcome is None:
            return dict.fromkeys(self.after, "unknown" if error.doubtful else "failed")
        return {
            **{self._name(*name): "saved" for name in error.outcome.saved},
            **{self._name(each.entity, each.key): "failed" for each in error.outcome.failed},
            **{self._name(each.entity, each.key): "unknown" for each in error.outcome.unknown},
        }

    def _name(self, entity: str | None, key: str) -> Name:
        return entity, key


class Inserted(Path):
    """A creation, which must not happen twice."""

    async def change(self, session: Any) -> None:
        for (_, key), text in self.after.items():
            session.insert(made("doc", key, text))


class Updated(Path):
    """A save of what exists, and no creation."""

    async def change(self, session: Any) -> None:
        await super().change(session)
        session.update(*(await session.get_many(Doc, [key for _, key in self.after])).values())


class Owned(Path):
    """Entities with a unique value: new ones, a value that changes or passes on, deletions."""

    async def change(self, session: Any) -> None:
        found = await session.get_many(Member, [key for _, key in self.after])
        for (_, key), email in self.after.items():
            if key not in found:
                session.add(made("member", key, email))
            elif email is None:
                session.delete(found[key])
            else:
                found[key].email = email


class Cascade(Path):
    """The deletion of a team, which takes its players along."""

    async def change(self, session: Any) -> None:
        session.delete(await session.get(Team, TEAM[1]))


class Run(Path):
    """`Forge.run`: with receipts it goes on by itself where an answer was lost."""

    async def write(self, forge: Any) -> None:
        def work(session: Any) -> None:
            session.get(Count, "count:a").number += 1

        async def awork(session: Any) -> None:
            (await session.get(Count, "count:a")).number += 1

        receipts = "receipts" in self.name
        await forge.run(awork if isinstance(forge, AsyncForge) else work, receipts=receipts)

    async def again(self, forge: Any) -> None:
        """As a program would: read, and count again only if it was not counted."""
        async with forge.session() as session:
            if (await session.get(Count, "count:a")).number == self.before["count", "count:a"][
                0
            ]:
                await self.write(forge)


class Keys(Path):
    """Plain keys and secrets: no session, so setting again is the way to try again."""

    async def write(self, forge: Any) -> None:
        sets = {key: value for (_, key), value in self.after.items() if value is not None}
        gone = [key for (_, key), value in self.after.items() if value is None]
        if self.name.startswith("secrets"):
            for key, value in sets.items():
                await forge.secrets.set(key, SecretStr(value))
            for key in gone:
                await forge.secrets.delete(key)
        elif self.name.endswith("_many"):
            await (forge.kvs.set_many(sets) if sets else forge.kvs.delete_many(gone))
        else:
            for key, value in sets.items():
                await forge.kvs.set(key, value)
            for key in gone:
                await forge.kvs.delete(key)

    async def again(self, forge: Any) -> None:
        await self.write(forge)

    def _name(self, entity: str | None, key: str) -> Name:
        return (SECRET if self.name.startswith("secrets") else entity), key


def paths() -> dict[str, Path]:
    """Return every path, fresh."""
    docs = {doc(number): "old" for number in range(4)}
    many = {doc(number): "old" for number in range(60)}
    new, gone = dict.fromkeys(docs, "new"), dict.fromkeys(docs, None)
    keys: State = {(None, f"k:{number}"): "old" for number in range(4)}
    one_key: State = {(None, "k:0"): "old"}
    secret: State = {(SECRET, "s:0"): "old"}
    counter: State = {("count", "count:a"): (5, 1)}
    counted: State = {("count", "count:a"): (6, 2)}
    both = {**docs, **counter}
    ann, bob = ("member", "member:1"), ("member", "member:2")
    emails: State = {ann: "a", bob: "b"}
    moved: State = {ann: "c", bob: "a"}
    nobody = dict.fromkeys(emails)
    team: State = {TEAM: "a", **{("player", f"player:{n}"): TEAM[1] for n in range(3)}}
    no_team = dict.fromkeys(team)
    listed = [
        Path("set", {doc(0): "old"}, {doc(0): "new"}),
        Path("delete", {doc(0): "old"}, {doc(0): None}),
        Inserted("insert", {doc(0): None}, {doc(0): "new"}),
        Updated("update", {doc(0): "old"}, {doc(0): "new"}),
        Path("batch of sets", docs, new),
        Path("batch of deletes", docs, gone),
        Path("three batches", many, dict.fromkeys(many, "new")),
        Path("transaction", docs, {**new, doc(3): None}, "always"),
        Path("versioned save", counter, counted),
        Path("versioned and plain", both, {**new, **counted}),
        Owned("unique: new", nobody, emails),
        Owned("unique: new, confirmed", nobody, emails, struck="transaction"),
        Owned("unique: moved", emails, moved),
        Owned("unique: moved, confirmed", emails, moved, struck="transaction"),
        Owned("unique: freed", emails, nobody),
        Cascade("cascade", team, no_team),
        Cascade("cascade, target", team, no_team, struck="entity/delete"),
        Run("forge.run", counter, counted),
        Run("forge.run, receipts", counter, counted),
        Keys("kvs.set", one_key, dict.fromkeys(one_key, "new")),
        Keys("kvs.delete", one_key, dict.fromkeys(one_key, None)),
        Keys("kvs.set_many", keys, dict.fromkeys(keys, "new")),
        Keys("kvs.delete_many", keys, dict.fromkeys(keys, None)),
        Keys("secrets.set", secret, dict.fromkeys(secret, "new")),
        Keys("secrets.delete", secret, dict.fromkeys(secret, None)),
    ]
    return {path.name: path for path in listed}


PATHS: Final = tuple(paths())
