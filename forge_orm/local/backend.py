"""`LocalBackend`: the engine as a backend, in this process."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol, TypeAlias, runtime_checkable

from ..closing import Closing
from ..errors import ConfigurationError
from ..schema import EntitySchema, declared
from ..wire import Request, Response, Tenant
from . import state
from .engine import Engine
from .readings import STRICT, Readings
from .store import Store
from .vault import IN_MEMORY, Vault, open_vault

DEFAULT_TENANT: Final = state.DEFAULT_INSTALLATION
"""Whose data it is where nobody says: one installation is all most programs need."""


@runtime_checkable
class SchemaSource(Protocol):
    """**Protocol:** knows schemas now, and may know more later; a registry is one."""

    def schemas(self) -> Iterable[EntitySchema]:
        """Return every schema known now."""
        ...


Schemas: TypeAlias = (
    Iterable[EntitySchema] | SchemaSource | Callable[[], Iterable[EntitySchema]]
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A store as it was at a moment; see `LocalBackend.snapshot`."""

    copy: sqlite3.Connection = field(repr=False)


class LocalBackend(Closing):
    """An embedded store that behaves like Forge, over SQLite; in either colour.

    Several threads may share one, several processes may open the same file. A process that
    is killed loses nothing that was acknowledged; a power cut may lose the last commits.

    Args:
        path: a file, or ``":memory:"`` for a store that ends with this object.
        schemas: what is declared: a registry, schemas, or a function that returns them. By
            default every entity class of the default registry.
        manifest: a manifest.yml to read the schemas from instead.
        readings: how to read what the service's documentation leaves open.
        clock: returns the Unix time in seconds; for tests.
        secret_key: a Fernet key for secrets in a file; by default ``FORGE_ORM_SECRET_KEY``,
            else a key file beside the database.
        index_delay: for how many seconds a new index on rows that are there is being built,
            during which queries of it are refused.

    Raises:
        ConfigurationError: the file cannot be opened, or the manifest not read.
    """

    in_process: ClassVar[bool] = True
    """Answers without a network, so that nothing is gained by trying again."""

    def __init__(
        self,
        path: str | os.PathLike[str] = ":memory:",
        *,
        schemas: Schemas | None = None,
        manifest: str | os.PathLike[str] | None = None,
        readings: Readings = STRICT,
        clock: Callable[[], float] = time.time,
        secret_key: bytes | str | None = None,
        index_delay: float = 0.0,
    ) -> None:
        """Open the store."""
        if schemas is not None and manifest is not None:
            raise ConfigurationError("give LocalBackend either schemas= or manifest=, not both")
        self._store = Store(os.fspath(path), clock=clock, index_delay=index_delay)
        self.clock = clock
        self._secret_key = secret_key
        self._vault: Vault | None = IN_MEMORY if self._store.in_memory else None
        self._vault_lock = threading.Lock()
        self._source = _source(schemas, manifest)
        self._known: dict[str, EntitySchema] = {}
        self._found: Iterable[EntitySchema] | None = None
        self.engine = Engine(self._store, self._schema, self._opened_vault, clock, readings)

    def send(self, request: Request, /) -> Response:
        """Answer one request."""
        operation, body, _, tenant = request
        name = DEFAULT_TENANT if tenant is None else _name_of(tenant)
        return self.engine.handle(operation, body, name)

    async def asend(self, request: Request, /) -> Response:
        """Answer one request; a file is read and written in a thread."""
        if self._store.in_memory:
            return self.send(request)
        from asyncio import to_thread

        return await to_thread(self.send, request)

    def build_indexes(self) -> None:
        """Make the tables and indexes of every schema now, not when they are first used."""
        for schema in self._source():
            self._store.table(schema)

    def dump(
        self, *, installation: str | None = None, secrets: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Yield every row as it is now, of one *installation* or of all.

        A row tells its kind (``entity``, ``key`` or ``secret``), whose it is, its key and
        value, and when it was created and updated and expires, in Unix milliseconds. Secrets
        are among them, in plain text, only with *secrets*.
        """
        vault = self._opened_vault if secrets else None
        return state.dump(self._store, self.engine.gone(), vault, installation)

    def count(self, *, installation: str | None = None, secrets: bool = False) -> int:
        """Return how many rows `dump` yields."""
        return state.count(
            self._store, self.engine.gone(), secrets=secrets, installation=installation
        )

    def load(self, rows: Iterable[Any], *, installation: str | None = None) -> dict[str, int]:
        """Write *rows* of a dump, all or none of them; return how many of each kind.

        A row takes the place of what is under its key. With *installation* every row becomes
        that installation's. An entity that nobody declares is kept until somebody does.

        Raises:
            ConfigurationError: a row is not one of a dump, or the service would refuse it.
        """
        return state.load(rows, self.engine, self._opened_vault, installation)

    def installations(self) -> list[str]:
        """Return whose data this store has held."""
        return state.installations(self._store)

    def reset(self) -> None:
        """Delete every row of every installation."""
        self._store.reset()

    def snapshot(self) -> Snapshot:
        """Return the store as it is, to be put back by `restore`."""
        return Snapshot(self._store.snapshot())

    def restore(self, snapshot: Snapshot, /) -> None:
        """Put everything back as it was when *snapshot* was made, here or in another store."""
        self._store.restore(snapshot.copy)

    def twin(self, *, clock: Callable[[], float] = time.time) -> LocalBackend:
        """Return a copy in memory, of the same schemas, that goes its own way."""
        twin = LocalBackend(
            schemas=self._source,
            readings=self.engine.readings,
            clock=clock,
            index_delay=self._store.index_delay,
        )
        twin.restore(self.snapshot())
        return twin

    def close(self) -> None:
        """Close the store; one in memory is gone then."""
        self._store.close()

    async def aclose(self) -> None:
        """Close the store."""
        self.close()

    def __repr__(self) -> str:
        """Show the path."""
        return f"{type(self).__name__}({self._store.path!r})"

    def _schema(self, name: str) -> EntitySchema | None:
        found = self._source()
        if found is not self._found:  # a class may have been declared, or again, since
            self._known = {schema.name: schema for schema in found}
            self._found = found
        return self._known.get(name)

    def _opened_vault(self) -> Vault:
        with self._vault_lock:
            if self._vault is None:
                self._vault = open_vault(self._store.path, self._secret_key)
            return self._vault


def _name_of(tenant: Tenant) -> str:
    return tenant.installation or DEFAULT_TENANT


def _source(
    schemas: Schemas | None, manifest: str | os.PathLike[str] | None
) -> Callable[[], Iterable[EntitySchema]]:
    if manifest is not None:
        from ..manifest import read_schemas

        found = read_schemas(manifest)
        return lambda: found
    if schemas is None:
        return declared
    if isinstance(schemas, SchemaSource):
        return schemas.schemas
    if callable(schemas):
        return schemas
    listed = tuple(schemas)
    return lambda: listed
