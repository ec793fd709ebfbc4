"""How the suites speak to a backend: raw requests and sessions, in either colour."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple, ParamSpec

from ..aio import AsyncForge
from ..backends.retry import Retrying, RetryPolicy
from ..model import Attr, Entity, Registry, attr, index
from ..schema import EntitySchema
from ..wire import Request, Response, Tenant

P = ParamSpec("P")

registry = Registry("forge_orm.testing")
"""The entities the suites speak about."""


class Book(Entity, name="suite-book", key="book:{shelf}:{number}", registry=registry):
    """What most tests store: an attribute of each type, and an index over each that can be."""

    shelf: Attr[str] = attr()
    number: Attr[int] = attr()
    title: Attr[str] = attr(default="untitled")
    price: Attr[float] = attr(default=1.0)
    lent: Attr[bool] = attr(default=False)
    notes: Attr[list[str]] = attr(default_factory=list)

    by_shelf = index(shelf, range=number)
    by_title = index(range=title, name="title")
    by_price = index(lent, range=price)
    by_lent = index(range=lent, name="lent")


class OldBook(Entity, name="suite-book", key="book:{shelf}:{number}", registry=Registry()):
    """A book in an older program, which does not know that titles are in an index."""

    shelf: Attr[str] = attr()
    number: Attr[int] = attr()
    title: Attr[str] = attr(default="untitled")


class Plant(Entity, name="suite-plant", registry=registry):
    """A second entity, to be kept apart from the first."""

    name: Attr[str] = attr()


SCHEMAS: tuple[EntitySchema, ...] = registry.schemas()
"""What a backend under test must have declared: ``suite-book`` and ``suite-plant``."""

_PAGES_MAX = 1000


class Answer(NamedTuple):
    """A status and the JSON of the body, None where it is empty; seconds asked to wait."""

    status: int
    body: Any
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the call succeeded."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str | None:
        """The code of an error."""
        return None if self.ok else self.body["code"]


class Peer:
    """A backend under test in one colour, for one tenant; itself a backend that awaits.

    What is tested is the backend. So tests are written once, as coroutines, and the colour
    decides which of its methods is called.
    """

    def __init__(self, backend: Any, colour: str, tenant: Tenant | None = None) -> None:
        """Speak to *backend* through ``send`` (``sync``) or ``asend`` (``async``)."""
        self.backend, self.colour, self.tenant = backend, colour, tenant

    def acting(self, tenant: Tenant) -> Peer:
        """Return one that speaks for *tenant*."""
        return Peer(self.backend, self.colour, tenant)

    async def asend(self, request: Request, /) -> Response:
        """Answer one request."""
        addressed = request if self.tenant is None else request._replace(tenant=self.tenant)
        if self.colour == "sync":
            response: Response = self.backend.send(addressed)
            return response
        return await self.backend.asend(addressed)  # type: ignore[no-any-return]

    async def call(self, operation: str, body: Any, *, repeatable: bool = True) -> Answer:
        """Send *body* as JSON (bytes as they are)."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = await self.asend(Request(operation, raw, repeatable))
        told = json.loads(response.body) if response.body else None
        return Answer(response.status, told, response.retry_after)

    async def done(self, operation: str, body: Any) -> Any:
        """Send what must succeed; return the answer's body."""
        answer = await self.call(operation, body)
        assert answer.ok, f"{operation} answered {answer}"
        return answer.body

    async def refused(self, operation: str, body: Any) -> tuple[int, str]:
        """Send what must be refused; return the status and the code."""
        answer = await self.call(operation, body)
        assert not answer.ok, f"{operation} was not refused: {answer}"
        body = answer.body
        told = isinstance(body, dict) and "code" in body and "message" in body
        assert told, f"{operation} was refused without code and message: {answer}"
        return answer.status, answer.body["code"]

    async def walk(self, operation: str, body: dict[str, Any]) -> list[list[Any]]:
        """Follow a query to its end; return the rows of each page."""
        field = "after" if operation == "query" else "cursor"
        pages: list[list[Any]] = []
        while len(pages) < _PAGES_MAX:
            answer = await self.done(operation, body)
            pages.append(answer["data"])
            if answer.get("cursor") is None:
                return pages
            body = {**body, field: answer["cursor"]}
        raise AssertionError(f"{operation} still answers a cursor after {_PAGES_MAX} pages")

    async def keys(self, operation: str, body: dict[str, Any]) -> list[str]:
        """Follow a query to its end; return the keys in order."""
        return [row["key"] for page in await self.walk(operation, body) for row in page]

    async def at_once(self, bodies: Iterable[Any], operation: str) -> list[Answer]:
        """Send *bodies* at once: from as many threads, or as many tasks."""
        if self.colour == "async":
            return await asyncio.gather(*[self.call(operation, body) for body in bodies])

        def send(body: Any) -> Answer:
            return asyncio.run(self.call(operation, body))

        return await asyncio.gather(*[asyncio.to_thread(send, body) for body in bodies])

    def forge(self, policy: RetryPolicy | None = None) -> AsyncForge:
        """Return a forge over it, which tries again without waiting where a policy is given."""
        if policy is None:
            return AsyncForge(self, retry=None)
        return AsyncForge(Retrying(self, policy, asleep=_no_wait), retry=None)


async def _no_wait(_: float) -> None:
    pass


def played(play: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Turn a coroutine into a test that needs no plugin for coroutines."""

    @functools.wraps(play)
    def test(*args: P.args, **kwargs: P.kwargs) -> None:
        async def main() -> None:
            await play(*args, **kwargs)

        asyncio.run(main())

    return test
