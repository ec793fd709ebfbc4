"""`forge-orm doctor unique`, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from forge_orm import Forge, LocalBackend, Tenant
from forge_orm.server import ForgeApp, Served

from ..unique.models import RESERVED, Page, User, registry, rows
from ..unique.trouble import make_trouble

Run = Callable[..., subprocess.CompletedProcess[str]]
MODELS = ("--models", "tests.unique.models:registry")


@pytest.fixture
def run() -> Run:
    def command(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "forge_orm", "doctor", "unique", *MODELS, *args],
            cwd=Path(__file__).parents[2],
            env={"PATH": "", **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    return command


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A store of two installations; with one of them everything is wrong."""
    path = tmp_path / "a.db"
    with LocalBackend(path, schemas=registry) as store:
        for name in ("one", "two"):
            with Forge(store, tenant=Tenant(installation=name)).session() as session:
                session.add(User(id=1, email="a"), Page(id=1, slug="x", rank=1.5))
        make_trouble(store, Tenant(installation="two"))
    return path


def test_a_dry_run_tells_everything_and_writes_nothing(run: Run, data: Path) -> None:
    with LocalBackend(data, schemas=registry) as store:
        before = list(store.dump())
        done = run("--data", str(data), "--older-than", "0")
        assert list(store.dump()) == before
    assert done.returncode == 1, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "double: email = 'd', which user 'user:4' has too, of user 'user:5' [two]",
        "orphan: email = 'gone' of user 'user:9' [two]",
        "orphan: email = 'other' of user 'user:3' [two]",
        "orphan: the key of user 'user:8' [two]",
        "unreserved: email = 'raw' of user 'user:2' [two]",
    ]
    assert "5 found, nothing is written; --repair does that." in done.stderr


def test_a_repair_leaves_only_what_a_person_must_decide(run: Run, data: Path) -> None:
    done = run("--data", str(data), "--older-than", "0", "--repair")
    assert done.returncode == 1
    assert done.stdout.count(", repaired [two]") == 4
    assert "5 found, 4 repaired." in done.stderr
    again = run("--data", str(data), "--older-than", "0")
    assert again.returncode == 1
    assert again.stdout.startswith("double: ")
    assert again.stdout.count("\n") == 1


def test_an_installation_where_all_is_well(run: Run, data: Path) -> None:
    done = run("--data", str(data), "--older-than", "0", "--installation", "one")
    assert (done.returncode, done.stdout) == (0, "")
    assert "Every unique value has its reservation" in done.stderr


def test_young_reservations_are_left_alone(run: Run, data: Path) -> None:
    done = run("--data", str(data), "--repair")
    assert "orphan" not in done.stdout
    assert "unreserved" in done.stdout


def test_over_http_as_in_a_container(run: Run, data: Path) -> None:
    with (
        LocalBackend(data, schemas=registry) as store,
        Served(ForgeApp(store)) as served,
    ):
        options = ("--installation", "two", "--older-than", "0", "--repair")
        done = run(*options, FORGE_EGRESS_PROXY_URL=served.url)
        assert done.stdout.count(", repaired") == 4, done.stderr
        assert len(rows(store, RESERVED)) > 0


def test_a_file_that_is_not_there(run: Run) -> None:
    done = run("--data", "nowhere.db")
    assert done.returncode == 2
    assert "there is no file nowhere.db" in done.stderr
