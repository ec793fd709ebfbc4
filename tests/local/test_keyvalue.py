"""Plain keys and secrets one by one, and queries of plain keys."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from forge_orm import ConfigurationError
from forge_orm.local import LocalBackend
from forge_orm.wire import Request

from .test_entities import MS, nested
from .world import DAY, World

STORES = ["", "secret/"]
VALUES: list[Any] = [
    "",
    "text ☃",
    0,
    -2.5,
    2**60,
    True,
    False,
    [],
    [1, None, "a"],
    {},
    {"a": {"b": [None]}},
    nested(31),
    "x" * (128 * 1024 - 2),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("store", STORES)
def test_every_json_value_but_null_is_kept(world: World, store: str, value: Any) -> None:
    assert world.call(f"{store}set", {"key": "k", "value": value}) == (204, None)
    status, answer = world.call(f"{store}get", {"key": "k"})
    assert (status, answer) == (200, {"key": "k", "value": value})
    assert type(answer["value"]) is type(value)
    assert world.call(f"{store}delete", {"key": "k"}) == (204, None)
    assert world.refused(f"{store}get", {"key": "k"}) == (404, "KEY_NOT_FOUND")
    assert world.refused(f"{store}delete", {"key": "k"}) == (404, "KEY_NOT_FOUND")


def test_a_plain_value_may_be_larger_than_a_secret(world: World) -> None:
    value = "x" * (240 * 1024 - 2)
    assert world.call("set", {"key": "k", "value": value}) == (204, None)
    assert world.call("get", {"key": "k"})[1]["value"] == value
    assert world.refused("secret/set", {"key": "k", "value": value}) == (400, "MAX_SIZE")


BAD: list[tuple[str, Any, str]] = [
    ("set", {"key": "k"}, "BAD_REQUEST"),
    ("set", {"value": 1}, "BAD_REQUEST"),
    ("set", {"key": "k", "value": None}, "BAD_REQUEST"),
    ("set", {"key": "k", "value": 1, "entityName": "book"}, "BAD_REQUEST"),
    ("set", {"key": "k", "value": nested(32)}, "MAX_DEPTH"),
    ("set", {"key": "k", "value": "x" * (240 * 1024 - 1)}, "MAX_SIZE"),
    ("set", {"key": "k", "value": 1, "options": {"ttl": {}}}, "BAD_REQUEST"),
    ("get", {"key": "k", "options": {"ttl": {}}}, "BAD_REQUEST"),
    ("delete", {"key": "k", "options": {}}, "BAD_REQUEST"),
    ("set", {"key": "", "value": 1}, "KEY_TOO_SHORT"),
    *((verb, {"key": "a/b"}, "INVALID_KEY") for verb in ("get", "delete")),
    *((verb, {"key": "x" * 501}, "KEY_TOO_LONG") for verb in ("get", "delete")),
    *((verb, {"key": None}, "BAD_REQUEST") for verb in ("get", "delete")),
    *((verb, [], "BAD_REQUEST") for verb in ("get", "set", "delete")),
]


@pytest.mark.parametrize(("verb", "body", "code"), BAD, ids=lambda part: str(part)[:30])
@pytest.mark.parametrize("store", STORES)
def test_what_is_refused(world: World, store: str, verb: str, body: Any, code: str) -> None:
    assert world.refused(store + verb, body) == (400, code)


@pytest.mark.parametrize("store", STORES)
def test_policies_and_returned_values(world: World, store: str) -> None:
    def put(value: int, **options: Any) -> tuple[int, Any]:
        return world.call(f"{store}set", {"key": "k", "value": value, "options": options})

    assert put(1, keyPolicy="FAIL_IF_EXISTS") == (204, None)
    status, answer = put(2, keyPolicy="FAIL_IF_EXISTS")
    assert (status, answer["code"]) == (409, "KEY_CONFLICT")
    assert put(3, returnValue="PREVIOUS") == (200, {"key": "k", "value": 1})
    world.now += 1
    asked = ["CREATED_AT", "UPDATED_AT", "EXPIRE_TIME"]
    told = {"key": "k", "value": 4, "createdAt": MS, "updatedAt": MS + 1000}
    assert put(4, returnValue="LATEST", returnMetadataFields=asked) == (200, told)


@pytest.mark.parametrize("store", STORES)
def test_what_expired_is_gone_two_days_later(world: World, store: str) -> None:
    ttl = {"ttl": {"value": 1, "unit": "HOURS"}}
    world.call(f"{store}set", {"key": "k", "value": 1, "options": ttl})
    world.now += 2 * DAY
    asked = {"key": "k", "options": {"metadataFields": ["EXPIRE_TIME"]}}
    told = {"key": "k", "value": 1, "expireTime": "2027-01-15T09:00:00.000Z"}
    assert world.call(f"{store}get", asked) == (200, told)
    world.now += 3600
    assert world.refused(f"{store}get", asked) == (404, "KEY_NOT_FOUND")
    assert world.walk("query", {}) == [[]]


def test_plain_keys_and_secrets_do_not_meet(world: World) -> None:
    world.call("set", {"key": "k", "value": "plain"})
    assert world.refused("secret/get", {"key": "k"}) == (404, "KEY_NOT_FOUND")
    world.call("secret/set", {"key": "k", "value": "secret"})
    world.call("secret/set", {"key": "only", "value": "secret"})
    assert world.call("get", {"key": "k"}) == (200, {"key": "k", "value": "plain"})
    assert world.walk("query", {}) == [[{"key": "k", "value": "plain"}]]


def begins(prefix: Any) -> dict[str, Any]:
    return {"where": [{"property": "key", "condition": "BEGINS_WITH", "values": [prefix]}]}


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({}, "A a a: a:1 a:10 a:2 b z#"),
        ({"where": []}, "A a a: a:1 a:10 a:2 b z#"),
        (begins("a"), "a a: a:1 a:10 a:2"),
        (begins("a:1"), "a:1 a:10"),
        (begins("c"), ""),
        (begins("z#"), "z#"),
    ],
)
def test_keys_are_found_by_prefix_in_order(
    world: World, where: dict[str, Any], found: str, limit: int
) -> None:
    for key in ["z#", "a:2", "b", "a:10", "A", "a:", "a", "a:1"]:
        world.call("set", {"key": key, "value": key})
    world.call("set", {"key": "a:9", "value": "of another"}, "elsewhere")
    pages = world.walk("query", {**where, "limit": limit})
    assert [row["value"] for page in pages for row in page] == found.split()
    assert all(len(page) == limit for page in pages[:-1])


CLAUSE: dict[str, Any] = begins("a")["where"][0]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"limit": 0}, "LIST_QUERY_LIMIT_EXCEEDED"),
        ({"limit": 101}, "LIST_QUERY_LIMIT_EXCEEDED"),
        ({"limit": "1"}, "BAD_REQUEST"),
        ({"cursor": "x"}, "BAD_REQUEST"),
        ({"sort": "DESC"}, "BAD_REQUEST"),
        ({"where": CLAUSE}, "BAD_REQUEST"),
        ({"where": [CLAUSE, CLAUSE]}, "QUERY_WHERE_INVALID"),
        ({"where": [{**CLAUSE, "property": "value"}]}, "QUERY_WHERE_FIELD_INVALID"),
        ({"where": [{**CLAUSE, "condition": "EQUAL_TO"}]}, "INVALID_FILTER_CONDITION"),
        ({"where": [{**CLAUSE, "values": []}]}, "INVALID_FILTER_VALUES"),
        ({"where": [{**CLAUSE, "values": ["a", "b"]}]}, "INVALID_FILTER_VALUES"),
        ({"where": [{**CLAUSE, "values": [1]}]}, "INVALID_FILTER_VALUES"),
    ],
)
def test_a_query_of_keys_the_service_does_not_take(world: World, body: Any, code: str) -> None:
    assert world.refused("query", body) == (400, code)


def test_a_cursor_goes_on_with_its_prefix_only(world: World) -> None:
    for number in range(4):
        world.call("set", {"key": f"a{number}", "value": number})
    body = {**begins("a"), "limit": 2}
    _, answer = world.call("query", body)
    _, more = world.call("query", {**body, "after": answer["cursor"]})
    assert [row["value"] for row in more["data"]] == [2, 3]
    other = {**begins("a1"), "limit": 2, "after": answer["cursor"]}
    assert world.refused("query", other) == (400, "INVALID_CURSOR")


SECRET = "hunter2-and-some-more"


def written(folder: Path) -> bytes:
    """Return every byte of every file of a store."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_secrets_are_encrypted_in_a_file(tmp_path: Path) -> None:
    with World(tmp_path / "a.db") as world:
        for value in (SECRET, {"token": SECRET}, SECRET):
            world.call("secret/set", {"key": "k", "value": value})
        world.call("set", {"key": "k", "value": "in the clear"})
        assert b"in the clear" in written(tmp_path)
        assert SECRET.encode() not in written(tmp_path)
    assert b"in the clear" in written(tmp_path)
    assert SECRET.encode() not in written(tmp_path)
    assert stat.S_IMODE((tmp_path / "a.db.key").stat().st_mode) == 0o600
    with World(tmp_path / "a.db") as again:
        assert again.call("secret/get", {"key": "k"})[1]["value"] == SECRET
        returned = {"key": "k", "value": 1, "options": {"returnValue": "PREVIOUS"}}
        assert again.call("secret/set", returned)[1]["value"] == SECRET


def test_a_secret_is_read_with_the_key_it_was_written_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, other = Fernet.generate_key(), Fernet.generate_key()
    read = Request("secret/get", b'{"key":"k"}')
    with LocalBackend(tmp_path / "a.db", schemas=[], secret_key=key) as backend:
        backend.send(Request("secret/set", b'{"key":"k","value":"v"}'))
    monkeypatch.setenv("FORGE_ORM_SECRET_KEY", key.decode())
    with LocalBackend(tmp_path / "a.db", schemas=[]) as backend:
        assert backend.send(read).body == b'{"key":"k","value":"v"}'
    assert not (tmp_path / "a.db.key").exists()
    with (
        LocalBackend(tmp_path / "a.db", schemas=[], secret_key=other) as backend,
        pytest.raises(ConfigurationError, match="another key"),
    ):
        backend.send(read)
    with (
        LocalBackend(tmp_path / "a.db", schemas=[], secret_key="short") as backend,
        pytest.raises(ConfigurationError, match="32 bytes"),
    ):
        backend.send(read)


def test_a_file_keeps_no_secret_that_it_cannot_encrypt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)  # the extra is missing
    body = {"key": "k", "value": SECRET}
    with World(tmp_path / "a.db") as world:
        assert world.call("set", {"key": "k", "value": 1}) == (204, None)
        for call in (("secret/set", body), ("secret/get", {"key": "k"})):
            with pytest.raises(ConfigurationError, match=r"pip install 'forge-orm\[local\]'"):
                world.call(*call)
        assert SECRET.encode() not in written(tmp_path)
    with World() as world:
        assert world.call("secret/set", body) == (204, None)


def test_a_closed_store_says_so() -> None:
    world = World()
    world.backend.close()
    with pytest.raises(ConfigurationError, match="closed"):
        world.call("get", {"key": "k"})
