"""The storage API as an OpenAPI 3.1 document: what the local Forge takes and answers."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, Final

from .. import limits
from .codes import CODES
from .schemas import Part, closed, list_of, ref, said_of, schemas

PREFIX: Final = "/forge/storage/kvs/v1/"
"""What comes before an operation's path, in a container and in a remote alike."""


_KEYS: Final = ("KEY_TOO_SHORT", "KEY_TOO_LONG", "INVALID_KEY")
_ENTITIES: Final = (
    "ENTITY_TYPE_TOO_SHORT",
    "ENTITY_TYPE_TOO_LARGE",
    "INVALID_ENTITY_TYPE",
    "SCHEMA_NOT_FOUND",
)
_VALUES: Final = ("MAX_SIZE", "MAX_DEPTH", "INVALID_TTL")
_ENTITY_VALUES: Final = (
    "INCORRECT_PROPERTY_TYPE",
    "INVALID_ENTITY_VALUE",
    "INVALID_ENTITY_ATTRIBUTE",
)
_SETS: Final = ("INVALID_KEY_POLICY_RETURN_VALUE_COMBINATION", "KEY_CONFLICT")
_CONDITIONS: Final = (
    "INVALID_FILTER_CONDITION",
    "INVALID_FILTER_VALUES",
    "INSUFFICIENT_FILTER_VALUES",
    "EMPTY_FILTER_OPERATOR",
    "INVALID_FILTER_OPERATORS_COMBINATION",
    "UNPROCESSABLE_ENTITY",
)
_BATCHES: Final = ("TOO_MANY_BATCH_ENTITIES", "KEY_DUPLICATION_ERROR")
_ALWAYS: Final = (
    "BAD_REQUEST",
    "UNAUTHORIZED",
    "FORBIDDEN",
    "PAYLOAD_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
    "RATE_LIMIT_EXCEEDED",
    "REQUEST_THROTTLED",
    "INTERNAL_SERVER_ERROR",
    "SERVICE_UNAVAILABLE",
)

_DELETED: Final = "It is deleted."
_NOTHING_TO_RETURN: Final = "It is set; no returnValue was asked for, or there was none."

# --- requests ---------------------------------------------------------------------------


def _either(name: str) -> Part:
    """Describe the items of a list: of an entity, or plain."""
    return {"anyOf": [ref(name.format("Typed")), ref(name.format("Untyped"))]}


def _batch(verb: str) -> Part:
    item = _either(f"Batch{verb}{{}}ItemSchema")
    said = "No key twice. Each item succeeds or fails by itself."
    return said_of(list_of(item, 1, limits.BATCH_MAX_ITEMS), said)


def _page(**properties: Part) -> Part:
    limit: Part = {"type": "integer", "minimum": 1, "maximum": limits.PAGE_MAX}
    return {
        "limit": {**limit, "default": limits.PAGE_DEFAULT},
        **properties,
        "options": ref("GetOptions"),
    }


def _entity_query() -> Part:
    first: Part = {"type": "string", "default": "ASC", "enum": ["ASC", "DESC"]}
    partition = said_of(
        list_of(ref("Scalar")), "One value for each attribute of the index's partition."
    )
    return closed(
        "entityName indexName",
        entityName=ref("EntityName"),
        indexName=said_of({"type": "string"}, "An index of the entity, or by-key."),
        **_page(
            partition=partition,
            range=ref("RangeCondition"),
            filters=ref("Filters"),
            sort=said_of(first, "By the index's range, then by key."),
            cursor=said_of({"type": "string"}, "Of the page before, of the same query."),
        ),
    )


def _transaction() -> Part:
    base = "BaseTransaction{}ItemSchema"
    check = {"allOf": [ref(base.format("Typed")), {"required": ["conditions"]}]}
    most = limits.TRANSACTION_MAX_ITEMS
    body = closed(
        set=list_of(_either("SetTransaction{}ItemSchema"), most=most),
        delete=list_of(_either(base), most=most),
        check=list_of(check, most=most),
    )
    said = f"1 to {most} items together, no key twice, and all or nothing is done."
    return {**said_of(body, said), "minProperties": 1}


# --- operations -------------------------------------------------------------------------


def _operation(
    name: str,
    summary: str,
    body: Part,
    codes: Iterable[str],
    answer: str | None = None,
    nothing: str | None = None,
) -> tuple[str, Part]:
    """Describe an endpoint that answers *answer* with 200, or *nothing* with 204, or both."""
    responses: dict[str, Part] = {}
    if answer is not None:
        schema = ref(answer)
        responses["200"] = _response("The JSON that was asked for.", {"schema": schema})
    if nothing is not None:
        responses["204"] = _response(nothing)
    operation: Part = {
        "operationId": name.replace("/", "-"),
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {**responses, **_errors([*_ALWAYS, *codes])},
    }
    return PREFIX + name, {"post": operation}


def _errors(codes: Iterable[str]) -> dict[str, Part]:
    """Describe the error answers, by status, with each of *codes* as an example."""
    examples: dict[int, Part] = {}
    for code in codes:
        status, when = CODES[code]
        said = {"value": {"code": code, "message": when}}
        examples.setdefault(status, {})[code] = said
    return {
        str(status): _response(
            ", ".join(said), {"schema": ref("Error"), "examples": said}, status
        )
        for status, said in sorted(examples.items())
    }


def _response(said: str, content: Part | None = None, status: int = 200) -> Part:
    headers: Part = {"x-b3-traceid": {"$ref": "#/components/headers/TraceId"}}
    if status == 429:
        headers["retry-after"] = {"$ref": "#/components/headers/RetryAfter"}
    part: Part = {"description": said, "headers": headers}
    return part if content is None else {**part, "content": {"application/json": content}}


def _named_by(**more: Part) -> Part:
    """Describe the body of a call about one plain key or secret."""
    return closed("key", key=ref("Key"), **more)


def _entity_named_by(required: str = "", **more: Part) -> Part:
    needed = f"entityName key {required}".strip()
    return closed(needed, entityName=ref("EntityName"), key=ref("Key"), **more)


def _plain(space: str, what: str) -> Iterable[tuple[str, Part]]:
    """Describe get, set and delete of plain keys, or of secrets."""
    write = closed(
        "key value", key=ref("Key"), value=ref("Value"), options=ref("ExtendedSetOptions")
    )
    read, absent = _named_by(options=ref("GetOptions")), (*_KEYS, "KEY_NOT_FOUND")
    yield _operation(f"{space}get", f"Get {what}.", read, absent, "GetResponseSchema")
    codes = (*_KEYS, *_VALUES, *_SETS)
    yield _operation(
        f"{space}set", f"Set {what}.", write, codes, "SetResponseSchema", _NOTHING_TO_RETURN
    )
    yield _operation(f"{space}delete", f"Delete {what}.", _named_by(), absent, nothing=_DELETED)


def _entities() -> Iterable[tuple[str, Part]]:
    codes = (*_KEYS, *_ENTITIES, "KEY_NOT_FOUND")
    get = _entity_named_by(options=ref("GetOptions"))
    set = _entity_named_by("value", value=ref("EntityValue"), options=ref("ExtendedSetOptions"))
    yield _operation("entity/get", "Get an entity.", get, codes, "EntityGetResponseSchema")
    yield _operation(
        "entity/set",
        "Set an entity: every attribute of it.",
        set,
        (*_KEYS, *_ENTITIES, *_VALUES, *_ENTITY_VALUES, *_SETS),
        "EntitySetResponseSchema",
        _NOTHING_TO_RETURN,
    )
    yield _operation(
        "entity/delete", "Delete an entity.", _entity_named_by(), codes, nothing=_DELETED
    )


def _queries() -> Iterable[tuple[str, Part]]:
    where = list_of(ref("WhereCondition"), most=1)
    after = said_of({"type": "string"}, "The cursor of the page before, of the same query.")
    wrong = ("LIST_QUERY_LIMIT_EXCEEDED", "QUERY_WHERE_INVALID", "QUERY_WHERE_FIELD_INVALID")
    yield _operation(
        "query",
        "List plain keys, in their order.",
        closed(**_page(after=after, where=where)),
        (*wrong, "INVALID_FILTER_CONDITION", "INVALID_FILTER_VALUES", "INVALID_CURSOR"),
        "QueryResponseSchema",
    )
    codes = (*_ENTITIES, *_CONDITIONS, "COMPLEX_QUERY_PAGE_LIMIT_NOT_IN_RANGE")
    yield _operation(
        "entity/query",
        "List entities along an index; filters are tried on what a page has read.",
        _entity_query(),
        (*codes, "INVALID_ENTITY_INDEX", "INVALID_PARTITION", "INVALID_CURSOR"),
        "QueryResponseSchema",
    )


def _several() -> Iterable[tuple[str, Part]]:
    large = (*_BATCHES, "MAX_SIZE")
    for verb in ("Get", "Set", "Delete"):
        yield _operation(
            f"batch/{verb.lower()}",
            f"{verb} up to {limits.BATCH_MAX_ITEMS} keys and entities.",
            _batch(verb),
            large,
            f"Batch{verb}ResponseSchema",
        )
    own = ("INVALID_TRANSACTION_REQUEST", "KEY_DUPLICATION_ERROR", "CONDITIONAL_CHECK_FAILED")
    codes = (*_KEYS, *_ENTITIES, *_VALUES, *_ENTITY_VALUES, *_CONDITIONS, *own)
    yield _operation(
        "transaction",
        "Set, delete and check several keys and entities, or do nothing.",
        _transaction(),
        (*codes, "TOO_MANY_REQUESTS"),
        nothing="Everything is done.",
    )


# --- the document -----------------------------------------------------------------------


def _security() -> dict[str, Part]:
    said = "Forge as=app,id=<x-forge-invocation-id>, or Forge as=app,installationId=<id>"
    header = {"type": "apiKey", "in": "header", "name": "forge-proxy-authorization"}
    token = {"type": "http", "scheme": "bearer"}
    return {
        "container": said_of(header, said),
        "remote": said_of(token, "The x-forge-oauth-system token of a Forge Remote call."),
    }


def _headers() -> dict[str, Part]:
    seconds = {"schema": {"type": "integer", "minimum": 0}}
    return {
        "TraceId": said_of({"schema": {"type": "string"}}, "What to give Atlassian support."),
        "RetryAfter": said_of(seconds, "Seconds to wait; the service may not say."),
    }


def _servers() -> list[Part]:
    name, default = "FORGE_EGRESS_PROXY_URL", "http://localhost:7072"
    return [
        {"url": "/", "description": "The local Forge that answered this."},
        {
            "url": f"{{{name}}}",
            "description": "The sidecar of a Forge container.",
            "variables": {name: {"default": default}},
        },
        {"url": "https://api.atlassian.com", "description": "Forge, for a Forge Remote."},
    ]


@functools.cache
def description() -> dict[str, Any]:
    """Return the document; it is built once, and not to be changed."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Forge hosted storage",
            "version": "1",
            "description": "The key-value store, secrets and custom entities of one "
            "installation of a Forge app, as the local Forge of forge_orm answers.",
        },
        "servers": _servers(),
        "security": [{"container": []}, {"remote": []}],
        "paths": dict(
            [
                *_plain("", "the value of a key"),
                *_plain("secret/", "a secret"),
                *_entities(),
                *_queries(),
                *_several(),
            ]
        ),
        "components": {
            "schemas": schemas(),
            "headers": _headers(),
            "securitySchemes": _security(),
        },
    }
