"""Plain keys and secrets: ``/get``, ``/set``, ``/delete``, ``/query``, ``/secret/…``.

Values are JSON as bytes on the way out; the typed views above turn objects into them.
Source: storage-reference/kvs-api, kvs-api-query, kvs-api-secret.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic_core import from_json

from ..errors import UNKNOWN_CODE, error_from
from ..wire import Json, MetadataField, Request, Response
from .core import (
    PLAIN,
    Operation,
    Setting,
    Stored,
    StoredSecret,
    checked,
    deleted,
    found,
    json_object,
    metadata_options,
    read_stored,
    stored_row,
)

Space: TypeAlias = Literal["", "secret/"]
"""Where a key lives: among the plain keys or among the secrets."""


@dataclass(frozen=True, slots=True)
class StoredPage:
    """Some plain keys and values, and the cursor after them (None at the end)."""

    items: tuple[Stored[Any], ...]
    cursor: str | None


def get(
    key: str, metadata: Iterable[MetadataField] = (), *, space: Space = ""
) -> Operation[Stored[Any] | None]:
    """``/get``, ``/secret/get``: the value of *key*, or None if there is none."""
    body = json_object({"key": key, **metadata_options(metadata)})
    read = _read_secret if space else _read_found
    return Operation(Request(f"{space}get", body), read)


def set(
    key: str, value: bytes, setting: Setting = PLAIN, *, space: Space = ""
) -> Operation[Stored[Any] | None]:
    """``/set``, ``/secret/set``: store the JSON *value*; returns what *setting* asks for."""
    members: dict[str, Json] = {"key": key}
    if options := setting.payload():
        members["options"] = options
    body = json_object(members, value=value)
    read = _read_returned_secret if space else read_stored
    return Operation(Request(f"{space}set", body, setting.repeatable), read)


def delete(key: str, *, space: Space = "") -> Operation[None]:
    """``/delete``, ``/secret/delete``: remove *key* if it is there."""
    return Operation(Request(f"{space}delete", json_object({"key": key})), deleted)


def query(
    prefix: str = "",
    *,
    rows: int,
    cursor: str | None = None,
    metadata: Iterable[MetadataField] = (),
) -> Operation[StoredPage]:
    """``/query``: one page of the plain keys that begin with *prefix*, in key order.

    The request calls the cursor ``after``; the answer calls it ``cursor``.
    """
    members: dict[str, Json] = {"limit": rows}
    if cursor is not None:
        members["after"] = cursor
    if prefix:
        clause: Json = {"property": "key", "condition": "BEGINS_WITH", "values": [prefix]}
        members["where"] = [clause]
    body = json_object({**members, **metadata_options(metadata)})
    return Operation(Request("query", body), _read_page)


def _read_found(response: Response) -> Stored[Any] | None:
    return None if found(response) is None else stored_row(from_json(response.body))


def _read_secret(response: Response) -> Stored[Any] | None:
    return _hidden(_read_found(_discreet(response)))


def _read_returned_secret(response: Response) -> Stored[Any] | None:
    return _hidden(read_stored(_discreet(response)))


def _discreet(response: Response) -> Response:
    """Leave out an error that is not the service's own: its text may repeat the request."""
    if response.ok or error_from(response).code != UNKNOWN_CODE:
        return response
    return response._replace(body=b"")


def _hidden(stored: Stored[Any] | None) -> Stored[Any] | None:
    return stored and StoredSecret(stored.key, stored.value, stored.metadata)


def _read_page(response: Response) -> StoredPage:
    answer = from_json(checked(response).body)
    return StoredPage(tuple(map(stored_row, answer["data"])), answer.get("cursor"))
