"""Schemas in a manifest.yml: read, compared, and written without touching anything else."""

from __future__ import annotations

from .compare import Change as Change
from .compare import Difference as Difference
from .compare import compare as compare
from .compare import keeping as keeping
from .document import SCOPE as SCOPE
from .document import parse_schemas as parse_schemas
from .document import storage_section as storage_section
from .reading import read_schemas as read_schemas
from .review import Review as Review
from .review import review as review
from .splice import rewritten as rewritten

__all__ = [
    "SCOPE",
    "Change",
    "Difference",
    "Review",
    "compare",
    "keeping",
    "parse_schemas",
    "read_schemas",
    "review",
    "rewritten",
    "storage_section",
]
