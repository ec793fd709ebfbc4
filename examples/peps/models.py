"""What is stored: PEPs, their authors, and who wrote what."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import BaseModel

from forge_orm import Attr, Entity, Registry, attr, index

registry = Registry("peps")


class Status(StrEnum):
    ACCEPTED = "Accepted"
    ACTIVE = "Active"
    APRIL_FOOL = "April Fool!"
    DEFERRED = "Deferred"
    DRAFT = "Draft"
    FINAL = "Final"
    REJECTED = "Rejected"
    SUPERSEDED = "Superseded"
    WITHDRAWN = "Withdrawn"


class Pep(Entity, name="pep", key="pep:{number}", registry=registry):
    number: Attr[int] = attr(ge=0)
    title: Attr[str] = attr(min_length=1)
    authors: Attr[list[str]] = attr()
    status: Attr[Status] = attr()
    kind: Attr[str] = attr(alias="type")
    topics: Attr[list[str]] = attr(default_factory=list)
    created: Attr[date] = attr()
    python_version: Attr[str | None] = attr(default=None)
    post_history: Attr[list[date]] = attr(default_factory=list)
    requires: Attr[list[int]] = attr(default_factory=list)
    replaces: Attr[list[int]] = attr(default_factory=list)
    superseded_by: Attr[list[int]] = attr(default_factory=list)

    by_status = index(status, range=created)
    by_python = index(python_version, range=number)


class Author(Entity, name="author", key="author:{slug}", registry=registry):
    slug: Attr[str] = attr()
    name: Attr[str] = attr()
    peps: Attr[int] = attr(default=0)

    by_peps = index(range=peps)


# The service indexes plain values, not lists: one small entity for each author of each PEP
# makes "the PEPs of an author" a question to an index.
class Authorship(Entity, name="authorship", key="by:{author}:{number}", registry=registry):
    author: Attr[str] = attr()
    number: Attr[int] = attr()
    title: Attr[str] = attr()
    created: Attr[date] = attr()

    by_author = index(author, range=created)


class Settings(BaseModel):
    """Lives in the plain key-value store."""

    home: str = "peps.python.org"
    rows: int = 8
