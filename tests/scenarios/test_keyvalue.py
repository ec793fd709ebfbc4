"""Plain keys and secrets through every face."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from forge_orm import CorruptValue, InvalidValue, KeyConflict, Stored

from .faces import Face, scenario


class Prefs(BaseModel):
    dark: bool = False
    columns: list[str] = []


class Hook(BaseModel):
    url: str
    token: SecretStr


@scenario
async def test_json_values_come_back_as_they_were(forge: Any, face: Face) -> None:
    values: list[Any] = ["text ☃", 3, 2.5, True, ["a", 1], {"x": {"y": [1]}}]
    for value in values:
        await forge.kvs.set("k", value)
        assert await forge.kvs.get("k") == value
    await forge.kvs.delete("k")
    await forge.kvs.delete("k")
    assert await forge.kvs.get("k") is None


@scenario
async def test_key_policy_and_returned_values(forge: Any, face: Face) -> None:
    kvs = forge.kvs
    assert await kvs.set("k", 1, policy="FAIL_IF_EXISTS") is None
    with pytest.raises(KeyConflict):
        await kvs.set("k", 2, policy="FAIL_IF_EXISTS")
    previous = await kvs.set("k", 2, returns="PREVIOUS")
    assert previous.value == 1
    latest = await kvs.set("k", 3, returns="LATEST", metadata=["CREATED_AT", "UPDATED_AT"])
    assert latest.value == 3
    assert latest.metadata.created_at.timestamp() == face.now
    assert await kvs.set("new", 1, returns="PREVIOUS") is None


@scenario
async def test_metadata_and_time_to_live(forge: Any, face: Face) -> None:
    await forge.kvs.set("k", 1, ttl=timedelta(hours=1))
    stored = await forge.kvs.read("k")
    assert isinstance(stored, Stored)
    assert stored.metadata.expires_at is not None
    assert stored.metadata.expires_at.timestamp() == face.now + 3600
    face.now += 3 * 24 * 60 * 60
    assert await forge.kvs.get("k") is None


@scenario
async def test_many_at_once(forge: Any, face: Face) -> None:
    values = {f"n:{number:03}": number for number in range(60)}
    await forge.kvs.set_many(values)
    assert await forge.kvs.get_many([*values, "absent"]) == values
    await forge.kvs.delete_many([*list(values)[:50], "absent"])
    assert list(await forge.kvs.all("n:")) == list(values)[50:]
    await forge.kvs.set_many({})


@scenario
async def test_many_are_read_with_their_metadata(forge: Any, face: Face) -> None:
    counts = forge.kvs.typed("n:", int, ttl=timedelta(hours=1))
    await counts.set_many({str(number): number for number in range(30)})
    found = await counts.read_many([str(number) for number in range(31)])
    assert {key: stored.value for key, stored in found.items()} == {
        str(number): number for number in range(30)
    }
    assert found["29"].key == "29"
    assert found["29"].metadata.created_at.timestamp() == face.now
    assert found["29"].metadata.expires_at.timestamp() == face.now + 3600
    one = await counts.read_many(["3"], "UPDATED_AT")
    assert one["3"].metadata.updated_at is not None
    assert one["3"].metadata.created_at is None


@scenario
async def test_a_prefix_is_paged_and_streamed_in_key_order(forge: Any, face: Face) -> None:
    await forge.kvs.set_many({f"p:{number:03}": number for number in range(230)})
    await forge.kvs.set("q", 1)
    page = await forge.kvs.page("p:", limit=7)
    rest = await forge.kvs.page("p:", limit=7, cursor=page.cursor)
    assert [item.value for item in (*page, *rest)] == list(range(14))
    streamed = [item.key async for item in forge.kvs.stream("p:")]
    assert streamed == [f"p:{number:03}" for number in range(230)]


@scenario
async def test_typed_views(forge: Any, face: Face) -> None:
    prefs = forge.kvs.typed("prefs:", Prefs, ttl=timedelta(days=1))
    await prefs.set("u1", Prefs(dark=True, columns=["a"]))
    assert await prefs.get("u1") == Prefs(dark=True, columns=["a"])
    assert await forge.kvs.get("prefs:u1") == {"dark": True, "columns": ["a"]}
    assert (await prefs.read("u1")).metadata.expires_at is not None
    assert await prefs.all() == {"u1": Prefs(dark=True, columns=["a"])}


@scenario
async def test_secrets_are_secret(forge: Any, face: Face) -> None:
    secrets = forge.secrets
    await secrets.set("token", SecretStr("hunter2"))
    assert (await secrets.get("token")).get_secret_value() == "hunter2"
    assert await forge.kvs.get("token") is None
    assert await forge.kvs.all() == {}
    previous = await secrets.set("token", SecretStr("next"), returns="PREVIOUS")
    assert "hunter2" not in repr(previous)
    hooks = secrets.typed("hook:", Hook)
    await hooks.set("u1", Hook(url="https://a.example", token=SecretStr("t0p")))
    assert (await hooks.get("u1")).token.get_secret_value() == "t0p"
    words = secrets.typed("word:", dict[str, str])
    latest = await words.set("u1", {"swordfish": "hunter2"}, returns="LATEST")
    for shown in (latest, await words.read("u1")):
        assert shown.value == {"swordfish": "hunter2"}
        assert shown.key == "u1"
        assert "hunter2" not in repr(shown)
    with pytest.raises(CorruptValue, match=r"under 'word:u1' .* value: int_parsing") as error:
        await secrets.typed("word:", dict[str, int]).get("u1")
    assert "swordfish" not in str(error.value)
    await secrets.delete("token")
    assert await secrets.get("token") is None


@scenario
async def test_bad_keys_and_values_are_refused_before_the_call(forge: Any, face: Face) -> None:
    for key in ("", " ", "a@b", "é", "x" * 501):
        with pytest.raises(InvalidValue, match="key"):
            await forge.kvs.set(key, 1)
    for value in (None, float("inf"), "x" * 250_000):
        with pytest.raises(InvalidValue):
            await forge.kvs.set("k", value)
    with pytest.raises(InvalidValue, match="known fields are CREATED_AT, UPDATED_AT"):
        await forge.kvs.read("k", "CREATED")
    for limit in (0, 101, 2.5, "9"):
        with pytest.raises(InvalidValue, match="reads 1 to 100 keys"):
            await forge.kvs.page(limit=limit)
    with pytest.raises(InvalidValue, match="whole seconds"):
        await forge.kvs.set("k", 1, ttl=timedelta(0))


@scenario
async def test_sessions_have_both_stores_too(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        await session.kvs.set("theme", {"dark": True})
        await session.secrets.set("s", SecretStr("x"))
    assert await forge.kvs.get("theme") == {"dark": True}
