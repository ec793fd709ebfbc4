"""What forge_orm is measured against: the same tickets in SQLite by other means.

All three databases have the same settings, and all three give back the same values: the row
of SQLModel has the types of the entity, by the recipes of SQLAlchemy's documentation for
aware datetimes and for values stored as JSON.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import JSON, Column, Field, SQLModel, create_engine

from forge_orm import Forge, LocalBackend

from .models import Address, Status, Ticket, make_ticket, registry

COUNT = 10_000

# Those of the embedded store.
PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA wal_autocheckpoint=4000",
)


class AwareDateTime(sa.types.TypeDecorator[datetime]):
    """A datetime stored in UTC without its time zone, and read back with it."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: object) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: object) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


class AddressJson(sa.types.TypeDecorator[Address]):
    """An address stored as JSON."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Address | None, dialect: object) -> Any:  # noqa: ARG002
        return None if value is None else value.model_dump()

    def process_result_value(self, value: Any, dialect: object) -> Address | None:  # noqa: ARG002
        return None if value is None else Address.model_validate(value)


class TicketRow(SQLModel, table=True):
    key: str = Field(primary_key=True)
    project: str
    title: str
    status: Status
    priority: int
    weight: float = Field(index=True)
    due: datetime = Field(sa_column=Column(AwareDateTime))
    labels: list[str] = Field(sa_column=Column(JSON))
    address: Address = Field(sa_column=Column(AddressJson))
    __table_args__ = (
        sa.Index("by_project", "project", "due"),
        sa.Index("by_status", "status", "priority"),
    )


def as_row(ticket: Ticket) -> dict[str, Any]:
    """Return *ticket* as SQLAlchemy takes it."""
    return {"key": ticket.key, **{name: getattr(ticket, name) for name in Ticket.model_fields}}


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
        self.raw = _raw(folder / "raw.db", tickets)
        self.engine = _engine(folder / "sql.db", tickets)

    def close(self) -> None:
        self.forge.close()
        self.raw.close()
        self.engine.dispose()


def _raw(path: Path, tickets: list[Ticket]) -> sqlite3.Connection:
    raw = sqlite3.connect(path)
    for pragma in PRAGMAS:
        raw.execute(pragma)
    raw.execute("CREATE TABLE t (key TEXT PRIMARY KEY, project TEXT, due TEXT, value TEXT)")
    raw.execute("CREATE INDEX by_project ON t (project, due)")
    rows = [(it.key, it.project, it.due.isoformat(), stored(it)) for it in tickets]
    raw.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
    raw.commit()
    return raw


def _engine(path: Path, tickets: list[Ticket]) -> sa.Engine:
    engine = create_engine(f"sqlite:///{path}")
    sa.event.listen(engine, "connect", _set_up)  # two of the settings are a connection's own
    SQLModel.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(TicketRow), [as_row(ticket) for ticket in tickets])
    return engine


def _set_up(connection: sqlite3.Connection, _: object) -> None:
    for pragma in PRAGMAS:
        connection.execute(pragma)
