"""Who closes a file's connections: the store, the thread that ends, or nobody's forgetting."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from weakref import ref

import pytest

from forge_orm import ConfigurationError
from forge_orm.local import LocalBackend
from forge_orm.local.store import Store

from .world import World

PATIENCE = 20.0


def connections(backend: LocalBackend) -> int:
    return len(backend._store._open)


def wait_for(count: int, backend: LocalBackend) -> None:
    """A thread may still be clearing up when it has been joined."""
    end = monotonic() + PATIENCE
    while connections(backend) != count and monotonic() < end:
        sleep(0.01)
    assert connections(backend) == count


def test_a_thread_that_ends_closes_its_connection(tmp_path: Path) -> None:
    with World(tmp_path / "a.db") as world:
        assert connections(world.backend) == 1
        done, go_on = Event(), Event()

        def work(number: int) -> None:
            world.put(f"k{number}", {"pages": number})
            if number == 9:
                done.set()
                go_on.wait(PATIENCE)

        threads = [Thread(target=work, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads[:9]:
            thread.join()
        assert done.wait(PATIENCE)
        wait_for(2, world.backend)
        go_on.set()
        threads[9].join()
        wait_for(1, world.backend)
        assert world.keys("by-key") == [f"k{number}" for number in range(10)]


def test_a_store_closes_the_connections_of_threads_that_go_on(tmp_path: Path) -> None:
    closed, written = Event(), Event()
    refused: list[str] = []

    def work() -> None:
        world.put("k", {"pages": 1})
        written.set()
        closed.wait(PATIENCE)
        try:
            world.put("k", {"pages": 2})
        except ConfigurationError as error:
            refused.append(str(error))

    with World(tmp_path / "a.db") as world:
        thread = Thread(target=work)
        thread.start()
        assert written.wait(PATIENCE)
        held = [each.connection for each in world.backend._store._open]
        assert len(held) == 2
    for connection in held:
        with pytest.raises(Exception, match="closed database"):
            connection.execute("SELECT 1")
    closed.set()
    thread.join()
    assert ["is closed" in text for text in refused] == [True]


@pytest.mark.parametrize("path", [":memory:", "a.db"])
def test_a_store_that_nobody_closed_is_closed_when_it_is_forgotten(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        store = Store(path)
        tenant, watched = store.tenant("one"), ref(store)
        (connection,) = [held.connection for held in store._open]
        del store
        assert watched() is None
        with pytest.raises(Exception, match="closed database"):
            connection.execute("SELECT 1")
        del connection
    assert [str(each.message) for each in warned] == []
    if path != ":memory:":
        assert sorted(each.name for each in tmp_path.iterdir()) == ["a.db"]  # no log is left
        with LocalBackend(path) as backend:
            assert backend.installations() == ["one"]
            assert backend._store.tenant("one") == tenant


def test_a_file_that_is_no_store_is_closed(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"no database at all, but long enough to be one" * 20)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(ConfigurationError, match="cannot open"):
            Store(str(tmp_path / "a.db"))
    assert [str(each.message) for each in warned] == []


FORGOTTEN = """
import sys, threading
from forge_orm.local import LocalBackend
from forge_orm.wire import Request

def work(number):
    assert backend.send(Request("set", b'{"key":"k%d","value":1}' % number)).ok

backend = LocalBackend(sys.argv[1])
for number in range(3):
    thread = threading.Thread(target=work, args=(number,), daemon=True)
    thread.start()
    thread.join()
work(3)
snapshot = backend.snapshot()
backend.itself = backend  # a cycle, left to the end of the interpreter
sys.modules["kept"] = backend
"""


@pytest.mark.parametrize("path", [":memory:", "a.db"])
def test_a_program_that_ends_without_closing_loses_nothing_and_warns_of_nothing(
    path: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", FORGOTTEN, path]
    done = subprocess.run(
        command, check=False, capture_output=True, timeout=PATIENCE, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, b"")
    if path != ":memory:":
        with LocalBackend(tmp_path / path) as backend:
            assert [row["key"] for row in backend.dump()] == ["k0", "k1", "k2", "k3"]


FORKING = """
import gc, os, sys, threading
from forge_orm import ConfigurationError
from forge_orm.local import LocalBackend
from forge_orm.wire import Request

def put(key):
    assert backend.send(Request("set", b'{"key":"%s","value":1}' % key)).ok

def work():
    put(b"a")
    written.set()
    go_on.wait()
    put(b"b")

backend = LocalBackend(sys.argv[1])
written, go_on = threading.Event(), threading.Event()
thread = threading.Thread(target=work)
thread.start()
written.wait()
mine = [held.connection for held in backend._store._open]
child = os.fork()
if not child:
    try:
        put(b"child")
    except ConfigurationError:
        pass
    else:
        os._exit(1)
    backend.close()
    del backend
    gc.collect()
    for connection in mine:  # none was closed: they are the parent's
        connection.in_transaction or connection.total_changes
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
go_on.set()
thread.join()
put(b"c")
assert [row["key"] for row in backend.dump()] == ["a", "b", "c"]
backend.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_fork_closes_none_of_its_parent_s_connections(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKING, str(tmp_path / "a.db")]
    done = subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr.decode()
