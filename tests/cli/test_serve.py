"""`forge-orm serve`: its schemas, its readings and its log, run as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from forge_orm import ConfigurationError
from forge_orm.cli.watch import ManifestSource, watching

MANIFEST = """
app:
  id: x
  storage:
    entities:
      - name: task
        attributes:
          title: {type: string}
          due: {type: integer}
        indexes: [due]
"""
TWO_INDEXES = MANIFEST.replace("[due]", "[due, title]")
TASK = {"entityName": "task", "key": "t"}
BY_TITLE = {"entityName": "task", "indexName": "title"}


class Server:
    """The command, running."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "forge_orm", "serve", "--port", "0", *options]
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._watchdog = threading.Timer(60, self._process.kill)

    def __enter__(self) -> Self:
        self._watchdog.start()
        self.url = self.says(r"http://127\.0\.0\.1:\d+")[0]
        self.says("Ctrl-C")
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process.poll() is None:
            self.stop()

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until a line on standard error has *pattern*."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"the server ended without saying {pattern}")

    def call(
        self, operation: str, body: Any, header: str = "installationId=i"
    ) -> tuple[int, Any]:
        answer = httpx.post(
            f"{self.url}/forge/storage/kvs/v1/{operation}",
            headers={"forge-proxy-authorization": f"Forge {header}"},
            json=body,
        )
        return answer.status_code, answer.json() if answer.content else None

    def stop(self) -> str:
        """Stop it; return what it wrote to standard output."""
        self._process.send_signal(signal.SIGINT)
        told, errors = self._process.communicate(timeout=30)
        self._watchdog.cancel()
        assert self._process.returncode == 0, errors
        assert "Traceback" not in errors
        return told


Serve = Callable[..., Server]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    (tmp_path / "manifest.yml").write_text(MANIFEST)
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(
            Server(tmp_path, "--manifest", "manifest.yml", *options)
        )


def test_a_changed_manifest_is_in_force_and_the_data_stays(
    serve: Serve, tmp_path: Path
) -> None:
    server = serve("--watch", "--index-delay", "3600", "--admin")
    task = {**TASK, "value": {"title": "a", "due": 1}}
    assert server.call("entity/set", task)[0] == 204
    (tmp_path / "manifest.yml").write_text(TWO_INDEXES)
    server.says("manifest.yml is read again: added index task.title")
    status, answer = server.call("entity/query", BY_TITLE)
    assert (status, answer["code"]) == (400, "INVALID_ENTITY_INDEX")
    assert "being built" in answer["message"]
    httpx.post(f"{server.url}/admin/clock", json={"seconds": 3600})
    assert server.call("entity/query", BY_TITLE)[1]["data"][0]["key"] == "t"

    (tmp_path / "manifest.yml").write_text("app: [")
    server.says("is not YAML: .*; what was declared before stays in force")
    assert server.call("entity/get", TASK)[1]["value"] == {"title": "a", "due": 1}


@pytest.mark.parametrize(
    ("options", "statuses"),
    [
        ([], (400, 404, 403)),
        (["--profile", "fast"], (400, 404, 403)),
        (["--profile", "lenient"], (200, 200, 404)),
        (["--reading", "refuse_undeclared=off"], (204, 404, 403)),
        (["--profile", "lenient", "--reading", "refuse-user=on"], (200, 200, 403)),
        (
            ["--reading", "delete_reports_absent=off", "--reading", "refuse_user=no"],
            (400, 204, 404),
        ),
    ],
)
def test_readings_are_those_of_the_options(
    serve: Serve, options: list[str], statuses: tuple[int, ...]
) -> None:
    server = serve(*options)
    told = (
        server.call("entity/set", {**TASK, "value": {"colour": "red"}})[0],
        server.call("delete", {"key": "absent"})[0],
        server.call("get", {"key": "absent"}, "as=user,accountId=a,id=v")[0],
    )
    assert told == statuses


@pytest.mark.parametrize("format", ["text", "json"])
def test_the_log_is_a_line_a_call_on_standard_output(serve: Serve, format: str) -> None:
    server = serve("--log-format", format, "--fault", "throttle,times=1")
    server.call("entity/get", TASK)
    server.call("entity/get", TASK)
    server.call("secret/set", {"key": "s", "value": "hidden"})
    told = server.stop()
    assert "hidden" not in told
    lines = told.splitlines()
    if format == "json":
        found = [json.loads(line) for line in lines]
        assert [(one["status"], one.get("keys")) for one in found] == [
            (429, ["t"]),
            (404, ["t"]),
            (204, None),
        ]
    else:
        shown = [re.sub(r"^\S+ | +[\d.]+ ms", "", line) for line in lines]
        assert shown == [
            "429 entity/get      0r 0w  task t  RATE_LIMIT_EXCEEDED  [i]",
            "404 entity/get      1r 0w  task t  KEY_NOT_FOUND  [i]",
            "204 secret/set      0r 1w  <secret>  [i]",
        ]


def test_what_tests_ask_for_is_served_with_admin(serve: Serve) -> None:
    server = serve("--admin", "--fault", "fail,times=1", "--stale", "0.5", "--capacity")
    told = httpx.get(f"{server.url}/admin").json()
    assert (told["stale"], told["snapshots"]) == (0.5, [])
    assert told["capacity"] == {"reads": 4000, "writes": 4000}
    assert server.call("set", {"key": "k", "value": 1})[0] == 503

    httpx.post(f"{server.url}/admin/clock", json={"seconds": 60})
    assert server.call("set", {"key": "k", "value": 1})[0] == 204
    assert server.call("query", {})[1] == {"data": []}
    httpx.post(f"{server.url}/admin/clock", json={"seconds": 1})
    assert len(server.call("query", {})[1]["data"]) == 1
    httpx.post(f"{server.url}/admin/capacity", json={"writes": 0})
    assert server.call("set", {"key": "k", "value": 1})[0] == 429


def test_without_admin_there_is_none(serve: Serve) -> None:
    assert httpx.get(f"{serve().url}/admin").status_code == 404


def test_readings_of_the_server_are_those_of_the_options(serve: Serve) -> None:
    server = serve(
        *("--reading", "query_lag=3600", "--reading", "silent_throttle=off"),
        *("--reading", "units_rounded_once=off", "--capacity", "--admin", "--log-format=json"),
    )
    assert httpx.get(f"{server.url}/admin").json()["stale"] == 3600
    items = [{"key": f"k{number}", "value": 1} for number in range(3)]
    httpx.post(f"{server.url}/admin/capacity", json={"writes": 5})
    assert server.call("batch/set", items)[0] == 200
    headers = {"forge-proxy-authorization": "Forge installationId=i"}
    path = f"{server.url}/forge/storage/kvs/v1/batch/set"
    throttled = httpx.post(path, headers=headers, json=items)
    assert (throttled.status_code, throttled.json()["code"]) == (429, "REQUEST_THROTTLED")
    assert 0 < int(throttled.headers["retry-after"]) <= 60
    assert json.loads(server.stop().splitlines()[0])["writeUnits"] == 3


def test_an_id_can_be_of_another_installation(serve: Serve) -> None:
    server = serve("--installation", "inv-1=acme", "--installation", "i=acme")
    assert server.call("set", {"key": "k", "value": 1}, "id=inv-1")[0] == 204
    headers = ("installationId=acme", "installationId=i", "id=inv-2", "installationId=local")
    found = [server.call("get", {"key": "k"}, header)[0] for header in headers]
    assert found == [200, 200, 404, 404]


def test_quiet_keeps_no_log(serve: Serve) -> None:
    server = serve("--quiet")
    assert server.call("get", {"key": "k"})[0] == 404
    assert server.stop() == ""


def test_calls_are_answered_where_nobody_reads_the_log(serve: Serve) -> None:
    server = serve()
    assert server._process.stdout is not None
    server._process.stdout.close()
    assert [server.call("get", {"key": "k"})[0] for _ in range(3)] == [404, 404, 404]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--reading", "refuse_nil=on"], "no reading has that name; there are limit_before_"),
        (["--reading", "refuse_null"], "say refuse_null=on or refuse_null=off"),
        (["--profile", "harsh"], "'harsh' is not one of 'strict', 'lenient', 'fast'"),
        (["--installation", "acme"], "--installation 'acme': say ID=NAME"),
        (["--fault", "rain"], "'rain' is no fault: kind: Input should be"),
        (["--index-delay", "-1"], "Invalid value for '--index-delay'"),
        (["--watch"], "--watch needs --manifest"),
        (["--watch", "--manifest", "no.yml"], "there is no such file"),
    ],
)
def test_a_mistake_is_a_sentence(tmp_path: Path, options: list[str], said: str) -> None:
    (tmp_path / "m.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "forge_orm", "serve", "-m", "m", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_declared_must_be_said(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "forge_orm", "serve"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--models app.models" in done.stderr
    assert "Or give --manifest manifest.yml" in done.stderr


# --- a manifest that changes --------------------------------------------------------------


class Watched:
    """A manifest, its source, and what was reported."""

    def __init__(self, path: Path) -> None:
        self.path, self.told = path, list[str]()
        path.write_text(MANIFEST)
        self.source = ManifestSource(path, self.told.append)

    @property
    def indexes(self) -> set[str]:
        return {name for one in self.source.schemas() for name in one.indexes}


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "manifest.yml")


def test_a_file_that_did_not_change_is_not_read(watched: Watched) -> None:
    before = watched.source.schemas()
    assert not watched.source.look()
    assert watched.source.schemas() is before
    assert watched.told == []


def test_a_change_is_read_once(watched: Watched) -> None:
    watched.path.write_text(TWO_INDEXES)
    assert [watched.source.look(), watched.source.look()] == [True, False]
    assert watched.indexes == {"due", "title"}
    assert watched.told == [f"{watched.path} is read again: added index task.title"]


def test_a_change_of_something_else_changes_nothing(watched: Watched) -> None:
    before = watched.source.schemas()
    watched.path.write_text(MANIFEST + "# a comment\n")
    assert not watched.source.look()
    assert watched.source.schemas() is before
    assert watched.told == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("app: [", "is not YAML"),
        ("", "holds no mapping"),
        (MANIFEST.replace("title", "key"), "attribute name 'key' is reserved"),
        (MANIFEST.replace("[due]", "[late]"), "unknown attribute 'late'"),
        (None, "there is no such file"),
    ],
)
def test_a_broken_file_leaves_what_was_declared(
    watched: Watched, text: str | None, said: str
) -> None:
    if text is None:
        watched.path.unlink()
    else:
        watched.path.write_text(text)
    assert [watched.source.look(), watched.source.look()] == [False, False]
    assert watched.indexes == {"due"}
    (told,) = watched.told
    assert said in told
    assert told.endswith("what was declared before stays in force")
    watched.path.write_text(TWO_INDEXES)
    assert watched.source.look()
    assert watched.indexes == {"due", "title"}


def test_what_a_deployed_app_could_not_do_is_told(watched: Watched) -> None:
    watched.path.write_text(MANIFEST.replace("          title: {type: string}\n", ""))
    assert watched.source.look()
    assert watched.told[1:] == [
        (
            "a deployed app could not be changed so: removed attribute task.title (string): "
            "a deployed attribute can never be deleted"
        )
    ]


@pytest.mark.parametrize("refuse", [True, False])
def test_what_is_defined_otherwise_under_its_name(watched: Watched, refuse: bool) -> None:
    source = ManifestSource(watched.path, watched.told.append, refuse_redefined=refuse)
    watched.path.write_text(MANIFEST.replace("integer", "float"))
    assert source.look() is not refuse
    (kind,) = (one.attributes["due"] for one in source.schemas())
    assert kind == ("integer" if refuse else "float")
    assert "attribute task.due" in watched.told[0]
    assert ("refuse_redefined=off" in watched.told[-1]) is refuse


def test_a_source_needs_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        ManifestSource(tmp_path / "no.yml", print)


def test_watching_tells_of_a_change_and_ends(watched: Watched) -> None:
    changed, before = threading.Event(), threading.active_count()
    with watching(watched.source, changed.set, seconds=0.001):
        assert not changed.wait(0.02)
        watched.path.write_text(TWO_INDEXES)
        assert changed.wait(20)
    assert threading.active_count() == before
    assert watched.indexes == {"due", "title"}
