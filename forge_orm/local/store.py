"""Rows in SQLite: a table for each entity, real columns for what its indexes hold.

Indexes are SQLite's own, over (tenant, partition…, range, key), so an entry can never be
stale. Values are the JSON bytes that are answered.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from weakref import WeakSet

from pydantic_core import from_json

from ..errors import ConfigurationError
from ..schema import EntitySchema, IndexSchema
from .values import column, utf16

_log: Final = logging.getLogger("forge_orm.local")
_BUSY_SECONDS: Final = 60.0
_SETUP: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA wal_autocheckpoint = 4000;
"""
_LAYOUT: Final = 1
"""What a file's ``user_version`` is; another number where the tables are others."""
_COLUMNS: Final = (
    "tenant INTEGER, key TEXT, value BLOB, created INTEGER, updated INTEGER, expires INTEGER"
)
KEYS: Final = "keys"
SECRETS: Final = "secrets"
UTF16: Final = "UTF16"
"""The name of the collation by UTF-16 units."""
ENTITY: Final = "e_"
"""What the name of an entity's table begins with."""


class Row(NamedTuple):
    """What is stored under a key; times in milliseconds."""

    value: bytes
    created: int
    updated: int
    expires: int | None


class Table:
    """One table: its columns, and the statements on it."""

    def __init__(self, name: str, attributes: Sequence[str] = ()) -> None:
        """Describe the table *name*, with a column for each of *attributes*."""
        self.name, self.attributes = name, tuple(attributes)
        self.quoted = quoted(name)
        columns = [column_of(attribute) for attribute in self.attributes]
        named = "".join(f", {name}" for name in columns)
        marks = ", ?" * len(columns)
        kept = "".join(f", {name} = excluded.{name}" for name in columns)
        self.get = (
            f"SELECT value, created, updated, expires FROM {self.quoted} "
            "WHERE tenant = ? AND key = ?"
        )
        self.peek = f"SELECT value, expires FROM {self.quoted} WHERE tenant = ? AND key = ?"
        self.delete = f"DELETE FROM {self.quoted} WHERE tenant = ? AND key = ?"
        # A row that is gone (expired long ago, not deleted yet) is created anew.
        self.put = (
            f"INSERT INTO {self.quoted} (tenant, key, value, created, updated, expires{named}) "
            f"VALUES (?, ?, ?, ?, ?, ?{marks}) ON CONFLICT (tenant, key) DO UPDATE SET "
            "value = excluded.value, updated = excluded.updated, expires = excluded.expires, "
            "created = CASE WHEN expires <= ? THEN excluded.created ELSE created END" + kept
        )

    def cells(self, value: dict[str, Any]) -> tuple[Any, ...]:
        """Return what the attribute columns hold for *value*."""
        found = [value.get(name) for name in self.attributes]
        return tuple([column(it) if it.__class__ is int else it for it in found])


def quoted(name: str) -> str:
    """Return *name* as an SQL identifier; SQLite folds case, so capitals are marked."""
    return '"' + "".join(f"^{char.lower()}" if char.isupper() else char for char in name) + '"'


def column_of(attribute: str) -> str:
    """Return the column that holds *attribute*."""
    return quoted(f"x_{attribute}")


def attribute_of(column: str) -> str | None:
    """Return the attribute that the column of this name holds; None for another column."""
    if not column.startswith("x_"):
        return None
    head, *rest = column.removeprefix("x_").split("^")
    return head + "".join(part[0].upper() + part[1:] for part in rest)


_open_stores: WeakSet[Store] = WeakSet()


def _forked() -> None:
    for store in _open_stores:
        store.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Store:
    """A SQLite database: connections, transactions, tables.

    A file has a connection for each thread; a database in memory one, behind a lock.
    """

    def __init__(
        self,
        path: str,
        *,
        clock: Callable[[], float] = time.time,
        index_delay: float = 0.0,
    ) -> None:
        """Open *path*, or ``":memory:"``.

        A new index on rows that are there is said to be built for *index_delay* seconds of
        *clock*, the Unix time.
        """
        self.path, self.in_memory = path, path == ":memory:"
        self._lock = threading.RLock()
        self._mine = threading.local()
        # Held by their threads alone, so that what ends with its thread is closed.
        self._open: WeakSet[_Held] = WeakSet()
        self._closed = False
        self._forked = False
        self._tables: dict[str, tuple[EntitySchema, Table]] = {}
        self._clock, self.index_delay = clock, index_delay
        self._built_at: dict[tuple[str, str], float] = {}
        self._shared = self._connect() if self.in_memory else None
        self.keys, self.secrets = Table(KEYS), Table(SECRETS)
        with self.writing() as connection:
            for table in (self.keys, self.secrets):
                _create(connection, table)
            connection.execute(
                "CREATE TABLE IF NOT EXISTS tenants "
                "(number INTEGER PRIMARY KEY, name TEXT UNIQUE)"
            )
            if connection.execute("PRAGMA user_version").fetchone() != (_LAYOUT,):
                connection.execute(f"PRAGMA user_version = {_LAYOUT}")
        self._tenants: dict[str, int] = {}
        _open_stores.add(self)
        _log.debug("opened %s", self.path)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            self._closed = True
            self._mine = threading.local()
            for held in [*self._open]:
                held.connection.leave()
        _log.debug("closed %s", self.path)

    def forked(self) -> None:
        """Note that this process is a fork: SQLite's connections do not survive one."""
        self._forked, self._mine = True, threading.local()

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection of this thread; raises `ConfigurationError` after close or fork."""
        if self._closed:
            raise ConfigurationError(f"the local store {self.path!r} is closed")
        if self._forked:
            raise ConfigurationError(
                f"the local store {self.path!r} was opened before a fork; "
                "open one in each process"
            )
        if self._shared is not None:
            return self._shared.connection
        try:
            mine: _Held = self._mine.held
        except AttributeError:
            mine = self._mine.held = self._connect()
            self._mine.execute = mine.connection.cursor().execute
        return mine.connection

    def read(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        """Run a query."""
        if self._shared is None:
            return self.connection.execute(sql, parameters).fetchall()
        with self._lock:
            return self.connection.execute(sql, parameters).fetchall()

    def read_one(self, sql: str, parameters: Sequence[Any]) -> Any:
        """Run a query for at most one row; None if there is none."""
        if self._shared is None:
            try:  # a cursor that is kept saves making one; one row read leaves it at its end
                execute = self._mine.execute
            except AttributeError:  # this thread's first; or the store is closed, or forked
                execute = self.connection.execute
            return execute(sql, parameters).fetchone()
        with self._lock:
            return self.connection.execute(sql, parameters).fetchone()

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """Hold the write transaction: committed at the end, rolled back by an exception.

        It is taken at once (BEGIN IMMEDIATE): a transaction that begins by reading could
        fail to become a writer. The lock keeps this process's threads from starving in
        SQLite's own unfair queue.
        """
        with self._lock:
            connection = self.connection
            if connection.in_transaction:  # inside another: part of that one
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """Hold a view of the store as it is now, whatever is written meanwhile."""
        if self._shared is not None:
            with closing(self.snapshot()) as copy:
                yield copy
            return
        with closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as connection:
            connection.isolation_level = None
            connection.execute("BEGIN")
            yield connection

    def forget(self) -> None:
        """Look at the tables anew: what was known of them may have been rolled back."""
        self._tables.clear()
        self._tenants.clear()

    def entity_table(self, name: str) -> Table:
        """Return the table of an entity whose schema may be unknown, made if there is none."""
        known = self._tables.get(name)
        if known is not None:
            return known[1]
        table = Table(f"{ENTITY}{name}")
        with self.writing() as connection:
            _create(connection, table)
            info = connection.execute(f"PRAGMA table_info({table.quoted})").fetchall()
        return Table(table.name, [*filter(None, (attribute_of(name) for _, name, *_ in info))])

    def tenant(self, name: str) -> int:
        """Return the number of an installation; it is shorter than a name in every index."""
        known = self._tenants.get(name)
        if known is None:
            with self.writing() as connection:
                connection.execute("INSERT OR IGNORE INTO tenants (name) VALUES (?)", (name,))
                found = connection.execute("SELECT number FROM tenants WHERE name = ?", (name,))
                known = self._tenants[name] = int(found.fetchone()[0])
        return known

    def table(self, schema: EntitySchema) -> Table:
        """Return the table of an entity, made or grown to hold its indexes."""
        known = self._tables.get(schema.name)
        if known is not None and known[0] is schema:
            return known[1]
        names = [name for index in schema.indexes.values() for name in index.attributes]
        table = Table(f"{ENTITY}{schema.name}", tuple(dict.fromkeys(names)))
        if known is None or known[0] != schema:
            with self.writing() as connection:
                _create(connection, table)
                _grow(connection, table)
                if made := _index(connection, table, schema.indexes.values()):
                    _refill(connection, table)
                    built = ", ".join(index.name for index in made)
                    _log.debug("%s: built for %s: %s", self.path, schema.name, built)
                    self._delay(connection, table, made)
        self._tables[schema.name] = schema, table
        return table

    def _delay(
        self, connection: sqlite3.Connection, table: Table, made: Iterable[IndexSchema]
    ) -> None:
        """Note how long the indexes that were *made* are being built; not of an empty table."""
        found = connection.execute(f"SELECT 1 FROM {table.quoted} LIMIT 1").fetchone()
        if self.index_delay and found is not None:
            until = self._clock() + self.index_delay
            self._built_at.update({(table.name, index.name): until for index in made})

    def is_building(self, schema: EntitySchema, index: IndexSchema) -> bool:
        """Whether *index* is still being built, as far as anybody is told."""
        if not self.index_delay:
            return False
        name = self.table(schema).name, index.name
        return self._clock() < self._built_at.get(name, 0.0)

    def reset(self) -> None:
        """Delete every row."""
        with self.writing() as connection:
            found = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'tenants'"
            )
            for (name,) in found.fetchall():
                connection.execute(f'DELETE FROM "{name}"')

    def snapshot(self) -> sqlite3.Connection:
        """Return a copy in memory."""
        copy = sqlite3.connect(":memory:", check_same_thread=False, factory=_Connection)
        with self._lock:
            self.connection.backup(copy)
        return copy

    def restore(self, snapshot: sqlite3.Connection) -> None:
        """Put everything back as it was when *snapshot* was made."""
        with self._lock:
            snapshot.backup(self.connection)
            self.forget()

    def _connect(self) -> _Held:
        try:
            connection = sqlite3.connect(
                self.path,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=512,
                factory=_Connection,
            )
            held = _Held(connection)
            _refuse_others(connection, self.path)
            _set_up(connection)
            connection.create_collation(UTF16, _by_utf16)
        except sqlite3.Error as error:
            where = Path(self.path).absolute().parent
            raise ConfigurationError(
                f"cannot open the local store {self.path!r}: {error}. Is {where} a folder "
                "that can be written to, and the file a store of this library?"
            ) from error
        with self._lock:
            self._open.add(held)
        return held


_inherited: Final[list[sqlite3.Connection]] = []


class _Connection(sqlite3.Connection):
    """A connection that is closed when it goes, which Python else warns of.

    In a fork it is kept, as SQLite asks for: it is that of the process that opened it.
    """

    _process: int | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._process = os.getpid()

    def leave(self) -> None:
        """Close it, but in a fork."""
        if self._process == os.getpid():
            self.close()

    def __del__(self) -> None:
        self.leave()
        if self._process not in (None, os.getpid()):
            _inherited.append(self)


class _Held:
    """Holds the connection of a thread, or of a database in memory, and closes it at its end.

    A connection goes late by itself: it is in a cycle with the statements that it keeps.
    """

    def __init__(self, connection: _Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.leave()


def _refuse_others(connection: sqlite3.Connection, path: str) -> None:
    """Refuse, before anything is changed, a file whose tables are not this version's."""
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if layout in (0, _LAYOUT) and (not tables or tables >= {"tenants", KEYS, SECRETS}):
        return
    raise ConfigurationError(
        f"the file {path!r} has tables of another layout than this version's ({layout}, not "
        f"{_LAYOUT}): another version of forge_orm made it, or something else. Dump it with "
        "the version that made it (`forge-orm dump`) and load that into a new file, or give "
        "the store a file of its own"
    )


def _set_up(connection: sqlite3.Connection) -> None:
    """Prepare a connection; SQLite does not wait its turn to change to WAL, so this does."""
    end = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.executescript(_SETUP)
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > end:
                raise
            time.sleep(0.002)
        else:
            return


def _by_utf16(one: str, other: str) -> int:
    """Return -1, 0 or 1, as *one* comes before, with or after *other*."""
    ours, theirs = utf16(one), utf16(other)
    return (ours > theirs) - (ours < theirs)


def _create(connection: sqlite3.Connection, table: Table) -> None:
    columns = "".join(f", {column_of(name)}" for name in table.attributes)
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table.quoted} ({_COLUMNS}{columns}, "
        "PRIMARY KEY (tenant, key))"
    )


def _grow(connection: sqlite3.Connection, table: Table) -> None:
    """Add the columns that an older schema did not have."""
    info = connection.execute(f"PRAGMA table_info({table.quoted})").fetchall()
    present = {quoted_name for _, quoted_name, *_ in info}
    for name in table.attributes:
        if column_of(name)[1:-1] not in present:
            connection.execute(f"ALTER TABLE {table.quoted} ADD COLUMN {column_of(name)}")


def _refill(connection: sqlite3.Connection, table: Table) -> None:
    """Fill the columns from the stored values: rows of another schema's time lack some."""
    sets = ", ".join(f"{column_of(name)} = ?" for name in table.attributes)
    rows = connection.execute(f"SELECT rowid, value FROM {table.quoted}").fetchall()
    filled = [(*table.cells(from_json(raw)), rowid) for rowid, raw in rows]
    connection.executemany(f"UPDATE {table.quoted} SET {sets} WHERE rowid = ?", filled)


def _index(
    connection: sqlite3.Connection, table: Table, indexes: Iterable[IndexSchema]
) -> list[IndexSchema]:
    """Make each index that is not there, and drop the others; return those made."""
    wanted = {_index_name(table, index): index for index in indexes}
    listed = connection.execute(f"PRAGMA index_list({table.quoted})").fetchall()
    present = {name for _, name, *_ in listed if not name.startswith("sqlite_")}
    for name in present - {name[1:-1] for name in wanted}:
        connection.execute(f'DROP INDEX IF EXISTS "{name}"')
    fresh = {name: index for name, index in wanted.items() if name[1:-1] not in present}
    for name, index in fresh.items():
        columns = ", ".join(column_of(attribute) for attribute in index.attributes)
        connection.execute(
            f"CREATE INDEX IF NOT EXISTS {name} ON {table.quoted} (tenant, {columns}, key)"
        )
    return list(fresh.values())


def _index_name(table: Table, index: IndexSchema) -> str:
    return quoted(f"{table.name}|{index.name}|{','.join(index.attributes)}")
