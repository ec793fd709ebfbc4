"""A page of 100 rows into entities, against one pass of pydantic alone into their classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, NotRequired

from pydantic import Discriminator, TypeAdapter
from pydantic_core import from_json
from typing_extensions import TypedDict

from forge_orm.unit import UnitOfWork

from .harness import compare
from .models import Cleanup, Export, Import, Job, Ticket, make_job, make_ticket

OURS = "forge_orm: identity map, change tracking"


class Row(TypedDict):
    key: str
    value: Ticket


class Rows(TypedDict):
    data: list[Row]
    cursor: NotRequired[str]


class JobRow(TypedDict):
    key: str
    value: Annotated[Import | Export | Cleanup, Discriminator("kind")]


class JobRows(TypedDict):
    data: list[JobRow]
    cursor: NotRequired[str]


def page_of(entities: Iterable[Ticket | Job]) -> bytes:
    """Return a page of *entities* as the service sends it."""
    rows: list[bytes] = []
    for entity in entities:
        mapping = type(entity).__forge__
        value = mapping.dump(mapping.stored(entity), entity.key)
        rows.append(b'{"key":"%s","value":%s}' % (entity.key.encode(), value))
    return b'{"data":[%s],"cursor":"abc"}' % b",".join(rows)


def cases(cls: Any, body: bytes, rows: Any) -> dict[str, Callable[[], Any]]:
    """Return the two passes over *body*; *rows* is the page as pydantic alone reads it."""
    plain = TypeAdapter(rows).validate_json

    def pydantic() -> Any:
        return plain(body)

    def forge_orm() -> Any:
        return UnitOfWork().load_page(cls, body)

    assert [row["value"] for row in pydantic()["data"]] == list(forge_orm()[0])
    return {"pydantic validate_json, one pass": pydantic, OURS: forge_orm}


def main() -> None:
    body = page_of(map(make_ticket, range(100)))

    def naive() -> Any:
        return [Ticket.model_validate(row["value"]) for row in from_json(body)["data"]]

    compare(
        f"Hydrating a page of 100 entities ({len(body):,} bytes)",
        {
            **cases(Ticket, body, Rows),
            "from_json + model_validate, item by item": naive,
        },
        goals={OURS: "1.15 at most"},
    )
    jobs = page_of(map(make_job, range(100)))
    compare(
        f"Hydrating a page of 100 entities of three kinds ({len(jobs):,} bytes)",
        cases(Job, jobs, JobRows),
        goals={OURS: "1.20 at most"},
    )


if __name__ == "__main__":
    main()
