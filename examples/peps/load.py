"""Reading the data file and saving it, in units of work of a few calls each."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.progress import track

from forge_orm import Entity, Forge

from .models import Author, Authorship, Pep

DATA = Path(__file__).parent.parent / "data" / "peps.jsonl"
UNIT = 250
"""Entities in one unit of work: ten calls, as a batch holds 25."""


def read_peps() -> list[Pep]:
    with DATA.open(encoding="utf-8") as lines:
        return [Pep.model_validate(json.loads(line)) for line in lines]


def load(forge: Forge) -> int:
    """Save every PEP, author and authorship; return how many entities that is."""
    entities = list(_entities(read_peps()))
    units = range(0, len(entities), UNIT)
    for start in track(units, description=f"Saving {len(entities)} entities"):
        with forge.session() as session:
            session.add(*entities[start : start + UNIT])
    return len(entities)


def slug(name: str) -> str:
    """Return *name* as part of a key: plain letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def _entities(peps: list[Pep]) -> Iterator[Entity]:
    yield from peps
    for pep in peps:
        for name in pep.authors:
            yield Authorship(
                author=slug(name), number=pep.number, title=pep.title, created=pep.created
            )
    written = Counter(name for pep in peps for name in pep.authors)
    authors = {slug(name): (name, count) for name, count in written.items()}
    for key, (name, count) in authors.items():
        yield Author(slug=key, name=name, peps=count)
