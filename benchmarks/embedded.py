"""The embedded store against raw sqlite3 with pydantic, SQLModel and SQLAlchemy Core."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlmodel import Session as SqlSession
from sqlmodel import select

from .harness import compare
from .models import Ticket, make_ticket
from .rivals import COUNT, Rivals, TicketRow, as_row

GETS = 200  # in one turn; fewer than there are keys in turn, so that none comes up twice
BATCHES = 15


def point_get(rivals: Rivals) -> None:
    keys = itertools.cycle([f"ticket:{number:06}" for number in range(0, COUNT, 37)])
    validate = TypeAdapter(Ticket).validate_json
    session, kept = rivals.forge.session(), SqlSession(rivals.engine)

    def raw() -> Any:
        row = rivals.raw.execute("SELECT value FROM t WHERE key = ?", (next(keys),)).fetchone()
        return validate(row[0])

    def forge_orm() -> Any:
        return session.get(Ticket, next(keys))

    def sqlmodel() -> Any:
        return kept.get(TicketRow, next(keys))

    def forge_orm_anew() -> Any:
        with rivals.forge.session() as fresh:
            return fresh.get(Ticket, next(keys))

    def sqlmodel_anew() -> Any:
        with SqlSession(rivals.engine) as fresh:
            return fresh.get(TicketRow, next(keys))

    for one in (raw, forge_orm, sqlmodel, forge_orm_anew, sqlmodel_anew):
        keys = itertools.repeat("ticket:000037")
        assert values(one()) == values(make_ticket(37)), one
    keys = itertools.cycle([f"ticket:{number:06}" for number in range(0, COUNT, 37)])
    ratios = compare(
        "Point get into a typed entity",
        {
            "raw sqlite3 + pydantic": raw,
            "forge_orm session.get": forge_orm,
            "SQLModel session.get": sqlmodel,
            "forge_orm, a session for each get": forge_orm_anew,
            "SQLModel, a session for each get": sqlmodel_anew,
        },
        repeat=GETS,
        goals={"forge_orm session.get": "2.00 at most"},
        # Both keep what they read, so each turn begins with nothing read.
        before={
            "forge_orm session.get": session.rollback,
            "SQLModel session.get": kept.expunge_all,
        },
    )
    for how in ("session.get", ", a session for each get"):
        ours, theirs = (
            ratios[f"{who} {how}".replace(" ,", ",")] for who in ("forge_orm", "SQLModel")
        )
        print(f"  SQLModel / forge_orm {how:36} {theirs / ours:6.1f}     goal: 8.0 at least")
    kept.close()


def values(ticket: Any) -> dict[str, Any]:
    """Return the attributes of a ticket, however it was read."""
    return {name: getattr(ticket, name) for name in Ticket.model_fields}


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

    def forge_orm_anew() -> Any:
        with rivals.forge.session() as fresh:
            return fresh.all(query)

    def sqlmodel_anew() -> Any:
        with SqlSession(rivals.engine) as fresh:
            return fresh.exec(statement.limit(100)).all()

    assert list(map(values, forge_orm())) == list(map(values, sqlmodel()))
    compare(
        "A page of 100 by index",
        {
            "forge_orm session.all": forge_orm,
            "SQLModel": sqlmodel,
            "forge_orm, a session for each page": forge_orm_anew,
            "SQLModel, a session for each page": sqlmodel_anew,
        },
        goals={"SQLModel": "2.00 at least"},
    )
    kept.close()


class Batches:
    """Batches of 25 new tickets, made before they are timed: the same number for each turn."""

    def __init__(self, start: int, form: Callable[[Ticket], Any]) -> None:
        self._numbers, self._form = itertools.count(start), form
        self._ready: Iterator[list[Any]] = iter(())

    def fill(self) -> None:
        tickets = [make_ticket(next(self._numbers)) for _ in range(25 * (BATCHES + 1))]
        formed = list(map(self._form, tickets))
        self._ready = iter([formed[at : at + 25] for at in range(0, len(formed), 25)])

    def __next__(self) -> list[Any]:
        return next(self._ready)


def save(rivals: Rivals) -> None:
    insert = sa.insert(TicketRow)
    objects, entities = (Batches(1_000_000, lambda ticket: ticket) for _ in range(2))
    rows = Batches(2_000_000, as_row)

    def core_from_objects() -> None:
        made = [as_row(ticket) for ticket in next(objects)]
        with rivals.engine.begin() as connection:
            connection.execute(insert, made)

    def core() -> None:
        with rivals.engine.begin() as connection:
            connection.execute(insert, next(rows))

    def forge_orm() -> None:
        with rivals.forge.session() as session:
            session.add(*next(entities))

    compare(
        "Saving a batch of 25 new entities, three indexes each",
        {
            "SQLAlchemy Core insert, rows from objects": core_from_objects,
            "SQLAlchemy Core insert, rows at hand": core,
            "forge_orm session commit": forge_orm,
        },
        repeat=BATCHES,
        goals={"forge_orm session commit": "1.00 at most"},
        before={
            "SQLAlchemy Core insert, rows from objects": objects.fill,
            "SQLAlchemy Core insert, rows at hand": rows.fill,
            "forge_orm session commit": entities.fill,
        },
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
