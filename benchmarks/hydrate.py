"""A page of 100 rows into entities, against pydantic's own single pass into the same class."""

from __future__ import annotations

from typing import Any, NotRequired

from pydantic import TypeAdapter
from pydantic_core import from_json
from typing_extensions import TypedDict

from forge_orm.unit import UnitOfWork

from .harness import compare
from .models import Ticket, make_ticket


class Row(TypedDict):
    key: str
    value: Ticket


class Rows(TypedDict):
    data: list[Row]
    cursor: NotRequired[str]


def page_of(count: int) -> bytes:
    """Return a page of *count* rows as the service sends it."""
    mapping = Ticket.__forge__
    rows: list[bytes] = []
    for number in range(count):
        ticket = make_ticket(number)
        value = mapping.dump(mapping.stored(ticket), ticket.key)
        rows.append(b'{"key":"%s","value":%s}' % (ticket.key.encode(), value))
    return b'{"data":[%s],"cursor":"abc"}' % b",".join(rows)


def main() -> None:
    body = page_of(100)
    plain = TypeAdapter(Rows).validate_json

    def pydantic() -> Any:
        return plain(body)

    def forge_orm() -> Any:
        return UnitOfWork().load_page(Ticket, body, with_metadata=False)

    def naive() -> Any:
        return [Ticket.model_validate(row["value"]) for row in from_json(body)["data"]]

    assert [row["value"] for row in pydantic()["data"]] == list(forge_orm()[0])
    compare(
        f"Hydrating a page of 100 entities ({len(body):,} bytes)",
        {
            "pydantic validate_json, one pass": pydantic,
            "forge_orm: identity map, change tracking": forge_orm,
            "from_json + model_validate, item by item": naive,
        },
        goals={"forge_orm: identity map, change tracking": "1.15 at most"},
    )


if __name__ == "__main__":
    main()
