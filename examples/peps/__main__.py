"""The demonstration from one end to the other."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console

from forge_orm import Forge, HttpBackend, LocalBackend, Tenant
from forge_orm.server import ForgeApp, Served

from . import questions
from .load import load
from .models import Pep, Settings, Status, registry

console = Console()


class BackendName(StrEnum):
    LOCAL = "local"
    HTTP = "http"


def main(
    backend: Annotated[
        BackendName, typer.Option(help="The embedded store, or a local Forge over HTTP.")
    ] = BackendName.LOCAL,
    data: Annotated[
        Path | None, typer.Option(help="A file to keep; by default all is in memory.")
    ] = None,
) -> None:
    """Load all PEPs into Forge storage, ask about them, edit some, keep a secret."""
    with opened(backend, data) as forge:
        count = load(forge)
        console.print(f"{count} entities are stored behind {forge.backend!r}\n")
        keep_settings(forge)
        ask(forge)
        edit(forge)
        keep_secret(forge)


@contextmanager
def opened(backend: BackendName, data: Path | None) -> Generator[Forge]:
    """Open the chosen backend: everything after this line is the same for both."""
    with LocalBackend(data or ":memory:", schemas=registry) as store:
        if backend is BackendName.LOCAL:
            yield Forge(store)
            return
        with (
            Served(ForgeApp(store)) as served,
            Forge(HttpBackend(served.url, tenant=Tenant(installation="demo"))) as forge,
        ):
            yield forge


def keep_settings(forge: Forge) -> None:
    """Plain keys hold what is not an entity, here with a type of its own."""
    forge.kvs.typed("settings:", Settings).set("demo", Settings(rows=6))


def ask(forge: Forge) -> None:
    settings = forge.kvs.typed("settings:", Settings).get("demo") or Settings()
    with forge.session() as session:
        for table in (
            questions.newest_drafts(session, settings.rows),
            questions.accepted_for(session, "3.12", settings.rows),
            questions.decided_in(session, 2014, settings.rows),
            questions.most_active(session, settings.rows),
            questions.written_by(session, "guido-van-rossum", settings.rows),
            questions.supersessions(session, settings.rows),
        ):
            console.print(table, "")


def edit(forge: Forge) -> None:
    """Change some entities; only what changed is written, in as few calls as can be."""
    with forge.session() as session:
        oldest = session.all(Pep.by_status(Status.DRAFT).limit(3))
        for pep in oldest:
            pep.topics.append("long-standing")  # in place: the session notices
        oldest[0].status = Status.DEFERRED
        console.print("What the unit of work is going to send:")
        console.print(str(session.plan()), highlight=False)
        session.commit()
        kept = session.get(Pep, oldest[0].key)
    if kept is not None:
        console.print(f"PEP {kept.number} is now {kept.status}, topics {kept.topics}\n")


def keep_secret(forge: Forge) -> None:
    forge.secrets.set("api-token", SecretStr("a-token-of-no-worth"))
    console.print("A secret, as it shows itself:", repr(forge.secrets.get("api-token")))


if __name__ == "__main__":
    typer.run(main)
