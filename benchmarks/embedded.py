"""The embedded store against raw sqlite3 with pydantic, SQLModel and SQLAlchemy Core."""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlmodel import JSON, Column, Field, SQLModel, create_engine, select
from sqlmodel import Session as SqlSession

from forge_orm import Forge, LocalBackend

from .harness import compare
from .models import Ticket, make_ticket, registry

COUNT = 10_000
PRAGMAS = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL")


class TicketRow(SQLModel, table=True):
    key: str = Field(primary_key=True)
    project: str
    title: str
    status: str
    priority: int
    weight: float = Field(index=True)
    due: datetime
    labels: list[str] = Field(sa_column=Column(JSON))
    address: dict[str, str] = Field(sa_column=Column(JSON))
    __table_args__ = (
        sa.Index("by_project", "project", "due"),
        sa.Index("by_status", "status", "priority"),
    )


def stored(ticket: Ticket) -> str:
    """Return the JSON forge_orm stores for *ticket*."""
    mapping = Ticket.__forge__
    return mapping.dump(mapping.stored(ticket), ticket.key).decode()


class Rivals:
    """The same tickets in three databases."""

    def __init__(self, folder: Path) -> None:
        tickets = [make_ticket(number) for number in range(COUNT)]
        self.forge = Forge(LocalBackend(folder / "forge.db", schemas=registry))
        with self.forge.session() as session:
            session.add(*tickets)
        self.raw = sqlite3.connect(folder / "raw.db")
        for pragma in PRAGMAS:
            self.raw.execute(pragma)
        self.raw.execute(
            "CREATE TABLE t (key TEXT PRIMARY KEY, project TEXT, due TEXT, value TEXT)"
        )
        self.raw.execute("CREATE INDEX by_project ON t (project, due)")
        rows = [(it.key, it.project, it.due.isoformat(), stored(it)) for it in tickets]
        self.raw.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
        self.raw.commit()
        self.engine = create_engine(f"sqlite:///{folder / 'sql.db'}")
        with self.engine.connect() as connection:
            for pragma in PRAGMAS:
                connection.execute(sa.text(pragma))
        SQLModel.metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            connection.execute(sa.insert(TicketRow), [as_row(ticket) for ticket in tickets])

    def close(self) -> None:
        self.forge.close()
        self.raw.close()
        self.engine.dispose()


def as_row(ticket: Ticket) -> dict[str, Any]:
    """Return *ticket* as SQLAlchemy takes it."""
    return {"key": ticket.key, **ticket.model_dump(mode="python"), "status": str(ticket.status)}


def point_get(rivals: Rivals) -> None:
    numbers = itertools.cycle(range(0, COUNT, 37))
    validate = TypeAdapter(Ticket).validate_json
    session, kept = rivals.forge.session(), SqlSession(rivals.engine)

    def raw() -> Any:
        key = f"ticket:{next(numbers):06}"
        (value,) = rivals.raw.execute("SELECT value FROM t WHERE key = ?", (key,)).fetchone()
        return validate(value)

    def forge_orm() -> Any:
        session.rollback()  # an identity map that is hit would make no call at all
        return session.get(Ticket, f"ticket:{next(numbers):06}")

    def sqlmodel() -> Any:
        kept.expunge_all()
        return kept.get(TicketRow, f"ticket:{next(numbers):06}")

    ratios = compare(
        "Point get into a typed entity",
        {
            "raw sqlite3 + pydantic": raw,
            "forge_orm session.get": forge_orm,
            "SQLModel": sqlmodel,
        },
        repeat=200,
        goals={"forge_orm session.get": "2.00 at most"},
    )
    times = ratios["SQLModel"] / ratios["forge_orm session.get"]
    print(f"  SQLModel / forge_orm = {times:.1f}   goal: 8.0 at least")
    kept.close()


def page(rivals: Rivals) -> None:
    session, kept = rivals.forge.session(), SqlSession(rivals.engine)
    query = Ticket.by_project("project-3").limit(100)
    statement = (
        select(TicketRow).where(TicketRow.project == "project-3").order_by(TicketRow.due)
    )

    def forge_orm() -> Any:
        session.rollback()
        return session.all(query)

    def sqlmodel() -> Any:
        kept.expunge_all()
        return kept.exec(statement.limit(100)).all()

    assert [it.key for it in forge_orm()] == [it.key for it in sqlmodel()]
    compare(
        "A page of 100 by index",
        {"forge_orm session.all": forge_orm, "SQLModel": sqlmodel},
        goals={"SQLModel": "2.00 at least"},
    )
    kept.close()


def save(rivals: Rivals) -> None:
    insert = sa.insert(TicketRow)
    batches = (
        [make_ticket(number) for number in range(start, start + 25)]
        for start in itertools.count(1_000_000, 25)
    )
    ready = [list(itertools.islice(batches, 2_000)) for _ in range(2)]

    def core() -> None:
        rows = [as_row(ticket) for ticket in ready[0].pop()]
        with rivals.engine.begin() as connection:
            connection.execute(insert, rows)

    def forge_orm() -> None:
        with rivals.forge.session() as session:
            session.add(*ready[1].pop())

    compare(
        "Saving a batch of 25 new entities, three indexes each",
        {"SQLAlchemy Core insert": core, "forge_orm session commit": forge_orm},
        repeat=15,
        goals={"forge_orm session commit": "1.00 at most"},
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rivals = Rivals(Path(folder))
        point_get(rivals)
        page(rivals)
        save(rivals)
        rivals.close()


if __name__ == "__main__":
    main()
