"""httpx's exceptions as ours: did the request leave, or was its answer lost?"""

from __future__ import annotations

from typing import Final

import httpx

from ..errors import AnswerLost, NotSent, TransportError
from ..wire import Response

HTTPX_ERRORS: Final = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    httpx.CookieConflict,
)
"""Everything httpx raises: its four roots."""

_UNKNOWN: Final = (
    "whether the call took effect is unknown. Read the data again before repeating a call "
    "that must not happen twice"
)

# What is said of each class; a subclass not listed speaks with its nearest parent's words.
_UNSENT: Final[dict[type[Exception], str]] = {
    httpx.ConnectTimeout: "could not connect in time",
    httpx.ConnectError: "could not connect",
    httpx.PoolTimeout: "no connection became free in time",
    httpx.ProxyError: "the proxy refused",
    httpx.UnsupportedProtocol: "not an http(s) URL",
    httpx.LocalProtocolError: "the request cannot be written as HTTP",
    httpx.InvalidURL: "not a URL",
}
_LOST: Final[dict[type[Exception], str]] = {
    httpx.ReadTimeout: "no answer came in time",
    httpx.WriteTimeout: "the request could not be written in time",
    httpx.RemoteProtocolError: "the connection closed early or the answer is not HTTP",
    httpx.DecodingError: "the answer cannot be decompressed",
    httpx.NetworkError: "the connection broke",
    Exception: "the exchange failed",
}


def transport_error(error: Exception, url: str, advice: str) -> TransportError:
    """Return what *error*, one of `HTTPX_ERRORS`, means for the caller.

    httpx's own words stay on the cause: they can quote what the peer sent.
    """
    for cls in type(error).__mro__:
        if cls in _UNSENT:
            return NotSent(f"{url}: {_UNSENT[cls]}; nothing was sent. {advice}")
        if cls in _LOST:
            break
    else:
        cls = Exception
    return AnswerLost(f"{url}: {_LOST[cls]}; {_UNKNOWN}")


def from_the_service(response: Response, url: httpx.URL) -> Response:
    """Return *response*, unless it is a success in HTML: something in between answered.

    Raises:
        AnswerLost: believed, such a page would be a write that was done.
    """
    usual = response.body[:1] in (b"", b"{")
    if not usual and response.ok and response.body.lstrip()[:1] == b"<":
        raise AnswerLost(
            f"{url}: a page answered with status {response.status} where the service "
            f"answers in JSON; {_UNKNOWN}"
        )
    return response
