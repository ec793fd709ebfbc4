"""Whatever goes wrong below is one of the library's own errors, and says what it means."""

from __future__ import annotations

import inspect
from typing import Any

import httpx
import pytest

from forge_orm import AnswerLost, HttpBackend, NotSent, Tenant, TransportError
from forge_orm.wire import Request

from .colours import ask

URL = "http://localhost:7072"
GET = Request("get", b'{"key":"k"}')
CALL = httpx.Request("POST", URL)

UNSENT: dict[type[Exception], str] = {
    httpx.ConnectTimeout: "could not connect in time",
    httpx.ConnectError: "could not connect",
    httpx.PoolTimeout: "no connection became free",
    httpx.ProxyError: "the proxy refused",
    httpx.UnsupportedProtocol: "not an http(s) URL",
    httpx.LocalProtocolError: "cannot be written as HTTP",
    httpx.InvalidURL: "not a URL",
}
LOST: dict[type[Exception], str] = {
    httpx.HTTPError: "the exchange failed",
    httpx.HTTPStatusError: "the exchange failed",
    httpx.RequestError: "the exchange failed",
    httpx.TransportError: "the exchange failed",
    httpx.TimeoutException: "the exchange failed",
    httpx.ProtocolError: "the exchange failed",
    httpx.TooManyRedirects: "the exchange failed",
    httpx.CookieConflict: "the exchange failed",
    httpx.StreamError: "the exchange failed",
    httpx.StreamClosed: "the exchange failed",
    httpx.StreamConsumed: "the exchange failed",
    httpx.RequestNotRead: "the exchange failed",
    httpx.ResponseNotRead: "the exchange failed",
    httpx.NetworkError: "the connection broke",
    httpx.ReadError: "the connection broke",
    httpx.WriteError: "the connection broke",
    httpx.CloseError: "the connection broke",
    httpx.ReadTimeout: "no answer came in time",
    httpx.WriteTimeout: "could not be written in time",
    httpx.RemoteProtocolError: "closed early or the answer is not HTTP",
    httpx.DecodingError: "cannot be decompressed",
}
MEANINGS = [
    *((cls, NotSent, words) for cls, words in UNSENT.items()),
    *((cls, AnswerLost, words) for cls, words in LOST.items()),
]


class Raising(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport below which every call ends with *error*."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise self._error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise self._error


def raised(cls: type[Exception]) -> Exception:
    """Make an exception of *cls* that quotes what a peer sent."""
    options: dict[str, Any] = {"request": CALL, "response": httpx.Response(500)}
    taken = inspect.signature(cls).parameters
    args = [] if "message" not in taken else ["peer said hunter2"]
    return cls(*args, **{name: options[name] for name in options if name in taken})


def over(transport: Any) -> HttpBackend:
    return HttpBackend(
        URL, tenant=Tenant(installation="i"), transport=transport, async_transport=transport
    )


def test_the_tables_name_every_exception_of_httpx() -> None:
    everything = {
        each
        for each in vars(httpx).values()
        if isinstance(each, type) and issubclass(each, Exception)
    }

    assert {cls for cls, _, _ in MEANINGS} == everything


@pytest.mark.parametrize(
    ("cls", "meaning", "words"), MEANINGS, ids=[cls.__name__ for cls, _, _ in MEANINGS]
)
def test_an_exception_of_httpx_becomes_ours(
    colour: str, cls: type[Exception], meaning: type[TransportError], words: str
) -> None:
    error = raised(cls)
    with pytest.raises(TransportError) as caught:
        ask(colour, over(Raising(error)), GET)

    assert type(caught.value) is meaning
    assert caught.value.__cause__ is error
    assert f"{URL}/forge/storage/kvs/v1/get: " in str(caught.value)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert ("nothing was sent" in str(caught.value)) == (meaning is NotSent)
    assert ("whether the call took effect is unknown" in str(caught.value)) == (
        meaning is AnswerLost
    )


def test_a_class_of_httpx_yet_to_come_speaks_as_its_parent(colour: str) -> None:
    class Refused(httpx.ConnectError):
        pass

    class Odd(httpx.HTTPError):
        pass

    with pytest.raises(NotSent, match="could not connect"):
        ask(colour, over(Raising(Refused("x"))), GET)
    with pytest.raises(AnswerLost, match="the exchange failed"):
        ask(colour, over(Raising(Odd("x"))), GET)


@pytest.mark.parametrize("error", [ZeroDivisionError("own"), MemoryError(), OSError("disk")])
def test_an_error_that_is_not_httpx_s_is_left_as_it_is(colour: str, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        ask(colour, over(Raising(error)), GET)

    assert caught.value is error


def test_advice_fits_the_place(colour: str) -> None:
    error = httpx.ConnectError("x")
    with pytest.raises(NotSent, match=r"FORGE_EGRESS_PROXY_URL"):
        ask(colour, over(Raising(error)), GET)
    transport: Any = Raising(error)
    remote = HttpBackend.remote("t", transport=transport, async_transport=transport)
    with pytest.raises(NotSent, match="reach the Internet") as caught:
        ask(colour, remote, GET)

    assert "FORGE_EGRESS_PROXY_URL" not in str(caught.value)
