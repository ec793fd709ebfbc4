"""Secrets: `Secrets` and `AsyncSecrets`. They are encrypted by the service and read by key
only: no query, no batch, no transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Generic, TypeVar

from pydantic import SecretStr, TypeAdapter

from .drivers import AsyncChannel, Channel
from .flows.keyvalue import KeySpace
from .operations import Setting, Stored
from .operations.core import KeyPolicy, ReturnValue
from .wire import MetadataField

T = TypeVar("T")
U = TypeVar("U")


def secret_space() -> KeySpace[SecretStr]:
    """Return the space of all secrets, as `SecretStr`."""
    return KeySpace("", TypeAdapter(SecretStr), space="secret/")


class Secrets(Generic[T]):
    """Secret values by key. Every call goes to the service at once."""

    def __init__(self, channel: Channel, space: KeySpace[T]) -> None:
        """Speak over *channel* about *space*."""
        self._channel, self._space = channel, space

    def __repr__(self) -> str:
        """Show the prefix, never a value."""
        return f"{type(self).__name__}({self._space.prefix!r})"

    def typed(self, prefix: str, type: type[U], *, ttl: timedelta | None = None) -> Secrets[U]:
        """Return a view of the secrets below *prefix* whose values are of *type*.

        `SecretStr` inside *type* is stored as its text and hidden again when read.
        """
        adapter: TypeAdapter[U] = TypeAdapter(type)
        return Secrets(self._channel, self._space.below(prefix, adapter, ttl))

    def get(self, key: str) -> T | None:
        """Return the secret *key*, or None (``/secret/get``)."""
        stored = self._channel.run(self._space.get(key))
        return None if stored is None else stored.value

    def read(self, key: str, *metadata: MetadataField) -> Stored[T] | None:
        """Return secret and metadata; all metadata if none is named (``/secret/get``)."""
        return self._channel.run(self._space.get(key, metadata or tuple(MetadataField)))

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
        """Store the secret *value* under *key* (``/secret/set``); as `Kvs.set`."""
        setting = Setting(ttl, policy, returns, tuple(metadata))
        return self._channel.run(self._space.set(key, value, setting))

    def delete(self, key: str) -> None:
        """Remove *key*; one that is not there is no error (``/secret/delete``)."""
        self._channel.run(self._space.delete(key))


class AsyncSecrets(Generic[T]):
    """Secret values by key. Every call goes to the service at once."""

    def __init__(self, channel: AsyncChannel, space: KeySpace[T]) -> None:
        """Speak over *channel* about *space*."""
        self._channel, self._space = channel, space

    def __repr__(self) -> str:
        """Show the prefix, never a value."""
        return f"{type(self).__name__}({self._space.prefix!r})"

    def typed(
        self, prefix: str, type: type[U], *, ttl: timedelta | None = None
    ) -> AsyncSecrets[U]:
        """Return a view of the secrets below *prefix* whose values are of *type*.

        `SecretStr` inside *type* is stored as its text and hidden again when read.
        """
        adapter: TypeAdapter[U] = TypeAdapter(type)
        return AsyncSecrets(self._channel, self._space.below(prefix, adapter, ttl))

    async def get(self, key: str) -> T | None:
        """Return the secret *key*, or None (``/secret/get``)."""
        stored = await self._channel.run(self._space.get(key))
        return None if stored is None else stored.value

    async def read(self, key: str, *metadata: MetadataField) -> Stored[T] | None:
        """Return secret and metadata; all metadata if none is named (``/secret/get``)."""
        return await self._channel.run(self._space.get(key, metadata or tuple(MetadataField)))

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
        """Store the secret *value* under *key* (``/secret/set``); as `Kvs.set`."""
        setting = Setting(ttl, policy, returns, tuple(metadata))
        return await self._channel.run(self._space.set(key, value, setting))

    async def delete(self, key: str) -> None:
        """Remove *key*; one that is not there is no error (``/secret/delete``)."""
        await self._channel.run(self._space.delete(key))
