"""`FaultSuite`: whatever goes wrong, what was acknowledged is there, and nothing in part."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import pytest
from pydantic import SecretStr

from ..backends.retry import RetryPolicy
from ..errors import AnswerLost, ForgeError, NotSent, PartialCommit, TransportError
from ..faults import Capacity, Faults, Faulty, MovableClock
from .peer import Answer, Book, Peer, played
from .suite import BOOK, Suite

FAULTS: Final = (
    "latency,seconds=0.002",
    "throttle",
    "throttle,retry_after=1",
    "fail,status=500",
    "fail,status=503",
    "fail-after,status=500",
    "fail-after,status=503",
    "drop",
    "lose",
    "partial",
    "conflict",
)

MIXED: Final = (
    "latency,seconds=0.001,rate=0.05",
    "throttle,rate=0.1",
    "throttle,retry_after=1,rate=0.05",
    "fail,rate=0.1",
    "fail-after,rate=0.1",
    "drop,rate=0.1",
    "lose,rate=0.1",
    "conflict,rate=0.1",
    "partial,rate=0.3",
)

ATOMIC: Final = ("throttle", "fail", "fail-after", "drop", "lose", "conflict")

_STUBBORN: Final = RetryPolicy(attempts=60, first=0, longest=0, max_elapsed=600)
_ABSENT: Final = "absent"
_STEPS: Final = 150

State = dict[str, Any]
"""What is stored under each of a test's names; `_ABSENT` where nothing is."""


class Place(NamedTuple):
    """Where a value lives: an entity, a plain key or a secret."""

    name: str
    key: str
    entity: str | None = None
    space: str = ""

    @property
    def named(self) -> dict[str, Any]:
        """How a body names it."""
        return {"key": self.key, **({"entityName": self.entity} if self.entity else {})}

    def holding(self, stamp: int) -> dict[str, Any]:
        """Return a body that sets it; every part of the value says *stamp*."""
        value = {"shelf": f"s{stamp}", "number": stamp, "notes": [stamp] * 3}
        return {**self.named, "value": value}


PLAIN: Final = tuple(Place(f"plain {n}", f"k{n}") for n in range(4))
BOOKS: Final = tuple(Place(f"book {n}", f"k{n}", BOOK, "entity/") for n in range(4))
SECRET: Final = Place("secret", "s", space="secret/")
PLACES: Final = (*PLAIN, *BOOKS, SECRET)
MANY: Final = (*PLAIN, *BOOKS)


class Write(NamedTuple):
    """One write, and what is stored once all of it, or each of its items, is done."""

    operation: str
    body: Any
    after: State

    @property
    def places(self) -> list[Place]:
        """What it writes to."""
        return [place for place in PLACES if place.name in self.after]


def _set(place: Place, stamp: int) -> Write:
    body = place.holding(stamp)
    return Write(f"{place.space}set", body, {place.name: body["value"]})


def _delete(place: Place) -> Write:
    return Write(f"{place.space}delete", place.named, {place.name: _ABSENT})


def _batch_set(places: Sequence[Place], stamp: int) -> Write:
    bodies = [place.holding(stamp) for place in places]
    after = {place.name: body["value"] for place, body in zip(places, bodies, strict=True)}
    return Write("batch/set", bodies, after)


def _batch_delete(places: Sequence[Place]) -> Write:
    after = dict.fromkeys([place.name for place in places], _ABSENT)
    return Write("batch/delete", [place.named for place in places], after)


def _transaction(places: Sequence[Place], stamp: int) -> Write:
    # The strict reading takes a key once, whatever its entity.
    chosen = list({place.key: place for place in places}.values())
    sets, deletes = chosen[::2], chosen[1::2]
    body: dict[str, Any] = {"set": [place.holding(stamp) for place in sets]}
    if deletes:
        body["delete"] = [place.named for place in deletes]
    after = {place.name: place.holding(stamp)["value"] for place in sets}
    return Write("transaction", body, {**after, **{p.name: _ABSENT for p in deletes}})


WRITES: Final[dict[str, Write]] = {
    "set": _set(PLAIN[0], 2),
    "delete": _delete(PLAIN[0]),
    "secret/set": _set(SECRET, 2),
    "secret/delete": _delete(SECRET),
    "entity/set": _set(BOOKS[0], 2),
    "entity/delete": _delete(BOOKS[0]),
    "batch/set": _batch_set(MANY, 2),
    "batch/delete": _batch_delete(MANY),
    "transaction": _transaction([*PLAIN[:2], *BOOKS[2:]], 2),
}

READS: Final[dict[str, Any]] = {
    "get": PLAIN[0].named,
    "secret/get": SECRET.named,
    "entity/get": BOOKS[0].named,
    "query": {},
    "entity/query": {"entityName": BOOK, "indexName": "by-key"},
    "batch/get": [place.named for place in MANY],
}


def _drawn(chance: random.Random, stamp: int) -> Write:
    """Return some write or other."""
    some = chance.sample(MANY, chance.randrange(1, len(MANY)))
    return chance.choice(
        [
            _set(chance.choice(PLACES), stamp),
            _delete(chance.choice(PLACES)),
            _batch_set(some, stamp),
            _batch_delete(some),
            _transaction(some, stamp),
        ]
    )


class FaultSuite(Suite):
    """Tests a backend passes whose calls go wrong.

    Subclass it as `BackendSuite`. By default faults stand in front of the backend, which
    needs nothing of its own for that. Where the service under test can fail by itself, such
    as a server that drops connections, override `faulty` to return a backend that meets
    `faults` there; `backend` is the way past them, to see what really is stored.
    """

    @pytest.fixture
    def faults(self) -> Faults:
        """What goes wrong; each test adds to it."""
        return Faults()

    @pytest.fixture
    def faulty(self, backend: Any, faults: Faults) -> Any:
        """The backend, with *faults* in front of it or inside."""
        return Faulty(backend, faults)

    @pytest.fixture
    def troubled(self, faulty: Any, colour: str) -> Peer:
        """The failing backend in one colour."""
        return Peer(faulty, colour)

    @pytest.fixture
    def witness(self, faults: Faults, peer: Peer) -> Iterator[Peer]:
        """The backend past its faults; none is left for what cleans up."""
        yield peer
        faults.clear()

    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("operation", WRITES)
    @played
    async def test_a_write_is_done_or_not_and_never_in_part(
        self, witness: Peer, troubled: Peer, faults: Faults, operation: str, fault: str
    ) -> None:
        """Each operation under each fault; the answer says which, if it came."""
        await _prepare(witness)
        before = await _stored(witness, PLACES)
        faults.add(fault)
        answer = await _outcome(troubled, WRITES[operation])
        after = await _stored(witness, PLACES)

        _check_answer(fault, operation, answer)
        _check(WRITES[operation], answer, before, after)
        kind = fault.partition(",")[0]
        lost = kind == "conflict" and operation == "transaction"
        if lost or kind in ("throttle", "fail", "drop"):
            assert after == before
        elif kind != "partial":
            assert after == {**before, **WRITES[operation].after}

    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("operation", READS)
    @played
    async def test_a_read_is_right_or_fails(
        self, witness: Peer, troubled: Peer, faults: Faults, operation: str, fault: str
    ) -> None:
        """And changes nothing."""
        await _prepare(witness)
        before = await _stored(witness, PLACES)
        right = await witness.done(operation, READS[operation])
        faults.add(fault)
        try:
            answer = await troubled.call(operation, READS[operation])
        except TransportError:
            assert fault in ("drop", "lose")
        else:
            if operation == "batch/get" and answer.ok:
                rows = answer.body["successfulKeys"]
                assert all(row in right["successfulKeys"] for row in rows)
                assert len(rows) + len(answer.body["failedKeys"]) == len(MANY)
            else:
                assert not answer.ok or answer.body == right

        assert await _stored(witness, PLACES) == before

    @pytest.mark.parametrize("seed", range(3))
    @played
    async def test_a_long_run_of_writes_ends_as_it_was_answered(
        self, witness: Peer, troubled: Peer, faults: Faults, seed: int
    ) -> None:
        """Every fault now and then; after each call, what is stored is what was said."""
        for fault in MIXED:
            faults.add(fault)
        chance = random.Random(seed)
        state = await _stored(witness, PLACES)
        for stamp in range(_STEPS):
            write = _drawn(chance, stamp)
            answer = await _outcome(troubled, write)
            after = await _stored(witness, PLACES)
            _check(write, answer, state, after)
            state = after

    @played
    async def test_with_another_attempt_all_of_a_session_is_saved(
        self, witness: Peer, troubled: Peer, faults: Faults
    ) -> None:
        """Each commit that fails names what it saved, and the next goes on from there."""
        for fault in MIXED:
            faults.add(fault)
        books = [Book(shelf="A", number=number) for number in range(60)]
        session = troubled.forge(_STUBBORN).session()
        session.add(*books)
        for _ in range(100):
            try:
                await session.commit()
                break
            except PartialCommit as error:
                await _check_partial(witness, error)
        async with witness.forge().session() as seen:
            found = await seen.all(Book.by_shelf("A").limit(1000))
        assert found == books
        assert not session.plan()

    @pytest.mark.parametrize("fault", ATOMIC)
    @played
    async def test_an_atomic_session_is_saved_whole_or_not_at_all(
        self, witness: Peer, troubled: Peer, faults: Faults, fault: str
    ) -> None:
        """Also where its answer does not come."""
        faults.add(fault)
        session = troubled.forge().session(atomic="always")
        session.add(*[Book(shelf="A", number=number) for number in range(20)])
        with pytest.raises(ForgeError):
            await session.commit()
        found = await witness.keys("entity/query", READS["entity/query"])

        assert len(found) == (20 if fault in ("fail-after", "lose") else 0)

    @played
    async def test_a_budget_that_is_used_up_refuses_whole_calls(
        self, backend: Any, witness: Peer, colour: str
    ) -> None:
        """And what it took is there; the next minute has a budget of its own."""
        clock = MovableClock(0)
        meagre = Peer(Capacity(backend, writes=10, clock=clock), colour)
        taken: list[str] = []
        for minute in range(3):
            clock.move(60)
            for number in range(8):
                keys = [f"{minute}{number}{letter}" for letter in "abc"]
                items = [{"key": key, "value": "x" * 5000} for key in keys]
                answer = await meagre.call("batch/set", items)
                assert answer.status == (429 if number > 4 else 200)
                taken += keys if answer.ok else []
        assert await witness.keys("query", {}) == taken

    @played
    async def test_walks_lose_and_repeat_nothing(
        self, witness: Peer, troubled: Peer, faults: Faults
    ) -> None:
        """However often a page has to be asked for."""
        numbers = range(230)
        forge = witness.forge()
        async with forge.session() as session:
            session.add(*[Book(shelf="A", number=number) for number in numbers])
        await forge.kvs.set_many({f"p:{number:03}": number for number in numbers})
        for fault in MIXED:
            faults.add(fault)
        shaky = troubled.forge(_STUBBORN)
        async with shaky.session() as session:
            query = Book.by_shelf("A").page_size(10)
            assert [book.number async for book in session.stream(query)] == [*numbers]
        assert [item.value async for item in shaky.kvs.stream("p:")] == [*numbers]

    @played
    async def test_keys_and_secrets_are_kept_with_another_attempt(
        self, witness: Peer, troubled: Peer, faults: Faults
    ) -> None:
        """Through the views sessions and forges have."""
        for fault in MIXED:
            faults.add(fault)
        shaky, forge = troubled.forge(_STUBBORN), witness.forge()
        values = {f"k{number:02}": number for number in range(60)}
        await shaky.kvs.set_many(values)
        await shaky.secrets.set("token", SecretStr("hunter2"))
        assert await forge.kvs.all() == values
        assert await shaky.secrets.get("token") == SecretStr("hunter2")
        await shaky.kvs.delete_many(values)
        assert await forge.kvs.all() == {}


async def _prepare(peer: Peer) -> None:
    for place in PLACES:
        write = _set(place, 1)
        await peer.done(write.operation, write.body)


async def _outcome(peer: Peer, write: Write) -> Answer | TransportError:
    try:
        return await peer.call(write.operation, write.body)
    except TransportError as error:
        return error


async def _stored(peer: Peer, places: Sequence[Place]) -> State:
    """Return what is stored at *places*, and let no other row be there."""
    state: State = dict.fromkeys([place.name for place in places], _ABSENT)
    answer = await peer.done("batch/get", [place.named for place in MANY])
    rows = {
        (row.get("entityName"), row["key"]): row["value"] for row in answer["successfulKeys"]
    }
    for place in MANY:
        state[place.name] = rows.get((place.entity, place.key), _ABSENT)
    secret = await peer.call("secret/get", SECRET.named)
    state[SECRET.name] = secret.body["value"] if secret.ok else _ABSENT
    # The index holds what is stored, neither less nor more.
    indexed = await peer.keys("entity/query", READS["entity/query"])
    assert indexed == sorted(key for entity, key in rows if entity)
    return state


def _check(write: Write, answer: Answer | TransportError, before: State, after: State) -> None:
    """Hold what is stored against what was answered."""
    done = {**before, **write.after}
    if isinstance(answer, NotSent) or (isinstance(answer, Answer) and _refused(answer)):
        assert after == before, f"{write.operation} ended as {answer!r}"
    elif isinstance(answer, TransportError) or not answer.ok:
        assert after in (before, done), f"{write.operation} ended as {answer!r}"
    elif write.operation.startswith("batch/"):
        _check_batch(write, answer, before, after)
    else:
        assert after == done, f"{write.operation} was answered {answer.status}"


def _refused(answer: Answer) -> bool:
    return 400 <= answer.status < 500


def _check_batch(write: Write, answer: Answer, before: State, after: State) -> None:
    """Each item was done or failed as its answer says."""
    names = {(place.entity, place.key): place.name for place in write.places}
    done = {names[_item(item)] for item in answer.body["successfulKeys"]}
    failed = {names[_item(item)] for item in answer.body["failedKeys"]}
    assert done | failed == write.after.keys()
    assert not done & failed
    assert after == {**before, **{name: write.after[name] for name in done}}


def _item(item: dict[str, Any]) -> tuple[str | None, str]:
    return item.get("entityName"), item["key"]


def _check_answer(fault: str, operation: str, answer: Answer | TransportError) -> None:
    """The fault really struck, in its own way."""
    kind, _, option = fault.partition(",")
    match kind:
        case "drop" | "lose":
            # Over a connection that ends nobody can tell one from the other.
            allowed = (NotSent, AnswerLost) if kind == "drop" else AnswerLost
            assert isinstance(answer, allowed)
        case "throttle":
            assert isinstance(answer, Answer)
            assert answer.status == 429
            assert answer.retry_after == (1 if option else None)
        case "fail" | "fail-after":
            assert isinstance(answer, Answer)
            assert answer.status == int(option.removeprefix("status="))
        case "conflict" if operation == "transaction":
            assert isinstance(answer, Answer)
            assert (answer.status, answer.code) == (400, "CONDITIONAL_CHECK_FAILED")
        case _:
            assert isinstance(answer, Answer)
            assert answer.ok
            if kind == "partial" and operation.startswith("batch/"):
                assert answer.body["failedKeys"]


async def _check_partial(witness: Peer, error: PartialCommit) -> None:
    """What a commit says is saved is stored; what it says is surely not is not."""
    found = set(await witness.keys("entity/query", READS["entity/query"]))
    assert {key for _, key in error.saved} <= found
    assert not {item.key for item in error.failed} & found
