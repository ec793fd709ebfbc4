"""Entities: ``/entity/get``, ``/entity/set``, ``/entity/delete``, ``/entity/query``.

A response that holds entities is handed on as bytes (`Answer`): the unit of work reads it in
one pass of pydantic over the bytes, straight into objects.
Source: storage-reference/entities-api, entities-api-query.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic_core import to_json

from ..query import QuerySpec, compile_query
from ..wire import Json, MetadataField, Request, Response
from .core import (
    PLAIN,
    Operation,
    Setting,
    Stored,
    checked,
    deleted,
    found,
    json_object,
    metadata_options,
    read_stored,
)


def entity_get(
    entity: str, key: str, metadata: Iterable[MetadataField] = ()
) -> Operation[bytes | None]:
    """``/entity/get``: the row of *key* as JSON, or None if there is none."""
    members: dict[str, Json] = {"entityName": entity, "key": key}
    body = json_object(members | metadata_options(metadata)) if metadata else to_json(members)
    return Operation(Request("entity/get", body), _body_if_found)


def get_request(entity: str, key: str) -> Request:
    """Return the request of a plain `entity_get`, for a *key* that `check_key` passed.

    There is nothing in such a key that JSON would escape.
    """
    return Request("entity/get", f'{{"entityName":"{entity}","key":"{key}"}}'.encode())


def read_row(request: Request, response: Response) -> bytes | None:
    """Read the answer of an `entity_get`: the row, or None if there is none."""
    if response.status == 200:
        return response.body
    return Operation(request, _body_if_found).read(response)


def entity_set(
    entity: str, key: str, value: bytes, setting: Setting = PLAIN
) -> Operation[Stored[Any] | None]:
    """``/entity/set``: store the JSON *value*; returns what *setting* asks for."""
    members: dict[str, Json] = {"entityName": entity, "key": key}
    if options := setting.payload():
        members["options"] = options
    body = json_object(members, value=value)
    return Operation(Request("entity/set", body, setting.repeatable), read_stored)


def entity_delete(entity: str, key: str) -> Operation[None]:
    """``/entity/delete``: remove *key* if it is there."""
    body = to_json({"entityName": entity, "key": key})
    return Operation(Request("entity/delete", body), deleted)


def entity_query(spec: QuerySpec, *, rows: int) -> Operation[bytes]:
    """``/entity/query``: one page of rows as JSON, with the cursor after them."""
    return Operation(Request("entity/query", to_json(compile_query(spec, rows=rows))), _body)


def _body_if_found(response: Response) -> bytes | None:
    answer = found(response)
    return None if answer is None else answer.body


def _body(response: Response) -> bytes:
    return checked(response).body
