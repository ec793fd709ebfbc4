"""Entities: one at a time by key, as the official client writes and reads them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from .conftest import World
from .node import UNDEFINED, JsError, OfficialClient

ALL = "{metadataFields: ['CREATED_AT', 'UPDATED_AT', 'EXPIRE_TIME']}"
ADA = "{surname: 'Lovelace', age: 36, height: 1.65, remote: true, team: 'maths', skills: ['c']}"


def test_an_entity_is_written_read_and_removed(official: OfficialClient) -> None:
    assert official("kvs.entity('employee').get('ada')") is UNDEFINED
    assert official(f"kvs.entity('employee').set('ada', {ADA})") is UNDEFINED
    assert official("kvs.entity('employee').get('ada')") == official(f"({ADA})")
    assert official("kvs.entity('employee').set('ada', {surname: 'Byron'})") is UNDEFINED
    assert official("kvs.entity('employee').get('ada')") == {"surname": "Byron"}
    assert official("kvs.entity('employee').delete('ada')") is UNDEFINED
    assert official("kvs.entity('employee').get('ada')") is UNDEFINED
    assert official("kvs.entity('employee').delete('ada')") is UNDEFINED


def test_entities_and_plain_keys_do_not_see_each_other(official: OfficialClient) -> None:
    official("kvs.set('k', 1)")
    official("kvs.entity('employee').set('k', {age: 2})")

    assert official("kvs.get('k')") == 1
    assert official("kvs.entity('employee').get('k')") == {"age": 2}
    assert official("kvs.query().getMany()")["results"] == [{"key": "k", "value": 1}]
    official("kvs.entity('employee').delete('k')")
    assert official("kvs.get('k')") == 1


@pytest.mark.parametrize(
    "value",
    [
        "{}",
        "{age: 0}",
        "{age: -(2 ** 31)}",
        "{age: 2 ** 31 - 1}",
        "{height: 0}",
        "{height: 3}",
        "{height: -0.5}",
        "{height: 1e-130}",
        "{height: 9e125}",
        "{remote: false}",
        "{surname: 'Ünïcødé ☃ 𝄞 \"\\\\\\n'}",
        "{skills: 'text'}",
        "{skills: 1.5}",
        "{skills: {deep: [{er: null}]}}",
        "{skills: []}",
    ],
)
def test_an_attribute_of_each_type_comes_back(official: OfficialClient, value: str) -> None:
    assert official.run(f"""
        const value = {value};
        await kvs.entity('employee').set('k', value);
        const found = await kvs.entity('employee').get('k');
        return JSON.stringify(found) === JSON.stringify(value);
    """)


def test_an_undefined_attribute_is_not_stored(official: OfficialClient) -> None:
    official("kvs.entity('employee').set('k', {age: 1, nickname: undefined})")

    assert official("kvs.entity('employee').get('k')") == {"age": 1}


def test_metadata_of_an_entity(official: OfficialClient, world: World) -> None:
    official(f"kvs.entity('employee').set('ada', {ADA}, {{ttl: {{value: 2, unit: 'DAYS'}}}})")
    first = official(f"kvs.entity('employee').get('ada', {ALL})")
    assert {*first} == {"key", "value", "createdAt", "updatedAt", "expireTime"}

    world.clock.move(60)
    official(f"kvs.entity('employee').set('ada', {ADA})")
    second = official(f"kvs.entity('employee').get('ada', {ALL})")
    assert {*second} == {"key", "value", "createdAt", "updatedAt"}
    assert second["createdAt"] == first["createdAt"]
    assert second["updatedAt"] >= first["updatedAt"] + 60_000

    only = "{metadataFields: [MetadataField.UPDATED_AT]}"
    told = official(f"kvs.entity('employee').get('ada', {only})")
    assert {*told} == {"key", "value", "updatedAt"}


def test_an_entity_expires(official: OfficialClient, world: World) -> None:
    official("kvs.entity('employee').set('k', {age: 1}, {ttl: {value: 1, unit: 'HOURS'}})")
    world.clock.move(timedelta(hours=50))

    assert official("kvs.entity('employee').get('k')") is UNDEFINED


def test_a_key_policy_of_an_entity(official: OfficialClient) -> None:
    def create(age: int) -> Any:
        options = "{keyPolicy: 'FAIL_IF_EXISTS'}"
        return official(f"kvs.entity('employee').set('k', {{age: {age}}}, {options})")

    assert create(1) is UNDEFINED
    with pytest.raises(JsError) as caught:
        create(2)
    assert caught.value.refusal == (409, "KEY_CONFLICT")
    assert official("kvs.entity('employee').get('k')") == {"age": 1}


def test_a_set_of_an_entity_returns_a_value(official: OfficialClient) -> None:
    def swap(age: int, returns: str, more: str = "") -> Any:
        options = f"{{keyPolicy: 'OVERRIDE', returnValue: '{returns}'{more}}}"
        return official(f"kvs.entity('employee').set('k', {{age: {age}}}, {options})")

    assert swap(1, "PREVIOUS") is UNDEFINED
    assert swap(2, "PREVIOUS") == {"key": "k", "value": {"age": 1}}
    assert swap(3, "LATEST") == {"key": "k", "value": {"age": 3}}
    told = swap(4, "PREVIOUS", ", returnMetadataFields: ['CREATED_AT']")
    assert {*told} == {"key", "value", "createdAt"}
    assert told["value"] == {"age": 3}
