"""The entities the questions are about."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from forge_orm import Attr, Entity, Registry, attr, index

registry = Registry("questions")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Status(StrEnum):
    OPEN = "open"
    DONE = "done"


class Task(Entity, name="task", registry=registry):
    project: Attr[str] = attr()
    status: Attr[Status] = attr(default=Status.OPEN)
    title: Attr[str] = attr(default="t")
    priority: Attr[int] = attr(default=0)
    weight: Attr[float] = attr(default=1.0)
    price: Attr[Decimal] = attr(default=Decimal(0), max_digits=5, decimal_places=2)
    cost: Attr[Decimal] = attr(default=Decimal(0))
    urgent: Attr[bool] = attr(default=False)
    due: Attr[datetime] = attr(default=NOON, alias="dueAt")
    owner: Attr[UUID | None] = attr(default=None)
    assignee: Attr[str | None] = attr(default=None)
    tags: Attr[list[str]] = attr(default_factory=list)

    by_status = index(project, status, range=due, name="by-status")
    by_title = index(range=title, name="title")
    by_price = index(urgent, range=price)
    by_urgent = index(range=urgent)
    by_assignee = index(range=assignee)


class Note(Entity, name="note", registry=registry):
    text: Attr[str] = attr()
