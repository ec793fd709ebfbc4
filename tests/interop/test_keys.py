"""Plain keys and secrets, as the official client writes and reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .conftest import World
from .node import UNDEFINED, JsError, OfficialClient

# What the two stores are called in JavaScript: get, set, delete.
STORES = [("get", "set", "delete"), ("getSecret", "setSecret", "deleteSecret")]
ALL = "{metadataFields: ['CREATED_AT', 'UPDATED_AT', 'EXPIRE_TIME']}"

on_both_stores = pytest.mark.parametrize(("get", "set", "delete"), STORES)


@on_both_stores
def test_a_key_is_written_read_and_removed(
    official: OfficialClient, get: str, set: str, delete: str
) -> None:
    assert official(f"kvs.{get}('k')") is UNDEFINED
    assert official(f"kvs.{set}('k', {{a: [1, 'x', null]}})") is UNDEFINED
    assert official(f"kvs.{get}('k')") == {"a": [1, "x", None]}
    assert official(f"kvs.{set}('k', 'new')") is UNDEFINED
    assert official(f"kvs.{get}('k')") == "new"
    assert official(f"kvs.{delete}('k')") is UNDEFINED
    assert official(f"kvs.{get}('k')") is UNDEFINED


@on_both_stores
def test_removing_an_absent_key_is_no_error(
    official: OfficialClient, get: str, set: str, delete: str
) -> None:
    assert official(f"kvs.{delete}('nobody')") is UNDEFINED


def test_plain_keys_and_secrets_do_not_see_each_other(official: OfficialClient) -> None:
    official("kvs.set('k', 'plain')")
    official("kvs.setSecret('k', 'hidden')")

    assert official("kvs.get('k')") == "plain"
    assert official("kvs.getSecret('k')") == "hidden"
    assert official("kvs.query().getMany()")["results"] == [{"key": "k", "value": "plain"}]

    official("kvs.delete('k')")
    assert official("kvs.getSecret('k')") == "hidden"


VALUES = [
    "''",
    "'  '",
    "'Zürich ☃ 𝄞 \\u0000 \\u2028 \"\\\\'",
    "0",
    "-0",
    "1.5",
    "0.1 + 0.2",
    "1e21",
    "-1e-130",
    "2 ** 31",
    "Number.MAX_SAFE_INTEGER",
    "2 ** 64",
    "Number.MAX_VALUE",
    "Number.MIN_VALUE",
    "true",
    "false",
    "[]",
    "[[], {}, [null]]",
    "({})",
    "({'': 1, a: {b: null}, 'ü': [1.25], __proto: 1, '0': 'zero'})",
    "'x'.repeat(130_000)",
]


@on_both_stores
@pytest.mark.parametrize("value", VALUES)
def test_a_value_comes_back_as_javascript_would_copy_it(
    official: OfficialClient, get: str, set: str, delete: str, value: str
) -> None:
    assert official.run(f"""
        const value = {value};
        await kvs.{set}('k', value);
        return JSON.stringify(await kvs.{get}('k')) === JSON.stringify(value);
    """)


KEYS = ["a", "A.b:c_d-e#f", " a", "a b", "a\\u00a0b", "a\\tb", "k'.repeat(500) + '"]


@pytest.mark.parametrize("key", KEYS)
def test_every_documented_character_may_be_in_a_key(official: OfficialClient, key: str) -> None:
    assert official.run(f"""
        const key = '{key}';
        await kvs.set(key, 'v');
        const {{results}} = await kvs.query().getMany();
        return await kvs.get(key) === 'v' && results.length === 1 && results[0].key === key;
    """)


@on_both_stores
def test_metadata_comes_with_a_value_where_it_is_asked_for(
    official: OfficialClient, world: World, get: str, set: str, delete: str
) -> None:
    official(f"kvs.{set}('k', 1, {{ttl: {{value: 2, unit: 'DAYS'}}}})")

    found = official(f"kvs.{get}('k', {ALL})")

    now = world.clock() * 1000
    assert members_of(found) == {"key", "value", "createdAt", "updatedAt", "expireTime"}
    assert found["createdAt"] == found["updatedAt"]
    assert now - 10_000 < found["createdAt"] <= now
    expires = moment(found["expireTime"])
    assert expires == at(found["createdAt"]) + timedelta(days=2)


@pytest.mark.parametrize(
    ("options", "members"),
    [
        ("{}", set()),
        ("{metadataFields: []}", set()),
        ("{metadataFields: [MetadataField.CREATED_AT]}", {"createdAt"}),
        ("{metadataFields: [MetadataField.UPDATED_AT]}", {"updatedAt"}),
        ("{metadataFields: [MetadataField.EXPIRE_TIME]}", set()),
        (ALL, {"createdAt", "updatedAt"}),
    ],
)
def test_only_the_metadata_that_was_asked_for_comes(
    official: OfficialClient, options: str, members: set[str]
) -> None:
    """No expiry time among it: this key does not expire."""
    official("kvs.set('k', 1)")

    assert members_of(official(f"kvs.get('k', {options})")) == {"key", "value"} | members


@on_both_stores
def test_overwriting_keeps_when_a_key_was_created(
    official: OfficialClient, world: World, get: str, set: str, delete: str
) -> None:
    official(f"kvs.{set}('k', 1)")
    before = official(f"kvs.{get}('k', {ALL})")
    world.clock.move(60)
    official(f"kvs.{set}('k', 2)")
    after = official(f"kvs.{get}('k', {ALL})")

    assert after["createdAt"] == before["createdAt"]
    assert after["updatedAt"] >= before["updatedAt"] + 60_000


@on_both_stores
@pytest.mark.parametrize(
    ("unit", "seconds"),
    [("SECONDS", 1), ("MINUTES", 60), ("HOURS", 3600), ("DAYS", 86400)],
)
def test_a_time_to_live_counts_in_its_unit(
    official: OfficialClient, get: str, set: str, delete: str, unit: str, seconds: int
) -> None:
    official(f"kvs.{set}('k', 1, {{ttl: {{value: 3, unit: '{unit}'}}}})")

    found = official(f"kvs.{get}('k', {ALL})")

    assert moment(found["expireTime"]) == at(found["updatedAt"]) + 3 * timedelta(0, seconds)


@on_both_stores
def test_a_key_is_gone_when_the_service_has_deleted_it(
    official: OfficialClient, world: World, get: str, set: str, delete: str
) -> None:
    """It takes up to 48 hours, and until then the key may be read."""
    official(f"kvs.{set}('k', 1, {{ttl: {{value: 1, unit: 'HOURS'}}}})")
    world.clock.move(timedelta(hours=2))
    assert official(f"kvs.{get}('k')") == 1
    world.clock.move(timedelta(hours=48))
    assert official(f"kvs.{get}('k')") is UNDEFINED


@on_both_stores
def test_a_key_policy_keeps_what_is_there(
    official: OfficialClient, get: str, set: str, delete: str
) -> None:
    once = "{keyPolicy: 'FAIL_IF_EXISTS'}"
    assert official(f"kvs.{set}('k', 1, {once})") is UNDEFINED
    with pytest.raises(JsError) as caught:
        official(f"kvs.{set}('k', 2, {once})")
    assert caught.value.refusal == (409, "KEY_CONFLICT")
    assert official(f"kvs.{get}('k')") == 1

    assert official(f"kvs.{set}('k', 3, {{keyPolicy: 'OVERRIDE'}})") is UNDEFINED
    assert official(f"kvs.{get}('k')") == 3

    official(f"kvs.{delete}('k')")
    assert official(f"kvs.{set}('k', 4, {once})") is UNDEFINED
    assert official(f"kvs.{get}('k')") == 4


@on_both_stores
def test_a_set_returns_the_previous_or_the_latest_value(
    official: OfficialClient, get: str, set: str, delete: str
) -> None:
    def swap(value: int, returns: str) -> Any:
        options = f"{{keyPolicy: 'OVERRIDE', returnValue: '{returns}'}}"
        return official(f"kvs.{set}('k', {value}, {options})")

    assert swap(1, "PREVIOUS") is UNDEFINED
    assert swap(2, "PREVIOUS") == {"key": "k", "value": 1}
    assert swap(3, "LATEST") == {"key": "k", "value": 3}
    assert official(f"kvs.{get}('k')") == 3


@on_both_stores
def test_a_set_returns_metadata_of_the_value_it_returns(
    official: OfficialClient, world: World, get: str, set: str, delete: str
) -> None:
    fields = "returnMetadataFields: ['CREATED_AT', 'UPDATED_AT', 'EXPIRE_TIME']"
    official(f"kvs.{set}('k', 1, {{ttl: {{value: 1, unit: 'HOURS'}}}})")
    first = official(f"kvs.{get}('k', {ALL})")
    world.clock.move(60)

    options = f"keyPolicy: 'OVERRIDE', {fields}"
    previous = official(f"kvs.{set}('k', 2, {{{options}, returnValue: 'PREVIOUS'}})")
    latest = official(f"kvs.{set}('k', 3, {{{options}, returnValue: 'LATEST'}})")

    assert previous == first
    assert members_of(latest) == {"key", "value", "createdAt", "updatedAt"}
    assert latest["createdAt"] == first["createdAt"]
    assert latest["updatedAt"] >= first["updatedAt"] + 60_000


def test_keys_are_found_by_prefix_in_their_order(official: OfficialClient) -> None:
    official("Promise.all(['b:1', 'a', 'B', 'b:2', 'b', 'c'].map((k) => kvs.set(k, k)))")

    assert keys(official("kvs.query().getMany()")) == ["B", "a", "b", "b:1", "b:2", "c"]
    prefixed = "kvs.query().where('key', WhereConditions.beginsWith('b'))"
    assert keys(official(f"{prefixed}.getMany()")) == ["b", "b:1", "b:2"]
    assert official(f"{prefixed}.getOne()") == {"key": "b", "value": "b"}
    assert official("kvs.query().getOne()") == {"key": "B", "value": "B"}


def test_a_query_that_finds_nothing(official: OfficialClient) -> None:
    assert official("kvs.query().getMany()") == {"results": []}
    assert official("kvs.query().getOne()") is UNDEFINED


def test_a_query_tells_metadata(official: OfficialClient) -> None:
    official("kvs.set('k', 1, {ttl: {value: 1, unit: 'DAYS'}})")

    (plain,) = official("kvs.query().getMany()")["results"]
    (found,) = official(f"kvs.query({ALL}).getMany()")["results"]

    assert members_of(plain) == {"key", "value"}
    assert found == official(f"kvs.get('k', {ALL})")


@pytest.mark.parametrize(("count", "limit"), [(12, 1), (250, 7), (250, 50), (250, 100)])
def test_every_key_comes_once_page_by_page(
    official: OfficialClient, count: int, limit: int
) -> None:
    found = official.run(f"""
        const named = (i) => 'k' + String(i).padStart(3, '0');
        const numbers = [...Array({count}).keys()];
        await kvs.set('other', 0);
        for (let i = 0; i < {count}; i += 25)
            await kvs.batchSet(
                numbers.slice(i, i + 25).map((n) => ({{key: named(n), value: n}})));
        const pages = [];
        let cursor;
        do {{
            let query = kvs.query()
                .where('key', WhereConditions.beginsWith('k')).limit({limit});
            if (cursor) query = query.cursor(cursor);
            const {{results, nextCursor}} = await query.getMany();
            pages.push(results);
            cursor = nextCursor;
        }} while (cursor);
        return pages;
    """)

    rows = [row for page in found for row in page]
    assert rows == [{"key": f"k{number:03}", "value": number} for number in range(count)]
    assert all(len(page) <= limit for page in found)


def test_a_page_has_ten_keys_by_default(official: OfficialClient) -> None:
    official("Promise.all([...Array(11).keys()].map((n) => kvs.set('k' + n, n)))")

    page = official("kvs.query().getMany()")

    assert len(page["results"]) == 10
    assert (
        len(official(f"kvs.query().cursor('{page['nextCursor']}').getMany()")["results"]) == 1
    )


def members_of(found: dict[str, Any]) -> set[str]:
    return {*found}


def keys(page: dict[str, Any]) -> list[str]:
    return [row["key"] for row in page["results"]]


def at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def moment(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)
