"""The command line, run as a user runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

MODELS = """
from forge_orm import Attr, Entity, attr, index

class Task(Entity, name="task", key="task:{ulid}"):
    title: Attr[str] = attr()
    due: Attr[int] = attr()

    by_due = index(range=due)
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "manifest.yml").write_text("app:\n  id: x # ours\n")
    return tmp_path


@pytest.fixture
def run(app: Path) -> Run:
    def command(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "forge_orm", *args],
            cwd=app,
            capture_output=True,
            text=True,
            check=False,
        )

    return command


def test_write_then_check_then_write_again(run: Run, app: Path) -> None:
    missing = run("manifest", "check", "-m", "models")
    assert missing.returncode == 1
    assert "+      - name: task" in missing.stdout
    assert "added entity task" in missing.stderr

    assert run("manifest", "write", "-m", "models").returncode == 0
    written = (app / "manifest.yml").read_bytes()
    assert b"id: x # ours" in written

    assert run("manifest", "check", "-m", "models").returncode == 0
    assert "up to date" in run("manifest", "write", "-m", "models").stdout
    assert (app / "manifest.yml").read_bytes() == written


def test_models_can_be_named_once_in_pyproject(run: Run, app: Path) -> None:
    (app / "pyproject.toml").write_text('[tool.forge_orm]\nmodels = ["models"]\n')
    assert run("manifest", "write").returncode == 0
    assert run("manifest", "check").returncode == 0


def test_a_change_no_deployed_app_can_make_needs_force(run: Run, app: Path) -> None:
    run("manifest", "write", "-m", "models")
    before = (app / "manifest.yml").read_bytes()
    (app / "models.py").write_text(MODELS.replace("title: Attr[str] = attr()", ""))

    refused = run("manifest", "write", "-m", "models")
    assert refused.returncode == 1
    assert "removed attribute task.title" in refused.stderr
    assert (app / "manifest.yml").read_bytes() == before

    assert run("manifest", "check", "-m", "models", "--keep", "task.title").returncode == 0
    assert run("manifest", "write", "-m", "models", "--force").returncode == 0
    assert b"title" not in (app / "manifest.yml").read_bytes()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["manifest", "check"], "which classes?"),
        (["manifest", "check", "-m", "absent"], "there is no module 'absent'"),
        (["manifest", "check", "-m", "models:Task"], "models:Task is not a Registry"),
        (["manifest", "check", "nowhere.yml", "-m", "models"], "there is no such file"),
        (["serve", "--manifest", "manifest.yml", "-m", "models"], "and the classes differ"),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_status_2(
    run: Run, args: list[str], said: str
) -> None:
    done = run(*args)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "args", [[], ["manifest"], ["manifest", "write"], ["manifest", "check"], ["serve"]]
)
def test_help_teaches(run: Run, args: list[str]) -> None:
    done = run(*args, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout
    assert len(done.stdout) > 300


def test_serve_answers_until_it_is_interrupted(run: Run, app: Path) -> None:
    run("manifest", "write", "-m", "models")
    command = [sys.executable, "-m", "forge_orm", "serve"]
    options = ["--manifest", "manifest.yml", "--port", "0", "--data", "app.db"]
    with subprocess.Popen(
        [*command, *options],
        cwd=app,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as server:
        assert server.stderr is not None
        line = server.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line
        answer = httpx.post(
            f"{found[0]}/forge/storage/kvs/v1/entity/get",
            headers={"forge-proxy-authorization": "Forge as=app,installationId=i"},
            json={"entityName": "task", "key": "task:1"},
        )
        server.send_signal(signal.SIGINT)
        server.wait(timeout=20)
    assert answer.status_code == 404
    assert answer.json()["code"] == "KEY_NOT_FOUND"
    assert server.returncode == 0
