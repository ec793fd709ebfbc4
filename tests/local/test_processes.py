"""One store, many writers: threads, processes, and processes that are killed."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from forge_orm.local import LocalBackend

from . import writer
from .writer import PAIR, call, pair

ROUNDS, AT_ONCE = 25, 2


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", writer.__file__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def killed_after(process: subprocess.Popen[str], acknowledged: int) -> list[int]:
    """Kill *process* once it said so many numbers; return all it said."""
    assert process.stdin is not None
    assert process.stdout is not None
    with process, process.stdin, process.stdout as said:
        lines = [said.readline() for _ in range(acknowledged)]
        process.kill()
        lines += said.readlines()
    return [int(line) for line in lines if line.endswith("\n")]


def every(backend: LocalBackend, operation: str, **body: object) -> dict[str, int]:
    """Return what a query finds, following its cursors."""
    field = "after" if operation == "query" else "cursor"
    found: dict[str, int] = {}
    while True:
        status, answer = call(backend, operation, {**body, "limit": 100})
        assert status == 200, answer
        for row in answer["data"]:
            value = row["value"]
            found[row["key"]] = value["number"] if isinstance(value, dict) else value
        if "cursor" not in answer:
            return found
        body[field] = answer["cursor"]


def test_what_was_acknowledged_survives_a_kill_and_no_half_is_left(tmp_path: Path) -> None:
    path, dice = tmp_path / "a.db", random.Random(7)
    promised: set[str] = set()
    for turn in range(ROUNDS):
        names = [f"w{turn}-{which}" for which in range(AT_ONCE)]
        processes = [start("stream", str(path), name) for name in names]
        for name, process in zip(names, processes, strict=True):
            said = killed_after(process, dice.randint(1, 12))
            assert said == list(range(len(said)))
            assert said
            promised |= {f"{name}:{number}" for number in said}
    with LocalBackend(path, schemas=[PAIR]) as backend:
        plain = every(backend, "query")
        by_key = every(backend, "entity/query", entityName="pair", indexName="by-key")
        by_number = every(backend, "entity/query", entityName="pair", indexName="number")
        assert by_key == by_number
        assert by_key.pop("last") >= 0
    assert promised <= by_key.keys()
    assert plain == {f"plain:{key}": number for key, number in by_key.items()}
    # What was under way when a process died may be there: whole, and one for each death.
    assert len(by_key.keys() - promised) <= ROUNDS * AT_ONCE
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_processes_that_check_before_they_write_lose_no_update(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with LocalBackend(path, schemas=[PAIR]) as backend:
        call(backend, "entity/set", pair("sum", 0))
        processes = [start("count", str(path), "40") for _ in range(3)]
        writer.add(backend, 40)
        for process in processes:
            process.communicate()
        assert [process.returncode for process in processes] == [0, 0, 0]
        _, answer = call(backend, "entity/get", {"entityName": "pair", "key": "sum"})
    assert answer["value"] == {"number": 160}


def test_processes_may_open_a_new_file_at_the_same_moment(tmp_path: Path) -> None:
    processes = [start("race", str(name)) for name in range(4)]
    streams = [(process.stdin, process.stdout) for process in processes]
    for _, said in streams:
        assert said is not None
        assert said.readline() == "ready\n"
    for turn in range(25):
        path = tmp_path / f"{turn}.db"
        for told, _ in streams:
            assert told is not None
            print(path, file=told, flush=True)
        answers = Counter(said.readline() for _, said in streams if said is not None)
        assert answers == {"204 204\n": 1, "409 204\n": 3}
        with LocalBackend(path, schemas=[PAIR]) as backend:
            for name in "0123":
                _, answer = call(backend, "secret/get", {"key": name})
                assert answer["value"] == name
    for process in processes:
        process.communicate()
        assert process.returncode == 0


@pytest.fixture(params=["file", "memory"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return ":memory:" if request.param == "memory" else str(tmp_path / "a.db")


def test_threads_that_check_before_they_write_lose_no_update(path: str) -> None:
    with LocalBackend(path, schemas=[PAIR]) as backend:
        call(backend, "entity/set", pair("sum", 0))
        with ThreadPoolExecutor(6) as threads:
            for done in [threads.submit(writer.add, backend, 30) for _ in range(6)]:
                done.result()
        _, answer = call(backend, "entity/get", {"entityName": "pair", "key": "sum"})
    assert answer["value"] == {"number": 180}


def test_one_of_many_threads_inserts_a_key(path: str) -> None:
    gun = Barrier(6)
    insert = pair("wanted", 1, options={"keyPolicy": "FAIL_IF_EXISTS"})

    def run(_: int) -> int:
        gun.wait()
        return call(backend, "entity/set", insert)[0]

    with LocalBackend(path, schemas=[PAIR]) as backend, ThreadPoolExecutor(6) as threads:
        for _ in range(10):
            told = Counter(threads.map(run, range(6)))
            assert told == {204: 1, 409: 5}
            call(backend, "entity/delete", {"entityName": "pair", "key": "wanted"})


def test_a_reader_never_sees_half_a_transaction(path: str) -> None:
    keys = [{"entityName": "pair", "key": key} for key in ("left", "right")]
    index = {"entityName": "pair", "indexName": "number"}
    with LocalBackend(path, schemas=[PAIR]) as backend:

        def write() -> None:
            for number in range(150):
                both = [pair(key["key"], number) for key in keys]
                assert call(backend, "transaction", {"set": both})[0] == 204

        write()
        with ThreadPoolExecutor(1) as threads:
            writing = threads.submit(write)
            while not writing.done():
                _, answer = call(backend, "entity/query", index)
                assert len({row["value"]["number"] for row in answer["data"]}) == 1
            writing.result()
