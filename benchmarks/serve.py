"""The served store under load: gets of small entities beside an endpoint that does nothing."""

from __future__ import annotations

import itertools
import multiprocessing
import select
import socket
import statistics
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

from forge_orm import Forge, LocalBackend, Tenant
from forge_orm.server import ForgeApp, serve

from .models import make_ticket, registry

COUNT = 10_000
CLIENTS = 32
ROUNDS = 11
SECONDS = 0.5
GOAL_PER_SECOND, GOAL_RATIO = 8_000, 0.5

HEALTH = (b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", b'{"status": "ok"}')
GET = (
    b"POST /forge/storage/kvs/v1/entity/get HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    b"accept: application/json\r\ncontent-type: application/json\r\n"
    b"forge-proxy-authorization: Forge as=app,installationId=one\r\n"
    b"content-length: %d\r\n\r\n%s"
)
BODY = b'{"entityName":"ticket","key":"%s"}'

Call = tuple[bytes, bytes]
"""What is sent, and how the answer must end."""


def run_server(told: Connection) -> None:
    """Serve tickets from memory in this process until it is ended."""
    backend = LocalBackend(schemas=registry)
    with Forge(backend, tenant=Tenant(installation="one")).session() as session:
        session.add(*map(make_ticket, range(COUNT)))
    serve(ForgeApp(backend), started=told.send)


def gets() -> Iterator[Call]:
    """Yield gets of one ticket after the other, without end."""
    made: list[Call] = []
    for number in range(0, COUNT, 37):
        ticket = make_ticket(number)
        mapping = type(ticket).__forge__
        value = mapping.dump(mapping.stored(ticket), ticket.key)
        body = BODY % ticket.key.encode()
        made.append((GET % (len(body), body), b'"value":%s,"entityName":"ticket"}' % value))
    return itertools.cycle(made)


class Load:
    """Keep-alive clients that each send the next call once the last is answered."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._clients = [socket.create_connection((host, int(port))) for _ in range(CLIENTS)]
        self._poll = select.epoll()
        self._by_number = {client.fileno(): client for client in self._clients}
        for client in self._clients:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._poll.register(client, select.EPOLLIN)

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self._poll.close()

    def per_second(self, calls: Iterator[Call]) -> float:
        """Return how many calls a second were answered, each of them rightly."""
        due: dict[int, tuple[bytes, bytes]] = {}
        start = time.perf_counter()
        for number, client in self._by_number.items():
            sent, end = next(calls)
            client.sendall(sent)
            due[number] = b"", end
        answered = 0
        while time.perf_counter() - start < SECONDS:
            answered += self._turn(due, calls)
        elapsed = time.perf_counter() - start
        while due:
            self._turn(due, None)
        return answered / elapsed

    def _turn(self, due: dict[int, Call], calls: Iterator[Call] | None) -> int:
        """Read what has come, and send the next calls; return how many were answered."""
        answered = 0
        for number, _ in self._poll.poll():
            client = self._by_number[number]
            begun, end = due[number]
            answer = begun + client.recv(65536)
            if not answer.endswith(end):
                assert answer.startswith(b"HTTP/1.1 200 "[: len(answer)]), answer
                due[number] = answer, end
                continue
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            answered += 1
            if calls is None:
                del due[number]
            else:
                sent, end = next(calls)
                client.sendall(sent)
                due[number] = b"", end
        return answered


def measure(url: str) -> None:
    load = Load(url)
    cases = {"GET /health": itertools.repeat(HEALTH), "entity/get": gets()}
    rates: dict[str, list[float]] = {name: [] for name in cases}
    for calls in cases.values():
        load.per_second(calls)
    for _ in range(ROUNDS):
        for name, calls in cases.items():
            rates[name].append(load.per_second(calls))
    load.close()
    nothing, got = (statistics.median(rates[name]) for name in cases)
    pairs = (mine / theirs for theirs, mine in zip(*rates.values(), strict=True))
    low, ratio, high = statistics.quantiles(pairs, n=4)
    print(f"\n{CLIENTS} keep-alive clients of the served store, in memory")
    print(f"  {'GET /health, which does nothing':44} {nothing:8,.0f} a second")
    print(f"  {'entity/get':44} {got:8,.0f} a second   goal: {GOAL_PER_SECOND:,} at least")
    print(f"  {'entity/get / health':44} {ratio:8.2f} x  [{low:.2f}..{high:.2f}]", end="")
    print(f"   goal: {GOAL_RATIO:.2f} at least")


def main() -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=run_server, args=(theirs,), daemon=True)
    server.start()
    theirs.close()  # so that a server that does not start is noticed
    try:
        measure(ours.recv())
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
