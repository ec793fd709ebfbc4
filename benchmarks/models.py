"""The one shape every benchmark uses: eight attributes, one of them nested.

`Job` is the same shape again, as an entity of three kinds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel

from forge_orm import Attr, Entity, Registry, attr, index

registry = Registry("benchmarks")
START = datetime(2026, 1, 1, tzinfo=UTC)


class Status(StrEnum):
    OPEN = "open"
    DONE = "done"


class Address(BaseModel):
    street: str
    city: str
    postcode: str


class Ticket(Entity, name="ticket", registry=registry):
    project: Attr[str] = attr()
    title: Attr[str] = attr()
    status: Attr[Status] = attr()
    priority: Attr[int] = attr()
    weight: Attr[float] = attr()
    due: Attr[datetime] = attr()
    labels: Attr[list[str]] = attr()
    address: Attr[Address] = attr()

    by_project = index(project, range=due)
    by_status = index(status, range=priority)
    by_weight = index(range=weight, name="weight")


def make_ticket(number: int) -> Ticket:
    """Return ticket *number*, with the key ``ticket:NNNNNN``."""
    ticket = Ticket(
        project=f"project-{number % 10}",
        title=f"A title of ordinary length, number {number}",
        status=Status.DONE if number % 3 else Status.OPEN,
        priority=number % 100,
        weight=number / 7,
        due=START + timedelta(minutes=number),
        labels=["alpha", "beta", f"label-{number % 17}"],
        address=Address(street=f"{number} Long Street", city="Basel", postcode="4001"),
    )
    return ticket.with_key(f"ticket:{number:06}")


class Job(Entity, name="job", discriminator="kind", registry=registry):
    kind: Attr[str] = attr(init=False)
    title: Attr[str] = attr()
    status: Attr[Status] = attr()
    priority: Attr[int] = attr()
    due: Attr[datetime] = attr()


class Import(Job, kind="import"):
    weight: Attr[float] = attr()
    labels: Attr[list[str]] = attr()
    address: Attr[Address] = attr()


class Export(Job, kind="export"):
    weight: Attr[float] = attr()
    labels: Attr[list[str]] = attr()
    address: Attr[Address] = attr()


class Cleanup(Job, kind="cleanup"):
    weight: Attr[float] = attr()
    labels: Attr[list[str]] = attr()
    address: Attr[Address] = attr()


def make_job(number: int) -> Job:
    """Return a job with the values of ticket *number*; the kinds take turns."""
    ticket = make_ticket(number)
    cls = (Import, Export, Cleanup)[number % 3]
    job = cls(
        title=ticket.title,
        status=ticket.status,
        priority=ticket.priority,
        weight=ticket.weight,
        due=ticket.due,
        labels=ticket.labels,
        address=ticket.address,
    )
    return job.with_key(f"job:{number:06}")
