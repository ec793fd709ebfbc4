"""The entities every scenario speaks about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel

from forge_orm import Attr, Entity, Registry, attr, index, unique, version

registry = Registry("scenarios")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Status(StrEnum):
    OPEN = "open"
    DONE = "done"


class Address(BaseModel):
    city: str
    lines: list[str] = []


class Task(Entity, name="task", key="task:{project}:{number}", registry=registry):
    project: Attr[str] = attr()
    number: Attr[int] = attr()
    title: Attr[str] = attr(min_length=1)
    status: Attr[Status] = attr(default=Status.OPEN)
    priority: Attr[int] = attr(default=0)
    weight: Attr[float] = attr(default=1.0)
    urgent: Attr[bool] = attr(default=False)
    due: Attr[datetime] = attr(default=NOON)
    assignee: Attr[str | None] = attr(default=None)
    tags: Attr[list[str]] = attr(default_factory=list)
    place: Attr[Address | None] = attr(default=None)

    by_status = index(project, status, range=due)
    by_assignee = index(assignee, range=priority)
    by_title = index(range=title, name="title")
    by_weight = index(urgent, range=weight)


class Note(Entity, name="note", registry=registry):
    text: Attr[str] = attr()


class Member(Entity, name="member", key="member:{number}", registry=registry):
    number: Attr[int] = attr()
    email: Attr[str | None] = attr(default=None, unique=True)
    team: Attr[str] = attr(default="red")
    shirt: Attr[float | None] = attr(default=None)
    tags: Attr[list[str]] = attr(default_factory=list)

    one_shirt = unique(team, shirt)


class Pass(Entity, name="pass", key="pass:{number}", registry=registry):
    number: Attr[int] = attr()
    code: Attr[str] = attr(unique=True)
    revision: Attr[int] = version()


def make_tasks(count: int, project: str = "P") -> list[Task]:
    """Return tasks 0 to *count* - 1, due an hour apart."""
    return [
        Task(
            project=project,
            number=number,
            title=f"title {number:04}",
            status=Status.DONE if number % 3 == 0 else Status.OPEN,
            priority=number % 7,
            weight=number / 8,
            urgent=number % 2 == 0,
            due=NOON + timedelta(hours=number),
            assignee=f"user {number % 4}" if number % 5 else None,
        )
        for number in range(count)
    ]
