"""A store as rows and back, an index that is being built, and a schema that changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forge_orm import LocalBackend
from forge_orm.errors import ConfigurationError
from forge_orm.local import LENIENT
from forge_orm.schema import IndexSchema
from forge_orm.wire import Request, Tenant

from .world import BOOK, DAY, HOUR, PLANT, T0, World

MS = int(T0 * 1000)
HOUR_LONG = {"ttl": {"value": 1, "unit": "HOURS"}}
ALL = ("CREATED_AT", "UPDATED_AT", "EXPIRE_TIME")


def fill(world: World) -> None:
    """Write rows of every kind, for two installations, at two moments."""
    for tenant in ("one", "two"):
        world.call("set", {"key": "k", "value": [tenant, None, 2**53, 0.1, "é☃"]}, tenant)
        world.call("secret/set", {"key": "k", "value": {"password": tenant}}, tenant)
        book: dict[str, Any] = {"entityName": "book", "key": "k", "value": {"title": tenant}}
        world.call("entity/set", {**book, "options": HOUR_LONG}, tenant)
    world.now += 60
    world.call("set", {"key": "k", "value": 2}, "two")
    world.call(
        "entity/set", {"entityName": "plant", "key": "p", "value": {"name": "oak"}}, "two"
    )


BOOKS = [
    {"kind": "entity", "installation": tenant, "entity": "book", "key": "k"}
    | {"value": {"title": tenant}, "created": MS, "updated": MS, "expires": MS + 3_600_000}
    for tenant in ("one", "two")
]
PLANTS = [
    {"kind": "entity", "installation": "two", "entity": "plant", "key": "p"}
    | {"value": {"name": "oak"}, "created": MS + 60_000, "updated": MS + 60_000}
]
KEYS = [
    {"kind": "key", "installation": "one", "key": "k", "created": MS, "updated": MS}
    | {"value": ["one", None, 2**53, 0.1, "é☃"]},
    {"kind": "key", "installation": "two", "key": "k", "created": MS, "updated": MS + 60_000}
    | {"value": 2},
]
SECRETS = [
    {"kind": "secret", "installation": tenant, "key": "k", "created": MS, "updated": MS}
    | {"value": {"password": tenant}}
    for tenant in ("one", "two")
]


@pytest.fixture(params=["memory", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    return ":memory:" if request.param == "memory" else tmp_path / "a.db"


@pytest.fixture
def filled(place: str | Path) -> Iterator[World]:
    with World(place) as world:
        fill(world)
        yield world


def test_a_dump_tells_every_row_and_secrets_only_if_asked(filled: World) -> None:
    store = filled.backend
    assert list(store.dump()) == [*BOOKS, *PLANTS, *KEYS]
    assert list(store.dump(secrets=True)) == [*BOOKS, *PLANTS, *KEYS, *SECRETS]
    assert store.installations() == ["one", "two"]


def test_a_dump_of_one_installation(filled: World) -> None:
    found = list(filled.backend.dump(installation="one", secrets=True))
    assert found == [BOOKS[0], KEYS[0], SECRETS[0]]
    assert list(filled.backend.dump(installation="three")) == []


@pytest.mark.parametrize("secrets", [False, True])
@pytest.mark.parametrize("installation", [None, "one", "three"])
def test_rows_are_counted_as_they_are_dumped(
    filled: World, installation: str | None, secrets: bool
) -> None:
    store = filled.backend
    rows = list(store.dump(installation=installation, secrets=secrets))
    assert store.count(installation=installation, secrets=secrets) == len(rows)


def test_a_dump_is_of_one_moment(filled: World) -> None:
    rows = filled.backend.dump()
    seen = [next(rows)]
    filled.call("set", {"key": "new", "value": 1}, "one")
    filled.call("delete", {"key": "k"}, "two")
    assert [*seen, *rows] == [*BOOKS, *PLANTS, *KEYS]


def test_what_is_gone_is_not_dumped(filled: World) -> None:
    filled.now += HOUR + 2 * DAY
    assert list(filled.backend.dump()) == [*PLANTS, *KEYS]


def test_a_dump_loaded_elsewhere_is_the_same(filled: World, tmp_path: Path) -> None:
    rows = [json.loads(json.dumps(row)) for row in filled.backend.dump(secrets=True)]
    with World(tmp_path / "other.db") as other:
        other.now = filled.now + 1
        assert other.backend.load(rows) == {"entity": 3, "key": 2, "secret": 2}
        assert list(other.backend.dump(secrets=True)) == rows
        for tenant in ("one", "two"):
            for path, body in (
                ("get", {"key": "k", "options": {"metadataFields": ALL}}),
                ("secret/get", {"key": "k", "options": {"metadataFields": ALL}}),
                ("entity/query", {"entityName": "book", "indexName": "title"}),
                ("entity/query", {"entityName": "plant", "indexName": "name"}),
            ):
                assert other.call(path, body, tenant) == filled.call(path, body, tenant)


def test_a_row_takes_the_place_of_what_is_there(world: World) -> None:
    world.put("k", {"pages": 1}, **HOUR_LONG)
    row = {"kind": "entity", "entity": "book", "key": "k", "value": {"pages": 2}}
    world.backend.load([{**row, "created": 5, "updated": 6}])
    answer = world.take("k", *ALL)
    assert answer["value"] == {"pages": 2}
    assert (answer["createdAt"], answer["updatedAt"]) == (5, 6)
    assert "expireTime" not in answer
    assert world.keys("pages") == ["k"]


def test_a_row_without_times_is_new(world: World) -> None:
    world.backend.load([{"kind": "key", "key": "k", "value": 1}])
    (row,) = world.backend.dump()
    assert (row["installation"], row["created"], row["updated"]) == ("local", MS, MS)


def test_rows_can_be_given_to_an_installation(world: World) -> None:
    world.backend.load([KEYS[0], BOOKS[1]], installation="three")
    assert world.backend.installations() == ["three"]
    assert world.call("get", {"key": "k"}, "three")[1]["value"] == KEYS[0]["value"]


GOOD = {"kind": "entity", "entity": "book", "key": "good", "value": {"pages": 1}}
KEY = {"kind": "key", "key": "k", "value": 1}
BAD: list[tuple[Any, str]] = [
    (7, "row 2: row: Input should be a valid dictionary"),
    ({**KEY, "kind": "thing"}, "row 2: kind: Input should be 'entity', 'key' or 'secret'"),
    ({"kind": "key", "key": "k"}, "row 2: value: Field required"),
    ({**KEY, "colour": "red"}, "row 2: colour: Extra inputs are not permitted"),
    ({**KEY, "created": "now"}, "row 2: created: Input should be a valid integer"),
    ({**KEY, "entity": "book"}, "a row has an entity's name if and only if"),
    ({**KEY, "kind": "entity"}, "a row has an entity's name if and only if"),
    ({**KEY, "kind": "entity", "entity": "book"}, "the value of an entity is an object"),
    ({**KEY, "key": "a/b"}, "row 2 (key 'a/b'): INVALID_KEY: key may hold only"),
    ({**KEY, "value": None}, "BAD_REQUEST: value must not be null"),
    ({**GOOD, "value": {"pages": "?"}}, "INCORRECT_PROPERTY_TYPE: property pages of book"),
    ({**GOOD, "entity": "Book"}, "INVALID_ENTITY_TYPE"),
]


@pytest.mark.parametrize(("row", "said"), BAD)
def test_a_row_that_is_wrong_loads_nothing(world: World, row: Any, said: str) -> None:
    fern = {"kind": "entity", "entity": "fern", "key": "f", "value": {}}
    with pytest.raises(ConfigurationError) as caught:
        world.backend.load([GOOD, row, fern])
    assert said in str(caught.value)
    assert str(caught.value).endswith("nothing is loaded")
    assert list(world.backend.dump()) == []
    assert world.put("k", {"pages": 1})[0] == 204
    assert world.keys("pages") == ["k"]


def test_an_error_does_not_quote_a_secret(world: World) -> None:
    with pytest.raises(ConfigurationError) as caught:
        world.backend.load([{"kind": "secret", "key": "k", "value": "s3cret", "created": ""}])
    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_rows_that_stop_coming_load_nothing(world: World) -> None:
    def rows() -> Iterator[Any]:
        yield GOOD
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.backend.load(rows())
    assert list(world.backend.dump()) == []


def test_an_entity_nobody_declares_is_kept_until_somebody_does(tmp_path: Path) -> None:
    """Also where an older schema had columns for it."""
    path, rows = (
        tmp_path / "a.db",
        [{**GOOD, "key": f"k{n}", "value": {"pages": 9 - n}} for n in (1, 2)],
    )
    with World(path) as world:
        world.put("k0", {"pages": 9, "shelf": "s"})
    with LocalBackend(path, schemas=[]) as bare:
        bare.load(rows)
        assert bare.count() == 3
    with World(path) as world:
        world.now += 1
        assert world.keys("pages") == ["k2", "k1", "k0"]
        assert world.keys("by-key") == ["k0", "k1", "k2"]


def test_a_capital_letter_in_an_attribute_survives_a_visit_without_schemas(
    tmp_path: Path,
) -> None:
    index = IndexSchema("byNow", "dueAtXY")
    schema = replace(
        BOOK, attributes={"dueAtXY": BOOK.attributes["pages"]}, indexes={"byNow": index}
    )
    path, row = tmp_path / "a.db", {"kind": "entity", "entity": "book", "value": {"dueAtXY": 1}}
    with LocalBackend(path, schemas=[schema]) as store:
        store.load([{**row, "key": "a"}])
    with LocalBackend(path, schemas=[]) as store:
        store.load([{**row, "key": "b"}])
    with LocalBackend(path, schemas=[schema]) as store:
        query = b'{"entityName":"book","indexName":"byNow"}'
        body = store.send(Request("entity/query", query, tenant=Tenant())).body
        assert [found["key"] for found in json.loads(body)["data"]] == ["a", "b"]


# --- an index that is being built ---------------------------------------------------------

NEW = replace(BOOK, indexes={**BOOK.indexes, "new": IndexSchema("new", "price", ("shelf",))})
QUERY = {"entityName": "book", "indexName": "new", "partition": ["s"]}


def test_a_new_index_is_built_of_what_is_there_and_then_answers(world: World) -> None:
    world.put("b", {"shelf": "s", "price": 2.5})
    world.put("a", {"shelf": "s", "price": 3})
    assert world.refused("entity/query", QUERY) == (400, "INVALID_ENTITY_INDEX")
    world.declare(NEW, PLANT)
    world.backend.build_indexes()
    world.put("c", {"shelf": "s", "price": 1})
    world.now += world.index_delay - 0.001
    assert world.refused("entity/query", QUERY) == (400, "INVALID_ENTITY_INDEX")
    assert world.keys("pages") == []
    assert world.keys("by_shelf", partition=["s"]) == []
    world.now += 0.001
    assert world.keys("new", partition=["s"]) == ["c", "b", "a"]


def test_an_index_of_nothing_is_built_at_once(world: World) -> None:
    world.declare(NEW, PLANT)
    assert world.call("entity/query", QUERY) == (200, {"data": []})
    world.put("a", {"shelf": "s", "price": 3})
    assert world.keys("new", partition=["s"]) == ["a"]


def test_an_index_taken_away_and_put_back_is_built_again(world: World) -> None:
    world.declare(NEW, PLANT)
    world.put("a", {"shelf": "s", "price": 1})
    world.declare(BOOK, PLANT)
    world.put("a", {"shelf": "s", "price": 5})
    world.put("b", {"shelf": "s", "price": 3})
    world.declare(NEW, PLANT)
    assert world.refused("entity/query", QUERY) == (400, "INVALID_ENTITY_INDEX")
    world.now += world.index_delay
    assert world.keys("new", partition=["s"]) == ["b", "a"]


def test_an_entity_that_is_no_longer_declared_keeps_its_rows(world: World) -> None:
    world.put("a", {"pages": 1})
    world.declare(PLANT)
    get = {"entityName": "book", "key": "a"}
    assert world.refused("entity/get", get) == (404, "SCHEMA_NOT_FOUND")
    world.declare(BOOK, PLANT)
    assert world.call("entity/get", get)[1]["value"] == {"pages": 1}


def test_an_index_that_was_there_when_the_store_was_opened_is_not_built(tmp_path: Path) -> None:
    with World(tmp_path / "a.db") as world:
        world.put("a", {"pages": 1})
        assert world.keys("pages") == ["a"]
    with World(tmp_path / "a.db", readings=LENIENT) as again:
        assert again.keys("pages") == ["a"]
