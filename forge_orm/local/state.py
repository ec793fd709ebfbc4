"""Everything in a store as plain rows, and back: for copies, fixtures and looking into it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import from_json

from ..errors import ConfigurationError
from . import values
from .engine import Engine
from .refusal import Refusal
from .store import ENTITY, KEYS, SECRETS, Store, Table, quoted
from .vault import Vault

KINDS: Final = ("entity", "key", "secret")
"""What a row may be: an entity, a plain key with its value, or a secret."""

DEFAULT_INSTALLATION: Final = "local"


class StoredRow(BaseModel):
    """A row of a dump; times are Unix milliseconds."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: Literal["entity", "key", "secret"]
    installation: str = DEFAULT_INSTALLATION
    entity: str | None = None
    key: str
    value: Any
    created: int | None = None
    updated: int | None = None
    expires: int | None = None

    @model_validator(mode="after")
    def _named(self) -> StoredRow:
        if (self.kind == "entity") != (self.entity is not None):
            raise ValueError("a row has an entity's name if and only if its kind is entity")
        if self.kind == "entity" and not isinstance(self.value, dict):
            raise ValueError("the value of an entity is an object")
        return self


def dump(
    store: Store,
    gone: int,
    vault: Callable[[], Vault] | None,
    installation: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield every row that had not expired before *gone*, of one *installation* or of all.

    Secrets are among them if there is a *vault* to read them with. What is written meanwhile
    is not seen.
    """
    with store.reading() as connection:
        for table in _tables(connection, secrets=vault is not None):
            kind = _kind(table)
            named = {"entity": table.removeprefix(ENTITY)} if kind == "entity" else {}
            opened = vault() if vault is not None and kind == "secret" else None
            for name, key, raw, created, updated, expires in _rows(
                connection, table, gone, installation
            ):
                value = from_json(raw if opened is None else opened.decrypt(raw))
                row = {"kind": kind, "installation": name, **named, "key": key, "value": value}
                row |= {"created": created, "updated": updated}
                yield row if expires is None else {**row, "expires": expires}


def count(store: Store, gone: int, *, secrets: bool, installation: str | None = None) -> int:
    """Return how many rows `dump` yields."""
    with store.reading() as connection:
        found = (
            connection.execute(*_select(table, "count(*)", gone, installation)).fetchone()[0]
            for table in _tables(connection, secrets=secrets)
        )
        return sum(found)


def installations(store: Store) -> list[str]:
    """Return whose data the store has held."""
    return [name for (name,) in store.read("SELECT name FROM tenants ORDER BY name", ())]


def load(
    rows: Iterable[Any], engine: Engine, vault: Callable[[], Vault], installation: str | None
) -> dict[str, int]:
    """Write *rows*, all or none of them, over what is there; return how many of each kind.

    Raises:
        ConfigurationError: a row is none, or its value is not what its entity declares.
    """
    counts: Counter[str] = Counter()
    try:
        with engine.store.writing() as connection:
            for number, raw in enumerate(rows, 1):
                row = _read(raw, number)
                try:
                    _write(connection, engine, vault, row, installation or row.installation)
                except Refusal as refusal:
                    raise ConfigurationError(
                        f"row {number} ({row.kind} {row.key!r}): {refusal.code}: "
                        f"{refusal.message}; nothing is loaded"
                    ) from refusal
                counts[row.kind] += 1
    except BaseException:
        engine.store.forget()
        raise
    return {kind: counts[kind] for kind in KINDS}


def _read(raw: Any, number: int) -> StoredRow:
    try:
        return StoredRow.model_validate(raw)
    except ValidationError as error:
        # Its text would quote the row, which may be a secret.
        reasons = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'row'}: {item['msg']}"
            for item in error.errors(include_input=False)
        )
        raise ConfigurationError(f"row {number}: {reasons}; nothing is loaded") from None


def _write(
    connection: sqlite3.Connection,
    engine: Engine,
    vault: Callable[[], Vault],
    row: StoredRow,
    installation: str,
) -> None:
    values.check_key(row.key)
    table, stored, cells = _prepared(engine, vault, row)
    tenant = engine.store.tenant(installation)
    created = engine.now() if row.created is None else row.created
    updated = created if row.updated is None else row.updated
    # A put alone would leave the time of creation of what is there.
    connection.execute(table.delete, (tenant, row.key))
    kept = (tenant, row.key, stored, created, updated, row.expires, *cells, engine.gone())
    connection.execute(table.put, kept)


def _prepared(
    engine: Engine, vault: Callable[[], Vault], row: StoredRow
) -> tuple[Table, bytes, tuple[Any, ...]]:
    """Return where a row belongs, its value's JSON and its columns."""
    if row.kind == "secret":
        plain = values.secret_value(row.value, engine.readings)
        return engine.store.secrets, vault().encrypt(plain), ()
    if row.entity is None or engine.knows(row.entity):
        named = {"key": row.key, "value": row.value}
        if row.entity is not None:
            named["entityName"] = row.entity
        table, _, stored, cells = engine.prepared(named)
        return table, stored, cells
    # Kept until somebody declares the entity: a store outlives its schemas.
    values.check_entity_name(row.entity)
    value: dict[str, Any] = row.value
    table = engine.store.entity_table(row.entity)
    return table, values.plain_value(value, engine.readings), table.cells(value)


def _tables(connection: sqlite3.Connection, *, secrets: bool) -> list[str]:
    """Return the tables that hold rows, entities first."""
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    ).fetchall()
    entities = [name for (name,) in found if name.startswith(ENTITY)]
    return [*entities, KEYS, *([SECRETS] if secrets else [])]


def _kind(table: str) -> str:
    return {KEYS: "key", SECRETS: "secret"}.get(table, "entity")


def _rows(
    connection: sqlite3.Connection, table: str, gone: int, installation: str | None
) -> Iterator[tuple[Any, ...]]:
    columns = "tenants.name, key, value, created, updated, expires"
    sql, parameters = _select(table, columns, gone, installation)
    yield from connection.execute(f"{sql} ORDER BY tenant, key", parameters)


def _select(
    table: str, columns: str, gone: int, installation: str | None
) -> tuple[str, tuple[Any, ...]]:
    sql = (
        f"SELECT {columns} FROM {quoted(table)} JOIN tenants ON tenants.number = tenant "
        "WHERE (expires IS NULL OR expires > ?)"
    )
    if installation is None:
        return sql, (gone,)
    return f"{sql} AND tenants.name = ?", (gone, installation)
