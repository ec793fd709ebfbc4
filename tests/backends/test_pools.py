"""One `HttpBackend` for threads, event loops and forked processes, and what it leaves open."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from forge_orm import HttpBackend, Tenant
from forge_orm.wire import Request

from .colours import ask, exchange
from .peer import PATIENCE, Peer, holds, listens, message, read_request

GET = Request("get", b'{"key":"k"}')
TENANT = Tenant(installation="i")


class Crowd:
    """A part that counts how many calls are under way at once, over all its connections."""

    def __init__(self, together: int) -> None:
        self.most = self._now = 0
        self._lock = threading.Lock()
        # Nobody is answered before this many are here: so many at once are proven.
        self._barrier = threading.Barrier(together)

    def __call__(self, connection: socket.socket) -> None:
        while read_request(connection):
            with self._lock:
                self._now += 1
                self.most = max(self.most, self._now)
            self._barrier.wait(PATIENCE)
            with self._lock:
                self._now -= 1
            connection.sendall(message())


@pytest.mark.parametrize("width", [1, 3])
def test_threads_take_turns_at_so_many_connections(width: int) -> None:
    crowd = Crowd(width)
    with (
        Peer(*[crowd] * width) as peer,
        HttpBackend(peer.url, tenant=TENANT, max_connections=width) as backend,
        ThreadPoolExecutor(4 * width) as threads,
    ):
        answers = list(threads.map(backend.send, [GET] * (4 * width)))

    assert {answer.status for answer in answers} == {200}
    assert crowd.most == width


@pytest.mark.parametrize("width", [1, 3])
def test_tasks_take_turns_at_so_many_connections(width: int) -> None:
    async def main(url: str) -> set[int]:
        async with HttpBackend(url, tenant=TENANT, max_connections=width) as backend:
            calls = [backend.asend(GET) for _ in range(4 * width)]
            return {answer.status for answer in await asyncio.gather(*calls)}

    crowd = Crowd(width)
    with Peer(*[crowd] * width) as peer:
        assert asyncio.run(main(peer.url)) == {200}
    assert crowd.most == width


def test_a_cancelled_call_gives_its_turn_back() -> None:
    arrived = threading.Event()

    def silent(connection: socket.socket) -> None:
        read_request(connection)
        arrived.set()
        assert connection.recv(1) == b""

    async def main(url: str) -> int:
        async with HttpBackend(url, tenant=TENANT, max_connections=1) as backend:
            call = asyncio.create_task(backend.asend(GET))
            assert await asyncio.to_thread(arrived.wait, PATIENCE)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            return (await backend.asend(GET)).status

    with Peer(silent, listens(message())) as peer:
        assert asyncio.run(main(peer.url)) == 200


def test_a_failed_call_gives_its_turn_back(colour: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and it does not listen: connecting is refused
        url = "http://{}:{}".format(*bound.getsockname())

        async def main() -> None:
            async with HttpBackend(url, tenant=TENANT, max_connections=1) as backend:
                for _ in range(3):  # the second would wait for ever
                    with pytest.raises(Exception, match="could not connect"):
                        await asyncio.wait_for(exchange(colour, backend, GET), PATIENCE)

        asyncio.run(main())


def test_each_event_loop_has_its_own_connection_and_closes_it() -> None:
    async def main(backend: HttpBackend) -> bytes:
        return (await backend.asend(GET)).body

    with Peer(holds(message(b"1")), holds(message(b"2"))) as peer:
        backend = HttpBackend(peer.url, tenant=TENANT)
        assert asyncio.run(main(backend)) == b"1"
        assert peer.ended[0].wait(PATIENCE)  # closed with its loop, by nobody's hand
        assert asyncio.run(main(backend)) == b"2"


def test_event_loops_in_several_threads_share_a_backend() -> None:
    def loop(backend: HttpBackend) -> int:
        async def main() -> int:
            return (await backend.asend(GET)).status

        return asyncio.run(main())

    crowd = Crowd(3)
    with Peer(crowd, crowd, crowd) as peer, ThreadPoolExecutor(3) as threads:
        backend = HttpBackend(peer.url, tenant=TENANT)
        assert list(threads.map(loop, [backend] * 3)) == [200] * 3


def test_both_colours_of_one_backend_are_closed_together() -> None:
    async def main(url: str) -> None:
        async with HttpBackend(url, tenant=TENANT) as backend:
            await asyncio.to_thread(backend.send, GET)
            await backend.asend(GET)

    with Peer(listens(message()), listens(message())) as peer:
        asyncio.run(main(peer.url))


def test_a_backend_nobody_closed_hangs_up_when_it_goes() -> None:
    with Peer(listens(message())) as peer:
        backend = HttpBackend(peer.url, tenant=TENANT)
        assert backend.send(GET).status == 200
        del backend
        gc.collect()


def test_a_backend_made_and_never_used_opens_nothing(colour: str) -> None:
    with Peer() as peer:
        assert ask(colour, HttpBackend(peer.url, tenant=TENANT)) == []


FORKING = """
import os, sys
from forge_orm import HttpBackend, Tenant
from forge_orm.wire import Request

backend = HttpBackend(sys.argv[1], tenant=Tenant(installation="i"))
get = Request("get", b"{}")
assert backend.send(get).body == b"1"
child = os.fork()
if not child:
    body = backend.send(get).body
    backend.close()
    os._exit(body != b"child")
assert os.waitpid(child, 0)[1] == 0
assert backend.send(get).body == b"2"
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_child_leaves_its_parent_s_connection_alone() -> None:
    with Peer(listens(message(b"1"), message(b"2")), listens(message(b"child"))) as peer:
        command = [sys.executable, "-c", FORKING, peer.url]
        done = subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr.decode()
