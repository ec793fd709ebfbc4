"""The table from REST to this library names every field of every endpoint."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_orm.wire import OPERATIONS

from .operations.test_coverage import ANSWERS, ECHOED, REQUESTS

PAGE = (Path(__file__).parent.parent / "docs" / "rest.md").read_text("utf-8")


def rows(operation: str) -> Iterator[str]:
    """Yield the left column of each section that is about *operation*."""
    for section in PAGE.split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        if f"`/v1/{operation}`" in title:
            yield from (line.split("|")[1] for line in text.splitlines() if line[:3] == "| `")
            yield from (
                line.split("|")[1].replace("answer", "", 1)
                for line in text.splitlines()
                if line.startswith("| answer ")
            )


def named(operation: str) -> set[str]:
    """Return the fields in full: `[].a.b`, `.c` are `[].a.b` and `[].a.c`."""
    fields: set[str] = set()
    for row in rows(operation):
        base = ""
        for field in re.findall(r"`([^`]+)`", row):
            if field.startswith("."):
                fields.add(base.rpartition(".")[0] + field)
            else:
                base = field
                fields.add(field)
    return fields


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_field_has_a_row(operation: str) -> None:
    said = REQUESTS[operation], ANSWERS.get(operation, ""), ECHOED.get(operation, "")
    # A transaction's conditions are explained below its table, once for all three.
    fields = {re.sub(r"(conditions)\..*", r"\1", field) for field in " ".join(said).split()}
    assert fields - named(operation) == set()
