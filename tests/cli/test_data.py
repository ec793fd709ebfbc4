"""`forge-orm dump` and `forge-orm load`, run as a user runs them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from forge_orm import Forge, LocalBackend, Tenant

Run = Callable[..., subprocess.CompletedProcess[str]]

MANIFEST = """
app:
  id: x
  storage:
    entities:
      - name: task
        attributes:
          due: {type: integer}
"""
TASK = '{"kind":"entity","installation":"one","entity":"task","key":"t","value":{"due":1}}\n'


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def command(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "forge_orm", *args],
            cwd=tmp_path,
            capture_output=True,
            input=stdin,
            text=True,
            check=False,
        )

    return command


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A folder with a store of two installations."""
    (tmp_path / "manifest.yml").write_text(MANIFEST)
    with LocalBackend(tmp_path / "app.db", schemas=[]) as store:
        for name in ("one", "two"):
            forge = Forge(store, tenant=Tenant(installation=name))
            forge.kvs.set("k", f"☃ {name}")
            forge.secrets.set("s", SecretStr("hidden"))
    return tmp_path


def test_a_dump_is_json_lines_and_counts(run: Run, app: Path) -> None:
    done = run("dump", "--data", "app.db")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["kind"], row["installation"], row["value"]) for row in rows] == [
        ("key", "one", "☃ one"),
        ("key", "two", "☃ two"),
    ]
    assert done.stderr == "0 entities, 2 keys dumped from app.db\n"
    assert done.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal there")
@pytest.mark.parametrize(
    ("command", "shown"),
    [("dump --data app.db", "2/2 rows"), ("load two.jsonl --data b.db", "166/166 bytes")],
)
def test_a_bar_on_a_terminal_shows_how_far_it_is(app: Path, command: str, shown: str) -> None:
    import pty

    (app / "two.jsonl").write_text(TASK + TASK.replace('"one"', '"two"'))
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "forge_orm", *command.split()],
        cwd=app,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    ) as process:
        os.close(theirs)
        told = b""
        with contextlib.suppress(OSError):  # which is how Linux tells the end
            while part := os.read(ours, 4096):
                told += part
    os.close(ours)
    assert process.returncode == 0
    assert shown in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told.decode())


def test_secrets_are_dumped_only_if_asked(run: Run, app: Path) -> None:
    assert "hidden" not in run("dump", "--data", "app.db").stdout
    done = run("dump", "--data", "app.db", "--with-secrets", "--installation", "two")
    assert [json.loads(line)["kind"] for line in done.stdout.splitlines()] == ["key", "secret"]
    assert done.stderr == "0 entities, 1 key, 1 secret dumped from app.db\n"


def test_what_is_dumped_can_be_loaded_and_is_the_same(run: Run, app: Path) -> None:
    dumped = run("dump", "--data", "app.db", "--with-secrets").stdout
    (app / "rows.jsonl").write_text(dumped + "\n" + TASK)
    done = run("load", "rows.jsonl", "--data", "new.db", "--manifest", "manifest.yml")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "1 entity, 2 keys, 2 secrets loaded into new.db\n"
    again = run("dump", "--data", "new.db", "--with-secrets").stdout.splitlines()
    assert again[1:] == dumped.splitlines()
    assert json.loads(again[0]).items() >= json.loads(TASK).items()


def test_rows_come_from_standard_input_for_another_installation(run: Run, app: Path) -> None:
    done = run("load", "-", "--data", "app.db", "--installation", "three", stdin=TASK)
    assert done.stderr == "1 entity, 0 keys loaded into app.db\n"
    dumped = run("dump", "--data", "app.db", "--installation", "three").stdout
    assert json.loads(dumped)["installation"] == "three"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (TASK + "{\n", "line 2 is not JSON"),
        (TASK + '{"kind": "key"}\n', "row 2: key: Field required"),
        (TASK.replace("1}", '"?"}'), "row 1 (entity 't'): INCORRECT_PROPERTY_TYPE"),
        (TASK.replace("1}", "NaN}"), "line 1 is not JSON"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_loaded(
    run: Run, app: Path, rows: str, said: str
) -> None:
    done = run("load", "-", "--data", "new.db", "--manifest", "manifest.yml", stdin=rows)
    assert done.returncode == 2
    assert said in done.stderr
    assert "nothing is loaded" in done.stderr
    assert "Traceback" not in done.stderr
    assert run("dump", "--data", "new.db").stderr == "0 entities, 0 keys dumped from new.db\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["dump", "--data", "no.db"], "there is no file no.db"),
        (["dump", "--data", "manifest.yml"], "cannot open the local store 'manifest.yml'"),
        (
            ["dump", "--data", "app.db", "--installation", "x"],
            "app.db holds nothing of installation 'x'; there are: one, two",
        ),
        (["load", "no.jsonl", "--data", "a.db"], "no.jsonl: No such file"),
    ],
)
def test_a_mistake_is_a_sentence(run: Run, app: Path, args: list[str], said: str) -> None:
    before = set(app.iterdir())
    done = run(*args)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    made = {path.name for path in set(app.iterdir()) - before}
    assert not {name for name in made if not name.startswith("app.db")}


@pytest.mark.parametrize("command", ["dump", "load"])
def test_help_teaches(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert "JSON lines" in done.stdout
