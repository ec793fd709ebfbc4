"""`HttpBackend` against a real socket: what peers do to connections."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import httpx
import pytest

from forge_orm import AnswerLost, HttpBackend, NotSent, Tenant
from forge_orm.backends import http
from forge_orm.server import run
from forge_orm.wire import Request

from .colours import ask, exchange
from .peer import PATIENCE, Part, Peer, hangs_up, holds, listens, message, resets, says

GET = Request("get", b'{"key":"k"}')
BODY = b'{"key":"k","value":1}'


def over(peer: Peer, **options: Any) -> HttpBackend:
    return HttpBackend(peer.url, tenant=Tenant(installation="i"), **options)


def test_calls_one_after_the_other_share_a_connection(colour: str) -> None:
    with Peer(listens(*[message(b"%d" % number) for number in range(5)])) as peer:
        answers = ask(colour, over(peer), *[GET] * 5)

    assert [answer.body for answer in answers] == [b"0", b"1", b"2", b"3", b"4"]


def test_closing_hangs_up_and_a_later_call_connects_anew(colour: str) -> None:
    with Peer(holds(message(b"1")), holds(message(b"2"))) as peer:
        backend = over(peer)
        first = ask(colour, backend, GET)
        assert peer.ended[0].wait(20)
        second = ask(colour, backend, GET)

    assert [answer.body for answer in first + second] == [b"1", b"2"]


def test_a_connection_idle_for_too_long_is_not_used_again(
    colour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_KEEP_ALIVE", -1.0)
    with Peer(holds(message()), holds(message())) as peer:
        answers = ask(colour, over(peer), GET, GET)

    assert [answer.body for answer in answers] == [BODY, BODY]


def test_a_client_gives_an_idle_connection_up_before_the_server() -> None:
    assert http._KEEP_ALIVE < run._KEEP_ALIVE


def test_a_connection_the_peer_closed_while_idle_is_replaced_unnoticed(colour: str) -> None:
    async def main(peer: Peer) -> list[bytes]:
        async with over(peer) as backend:
            first = await exchange(colour, backend, GET)
            # In a thread, so that the event loop can notice the end as well.
            assert await asyncio.to_thread(peer.ended[0].wait, 20)
            second = await exchange(colour, backend, GET)
        return [first.body, second.body]

    with Peer(says(message(b"1")), listens(message(b"2"))) as peer:
        assert asyncio.run(main(peer)) == [b"1", b"2"]


def test_connection_close_is_honoured(colour: str) -> None:
    closing = message(BODY, b"connection: close")
    with Peer(holds(closing), holds(message())) as peer:
        assert [answer.status for answer in ask(colour, over(peer), GET, GET)] == [200, 200]


HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"
SQUEEZED = message(b"not gzip at all", b"content-encoding: gzip")
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc"
BROKEN: dict[str, Part] = {
    "hangs-up": hangs_up,
    "hangs-up-after-the-request": says(b""),
    "resets": resets,
    "half-a-head": says(b"HTTP/1.1 200 OK\r\ncontent-"),
    "half-a-body": says(HALF),
    "half-a-chunk": says(CHUNKED),
    "not-http": says(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "not-a-status": says(b"HTTP/1.1 two hundred\r\n\r\n"),
    "not-gzip": says(SQUEEZED),
}


@pytest.mark.parametrize("part", BROKEN.values(), ids=BROKEN)
def test_after_a_broken_exchange_nobody_knows_and_the_next_call_is_well(
    colour: str, part: Part
) -> None:
    async def main(peer: Peer) -> None:
        async with over(peer) as backend:
            with pytest.raises(AnswerLost) as caught:
                await exchange(colour, backend, GET)
            assert isinstance(caught.value.__cause__, httpx.HTTPError)
            assert (await exchange(colour, backend, GET)).body == BODY

    with Peer(part, listens(message())) as peer:
        asyncio.run(main(peer))


SLOW: dict[str, Part] = {
    "silence": holds(b""),
    "half-a-head": holds(HALF[:20]),
    "half": holds(HALF),
}


@pytest.mark.parametrize("part", SLOW.values(), ids=SLOW)
def test_a_peer_that_stops_answering_is_given_up(colour: str, part: Part) -> None:
    async def main(peer: Peer) -> None:
        async with over(peer, timeout=0.05) as backend:
            with pytest.raises(AnswerLost, match="no answer came in time") as caught:
                await exchange(colour, backend, GET)
            assert isinstance(caught.value.__cause__, httpx.ReadTimeout)
            # The connection is closed now, not when the backend is.
            assert await asyncio.to_thread(peer.ended[0].wait, 20)

    with Peer(part) as peer:
        asyncio.run(main(peer))


def test_a_peer_that_does_not_read_is_given_up(colour: str) -> None:
    done = threading.Event()
    with Peer(lambda _connection: _wait(done)) as peer:
        with pytest.raises(AnswerLost, match="could not be written in time") as caught:
            ask(colour, over(peer, timeout=0.05), Request("set", bytes(32_000_000)))
        done.set()

    assert isinstance(caught.value.__cause__, httpx.WriteTimeout)


def _wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE)


def test_nobody_listening_means_nothing_was_sent(colour: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and it does not listen: connecting is refused
        url = "http://{}:{}".format(*bound.getsockname())
        with pytest.raises(NotSent, match="could not connect") as caught:
            ask(colour, HttpBackend(url, tenant=Tenant(installation="i")), GET)

    assert isinstance(caught.value.__cause__, httpx.ConnectError)


def test_a_peer_that_does_not_speak_tls_means_nothing_was_sent(colour: str) -> None:
    with Peer(lambda connection: connection.sendall(b"HTTP/1.1 400 no\r\n\r\n")) as peer:
        url = peer.url.replace("http", "https")
        with pytest.raises(NotSent):
            ask(colour, HttpBackend.remote("t", url=url), GET)


def test_the_proxies_of_the_environment_are_not_for_the_sidecar(
    colour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Peer(listens(message())) as peer:
        assert ask(colour, over(peer), GET)[0].body == BODY
