"""Questions, each answered by an index."""

from __future__ import annotations

from datetime import date

from rich.table import Table

from forge_orm import Session

from .models import Author, Authorship, Pep, Status


def newest_drafts(session: Session, rows: int) -> Table:
    drafts = session.all(Pep.by_status(Status.DRAFT).descending().limit(rows))
    return _table(f"The {rows} newest drafts", drafts)


def accepted_for(session: Session, version: str, rows: int) -> Table:
    query = Pep.by_python(version).filter(Pep.status.in_([Status.ACCEPTED, Status.FINAL]))
    return _table(f"Accepted for Python {version}, by number", session.all(query.limit(rows)))


def decided_in(session: Session, year: int, rows: int) -> Table:
    """A range of an index, narrowed by two filters joined with |."""
    whole_year = Pep.by_status(Status.FINAL).between(date(year, 1, 1), date(year, 12, 31))
    typed = whole_year.filter(Pep.title.contains("Typ") | Pep.title.contains("typ"))
    return _table(f"Begun in {year}, final, and about types", session.all(typed.limit(rows)))


def most_active(session: Session, rows: int) -> Table:
    table = Table("author", "PEPs", title="Who wrote the most", title_justify="left")
    for author in session.stream(Author.by_peps().descending().limit(rows)):
        table.add_row(author.name, str(author.peps))
    return table


def written_by(session: Session, slug: str, rows: int) -> Table:
    latest = session.all(Authorship.by_author(slug).descending().limit(rows))
    table = Table("PEP", "created", "title", title=f"By {slug}", title_justify="left")
    for row in latest:
        table.add_row(str(row.number), row.created.isoformat(), row.title)
    return table


def supersessions(session: Session, rows: int) -> Table:
    """An index finds what was superseded, one batch of gets finds by what."""
    old = session.all(Pep.by_status(Status.SUPERSEDED).limit(rows))
    keys = {Pep.key_for(number=number) for pep in old for number in pep.superseded_by}
    new = session.get_many(Pep, sorted(keys))
    table = Table("superseded", "by", title="What supersedes what", title_justify="left")
    for pep in old:
        successors = [new[Pep.key_for(number=n)] for n in pep.superseded_by]
        table.add_row(_short(pep), "\n".join(map(_short, successors)) or "—")
    return table


def _table(title: str, peps: list[Pep]) -> Table:
    table = Table("PEP", "created", "status", "title", title=title, title_justify="left")
    for pep in peps:
        table.add_row(str(pep.number), pep.created.isoformat(), pep.status, pep.title)
    return table


def _short(pep: Pep) -> str:
    return f"{pep.number} {pep.title}"
