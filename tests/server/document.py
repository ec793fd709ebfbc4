"""The OpenAPI document as something that requests and answers are checked against."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from openapi_schema_validator import OAS31Validator, oas31_format_checker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from forge_orm.server.openapi import PREFIX, description

DOCUMENT: Any = description()
SCHEMAS: Any = DOCUMENT["components"]["schemas"]


def described(operation: str) -> Any:
    """Return what the document says of an operation."""
    return DOCUMENT["paths"][PREFIX + operation]["post"]


def asked(operation: str) -> Any:
    """Return the schema of an operation's request."""
    return described(operation)["requestBody"]["content"]["application/json"]["schema"]


def answered(operation: str, status: int) -> Any:
    """Return the schema of an answer; None for one without a body."""
    content = described(operation)["responses"][str(status)].get("content")
    return None if content is None else content["application/json"]["schema"]


def wrong_in_request(operation: str, value: Any) -> list[str]:
    """Return what is wrong with a request."""
    return _mistakes(f"{operation} requestBody", value)


def check_answer(operation: str, status: int, body: bytes) -> None:
    """Check that an answer is one of those described, the code of an error included."""
    assert str(status) in described(operation)["responses"], (operation, status, body)
    if answered(operation, status) is None:
        assert body == b""
        return
    found = json.loads(body)
    assert _mistakes(f"{operation} responses/{status}", found) == []
    if status >= 400:
        content = described(operation)["responses"][str(status)]["content"]
        codes = content["application/json"]["examples"]
        assert found["code"] in codes, (operation, found)


def _mistakes(place: str, value: Any) -> list[str]:
    return [
        f"{error.json_path}: {error.message}" for error in _validator(place).iter_errors(value)
    ]


@cache
def _validator(place: str) -> Any:
    operation, _, part = place.partition(" ")
    path = (PREFIX + operation).replace("/", "~1")
    pointer = f"/paths/{path}/post/{part}/content/application~1json/schema"
    return OAS31Validator(
        {"$ref": f"urn:forge#{pointer}"},
        registry=_closed(),
        format_checker=oas31_format_checker,
    )


@cache
def _closed() -> Any:
    """The document with every answer closed: a field that is not described is a mistake."""
    document = copy.deepcopy(DOCUMENT)
    for schema in _objects(document["components"]["schemas"]):
        if "properties" in schema:
            schema["additionalProperties"] = False
    registry: Registry[Any] = Registry()
    return registry.with_resource("urn:forge", DRAFT202012.create_resource(document))


def _objects(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part:
        if isinstance(inner, dict | list):
            yield from _objects(inner)
