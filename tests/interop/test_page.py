"""The newcomer's page, followed word for word: a server, two services, and their tests."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from forge_orm import LocalBackend

from .node import HERE, Node

PAGE: Final = Path(__file__).parents[2] / "docs/guides/local-forge.md"
INVOCATION: Final = {"x-forge-invocation-id": "any"}


@pytest.fixture
def text() -> str:
    return PAGE.read_text("utf-8")


@pytest.fixture
def folder(text: str, tmp_path: Path) -> Path:
    """An empty folder with the page's files, and what it has npm install."""
    files = re.findall(r'^```\w+ title="(.*?)"\n((?s:.*?))^```$', text, re.MULTILINE)
    assert len(files) == 7
    for name, content in files:
        (tmp_path / name).write_text(content, "utf-8")
    installed = json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"]
    wanted = [f"{name}@{version}" for name, version in installed.items()]
    (asked,) = re.findall(r"npm install (.*)", text)
    assert sorted(asked.split()) == sorted(wanted)
    (tmp_path / "node_modules").symlink_to(Node.find().install() / "node_modules")
    return tmp_path


@contextmanager
def serving(folder: Path, command: str) -> Generator[str]:
    """Run ``forge-orm serve …`` as the page has it, but on a free port; yield its URL."""
    program, *options = shlex.split(command)
    assert program == "forge-orm"
    with subprocess.Popen(
        [sys.executable, "-m", "forge_orm", *options, "--port", "0"],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline() + process.stderr.readline()
        found = re.search(r"export FORGE_EGRESS_PROXY_URL=(\S+)", said)
        assert found, said
        yield found[1]
        process.terminate()


@contextmanager
def service(folder: Path, forge: str, *command: str) -> Generator[str]:
    """Run a service of the page on a free port; yield its URL once it answers."""
    port = free_port()
    environment = {**os.environ, "FORGE_EGRESS_PROXY_URL": forge, "SERVER_PORT": str(port)}
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        url = f"http://127.0.0.1:{port}"
        for _ in range(400):
            try:
                httpx.get(f"{url}/nobody", headers=INVOCATION)
                break
            except httpx.TransportError:
                assert process.poll() is None, f"{command} ended"
                time.sleep(0.05)
        yield url
        process.terminate()


def commands(text: str) -> list[str]:
    """Return the commands that serve a store, each as one says it on the page."""
    return re.findall(r"^    (forge-orm serve .*)$", text, re.MULTILINE)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_two_services_share_their_notes(text: str, folder: Path) -> None:
    with (
        serving(folder, commands(text)[0]) as forge,
        service(folder, forge, sys.executable, "service.py") as python,
        service(folder, forge, Node.find().node, "service.cjs") as node,
    ):
        said = httpx.post(f"{python}/ann", content="buy milk", headers=INVOCATION)
        assert said.json() == {"saved": "buy milk"}
        for url in (python, node):
            assert httpx.get(f"{url}/ann", headers=INVOCATION).json() == ["buy milk"]
    assert (folder / "notes.db").exists()


def test_the_tests_in_python_pass(folder: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_notes.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_the_tests_in_javascript_pass(text: str, folder: Path) -> None:
    with serving(folder, commands(text)[1]) as forge:
        done = subprocess.run(
            [Node.find().node, "--test"],
            cwd=folder,
            env={**os.environ, "FORGE_EGRESS_PROXY_URL": forge},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\bpass 3\b", done.stdout)


def test_a_dump_is_loaded(text: str, folder: Path) -> None:
    with serving(folder, commands(text)[0]) as forge:
        httpx.post(
            f"{forge}/forge/storage/kvs/v1/entity/set",
            json={"entityName": "note", "key": "note:1", "value": {"text": "buy milk"}},
            headers={"forge-proxy-authorization": "Forge as=app,id=any"},
        )
    for command in re.findall(r"^    forge-orm ((?:dump|load) .*)$", text, re.MULTILINE):
        subprocess.run(
            f"{shlex.quote(sys.executable)} -m forge_orm {command}",
            shell=True,  # the page redirects
            cwd=folder,
            check=True,
        )
    with LocalBackend(folder / "copy.db", manifest=folder / "manifest.yml") as copy:
        assert [row["value"] for row in copy.dump()] == [{"text": "buy milk"}]
