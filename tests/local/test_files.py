"""Which files a store takes: its own, and new ones."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from forge_orm import ConfigurationError
from forge_orm.local import LocalBackend

from .world import World


def layout_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (number,) = connection.execute("PRAGMA user_version").fetchone()
        return int(number)


def set_layout(path: Path, number: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {number}")


@pytest.mark.parametrize(
    ("table", "version"), [("invoices", 0), ("invoices", 1), ("tenants", 0)]
)
def test_a_file_of_another_program_is_refused_and_left_as_it_was(
    tmp_path: Path, table: str, version: int
) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {table} (number INTEGER)")
        connection.execute(f"INSERT INTO {table} VALUES (7)")
        connection.commit()
    set_layout(path, version)
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"theirs\.db.*a file of its own"):
        LocalBackend(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["theirs.db"]


def test_a_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with World(path) as world:
        world.put("k", {"pages": 1})
    set_layout(path, 99)
    with pytest.raises(ConfigurationError, match=r"\(99, not 1\).*forge-orm dump"):
        LocalBackend(path)


def test_a_file_from_before_layouts_had_numbers_is_taken_and_numbered(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with World(path) as world:
        world.put("k", {"pages": 1})
    set_layout(path, 0)
    with World(path) as world:
        assert world.keys("by-key") == ["k"]
    assert layout_of(path) == 1


def test_an_empty_file_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    path.touch()
    with World(path) as world:
        world.put("k", {"pages": 1})
    assert layout_of(path) == 1
