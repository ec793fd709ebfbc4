"""`BackendSuite`: what every backend must do, as tests that its author runs.

Only what the service's documentation settles is tested; where it is silent either reading
passes.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, ClassVar, Final

import pytest
from pydantic import SecretStr

from .. import limits
from ..errors import ConditionFailed, KeyConflict, PartialCommit, RejectedValue
from ..faults import MovableClock
from ..wire import MetadataField, Tenant
from .peer import Book, OldBook, Peer, Plant, played

BOOK: Final = "suite-book"
PLANT: Final = "suite-plant"
_ROWS: Final = 250

VALUES: Final[dict[str, Any]] = {
    "text": 'snow ☃, \U0001f600, tab\t and "quotes" \\ /',
    "empty text": "",
    "integer": -(2**40),
    "float": 0.1,
    "true": True,
    "false": False,
    "list": [1, "two", [3.5, {"four": []}]],
    "empty list": [],
    "object": {"a": {"b": [True, "ü"]}, "key": "value"},
    "empty object": {},
}

# Operation, body, and the status and codes the service's pages allow.
Refused = tuple[str, Any, int, frozenset[str]]


def _plain(operation: str, *codes: str, status: int = 400, **body: Any) -> Refused:
    return operation, {"key": "k", **body}, status, frozenset(codes)


def _entity(operation: str, *codes: str, status: int = 400, **body: Any) -> Refused:
    named = {"entityName": BOOK, "key": "k", **body}
    return operation, named, status, frozenset(codes)


def _written(*codes: str, **value: Any) -> Refused:
    return _entity("entity/set", *codes, value=value)


def _asked(*codes: str, status: int = 400, **query: Any) -> Refused:
    body = {"entityName": BOOK, "indexName": "title", **query}
    return "entity/query", body, status, frozenset(codes)


def _where(name: str, condition: str, *values: Any) -> dict[str, Any]:
    return {"property": name, "condition": condition, "values": list(values)}


_EMPTY_KEY: Final = ("EMPTY_KEY", "KEY_TOO_SHORT", "INVALID_KEY", "BAD_REQUEST")
_TYPE: Final = ("INCORRECT_PROPERTY_TYPE", "INVALID_ENTITY_VALUE")
_NO_LIMIT: Final = "COMPLEX_QUERY_PAGE_LIMIT_NOT_IN_RANGE"
_TTL: Final = {"value": 0, "unit": "SECONDS"}

REFUSED: Final[dict[str, Refused]] = {
    "get: no key": _plain("get", "KEY_NOT_FOUND", "NOT_FOUND", status=404),
    "get: unknown metadata": _plain("get", "BAD_REQUEST", options={"metadataFields": ["SIZE"]}),
    "get: key is a number": _plain("get", "BAD_REQUEST", "INVALID_KEY", key=5),
    "set: empty key": _plain("set", *_EMPTY_KEY, key="", value=1),
    "set: blank key": _plain("set", *_EMPTY_KEY, key="  ", value=1),
    "set: forbidden character": _plain("set", "INVALID_KEY", key="a@b", value=1),
    "set: long key": _plain("set", "KEY_TOO_LONG", "INVALID_KEY", key="x" * 501, value=1),
    "set: no value": _plain("set"),
    "set: null": _plain("set", value=None),
    "set: ttl of nothing": _plain("set", "INVALID_TTL", value=1, options={"ttl": _TTL}),
    "set: unknown unit": _plain("set", value=1, options={"ttl": {"value": 1, "unit": "WEEKS"}}),
    "set: unknown policy": _plain("set", value=1, options={"keyPolicy": "MERGE"}),
    "set: policy that returns nothing": _plain(
        "set",
        "INVALID_KEY_POLICY_RETURN_VALUE_COMBINATION",
        value=1,
        options={"keyPolicy": "FAIL_IF_EXISTS", "returnValue": "LATEST"},
    ),
    "set: too large": _plain("set", "MAX_SIZE", value="x" * (limits.VALUE_MAX_BYTES + 1)),
    "delete: empty key": _plain("delete", *_EMPTY_KEY, key=""),
    "query: limit 101": (
        "query",
        {"limit": 101},
        400,
        frozenset({"LIST_QUERY_LIMIT_EXCEEDED"}),
    ),
    "query: two clauses": (
        "query",
        {"where": [_where("key", "BEGINS_WITH", "a")] * 2},
        400,
        frozenset({"QUERY_WHERE_INVALID", "BAD_REQUEST"}),
    ),
    "query: another field": (
        "query",
        {"where": [_where("value", "BEGINS_WITH", "a")]},
        400,
        frozenset({"QUERY_WHERE_FIELD_INVALID"}),
    ),
    "query: another condition": (
        "query",
        {"where": [_where("key", "EQUAL_TO", "a")]},
        400,
        frozenset({"INVALID_FILTER_CONDITION"}),
    ),
    "query: bad cursor": ("query", {"after": "no cursor"}, 400, frozenset()),
    "secret get: no key": _plain("secret/get", "KEY_NOT_FOUND", "NOT_FOUND", status=404),
    "secret set: empty key": _plain("secret/set", *_EMPTY_KEY, key="", value=1),
    "secret set: null": _plain("secret/set", value=None),
    "secret delete: empty key": _plain("secret/delete", *_EMPTY_KEY, key=""),
    "entity get: no key": _entity("entity/get", "KEY_NOT_FOUND", "NOT_FOUND", status=404),
    "entity get: not declared": _entity(
        "entity/get", "SCHEMA_NOT_FOUND", status=404, entityName="suite-nothing"
    ),
    "entity set: not declared": _entity(
        "entity/set", "SCHEMA_NOT_FOUND", status=404, entityName="suite-nothing", value={}
    ),
    "entity set: value is a list": _entity("entity/set", value=[]),
    "entity set: value is a text": _entity("entity/set", value="x"),
    "entity set: long key": _entity(
        "entity/set", "KEY_TOO_LONG", "INVALID_KEY", key="x" * 501, value={"number": 1}
    ),
    "entity set: text for an integer": _written(*_TYPE, number="5"),
    "entity set: fraction for an integer": _written(*_TYPE, number=5.5),
    "entity set: integer of 33 bits": _written(*_TYPE, number=2**31),
    "entity set: negative of 33 bits": _written(*_TYPE, number=-(2**31) - 1),
    "entity set: boolean for an integer": _written(*_TYPE, number=True),
    "entity set: number for a text": _written(*_TYPE, title=5),
    "entity set: text for a float": _written(*_TYPE, price="1"),
    "entity set: number for a boolean": _written(*_TYPE, lent=1),
    "entity delete: not declared": _entity(
        "entity/delete", "SCHEMA_NOT_FOUND", status=404, entityName="suite-nothing"
    ),
    "entity query: not declared": _asked(
        "SCHEMA_NOT_FOUND", status=404, entityName="suite-nothing"
    ),
    "entity query: no such index": _asked(indexName="nothing"),
    "entity query: limit 0": _asked(_NO_LIMIT, limit=0),
    "entity query: limit 101": _asked(_NO_LIMIT, limit=101),
    "entity query: sort": _asked(sort="UP"),
    "entity query: bad cursor": _asked(cursor="no cursor"),
    "entity query: no partition": _asked(indexName="by_shelf"),
    "entity query: partition too long": _asked(indexName="by_shelf", partition=["a", 1]),
    "entity query: partition of another type": _asked(indexName="by_shelf", partition=[1]),
    "entity query: range of another type": _asked(
        range={"condition": "EQUAL_TO", "values": [5]}
    ),
    "entity query: no range condition": _asked(range={"condition": "EXISTS", "values": [True]}),
    "entity query: half a BETWEEN": _asked(
        "INSUFFICIENT_FILTER_VALUES",
        "INVALID_FILTER_VALUES",
        range={"condition": "BETWEEN", "values": ["a"]},
    ),
    "entity query: empty filters": _asked("EMPTY_FILTER_OPERATOR", filters={"and": []}),
    "entity query: and with or": _asked(
        "INVALID_FILTER_OPERATORS_COMBINATION",
        filters={
            "and": [_where("number", "EQUAL_TO", 1)],
            "or": [_where("number", "EQUAL_TO", 2)],
        },
    ),
    "entity query: filter on any": _asked(
        status=422, filters={"and": [_where("notes", "EXISTS", True)]}
    ),
    "batch set: empty": ("batch/set", [], 400, frozenset()),
    "batch get: empty": ("batch/get", [], 400, frozenset()),
    "batch delete: empty": ("batch/delete", [], 400, frozenset()),
    "batch set: no array": ("batch/set", {"items": []}, 400, frozenset()),
    "batch set: a key twice": ("batch/set", [{"key": "k", "value": 1}] * 2, 400, frozenset()),
    "batch get: a key twice": ("batch/get", [{"key": "k"}] * 2, 400, frozenset()),
    "batch delete: a key twice": ("batch/delete", [{"key": "k"}] * 2, 400, frozenset()),
    "transaction: empty": (
        "transaction",
        {},
        400,
        frozenset({"INVALID_TRANSACTION_REQUEST", "BAD_REQUEST"}),
    ),
    "transaction: a key twice": (
        "transaction",
        {"set": [{"key": "k", "value": 1}], "delete": [{"key": "k"}]},
        400,
        frozenset({"KEY_DUPLICATION_ERROR"}),
    ),
    "transaction: not declared": (
        "transaction",
        {"set": [{"key": "k", "entityName": "suite-nothing", "value": {}}]},
        404,
        frozenset({"SCHEMA_NOT_FOUND"}),
    ),
    "transaction: wrong type": (
        "transaction",
        {"set": [{"key": "k", "entityName": BOOK, "value": {"number": "5"}}]},
        400,
        frozenset(_TYPE),
    ),
    "transaction: condition on a plain key": (
        "transaction",
        {
            "delete": [{"key": "k", "conditions": {"and": [_where("a", "EXISTS", True)]}}],
        },
        400,
        frozenset(),
    ),
}

# What a condition says, and which numbers from 0 to 9 it is true of. The attributes are those
# `_books` gives.
RANGES: Final[dict[str, tuple[str, dict[str, Any], list[int]]]] = {
    "equal": ("title", {"condition": "EQUAL_TO", "values": ["title 3"]}, [3]),
    "less": ("title", {"condition": "LESS_THAN", "values": ["title 3"]}, [0, 1, 2]),
    "at most": ("title", {"condition": "LESS_THAN_EQUAL_TO", "values": ["title 1"]}, [0, 1]),
    "greater": ("title", {"condition": "GREATER_THAN", "values": ["title 7"]}, [8, 9]),
    "at least": ("title", {"condition": "GREATER_THAN_EQUAL_TO", "values": ["title 9"]}, [9]),
    "between": ("title", {"condition": "BETWEEN", "values": ["title 4", "title 6"]}, [4, 5, 6]),
    "prefix": ("title", {"condition": "BEGINS_WITH", "values": ["title"]}, [*range(10)]),
    "prefix of nothing": ("title", {"condition": "BEGINS_WITH", "values": ["Title"]}, []),
    "boolean": ("lent", {"condition": "EQUAL_TO", "values": [True]}, [0, 2, 4, 6, 8]),
    "key": ("by-key", {"condition": "BETWEEN", "values": ["b:02", "b:03"]}, [2, 3]),
    "prefix of keys": ("by-key", {"condition": "BEGINS_WITH", "values": ["b:0"]}, [*range(10)]),
}

FILTERS: Final[dict[str, tuple[dict[str, Any], list[int]]]] = {
    "equal": ({"and": [_where("number", "EQUAL_TO", 3)]}, [3]),
    "not equal": ({"and": [_where("lent", "NOT_EQUAL_TO", True)]}, [1, 3, 5, 7, 9]),
    "less": ({"and": [_where("number", "LESS_THAN", 2)]}, [0, 1]),
    "at most": ({"and": [_where("price", "LESS_THAN_EQUAL_TO", 0.5)]}, [0, 1, 2]),
    "greater": ({"and": [_where("number", "GREATER_THAN", 7)]}, [8, 9]),
    "at least": ({"and": [_where("price", "GREATER_THAN_EQUAL_TO", 2.25)]}, [9]),
    "between": ({"and": [_where("number", "BETWEEN", 2, 4)]}, [2, 3, 4]),
    "prefix": ({"and": [_where("shelf", "BEGINS_WITH", "shelf A")]}, [0, 3, 6, 9]),
    "contains": ({"and": [_where("shelf", "CONTAINS", "elf B")]}, [1, 4, 7]),
    "contains not": ({"and": [_where("shelf", "NOT_CONTAINS", "C")]}, [0, 1, 3, 4, 6, 7, 9]),
    "exists": ({"and": [_where("title", "EXISTS", True)]}, [*range(10)]),
    "exists not": ({"and": [_where("title", "NOT_EXISTS", True)]}, []),
    "and": (
        {"and": [_where("lent", "EQUAL_TO", True), _where("number", "GREATER_THAN", 5)]},
        [6, 8],
    ),
    "or": (
        {"or": [_where("number", "EQUAL_TO", 1), _where("number", "GREATER_THAN", 8)]},
        [1, 9],
    ),
}


def _book(number: int) -> dict[str, Any]:
    return {
        "shelf": f"shelf {'ABC'[number % 3]}",
        "number": number,
        "title": f"title {number}",
        "price": number / 4,
        "lent": number % 2 == 0,
        "notes": [{"page": number}],
    }


async def _fill(peer: Peer, count: int) -> list[str]:
    """Store *count* books; return their keys, which are in order."""
    keys = [f"b:{number:02}" if count <= 100 else f"b:{number:04}" for number in range(count)]
    items = [
        {"key": key, "entityName": BOOK, "value": _book(number)}
        for number, key in enumerate(keys)
    ]
    await _store(peer, items)
    return keys


async def _store(peer: Peer, items: list[dict[str, Any]]) -> None:
    for start in range(0, len(items), limits.BATCH_MAX_ITEMS):
        answer = await peer.done("batch/set", items[start : start + limits.BATCH_MAX_ITEMS])
        assert answer["failedKeys"] == []


class Suite:
    """What both suites begin with. See `BackendSuite` on how they are used."""

    colours: ClassVar[tuple[str, ...]] = ("sync", "async")
    """How the backend is called: through ``send``, ``asend``, or one after the other."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test once in every colour."""
        if "colour" in metafunc.fixturenames:
            metafunc.parametrize("colour", self.colours)

    @pytest.fixture
    def backend(self) -> Any:
        """The backend under test, over an empty store. **Override it.**"""
        raise NotImplementedError(
            "give your subclass a fixture `backend` that returns the backend under test, over "
            "a store that is empty and has forge_orm.testing.SCHEMAS declared"
        )

    @pytest.fixture
    def peer(self, backend: Any, colour: str) -> Peer:
        """The backend in one colour."""
        return Peer(backend, colour)


class BackendSuite(Suite):
    """Tests every backend passes: the 15 operations, alone and through sessions.

    Subclass it in a test module, and override the fixture `backend`::

        class TestMyBackend(BackendSuite):
            @pytest.fixture
            def backend(self):
                with MyBackend(schemas=SCHEMAS) as backend:
                    yield backend

    Each test wants an empty store; an installation of its own will do. The entities of
    ``forge_orm.testing.SCHEMAS`` must be declared. A backend of one colour says so with
    ``colours = ("async",)``.

    Attributes:
        colours: how the backend is called, ``sync`` and ``async``.
        tenants: two installations to be kept apart; None for a backend that has but one.
    """

    tenants: ClassVar[bool] = True
    """Whether a request's tenant picks an installation."""

    @pytest.fixture
    def clock(self) -> MovableClock | None:
        """The clock the store goes by; None (expiry is not tested then) unless overridden."""
        return None

    # --- one value -------------------------------------------------------------------------

    @pytest.mark.parametrize("space", ["", "secret/"], ids=["plain", "secret"])
    @pytest.mark.parametrize("name", VALUES)
    @played
    async def test_a_value_comes_back_as_it_was(
        self, peer: Peer, space: str, name: str
    ) -> None:
        """JSON of every kind, among the plain keys and the secrets."""
        await peer.done(f"{space}set", {"key": "k", "value": VALUES[name]})
        answer = await peer.done(f"{space}get", {"key": "k"})

        assert answer["key"] == "k"
        assert answer["value"] == VALUES[name]
        assert type(answer["value"]) is type(VALUES[name])

    @played
    async def test_an_entity_comes_back_as_it_was(self, peer: Peer) -> None:
        """An attribute of each type, at the ends of what it takes."""
        for key, value in {
            "full": _book(5),
            "some": {"title": "☃"},
            "high": {"number": limits.INTEGER_MAX, "price": 1e100, "notes": "text"},
            "low": {"number": limits.INTEGER_MIN, "price": -1e-100, "notes": {"a": [1]}},
        }.items():
            await peer.done("entity/set", {"entityName": BOOK, "key": key, "value": value})
            answer = await peer.done("entity/get", {"entityName": BOOK, "key": key})
            assert (answer["key"], answer["value"]) == (key, value)
            assert answer["entityName"] == BOOK

    @played
    async def test_a_set_replaces_the_whole_value(self, peer: Peer) -> None:
        """There is no partial update."""
        named = {"entityName": BOOK, "key": "k"}
        await peer.done("entity/set", {**named, "value": _book(1)})
        await peer.done("entity/set", {**named, "value": {"title": "only this"}})
        await peer.done("set", {"key": "k", "value": {"a": 1}})
        await peer.done("set", {"key": "k", "value": {"b": 2}})

        assert (await peer.done("entity/get", named))["value"] == {"title": "only this"}
        assert (await peer.done("get", {"key": "k"}))["value"] == {"b": 2}

    @pytest.mark.parametrize("space", ["", "secret/", "entity/"])
    @played
    async def test_what_is_deleted_is_gone(self, peer: Peer, space: str) -> None:
        """A second delete may be refused, but only for want of the key."""
        named = {"key": "k", **({"entityName": BOOK} if space == "entity/" else {})}
        await peer.done(f"{space}set", {**named, "value": {"title": "t"}})
        await peer.done(f"{space}delete", named)

        assert (await peer.refused(f"{space}get", named))[0] == 404
        again = await peer.call(f"{space}delete", named)
        assert again.ok or again.code in ("KEY_NOT_FOUND", "NOT_FOUND")

    @played
    async def test_stores_are_apart(self, peer: Peer) -> None:
        """A key among plain keys, secrets and each entity is four keys."""
        plain, book, plant = ({"key": "k"}, {"key": "k", "entityName": BOOK}, None)
        plant = {"key": "k", "entityName": PLANT}
        await peer.done("set", {**plain, "value": "plain"})
        await peer.done("secret/set", {**plain, "value": "secret"})
        await peer.done("entity/set", {**book, "value": {"title": "book"}})
        await peer.done("entity/set", {**plant, "value": {"name": "plant"}})

        assert await peer.walk("query", {}) == [[{"key": "k", "value": "plain"}]]
        await peer.done("delete", plain)
        assert (await peer.done("secret/get", plain))["value"] == "secret"
        assert (await peer.done("entity/get", book))["value"] == {"title": "book"}
        await peer.done("entity/delete", book)
        assert (await peer.done("entity/get", plant))["value"] == {"name": "plant"}

    @pytest.mark.parametrize("space", ["", "secret/", "entity/"])
    @played
    async def test_the_key_policy_creates_only(self, peer: Peer, space: str) -> None:
        """FAIL_IF_EXISTS leaves what is there as it is."""
        named = {"key": "k", **({"entityName": BOOK} if space == "entity/" else {})}
        create = {**named, "options": {"keyPolicy": "FAIL_IF_EXISTS"}}
        await peer.done(f"{space}set", {**create, "value": {"title": "first"}})
        refused = await peer.refused(f"{space}set", {**create, "value": {"title": "second"}})

        assert refused == (409, "KEY_CONFLICT")
        assert (await peer.done(f"{space}get", named))["value"] == {"title": "first"}

    @pytest.mark.parametrize("space", ["", "secret/", "entity/"])
    @played
    async def test_a_set_returns_what_it_is_asked_for(self, peer: Peer, space: str) -> None:
        """PREVIOUS of a new key is nothing at all."""
        named = {"key": "k", **({"entityName": BOOK} if space == "entity/" else {})}

        def body(title: str, returns: str) -> dict[str, Any]:
            options = {
                "keyPolicy": "OVERRIDE",
                "returnValue": returns,
                "returnMetadataFields": ["CREATED_AT", "UPDATED_AT"],
            }
            return {**named, "value": {"title": title}, "options": options}

        assert await peer.done(f"{space}set", body("one", "PREVIOUS")) is None
        previous = await peer.done(f"{space}set", body("two", "PREVIOUS"))
        latest = await peer.done(f"{space}set", body("three", "LATEST"))
        assert previous["value"] == {"title": "one"}
        assert latest["value"] == {"title": "three"}
        assert latest["updatedAt"] >= latest["createdAt"] == previous["createdAt"]

    @pytest.mark.parametrize("space", ["", "secret/", "entity/"])
    @played
    async def test_metadata_comes_on_request(self, peer: Peer, space: str) -> None:
        """Times of creation and update, and of expiry where there is one."""
        named = {"key": "k", **({"entityName": BOOK} if space == "entity/" else {})}
        ttl = {"ttl": {"value": 2, "unit": "DAYS"}}
        await peer.done(f"{space}set", {**named, "value": {"title": "t"}, "options": ttl})
        fields = {"options": {"metadataFields": list(MetadataField)}}
        told = await peer.done(f"{space}get", {**named, **fields})
        plain = await peer.done(f"{space}get", named)

        assert told["updatedAt"] >= told["createdAt"] > 0
        assert isinstance(told["expireTime"], str)
        assert not plain.keys() & {"createdAt", "updatedAt", "expireTime"}

    @played
    async def test_what_expired_goes_in_the_end(
        self, peer: Peer, clock: MovableClock | None
    ) -> None:
        """Deletion may lag by 48 hours; what does not expire stays."""
        if clock is None:
            pytest.skip("the suite has no fixture `clock` to move")
        ttl = {"options": {"ttl": {"value": 1, "unit": "HOURS"}}}
        await peer.done("set", {"key": "goes", "value": 1, **ttl})
        await peer.done("set", {"key": "stays", "value": 1})
        await peer.done(
            "entity/set", {"entityName": BOOK, "key": "k", "value": {"title": "t"}, **ttl}
        )
        clock.move(timedelta(minutes=59))
        assert await peer.keys("query", {}) == ["goes", "stays"]
        clock.move(timedelta(hours=49))

        assert await peer.keys("query", {}) == ["stays"]
        assert (await peer.refused("get", {"key": "goes"}))[0] == 404
        assert await peer.keys("entity/query", {"entityName": BOOK, "indexName": "title"}) == []

    # --- refusals --------------------------------------------------------------------------

    @pytest.mark.parametrize("name", REFUSED)
    @played
    async def test_what_breaks_a_rule_is_refused_and_changes_nothing(
        self, peer: Peer, name: str
    ) -> None:
        """With the service's status and one of the codes its pages name, if they name any."""
        operation, body, status, codes = REFUSED[name]
        answered, code = await peer.refused(operation, body)

        assert answered == status
        assert not codes or code in codes
        assert await peer.keys("query", {}) == []
        assert (
            await peer.keys("entity/query", {"entityName": BOOK, "indexName": "by-key"}) == []
        )

    @pytest.mark.parametrize("operation", ["get", "set", "entity/query", "batch/set"])
    @pytest.mark.parametrize("body", [b"", b"{", b"null", b"5", b'{"key": NaN}', b"\xff"])
    @played
    async def test_a_body_that_is_no_json_of_its_kind_is_refused(
        self, peer: Peer, operation: str, body: bytes
    ) -> None:
        """Never anything but an answer with code and message."""
        assert (await peer.refused(operation, body))[0] in (400, 422)

    @played
    async def test_the_largest_value_is_kept(self, peer: Peer) -> None:
        """240 KiB of compact JSON, 31 levels, a key of 500 characters."""
        deep: Any = "leaf"
        for _ in range(limits.VALUE_MAX_DEPTH - 1):
            deep = {"a": deep}
        key = "k" * limits.KEY_MAX_CHARACTERS
        for value in ("x" * (limits.VALUE_MAX_BYTES - 2), deep):
            await peer.done("set", {"key": key, "value": value})
            assert (await peer.done("get", {"key": key}))["value"] == value
        for _ in range(3):
            deep = {"a": deep}
        refused = await peer.refused("set", {"key": "k", "value": deep})
        assert refused == (400, "MAX_DEPTH")

    @pytest.mark.parametrize("operation", ["batch/set", "batch/get", "batch/delete"])
    @played
    async def test_a_batch_holds_25_items(self, peer: Peer, operation: str) -> None:
        """One more, and nothing is done; only of a set the code is known."""
        items = [{"key": f"k{number:02}", "value": number} for number in range(26)]
        await _store(peer, items[:25])
        named = items if operation == "batch/set" else [{"key": item["key"]} for item in items]
        status, code = await peer.refused(operation, named)

        assert status == 400
        if operation == "batch/set" or code != "BAD_REQUEST":
            assert code == "TOO_MANY_BATCH_ENTITIES"
        assert len(await peer.keys("query", {})) == 25

    @played
    async def test_a_transaction_holds_25_operations(self, peer: Peer) -> None:
        """One more, and nothing is done."""
        sets = [{"key": f"k{number:02}", "value": number} for number in range(26)]
        refused = await peer.refused("transaction", {"set": sets[:13], "delete": sets[13:]})
        assert refused[0] in (400, 422)
        assert await peer.refused("transaction", {"set": sets}) == (422, "UNPROCESSABLE_ENTITY")
        assert await peer.keys("query", {}) == []
        await peer.done("transaction", {"set": sets[:25]})
        assert len(await peer.keys("query", {})) == 25

    @played
    async def test_a_payload_holds_four_megabytes(self, peer: Peer) -> None:
        """However few its items are."""
        items = [{"key": f"k{number}", "value": "x" * 200_000} for number in range(22)]
        for operation, body in {"batch/set": items, "transaction": {"set": items}}.items():
            status, _ = await peer.refused(operation, body)
            assert status in (400, 413)
        assert await peer.keys("query", {}) == []

    # --- queries ---------------------------------------------------------------------------

    @pytest.mark.parametrize("name", RANGES)
    @played
    async def test_a_range_is_read_in_order(self, peer: Peer, name: str) -> None:
        """Of an index and of the keys, in both directions."""
        keys = await _fill(peer, 10)
        index, asked, numbers = RANGES[name]
        body = {"entityName": BOOK, "indexName": index, "range": asked}
        expected = [keys[number] for number in numbers]

        assert await peer.keys("entity/query", body) == expected
        assert await peer.keys("entity/query", {**body, "sort": "ASC"}) == expected
        descending = await peer.keys("entity/query", {**body, "sort": "DESC"})
        tied = index == "lent"
        assert (sorted(descending, reverse=True) if tied else descending) == expected[::-1]

    @pytest.mark.parametrize("name", FILTERS)
    @played
    async def test_a_filter_passes_what_it_is_true_of(self, peer: Peer, name: str) -> None:
        """Whatever the size of a page; a page may be empty and not the last."""
        keys = await _fill(peer, 10)
        filters, numbers = FILTERS[name]
        for limit in (1, 3, 100):
            body = {"entityName": BOOK, "indexName": "by-key", "limit": limit}
            found = await peer.keys("entity/query", {**body, "filters": filters})
            assert found == [keys[number] for number in numbers]

    @played
    async def test_a_partition_holds_its_own(self, peer: Peer) -> None:
        """A value for each attribute of the partition, and a range within it."""
        keys = await _fill(peer, 10)
        shelf = {"entityName": BOOK, "indexName": "by_shelf", "partition": ["shelf B"]}
        lent = {"entityName": BOOK, "indexName": "by_price", "partition": [False]}
        above = {"condition": "GREATER_THAN", "values": [1.0]}

        assert await peer.keys("entity/query", shelf) == [keys[n] for n in (1, 4, 7)]
        found = await peer.keys("entity/query", {**lent, "range": above})
        assert found == [keys[n] for n in (5, 7, 9)]
        nobody = {**shelf, "partition": ["shelf Z"]}
        assert await peer.keys("entity/query", nobody) == []

    @played
    async def test_an_index_follows_what_is_written(self, peer: Peer) -> None:
        """A row moves when its attributes change, and goes when it is deleted."""
        keys = await _fill(peer, 4)
        await peer.done(
            "entity/set", {"entityName": BOOK, "key": keys[0], "value": {"title": "title 9"}}
        )
        await peer.done("entity/delete", {"entityName": BOOK, "key": keys[2]})
        moved = {"entityName": BOOK, "indexName": "title"}
        shelf = {"entityName": BOOK, "indexName": "by_shelf", "partition": ["shelf A"]}

        assert await peer.keys("entity/query", moved) == [keys[1], keys[3], keys[0]]
        assert await peer.keys("entity/query", shelf) == [keys[3]]

    @played
    async def test_rows_have_values_and_metadata_on_request(self, peer: Peer) -> None:
        """Of both queries."""
        await peer.done("set", {"key": "k", "value": [1]})
        await _fill(peer, 1)
        options = {"options": {"metadataFields": ["CREATED_AT", "UPDATED_AT"]}}
        book = {"entityName": BOOK, "indexName": "title"}
        for operation, body, value in (
            ("query", {}, [1]),
            ("entity/query", book, _book(0)),
        ):
            (plain,) = (await peer.done(operation, body))["data"]
            (told,) = (await peer.done(operation, {**body, **options}))["data"]
            assert plain["value"] == told["value"] == value
            assert told["updatedAt"] >= told["createdAt"] > 0
            assert "createdAt" not in plain

    @pytest.mark.parametrize("limit", [None, 7, 100])
    @played
    async def test_pages_lose_and_repeat_nothing(self, peer: Peer, limit: int | None) -> None:
        """Of 250 rows, in every order there is."""
        keys = await _fill(peer, _ROWS)
        paged = {} if limit is None else {"limit": limit}
        for index, partition in {
            "by-key": None, "title": None, "lent": None, "by_price": [True]
        }.items():  # fmt: skip
            wanted = keys[::2] if partition else keys
            body: dict[str, Any] = {"entityName": BOOK, "indexName": index, **paged}
            if partition:
                body["partition"] = partition
            for sort in ("ASC", "DESC"):
                found = await peer.keys("entity/query", {**body, "sort": sort})
                assert sorted(found) == wanted, (index, sort)
                assert index != "by-key" or found == (keys if sort == "ASC" else keys[::-1])

    @played
    async def test_a_page_holds_at_most_its_limit(self, peer: Peer) -> None:
        """Ten where no limit is given."""
        keys = await _fill(peer, 30)
        body = {"entityName": BOOK, "indexName": "by-key"}
        for limit, most in ((None, 10), (1, 1), (29, 29), (30, 30), (100, 30)):
            asked = body if limit is None else {**body, "limit": limit}
            pages = await peer.walk("entity/query", asked)
            assert max(map(len, pages)) == most
            assert [row["key"] for page in pages for row in page] == keys

    @played
    async def test_a_prefix_of_keys_is_read_in_key_order(self, peer: Peer) -> None:
        """Upper case before lower, and `#` before digits: by bytes."""
        names = ["p#1", "p:1", "p:10", "p:2", "pA", "p_", "pa", "q"]
        await _store(peer, [{"key": name, "value": name} for name in reversed(names)])
        for limit in (1, 3, 100):
            body: dict[str, Any] = {"limit": limit}
            assert await peer.keys("query", body) == names
            body["where"] = [_where("key", "BEGINS_WITH", "p:")]
            assert await peer.keys("query", body) == ["p:1", "p:10", "p:2"]

    @played
    async def test_250_keys_are_paged_without_loss(self, peer: Peer) -> None:
        """Default pages and whole ones."""
        names = [f"n:{number:03}" for number in range(_ROWS)]
        await _store(peer, [{"key": name, "value": name} for name in names])
        for body in ({}, {"limit": 100}, {"limit": 49}):
            assert await peer.keys("query", body) == names

    # --- batches ---------------------------------------------------------------------------

    @played
    async def test_a_batch_mixes_plain_keys_and_entities(self, peer: Peer) -> None:
        """And names each with its entity."""
        plain, book = {"key": "k"}, {"key": "k", "entityName": BOOK}
        stored = await peer.done(
            "batch/set", [{**plain, "value": 1}, {**book, "value": {"title": "t"}}]
        )
        assert stored["failedKeys"] == []
        assert sorted(stored["successfulKeys"], key=len) == [plain, book]
        options = {"options": {"metadataFields": ["CREATED_AT"]}}
        read = await peer.done("batch/get", [{**plain, **options}, book])
        found = sorted(read["successfulKeys"], key=lambda row: "entityName" in row)
        assert [row["value"] for row in found] == [1, {"title": "t"}]
        assert found[0]["createdAt"] > 0
        assert "createdAt" not in found[1]
        deleted = await peer.done("batch/delete", [plain, book])
        assert sorted(deleted["successfulKeys"], key=len) == [plain, book]
        assert (await peer.done("batch/get", [plain, book]))["successfulKeys"] == []

    @played
    async def test_a_batch_set_does_what_it_can(self, peer: Peer) -> None:
        """What fails is named with its reason, and is as it was."""
        await peer.done("set", {"key": "large", "value": "before"})
        good = {"key": "good", "entityName": BOOK, "value": _book(1)}
        wrong = {"key": "wrong", "entityName": BOOK, "value": {"number": "5"}}
        unknown: dict[str, Any] = {"key": "lost", "entityName": "suite-nothing", "value": {}}
        large = {"key": "large", "value": "x" * (limits.VALUE_MAX_BYTES + 1)}
        plain = {"key": "plain", "value": [1]}
        answer = await peer.done("batch/set", [wrong, good, large, plain, unknown])

        assert {item["key"] for item in answer["successfulKeys"]} == {"good", "plain"}
        failed = {item["key"]: item["error"] for item in answer["failedKeys"]}
        assert failed.keys() == {"wrong", "large", "lost"}
        assert failed["wrong"]["code"] in _TYPE
        assert failed["large"]["code"] == "MAX_SIZE"
        assert failed["lost"]["code"] == "SCHEMA_NOT_FOUND"
        assert all(error["message"] for error in failed.values())
        rows = await peer.walk("query", {})
        assert rows == [[{"key": "large", "value": "before"}, {"key": "plain", "value": [1]}]]
        index = {"entityName": BOOK, "indexName": "by-key"}
        assert await peer.keys("entity/query", index) == ["good"]

    @played
    async def test_a_batch_get_names_what_is_not_there(self, peer: Peer) -> None:
        """Beside what is."""
        await peer.done("set", {"key": "there", "value": 1})
        answer = await peer.done("batch/get", [{"key": "absent"}, {"key": "there"}])

        assert [row["key"] for row in answer["successfulKeys"]] == ["there"]
        (failure,) = answer["failedKeys"]
        assert failure["key"] == "absent"
        assert failure["error"]["code"] in ("KEY_NOT_FOUND", "NOT_FOUND")

    @played
    async def test_a_batch_takes_a_time_to_live(self, peer: Peer) -> None:
        """For each of its items."""
        ttl = {"options": {"ttl": {"value": 1, "unit": "HOURS"}}}
        await peer.done(
            "batch/set", [{"key": "a", "value": 1, **ttl}, {"key": "b", "value": 1}]
        )
        options = {"options": {"metadataFields": ["EXPIRE_TIME"]}}
        assert "expireTime" in await peer.done("get", {"key": "a", **options})
        assert "expireTime" not in await peer.done("get", {"key": "b", **options})

    # --- transactions ----------------------------------------------------------------------

    @played
    async def test_a_transaction_does_everything(self, peer: Peer) -> None:
        """Sets, deletes and checks, of plain keys and entities."""
        await _fill(peer, 3)
        await peer.done("set", {"key": "old", "value": 1})
        lent = {"conditions": {"and": [_where("lent", "EQUAL_TO", True)]}}
        await peer.done(
            "transaction",
            {
                "set": [
                    {"key": "new", "value": 1},
                    {"key": "b:00", "entityName": BOOK, "value": {"title": "new"}, **lent},
                ],
                "delete": [{"key": "old"}, {"key": "b:01", "entityName": BOOK}],
                "check": [{"key": "b:02", "entityName": BOOK, **lent}],
            },
        )

        assert await peer.keys("query", {}) == ["new"]
        found = await peer.keys("entity/query", {"entityName": BOOK, "indexName": "title"})
        assert found == ["b:00", "b:02"]

    @pytest.mark.parametrize("group", ["set", "delete", "check", "absent"])
    @played
    async def test_a_condition_that_fails_undoes_everything(
        self, peer: Peer, group: str
    ) -> None:
        """Wherever it stands, and also if the item is not there at all."""
        await _fill(peer, 2)
        item: dict[str, Any] = {
            "key": "b:09" if group == "absent" else "b:00",
            "entityName": BOOK,
            "conditions": {"and": [_where("number", "EQUAL_TO", 7)]},
        }
        if group == "set":
            item["value"] = {"title": "changed"}
        body: dict[str, Any] = {
            "set": [{"key": "p", "value": 1}],
            "delete": [{"key": "b:01", "entityName": BOOK}],
        }
        name = "check" if group == "absent" else group
        body[name] = [*body.get(name, []), item]
        refused = await peer.refused("transaction", body)

        assert refused == (400, "CONDITIONAL_CHECK_FAILED")
        assert await peer.keys("query", {}) == []
        rows = await peer.done("entity/query", {"entityName": BOOK, "indexName": "title"})
        assert [row["value"] for row in rows["data"]] == [_book(0), _book(1)]

    @played
    async def test_a_transaction_deletes_what_is_not_there(self, peer: Peer) -> None:
        """That is no reason to fail."""
        await peer.done(
            "transaction", {"delete": [{"key": "a"}], "set": [{"key": "b", "value": 1}]}
        )
        assert await peer.keys("query", {}) == ["b"]

    # --- many at once ----------------------------------------------------------------------

    @played
    async def test_of_many_that_create_a_key_one_wins(self, peer: Peer) -> None:
        """And its value is what is there."""
        options = {"keyPolicy": "FAIL_IF_EXISTS"}
        bodies = [{"key": "k", "value": number, "options": options} for number in range(8)]
        answers = await peer.at_once(bodies, "set")

        (winner,) = [number for number, answer in enumerate(answers) if answer.ok]
        assert {answer.code for answer in answers if not answer.ok} == {"KEY_CONFLICT"}
        assert (await peer.done("get", {"key": "k"}))["value"] == winner

    @played
    async def test_of_many_that_change_a_version_one_wins(self, peer: Peer) -> None:
        """Transactions on one entity come one after the other."""
        named = {"entityName": BOOK, "key": "k"}
        await peer.done("entity/set", {**named, "value": {"number": 0}})
        condition = {"conditions": {"and": [_where("number", "EQUAL_TO", 0)]}}
        bodies = [
            {"set": [{**named, "value": {"number": number}, **condition}]}
            for number in range(1, 9)
        ]
        answers = await peer.at_once(bodies, "transaction")

        (winner,) = [number for number, answer in enumerate(answers, 1) if answer.ok]
        lost = {answer.code for answer in answers if not answer.ok}
        assert lost == {"CONDITIONAL_CHECK_FAILED"}
        assert (await peer.done("entity/get", named))["value"] == {"number": winner}

    # --- installations ---------------------------------------------------------------------

    @played
    async def test_installations_see_nothing_of_each_other(self, peer: Peer) -> None:
        """In no operation."""
        if not self.tenants:
            pytest.skip("the backend has one installation")
        one, two = (peer.acting(Tenant(installation=str(uuid.uuid4()))) for _ in range(2))
        plain, book = {"key": "k"}, {"key": "k", "entityName": BOOK}
        for side, title in ((one, "one"), (two, "two")):
            await side.done("set", {**plain, "value": title})
            await side.done("secret/set", {**plain, "value": title})
            await side.done("entity/set", {**book, "value": {"title": title}})
        await two.done("set", {"key": "two only", "value": 1})
        index = {"entityName": BOOK, "indexName": "title"}
        for side, title in ((one, "one"), (two, "two")):
            assert (await side.done("get", plain))["value"] == title
            assert (await side.done("secret/get", plain))["value"] == title
            assert (await side.done("entity/get", book))["value"] == {"title": title}
            rows = (await side.done("entity/query", index))["data"]
            assert [row["value"]["title"] for row in rows] == [title]
            read = await side.done("batch/get", [plain, book])
            assert [row["value"] for row in read["successfulKeys"]] == [title, {"title": title}]
        assert await one.keys("query", {}) == ["k"]

        await one.done("batch/delete", [plain, book])
        await one.done("secret/delete", plain)
        await one.done("transaction", {"delete": [{"key": "two only"}]})
        assert await two.keys("query", {}) == ["k", "two only"]
        assert (await two.done("secret/get", plain))["value"] == "two"
        assert (await two.done("entity/get", book))["value"] == {"title": "two"}

    # --- through sessions ------------------------------------------------------------------

    @played
    async def test_a_session_saves_finds_changes_and_deletes(self, peer: Peer) -> None:
        """Entities of 60 keys, in batches."""
        books = [Book(shelf="A", number=number, title=f"t {number:02}") for number in range(60)]
        forge = peer.forge()
        async with forge.session() as session:
            session.add(*books)
        async with forge.session() as session:
            assert await session.all(Book.by_shelf("A").limit(100)) == books
            assert await session.count(Book.index("by-key").filter(Book.number >= 50)) == 10
            found = await session.get_many(Book, [book.key for book in books])
            found[books[0].key].notes.append("changed")
            session.delete(found[books[1].key])
        async with forge.session() as session:
            changed = await session.get(Book, books[0].key)
            assert changed is not None
            assert changed.notes == ["changed"]
            assert await session.get(Book, books[1].key) is None
            assert len([book async for book in session.stream(Book.by_shelf("A"))]) == 59

    @played
    async def test_a_session_tells_conflicts(self, peer: Peer) -> None:
        """An insert of what is there, and a condition that does not hold."""
        forge, book = peer.forge(), Book(shelf="A", number=1)
        async with forge.session() as session:
            session.insert(book)
        with pytest.raises(KeyConflict):
            async with forge.session() as session:
                session.insert(Book(shelf="A", number=1, title="again"))
        async with forge.session() as session:
            session.add(book, condition=Book.title == "again")
            with pytest.raises(ConditionFailed):
                await session.commit()
            session.rollback()
        async with forge.session() as session:
            assert await session.get(Book, book.key) == book

    @played
    async def test_a_session_tells_what_was_not_saved(self, peer: Peer) -> None:
        """And saves the rest of the batch: what an index holds has at most 900 bytes."""
        forge, long = peer.forge(), OldBook(shelf="A", number=2, title="x" * 901)
        with pytest.raises(PartialCommit) as caught:
            async with forge.session() as session:
                session.add(Book(shelf="A", number=1), long)
        assert caught.value.saved == ((BOOK, "book:A:1"),)
        (failure,) = caught.value.failed
        assert isinstance(failure.error, RejectedValue)

    @played
    async def test_an_atomic_session_is_one_transaction(self, peer: Peer) -> None:
        """Both entities, or neither."""
        forge = peer.forge()
        async with forge.session(atomic="always") as session:
            session.add(Book(shelf="A", number=1))
            session.add(Plant(name="fern").with_key("fern"))
        async with forge.session() as session:
            assert await session.get(Plant, "fern") is not None
            assert await session.get(Book, "book:A:1") is not None

    @played
    async def test_keys_and_secrets(self, peer: Peer) -> None:
        """Through the views sessions and forges have."""
        forge = peer.forge()
        await forge.kvs.set_many({f"p:{number:02}": number for number in range(40)})
        await forge.secrets.set("token", SecretStr("hunter2"))

        assert await forge.kvs.all("p:") == {f"p:{number:02}": number for number in range(40)}
        await forge.kvs.delete_many([f"p:{number:02}" for number in range(1, 40)])
        assert await forge.kvs.all() == {"p:00": 0}
        secret = await forge.secrets.get("token")
        assert secret is not None
        assert secret.get_secret_value() == "hunter2"
