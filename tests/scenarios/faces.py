"""The same scenario through both colours and every backend: `Face` and `scenario`."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

from forge_orm import (
    AsyncForge,
    AsyncKvs,
    AsyncSecrets,
    AsyncSession,
    Forge,
    HttpBackend,
    Kvs,
    LocalBackend,
    Secrets,
    Session,
    Tenant,
)
from forge_orm.local import LENIENT, STRICT
from forge_orm.server import ForgeApp, Served
from forge_orm.streams import Stream

from .models import registry

COLOURS = ("sync", "async")
STORES = ("memory", "file", "http", "lenient")

_TWINS: dict[type[Any], type[Any]] = {
    Forge: AsyncForge,
    Session: AsyncSession,
    Kvs: AsyncKvs,
    Secrets: AsyncSecrets,
}


class Awaited:
    """A blocking object spoken to as if it were its async twin."""

    def __init__(self, blocking: Any) -> None:
        self._blocking = blocking
        self._twin = _TWINS[type(blocking)]

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._blocking, name)
        declared = inspect.getattr_static(self._twin, name)
        if inspect.iscoroutinefunction(declared):
            return _awaited(member)
        if inspect.isasyncgenfunction(declared):
            return _streamed(member)
        if callable(member) and not isinstance(declared, property):
            return lambda *args, **kwargs: _wrapped(member(*args, **kwargs))
        return _wrapped(member)

    def __repr__(self) -> str:
        return repr(self._blocking)

    async def __aenter__(self) -> Any:
        self._blocking.__enter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._blocking.__exit__(*exc)


class AwaitedStream:
    """A blocking stream that is iterated over as its async twin is."""

    def __init__(self, blocking: Stream[Any]) -> None:
        self._blocking = blocking

    @property
    def cursor(self) -> str | None:
        return self._blocking.cursor

    def close(self) -> None:
        self._blocking.close()

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in self._blocking:
            yield item


def _wrapped(value: Any) -> Any:
    if isinstance(value, Stream):
        return AwaitedStream(cast("Stream[Any]", value))
    return Awaited(value) if type(value) in _TWINS else value


def _awaited(member: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        return _wrapped(member(*args, **kwargs))

    return call


def _streamed(member: Callable[..., Any]) -> Callable[..., AsyncIterator[Any]]:
    async def call(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        for item in member(*args, **kwargs):
            yield item

    return call


class Face:
    """One colour of the library over one kind of store."""

    def __init__(self, colour: str, store: str, folder: Path) -> None:
        self.colour, self.store, self._folder = colour, store, folder
        self.now = 1_800_000_000.0
        self.schemas = registry

    def __repr__(self) -> str:
        return f"{self.colour}-{self.store}"

    @asynccontextmanager
    async def forge(self) -> AsyncGenerator[Any]:
        """Yield a forge of this colour over an empty store of this kind."""
        path = (
            ":memory:" if self.store in ("memory", "lenient", "http") else self._folder / "a.db"
        )
        readings = LENIENT if self.store == "lenient" else STRICT
        local = LocalBackend(
            path, schemas=self.schemas, readings=readings, clock=lambda: self.now
        )
        try:
            if self.store == "http":
                with Served(ForgeApp(local)) as served:
                    backend = HttpBackend(served.url, tenant=Tenant(installation="i-1"))
                    async with self._over(backend) as forge:
                        yield forge
            else:
                async with self._over(local) as forge:
                    yield forge
        finally:
            local.close()

    def _over(self, backend: Any) -> AbstractAsyncContextManager[Any]:
        def clock() -> float:
            return self.now

        if self.colour == "async":
            return AsyncForge(backend, clock=clock)
        return Awaited(Forge(backend, clock=clock))


Scenario = Callable[[Any, Face], Awaitable[None]]


def scenario(play: Scenario) -> Callable[[Face], None]:
    """Turn ``async def test_x(forge, face)`` into a test that runs on every face."""

    @functools.wraps(play)
    def test(face: Face) -> None:
        async def main() -> None:
            async with face.forge() as forge:
                await play(forge, face)

        # An app has 20 entities at most: a module may have a registry of its own.
        face.schemas = play.__globals__.get("registry", registry)
        asyncio.run(main())

    del test.__wrapped__  # pytest would see the other signature
    return test
