"""Batches, as the official client sends them: up to 25 items, each on its own."""

from __future__ import annotations

from typing import Any

import pytest

from forge_orm.faults import Fault, FaultKind

from .conftest import World
from .node import UNDEFINED, JsError, OfficialClient


def test_a_batch_mixes_plain_keys_and_entities(official: OfficialClient) -> None:
    both = "[{key: 'k'}, {key: 'k', entityName: 'employee'}]"
    names = [{"key": "k"}, {"key": "k", "entityName": "employee"}]

    assert official("""kvs.batchSet([
        {key: 'k', value: [1, 'x']},
        {key: 'k', entityName: 'employee', value: {age: 1, skills: ['c']}},
    ])""") == {"successfulKeys": names, "failedKeys": []}
    assert official(f"kvs.batchGet({both})") == {
        "successfulKeys": [
            {**names[0], "value": [1, "x"]},
            {**names[1], "value": {"age": 1, "skills": ["c"]}},
        ],
        "failedKeys": [],
    }
    assert official(f"kvs.batchDelete({both})") == {"successfulKeys": names, "failedKeys": []}
    assert official("kvs.get('k')") is UNDEFINED
    assert official("kvs.entity('employee').get('k')") is UNDEFINED


def test_a_batch_of_25_is_the_most(official: OfficialClient) -> None:
    items = "[...Array(25).keys()].map((n) => ({key: 'k' + n, value: n}))"

    assert len(official(f"kvs.batchSet({items})")["successfulKeys"]) == 25
    found = official(f"kvs.batchGet({items}.map(({{key}}) => ({{key}})))")
    assert [row["value"] for row in found["successfulKeys"]] == [*range(25)]
    gone = official(f"kvs.batchDelete({items}.map(({{key}}) => ({{key}})))")
    assert len(gone["successfulKeys"]) == 25


def test_an_item_has_a_time_to_live_and_metadata(official: OfficialClient) -> None:
    official("""kvs.batchSet([
        {key: 'k', value: 1, options: {ttl: {value: 1, unit: 'HOURS'}}},
        {key: 'l', value: 2},
    ])""")
    fields = "{metadataFields: ['CREATED_AT', 'UPDATED_AT', 'EXPIRE_TIME']}"
    found = official(f"""kvs.batchGet([
        {{key: 'k', options: {fields}}}, {{key: 'l', options: {fields}}}])""")

    assert found["successfulKeys"] == [
        official(f"kvs.get('k', {fields})"),
        official(f"kvs.get('l', {fields})"),
    ]


FAILING_SETS = [
    ("{key: 'a/b', value: 1}", "INVALID_KEY"),
    ("{key: '', value: 1}", "KEY_TOO_SHORT"),
    ("{key: 'b'.repeat(501), value: 1}", "KEY_TOO_LONG"),
    ("{key: 'bad', value: 'x'.repeat(245_759)}", "MAX_SIZE"),
    ("{key: 'bad', value: null}", "BAD_REQUEST"),
    ("{key: 'bad', value: 1, options: {ttl: {value: 0, unit: 'DAYS'}}}", "INVALID_TTL"),
    ("{key: 'bad', value: 1, options: {keyPolicy: 'OVERRIDE'}}", "BAD_REQUEST"),
    ("{key: 'bad', entityName: 'nobody', value: {}}", "SCHEMA_NOT_FOUND"),
    ("{key: 'bad', entityName: 'employee', value: 1}", "BAD_REQUEST"),
    ("{key: 'bad', entityName: 'employee', value: {age: 'x'}}", "INCORRECT_PROPERTY_TYPE"),
    ("{key: 'bad', entityName: 'employee', value: {oops: 1}}", "INVALID_ENTITY_VALUE"),
]


@pytest.mark.parametrize(("item", "code"), FAILING_SETS)
def test_a_set_that_fails_leaves_the_others_be(
    official: OfficialClient, item: str, code: str
) -> None:
    done = official(f"kvs.batchSet([{{key: 'k', value: 1}}, {item}, {{key: 'l', value: 2}}])")

    assert done["successfulKeys"] == [{"key": "k"}, {"key": "l"}]
    assert failed(done) == [(official(f"({item})")["key"], code)]
    assert official("kvs.batchGet([{key: 'k'}, {key: 'l'}])")["failedKeys"] == []


def test_a_get_names_the_keys_that_are_not_there(official: OfficialClient) -> None:
    official("kvs.set('k', 1)")

    found = official("""kvs.batchGet([
        {key: 'nobody'}, {key: 'k'}, {key: 'k', entityName: 'employee'},
        {key: 'k', entityName: 'nobody'}, {key: 'a/b'}])""")

    assert found["successfulKeys"] == [{"key": "k", "value": 1}]
    assert failed(found) == [
        ("nobody", "KEY_NOT_FOUND"),
        ("k", "KEY_NOT_FOUND"),
        ("k", "SCHEMA_NOT_FOUND"),
        ("a/b", "INVALID_KEY"),
    ]
    assert [row.get("entityName") for row in found["failedKeys"]] == [
        None,
        "employee",
        "nobody",
        None,
    ]


def test_a_delete_names_the_keys_that_are_not_there(official: OfficialClient) -> None:
    official("kvs.set('k', 1)")

    done = official("kvs.batchDelete([{key: 'nobody'}, {key: 'k'}, {key: 'a/b'}])")

    assert done["successfulKeys"] == [{"key": "k"}]
    assert failed(done) == [("nobody", "KEY_NOT_FOUND"), ("a/b", "INVALID_KEY")]


def test_a_batch_of_which_nothing_succeeds_is_no_error(official: OfficialClient) -> None:
    done = official("kvs.batchSet([{key: 'a/b', value: 1}, {key: 'c/d', value: 1}])")

    assert done["successfulKeys"] == []
    assert failed(done) == [("a/b", "INVALID_KEY"), ("c/d", "INVALID_KEY")]


def test_items_the_service_fails_are_named(official: OfficialClient, world: World) -> None:
    world.faults.add(Fault(kind=FaultKind.PARTIAL, operations=("batch/set",)))

    done = official("""kvs.batchSet(
        [...Array(10).keys()].map((n) => ({key: 'k' + n, value: n})))""")

    assert 0 < len(done["failedKeys"]) < 10
    assert {code for _, code in failed(done)} == {"INTERNAL_SERVER_ERROR"}
    stored = official("kvs.query().getMany()")["results"]
    assert {row["key"] for row in stored} == {row["key"] for row in done["successfulKeys"]}


REFUSED = [
    ("[]", "BAD_REQUEST"),
    ("[...Array(26).keys()].map((n) => ({key: 'k' + n, value: n}))", "TOO_MANY_BATCH_ENTITIES"),
    ("[{key: 'k', value: 1}, {key: 'k', value: 2}]", "KEY_DUPLICATION_ERROR"),
    ("[{value: 1}]", "BAD_REQUEST"),
]


@pytest.mark.parametrize("method", ["batchSet", "batchGet", "batchDelete"])
@pytest.mark.parametrize(("items", "code"), REFUSED)
def test_a_batch_is_refused_as_a_whole(
    official: OfficialClient, method: str, items: str, code: str
) -> None:
    if method != "batchSet":
        items += ".map(({value, ...item}) => item)"

    with pytest.raises(JsError) as caught:
        official(f"kvs.{method}({items})")

    assert caught.value.refusal == (400, code)
    assert official("kvs.query().getMany()")["results"] == []


def test_25_large_values_are_more_than_a_payload_may_hold(official: OfficialClient) -> None:
    with pytest.raises(JsError) as caught:
        official("""kvs.batchSet([...Array(25).keys()].map(
            (n) => ({key: 'k' + n, value: 'x'.repeat(240_000)})))""")

    assert caught.value.refusal == (400, "MAX_SIZE")


def failed(done: dict[str, Any]) -> list[tuple[str, str]]:
    """Return key and code of each failed item, all of which say why."""
    assert all(row["error"]["message"] for row in done["failedKeys"])
    return [(row["key"], row["error"]["code"]) for row in done["failedKeys"]]
