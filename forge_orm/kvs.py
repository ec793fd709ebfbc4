"""The plain key-value store: `Kvs` and `AsyncKvs`, the same verbs in both colours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Generic, TypeVar

from pydantic import TypeAdapter

from .drivers import AsyncChannel, Channel
from .flows.keyvalue import KeySpace, KvsPage
from .limits import PAGE_MAX
from .operations import Setting, Stored
from .operations.core import KeyPolicy, ReturnValue
from .wire import ALL_METADATA, MetadataField

T = TypeVar("T")
U = TypeVar("U")


class Kvs(Generic[T]):
    """Plain keys and their JSON values. Every call goes to the service at once."""

    def __init__(self, channel: Channel, space: KeySpace[T]) -> None:
        """Speak over *channel* about *space*."""
        self._channel, self._space = channel, space

    def __repr__(self) -> str:
        """Show the prefix."""
        return f"{type(self).__name__}({self._space.prefix!r})"

    def typed(self, prefix: str, type: type[U], *, ttl: timedelta | None = None) -> Kvs[U]:
        """Return a view of the keys below *prefix* whose values are of *type*.

        *type* is anything pydantic knows. *ttl* is given to every set that names none.
        """
        adapter: TypeAdapter[U] = TypeAdapter(type)
        return Kvs(self._channel, self._space.below(prefix, adapter, ttl))

    def get(self, key: str) -> T | None:
        """Return the value of *key*, or None (``/get``); raises `InvalidValue`."""
        stored = self._channel.run(self._space.get(key))
        return None if stored is None else stored.value

    def read(self, key: str, *metadata: MetadataField) -> Stored[T] | None:
        """Return value and metadata of *key*; all metadata if none is named (``/get``)."""
        return self._channel.run(self._space.get(key, metadata or ALL_METADATA))

    def set(
        self,
        key: str,
        value: T,
        *,
        ttl: timedelta | None = None,
        policy: KeyPolicy | None = None,
        returns: ReturnValue | None = None,
        metadata: Iterable[MetadataField] = (),
    ) -> Stored[T] | None:
        """Store *value* under *key* (``/set``).

        *policy* ``"FAIL_IF_EXISTS"`` raises `KeyConflict` where the key exists. *returns*
        asks for the ``"PREVIOUS"`` (None if there was none) or ``"LATEST"`` value, with
        *metadata* of it. Without *ttl* the value does not expire.
        """
        setting = Setting(ttl, policy, returns, tuple(metadata))
        return self._channel.run(self._space.set(key, value, setting))

    def delete(self, key: str) -> None:
        """Remove *key*; one that is not there is no error (``/delete``)."""
        self._channel.run(self._space.delete(key))

    def get_many(self, keys: Iterable[str]) -> dict[str, T]:
        """Return the values of *keys*, absent ones left out (``/batch/get``, 25 a call)."""
        return self._channel.run(self._space.get_many(keys))

    def read_many(self, keys: Iterable[str], *metadata: MetadataField) -> dict[str, Stored[T]]:
        """Return values and metadata of *keys*, absent ones left out (``/batch/get``).

        All metadata if none is named.
        """
        return self._channel.run(self._space.read_many(keys, metadata or ALL_METADATA))

    def set_many(self, values: Mapping[str, T], *, ttl: timedelta | None = None) -> None:
        """Store *values* (``/batch/set``, 25 a call); raises `PartialCommit`."""
        self._channel.run(self._space.set_many(values, ttl))

    def delete_many(self, keys: Iterable[str]) -> None:
        """Remove *keys* (``/batch/delete``, 25 a call); raises `PartialCommit`."""
        self._channel.run(self._space.delete_many(keys))

    def page(
        self,
        prefix: str = "",
        *,
        limit: int = PAGE_MAX,
        cursor: str | None = None,
        metadata: Iterable[MetadataField] = (),
    ) -> KvsPage[T]:
        """Return up to *limit* (1 to 100) keys that begin with *prefix* (``/query``)."""
        return self._channel.run(self._space.page(prefix, limit, cursor, metadata))

    def stream(
        self, prefix: str = "", *, metadata: Iterable[MetadataField] = ()
    ) -> Iterator[Stored[T]]:
        """Yield every key that begins with *prefix*, in key order, page by page."""
        cursor: str | None = None
        while True:
            page = self.page(prefix, cursor=cursor, metadata=metadata)
            yield from page
            if (cursor := page.cursor) is None:
                return

    def all(self, prefix: str = "") -> dict[str, T]:
        """Return every key that begins with *prefix*, with its value."""
        return {stored.key: stored.value for stored in self.stream(prefix)}


class AsyncKvs(Generic[T]):
    """Plain keys and their JSON values. Every call goes to the service at once."""

    def __init__(self, channel: AsyncChannel, space: KeySpace[T]) -> None:
        """Speak over *channel* about *space*."""
        self._channel, self._space = channel, space

    def __repr__(self) -> str:
        """Show the prefix."""
        return f"{type(self).__name__}({self._space.prefix!r})"

    def typed(self, prefix: str, type: type[U], *, ttl: timedelta | None = None) -> AsyncKvs[U]:
        """Return a view of the keys below *prefix* whose values are of *type*.

        *type* is anything pydantic knows. *ttl* is given to every set that names none.
        """
        adapter: TypeAdapter[U] = TypeAdapter(type)
        return AsyncKvs(self._channel, self._space.below(prefix, adapter, ttl))

    async def get(self, key: str) -> T | None:
        """Return the value of *key*, or None (``/get``); raises `InvalidValue`."""
        stored = await self._channel.run(self._space.get(key))
        return None if stored is None else stored.value

    async def read(self, key: str, *metadata: MetadataField) -> Stored[T] | None:
        """Return value and metadata of *key*; all metadata if none is named (``/get``)."""
        return await self._channel.run(self._space.get(key, metadata or ALL_METADATA))

    async def set(
        self,
        key: str,
        value: T,
        *,
        ttl: timedelta | None = None,
        policy: KeyPolicy | None = None,
        returns: ReturnValue | None = None,
        metadata: Iterable[MetadataField] = (),
    ) -> Stored[T] | None:
        """Store *value* under *key* (``/set``).

        *policy* ``"FAIL_IF_EXISTS"`` raises `KeyConflict` where the key exists. *returns*
        asks for the ``"PREVIOUS"`` (None if there was none) or ``"LATEST"`` value, with
        *metadata* of it. Without *ttl* the value does not expire.
        """
        setting = Setting(ttl, policy, returns, tuple(metadata))
        return await self._channel.run(self._space.set(key, value, setting))

    async def delete(self, key: str) -> None:
        """Remove *key*; one that is not there is no error (``/delete``)."""
        await self._channel.run(self._space.delete(key))

    async def get_many(self, keys: Iterable[str]) -> dict[str, T]:
        """Return the values of *keys*, absent ones left out (``/batch/get``, 25 a call)."""
        return await self._channel.run(self._space.get_many(keys))

    async def read_many(
        self, keys: Iterable[str], *metadata: MetadataField
    ) -> dict[str, Stored[T]]:
        """Return values and metadata of *keys*, absent ones left out (``/batch/get``).

        All metadata if none is named.
        """
        return await self._channel.run(self._space.read_many(keys, metadata or ALL_METADATA))

    async def set_many(self, values: Mapping[str, T], *, ttl: timedelta | None = None) -> None:
        """Store *values* (``/batch/set``, 25 a call); raises `PartialCommit`."""
        await self._channel.run(self._space.set_many(values, ttl))

    async def delete_many(self, keys: Iterable[str]) -> None:
        """Remove *keys* (``/batch/delete``, 25 a call); raises `PartialCommit`."""
        await self._channel.run(self._space.delete_many(keys))

    async def page(
        self,
        prefix: str = "",
        *,
        limit: int = PAGE_MAX,
        cursor: str | None = None,
        metadata: Iterable[MetadataField] = (),
    ) -> KvsPage[T]:
        """Return up to *limit* (1 to 100) keys that begin with *prefix* (``/query``)."""
        return await self._channel.run(self._space.page(prefix, limit, cursor, metadata))

    async def stream(
        self, prefix: str = "", *, metadata: Iterable[MetadataField] = ()
    ) -> AsyncIterator[Stored[T]]:
        """Yield every key that begins with *prefix*, in key order, page by page."""
        cursor: str | None = None
        while True:
            page = await self.page(prefix, cursor=cursor, metadata=metadata)
            for stored in page:
                yield stored
            if (cursor := page.cursor) is None:
                return

    async def all(self, prefix: str = "") -> dict[str, T]:
        """Return every key that begins with *prefix*, with its value."""
        return {stored.key: stored.value async for stored in self.stream(prefix)}
