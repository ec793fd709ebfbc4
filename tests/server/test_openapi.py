"""The OpenAPI document: whole, true of what is sent and answered, and complete."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openapi_spec_validator
import pytest

from forge_orm.operations import Operation
from forge_orm.server import ForgeApp, Served
from forge_orm.server.codes import CODES
from forge_orm.wire import OPERATIONS
from tests.operations.test_coverage import ANSWERS, ECHOED, NO_ANSWER, REQUESTS
from tests.operations.test_requests import BARE, FULL

from .asgi import HEADERS, PREFIX, call
from .document import (
    DOCUMENT,
    SCHEMAS,
    answered,
    asked,
    check_answer,
    described,
    wrong_in_request,
)


def places(schema: dict[str, Any], place: str = "") -> Iterator[str]:
    """Yield the place of every leaf of a schema, written as in the table of the reference."""
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    for choice in ("oneOf", "anyOf", "allOf"):
        for part in schema.get(choice, ()):
            yield from places(part, place)
    if "items" in schema:
        yield from places(schema["items"], f"{place}[]")
    for name, part in schema.get("properties", {}).items():
        yield from places(part, f"{place}.{name}" if place else name)
    if "type" in schema and not {"items", "properties"} & set(schema):
        yield place


def test_the_document_is_openapi() -> None:
    openapi_spec_validator.validate(DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0"
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_it_is_served() -> None:
    class Nothing:
        def send(self, *_: Any) -> Any:
            raise AssertionError("the document is no matter of the store")

    with Served(ForgeApp(Nothing())) as served:
        found = httpx.get(f"{served.url}/openapi.json")
    assert found.headers["content-type"] == "application/json; charset=utf-8"
    assert found.json() == DOCUMENT


def test_it_is_for_anybody(app: ForgeApp) -> None:
    assert call(app, "/openapi.json", method="GET", headers=()).status == 200


def test_every_operation_is_in_it() -> None:
    assert set(DOCUMENT["paths"]) == {PREFIX + operation for operation in OPERATIONS}


def test_no_schema_is_left_over() -> None:
    text = json.dumps(DOCUMENT)
    assert [name for name in SCHEMAS if f'"#/components/schemas/{name}"' not in text] == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_its_requests_have_the_fields_of_the_reference_and_no_other(operation: str) -> None:
    either = {place.replace(".or[]", ".and[]") for place in places(asked(operation))}
    assert either == set(REQUESTS[operation].split())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_its_answers_have_the_fields_of_the_reference_and_no_other(operation: str) -> None:
    if operation in NO_ANSWER:
        assert "200" not in described(operation)["responses"]
        assert answered(operation, 204) is None
        return
    schema = answered(operation, 200)
    assert schema is not None
    echoed = ECHOED.get(operation, "")
    if operation == "batch/get":
        echoed = "successfulKeys[].entityName"
    assert set(places(schema)) == {*ANSWERS[operation].split(), *echoed.split()}


@pytest.mark.parametrize(("operation", "path", "body"), [*BARE, *FULL])
def test_what_forge_orm_sends_is_described(
    operation: Operation[Any], path: str, body: str
) -> None:
    assert wrong_in_request(path, json.loads(operation.request.body)) == []


def test_the_credentials_are_described() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    sent = {name.decode() for name, _ in HEADERS}
    assert DOCUMENT["security"] == [{name: []} for name in schemes]
    assert schemes["container"]["name"] in sent
    assert schemes["remote"]["scheme"] == "bearer"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_error_is_described_with_its_status(operation: str) -> None:
    for status, response in described(operation)["responses"].items():
        if int(status) >= 400:
            content = response["content"]["application/json"]
            for code, example in content["examples"].items():
                assert CODES[code].status == int(status)
                assert example["value"]["code"] == code
                check_answer(operation, int(status), json.dumps(example["value"]).encode())


def test_every_code_is_one_of_some_operation() -> None:
    said = {
        code
        for operation in OPERATIONS
        for response in described(operation)["responses"].values()
        for code in response.get("content", {}).get("application/json", {}).get("examples", ())
    }
    assert said == set(CODES)


KEY, TASK = {"key": "k"}, {"entityName": "task", "key": "k"}
VALUE = {"value": {"project": "P", "number": 1, "title": "t", "assignee": "x", "priority": 3}}
TIMES = ["CREATED_AT", "UPDATED_AT", "EXPIRE_TIME"]
ALL = {"options": {"metadataFields": TIMES}}
TTL = {"ttl": {"value": 1, "unit": "DAYS"}}
RETURNED = {"options": {**TTL, "returnValue": "LATEST", "returnMetadataFields": TIMES}}
CREATE = {"options": {"keyPolicy": "FAIL_IF_EXISTS"}}
BY_KEY = {"entityName": "task", "indexName": "by-key"}
INDEX = {"entityName": "task", "indexName": "by_assignee"}


def when(attribute: str, value: Any) -> dict[str, Any]:
    return {"property": attribute, "condition": "EQUAL_TO", "values": [value]}


IF_ONE = {"conditions": {"and": [when("number", 1)]}}
PLAIN: list[tuple[str, Any, int]] = [
    ("get", KEY, 404),
    ("delete", KEY, 404),
    ("set", {**KEY, "value": [None]}, 204),
    ("set", {**KEY, "value": 1, **RETURNED}, 200),
    ("set", {**KEY, "value": 1, **CREATE}, 409),
    ("set", {**KEY, "value": None}, 400),
    ("get", KEY, 200),
    ("get", {**KEY, **ALL}, 200),
    ("get", {"key": ""}, 400),
]
EXAMPLES: list[tuple[str, Any, int]] = [
    *PLAIN,
    *((f"secret/{operation}", body, status) for operation, body, status in PLAIN),
    ("set", {"key": "l", "value": ""}, 204),
    ("query", {}, 200),
    ("query", {"limit": 1, **ALL}, 200),
    ("query", {"limit": 101}, 400),
    ("query", {"after": "x"}, 400),
    ("entity/get", TASK, 404),
    ("entity/get", {**KEY, "entityName": "cat"}, 404),
    ("entity/set", {**TASK, **VALUE}, 204),
    ("entity/set", {**TASK, **VALUE, **RETURNED}, 200),
    ("entity/set", {**TASK, **VALUE, **CREATE}, 409),
    ("entity/set", {**TASK, "value": {"number": "1"}}, 400),
    ("entity/get", TASK, 200),
    ("entity/get", {**TASK, **ALL}, 200),
    ("entity/query", BY_KEY, 200),
    ("entity/query", {**BY_KEY, "limit": 1, **ALL}, 200),
    ("entity/query", {**BY_KEY, "filters": {"or": [when("number", 1)]}}, 200),
    ("entity/query", {**BY_KEY, "filters": {"and": [when("tags", 1)]}}, 422),
    ("entity/query", {**INDEX, "partition": ["x"], "sort": "DESC"}, 200),
    ("entity/query", {**INDEX, "partition": []}, 400),
    ("batch/get", [KEY, {**TASK, **ALL}, {"key": "absent"}, {"key": ""}], 200),
    ("batch/get", [], 400),
    ("batch/set", [{**KEY, "value": 1, "options": TTL}, {**TASK, "value": {"x": 1}}], 200),
    ("batch/set", [{**KEY, "value": 1}, {**KEY, "value": 1}], 400),
    ("batch/delete", [{"key": "m"}, KEY], 200),
    ("batch/delete", [KEY] * 26, 400),
    (
        "transaction",
        {"set": [{**TASK, **VALUE, "conditions": {"and": [when("number", 1)]}}]},
        204,
    ),
    ("transaction", {"check": [{**TASK, "conditions": {"or": [when("number", 2)]}}]}, 400),
    ("transaction", {"delete": [KEY] * 26}, 422),
    ("transaction", {}, 400),
    ("secret/delete", KEY, 204),
    ("entity/delete", TASK, 204),
    ("entity/delete", TASK, 404),
    ("delete", {"key": "l"}, 204),
]


def test_what_the_store_answers_is_described(app: ForgeApp) -> None:
    seen: set[tuple[str, int]] = set()
    for operation, body, status in EXAMPLES:
        answer = call(app, PREFIX + operation, json.dumps(body).encode())
        assert answer.status == status, (operation, body, answer.body)
        check_answer(operation, status, answer.body)
        seen.add((operation, status))
    fine = {(each, status) for each, status in seen if status < 300}
    assert fine == {
        (each, int(status))
        for each in OPERATIONS
        for status in described(each)["responses"]
        if int(status) < 300
    }


BAD: list[tuple[str, Any]] = [
    ("get", {"key": ""}),
    ("get", {"key": "x" * 501}),
    ("get", {"key": "a/b"}),
    ("get", {"key": " "}),
    ("get", {**KEY, "other": 1}),
    ("get", {**KEY, "options": {"metadataFields": ["createdAt"]}}),
    ("get", []),
    ("set", KEY),
    ("set", {**KEY, "value": None}),
    ("set", {**KEY, "value": 1, "options": {"ttl": {"value": 0, "unit": "DAYS"}}}),
    ("set", {**KEY, "value": 1, "options": {"ttl": {"value": 1, "unit": "WEEKS"}}}),
    ("set", {**KEY, "value": 1, "options": {"keyPolicy": "KEEP"}}),
    ("query", {"limit": 0}),
    ("query", {"limit": 101}),
    ("query", {"cursor": "x"}),
    ("query", {"where": [when("key", "x")]}),
    ("entity/get", KEY),
    ("entity/get", {**KEY, "entityName": "Task"}),
    ("entity/set", {**TASK, "value": []}),
    ("entity/query", {"entityName": "task"}),
    ("entity/query", {**BY_KEY, "after": "x"}),
    ("entity/query", {**BY_KEY, "sort": "UP"}),
    ("entity/query", {**BY_KEY, "filters": {}}),
    ("entity/query", {**BY_KEY, "filters": {"and": []}}),
    ("entity/query", {**BY_KEY, "range": {"condition": "EXISTS", "values": [True]}}),
    ("batch/get", {"items": [KEY]}),
    ("batch/get", []),
    ("batch/get", [{"key": str(number)} for number in range(26)]),
    ("transaction", {}),
    ("transaction", {"check": [TASK]}),
    ("transaction", {"set": [{**KEY, "value": 1, "conditions": {"and": [when("x", 1)]}}]}),
]


@pytest.mark.parametrize(("operation", "body"), BAD)
def test_what_is_not_described_is_refused(app: ForgeApp, operation: str, body: Any) -> None:
    assert wrong_in_request(operation, body)
    status, _ = call(app, PREFIX + operation, json.dumps(body).encode()).refusal
    assert status in (400, 404)
