"""The backend that speaks to Forge over HTTP: from a container's sidecar, or from a remote."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from typing import Final

import httpx

from ..closing import Closing
from ..errors import ConfigurationError
from ..wire import OPERATIONS, Request, Response, Tenant
from .credentials import Header, container_header, remote_header
from .failures import HTTPX_ERRORS, from_the_service, transport_error
from .pools import AsyncPools, Pools

URL_VARIABLE: Final = "FORGE_EGRESS_PROXY_URL"
"""Where a container's sidecar listens (containers-reference/ref-api)."""

REMOTE_URL: Final = "https://api.atlassian.com"
"""Where a remote finds the service (remote/accessing-storage)."""

_log: Final = logging.getLogger("forge_orm.http")
_PREFIX: Final = "/forge/storage/kvs/v1/"
_TIMEOUT: Final = 30.0
_CONNECT_TIMEOUT: Final = 5.0
_KEEP_ALIVE: Final = 30.0
_CONNECTIONS: Final = 10
_HEADERS: Final[tuple[Header, ...]] = (
    (b"accept", b"application/json"),
    (b"content-type", b"application/json"),
    (b"user-agent", b"forge-orm"),
)
_KEPT: Final = frozenset(
    {b"content-type", b"date", b"retry-after", b"x-b3-traceid", b"x-trace-id"}
)


class HttpBackend(Closing):
    """Calls the service over HTTP, blocking (`send`) or awaiting (`asend`).

    Connections are opened at the first call and kept. One backend serves any number of
    threads, event loops (one after the other or at once) and forked processes.

    httpx's transports are used without its client: a call costs a fifth less, and cookies,
    redirects and proxies named by the environment, none of which has a place between a
    container and the sidecar beside it, cannot come in. A remote behind a proxy passes
    ``transport=httpx.HTTPTransport(proxy=...)``.
    """

    _advice = (
        "Is the sidecar running? It may still be starting; wrap the backend in Retrying to "
        f"wait for it. {URL_VARIABLE} says where it is"
    )

    def __init__(
        self,
        url: str | None = None,
        *,
        tenant: Tenant | None = None,
        timeout: float = _TIMEOUT,
        max_connections: int = _CONNECTIONS,
        environ: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
        async_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Prepare calls from a container.

        Args:
            url: the sidecar's address; by default what *environ* has in
                ``FORGE_EGRESS_PROXY_URL``.
            tenant: for whom requests are sent that name nobody.
            timeout: seconds to wait for the service to take or give the next bytes;
                connecting is given five at most.
            max_connections: calls under way at once, for each colour; others wait for
                their turn. More is slower: httpx's pool does not scale.
            environ: by default `os.environ`.
            transport: an httpx transport to use in place of our own, for `send`.
            async_transport: the same, for `asend`, on every event loop.

        Raises:
            ConfigurationError: no address was found, or an option cannot be used.
        """
        base = _checked_url(_sidecar(environ) if url is None else url)
        if timeout <= 0 or max_connections < 1:
            raise ConfigurationError(
                f"timeout={timeout} and max_connections={max_connections}: both are above 0"
            )
        self._base = base
        self._urls = {name: httpx.URL(base + _PREFIX + name) for name in OPERATIONS}
        self._default = None if tenant is None else self._credential(tenant)
        self._extensions = {"timeout": _timeouts(timeout)}
        options = _Options(base, max_connections)
        self._pools = Pools(
            options.blocking if transport is None else lambda: transport, max_connections
        )
        self._async_pools = AsyncPools(
            options.awaiting if async_transport is None else lambda: async_transport,
            max_connections,
        )

    @classmethod
    def remote(
        cls,
        token: str | None = None,
        *,
        url: str = REMOTE_URL,
        timeout: float = _TIMEOUT,
        max_connections: int = _CONNECTIONS,
        transport: httpx.BaseTransport | None = None,
        async_transport: httpx.AsyncBaseTransport | None = None,
    ) -> HttpBackend:
        """Prepare calls from a Forge remote, which show a token.

        *token* is used for requests whose tenant has none; it is valid for about two hours,
        so that a server passes each inbound request's own as ``Tenant(token=...)``.
        """
        return _RemoteBackend(
            url,
            tenant=None if token is None else Tenant(token=token),
            timeout=timeout,
            max_connections=max_connections,
            transport=transport,
            async_transport=async_transport,
        )

    def send(self, request: Request, /) -> Response:
        """Answer one request, blocking; see `Backend`."""
        message = self._message(request)
        pool = self._pools.current()
        try:
            with pool.turns:
                response = _read(pool.transport.handle_request(message))
        except HTTPX_ERRORS as error:
            _log.debug("%s: %s", request.operation, type(error).__name__)
            raise transport_error(error, str(message.url), self._advice) from error
        if _log.isEnabledFor(logging.DEBUG):
            _tell(request, response)
        return from_the_service(response, message.url)

    async def asend(self, request: Request, /) -> Response:
        """Answer one request, awaiting; see `AsyncBackend`."""
        message = self._message(request)
        pool = await self._async_pools.current()
        try:
            async with pool.turns:
                response = await _aread(await pool.transport.handle_async_request(message))
        except HTTPX_ERRORS as error:
            _log.debug("%s: %s", request.operation, type(error).__name__)
            raise transport_error(error, str(message.url), self._advice) from error
        if _log.isEnabledFor(logging.DEBUG):
            _tell(request, response)
        return from_the_service(response, message.url)

    def close(self) -> None:
        """Close the connections of `send`. A later call opens new ones."""
        self._pools.close()

    async def aclose(self) -> None:
        """Close the connections of `send`, and those of `asend` on the running event loop.

        Those of another loop close when that loop ends, as `asyncio.run` ends it.
        """
        self._pools.close()
        await self._async_pools.aclose()

    def __repr__(self) -> str:
        """Name the address and nothing that lets one call it."""
        return f"HttpBackend({self._base!r})"

    def _credential(self, tenant: Tenant | None) -> Header:
        return container_header(tenant)

    def _message(self, request: Request) -> httpx.Request:
        url = self._urls.get(request.operation)
        if url is None:
            names = ", ".join(OPERATIONS)
            raise ConfigurationError(f"no operation {request.operation!r}; there is {names}")
        credential = self._default if request.tenant is None else None
        return httpx.Request(
            "POST",
            url,
            headers=(*_HEADERS, credential or self._credential(request.tenant)),
            content=request.body,
            extensions=self._extensions,
        )


class _RemoteBackend(HttpBackend):
    _advice = "Can this host reach the Internet?"

    def _credential(self, tenant: Tenant | None) -> Header:
        return remote_header(tenant)

    def __repr__(self) -> str:
        return f"HttpBackend.remote(url={self._base!r})"


def _tell(request: Request, response: Response) -> None:
    """Log an exchange, without its headers and what it carried."""
    sizes = len(request.body), len(response.body)
    trace = f", trace {response.trace_id}" if response.trace_id else ""
    _log.debug(
        "%s: %d, sent %d bytes, got %d%s", request.operation, response.status, *sizes, trace
    )


def _sidecar(environ: Mapping[str, str] | None) -> str:
    url = (os.environ if environ is None else environ).get(URL_VARIABLE)
    if not url:
        raise ConfigurationError(
            f"{URL_VARIABLE} is not set: in a Forge container the platform sets it to the "
            "sidecar's address, e.g. http://localhost:7072. Pass HttpBackend(url) to name "
            "another, HttpBackend.remote(token) in a remote, or develop without Forge on "
            'LocalBackend("app.db")'
        )
    return url


def _checked_url(url: str) -> str:
    """Return *url* without a trailing slash, or say what is wrong with it."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        shown = "given" if "@" in url else repr(url)  # a password may be before an @
        raise ConfigurationError(f"the address {shown} is not a URL: {error}") from error
    if parsed.userinfo:
        raise ConfigurationError("the service's address must not hold a user or password")
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query:
        raise ConfigurationError(
            f"the address {url!r} is not like http://localhost:7072: a scheme, a host, no query"
        )
    return url.rstrip("/")


def _timeouts(seconds: float) -> dict[str, float | None]:
    return httpx.Timeout(seconds, connect=min(seconds, _CONNECT_TIMEOUT)).as_dict()


class _Options:
    """What our own transports are made with."""

    def __init__(self, base: str, width: int) -> None:
        self._encrypted = base.startswith("https:")
        self._limits = httpx.Limits(
            max_connections=width,
            max_keepalive_connections=width,
            keepalive_expiry=_KEEP_ALIVE,
        )

    def blocking(self) -> httpx.HTTPTransport:
        return httpx.HTTPTransport(verify=self._tls(), trust_env=False, limits=self._limits)

    def awaiting(self) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(
            verify=self._tls(), trust_env=False, limits=self._limits
        )

    def _tls(self) -> ssl.SSLContext:
        """Load certificates (20 ms) only where they are used: the sidecar speaks plain HTTP.

        ``SSL_CERT_FILE`` is honoured.
        """
        if self._encrypted:
            return httpx.create_ssl_context()
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _read(answer: httpx.Response) -> Response:
    try:
        body = answer.read()
    finally:
        answer.close()
    return Response(answer.status_code, body, _kept(answer.headers.raw))


async def _aread(answer: httpx.Response) -> Response:
    try:
        body = await answer.aread()
    finally:
        await answer.aclose()
    return Response(answer.status_code, body, _kept(answer.headers.raw))


def _kept(headers: Iterable[Header]) -> dict[str, str]:
    """Keep the headers something here reads."""
    lowered = ((name.lower(), value) for name, value in headers)
    kept = {name.decode(): value.decode("latin-1") for name, value in lowered if name in _KEPT}
    if "retry-after" in kept:  # it may count from the date; whoever receives none adds it
        kept.setdefault("date", formatdate(usegmt=True))
    return kept
