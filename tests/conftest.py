"""What the report of a run shows besides: the fault matrix, where it was played."""

from __future__ import annotations

from typing import Any

import pytest


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the fault matrix as it was yielded by this run."""
    played: list[Any] = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport)
        for name, value in report.user_properties
        if name == "matrix"
    ]
    if not played:
        return
    from .matrix.table import Cell, tables

    cells = {Cell(*where): said for *where, said in played}
    terminalreporter.section("every write path under every fault")
    terminalreporter.write_line(tables(cells))
