"""What mypy and pyright, both strict, say of right and of wrong user code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forge_orm import LocalBackend

from . import correct

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = ("__init__.py", "correct.py", "mistakes.py")
FILE_COUNT = len(FILES)
MARK = re.compile(r"# E: ([a-z ]+)$")

Errors = dict[str, dict[int, str]]
"""By file name and line: what the checker said first."""


def mypy(folder: Path) -> Errors:
    (folder / "mypy.ini").write_text("[mypy]\nstrict = true\npretty = false\n")
    said = _run(folder, "mypy", "--cache-dir", folder / "cache", "app")
    assert f"checked {FILE_COUNT} source files" in said, said
    lines = re.finditer(r"^(.+?):(\d+): error: (.*)$", said, re.MULTILINE)
    return _by_file((Path(line[1]).name, int(line[2]), line[3]) for line in lines)


def pyright(folder: Path) -> Errors:
    settings = {"include": ["app"], "typeCheckingMode": "strict", "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    said = _run(folder, "pyright", "--outputjson", "--pythonpath", sys.executable)
    verdict = json.loads(said)
    assert verdict["summary"]["filesAnalyzed"] == FILE_COUNT, said
    return _by_file(
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1, one["message"])
        for one in verdict["generalDiagnostics"]
        if one["severity"] == "error"
    )


CHECKERS = {"mypy": mypy, "pyright": pyright}


@pytest.fixture(scope="module", params=CHECKERS)
def verdict(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Errors]:
    name: str = request.param
    return name, CHECKERS[name](_project(tmp_path_factory.mktemp(name)))


def test_right_code_has_no_error(verdict: tuple[str, Errors]) -> None:
    _, errors = verdict
    assert errors["correct.py"] == {}


def test_right_code_runs() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    correct.entities(now)
    correct.queries(now)
    with LocalBackend(":memory:", schemas=correct.registry) as backend:
        correct.opening(backend)


def test_every_mistake_is_found_on_its_line_and_nothing_else(
    verdict: tuple[str, Errors],
) -> None:
    checker, errors = verdict
    found = errors["mistakes.py"]
    marked = dict(_marked(checker))
    missed = {line: text for line, text in marked.items() if line not in found}
    surplus = {line: text for line, text in found.items() if line not in marked}
    assert (missed, surplus) == ({}, {})


def test_every_checker_has_mistakes_to_find() -> None:
    assert {checker: len(dict(_marked(checker))) > 50 for checker in CHECKERS} == {
        "mypy": True,
        "pyright": True,
    }


def _marked(checker: str) -> Iterator[tuple[int, str]]:
    lines = (HERE / "mistakes.py").read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        if (mark := MARK.search(line)) is not None:
            checkers = mark[1].split()
            assert set(checkers) <= CHECKERS.keys(), line
            if checker in checkers:
                yield number, line.strip()


def _project(folder: Path) -> Path:
    """Copy the user's code to where the settings of this project do not reach."""
    (folder / "app").mkdir()
    for name in FILES:
        shutil.copy(HERE / name, folder / "app")
    return folder


def _run(folder: Path, module: str, *arguments: object) -> str:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return run.stdout


def _by_file(found: Iterator[tuple[str, int, str]]) -> Errors:
    errors: Errors = {name: {} for name in FILES}
    for name, line, text in found:
        errors.setdefault(name, {}).setdefault(line, text)
    return errors
