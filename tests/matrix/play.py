"""One cell: write under a fault, hold what is said against what is stored, and try again."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple
from uuid import uuid4

from forge_orm import AsyncForge, Forge, ForgeError, HttpBackend, LocalBackend, Tenant
from forge_orm.backends import Retrying, RetryPolicy
from forge_orm.faults import Faults, Faulty
from forge_orm.testing import Calls, Recorder
from tests.scenarios.faces import Awaited

from .faults import rules
from .owners import check_owners, check_tidy
from .paths import Owned, Path, State, paths, stored
from .table import Cell, word

ONCE: Final = (
    "insert",
    "update",
    "transaction",
    "versioned save",
    "unique: new",
    "unique: new, confirmed",
    "unique: moved",
    "unique: moved, confirmed",
    "unique: freed",
    "cascade",
    "cascade, target",
    "forge.run",
    "forge.run, receipts",
)
"""What may be carried out once only: no entity's write must succeed twice."""


class Place(NamedTuple):
    """A store, the faults in front of it, and the calls that came through to it."""

    store: LocalBackend
    faults: Faults
    calls: Calls
    url: str | None = None


async def _no_wait(_: float) -> None:
    return


@asynccontextmanager
async def _forges(
    place: Place, cell: Cell, colour: str, tenant: Tenant
) -> AsyncGenerator[tuple[Any, AsyncForge]]:
    """Yield a forge of this colour behind the faults, and one past them."""
    if place.url is None:
        backend: Any = Faulty(Recorder(place.store, place.calls), place.faults)
    else:
        backend = HttpBackend(place.url)
    policy = RetryPolicy() if cell.mode == "again" else RetryPolicy(attempts=1)
    sender = Retrying(backend, policy, sleep=lambda _: None, asleep=_no_wait)
    async_forge = AsyncForge(sender, retry=None, tenant=tenant)
    forge = (
        async_forge if colour == "async" else Awaited(Forge(sender, retry=None, tenant=tenant))
    )
    try:
        yield forge, AsyncForge(place.store, retry=None, tenant=tenant)
    finally:
        if isinstance(backend, HttpBackend):
            backend.close()
            await backend.aclose()


async def play(place: Place, cell: Cell, colour: str) -> str:
    """Return what the cell says; raise `AssertionError` where it is not the truth."""
    path, tenant = paths()[cell.path], Tenant(installation=str(uuid4()))
    async with _forges(place, cell, colour, tenant) as (forge, witness):
        await path.prepare(witness)
        for rule in rules(cell.fault, path.struck):
            place.faults.add(rule)
        place.calls.clear()
        error = await _written(path, forge)
        place.faults.clear()
        told = path.told(error)
        _check(told, path, await stored(witness, path.after))
        if path.session is not None:
            await _check_resolved(path, witness)
        if owned := isinstance(path, Owned):
            check_owners(place.store, tenant)
        await path.again(forge)
        assert await stored(witness, path.after) == path.after
        if owned:
            check_tidy(place.store, tenant)
        if cell.path in ONCE:
            _check_once(path, place.calls)
    return word(told.values())


async def _written(path: Path, forge: Any) -> ForgeError | None:
    try:
        await path.write(forge)
    except ForgeError as error:
        return error
    return None


def _check(told: dict[Any, str], path: Path, now: State) -> None:
    """Every write is saved, failed or unknown, and that is so."""
    assert told.keys() == path.after.keys()
    for name, said in told.items():
        allowed = {
            "saved": [path.after[name]],
            "failed": [path.before[name]],
            "unknown": [path.before[name], path.after[name]],
        }
        assert now[name] in allowed[said], f"{name} is said to be {said}, and is {now[name]}"


async def _check_resolved(path: Path, witness: AsyncForge) -> None:
    """Reading tells the truth about every write that was unknown."""
    outcome = await path.session.resolve()
    assert not outcome.unknown
    now = await stored(witness, path.after)
    for name in outcome.saved:
        assert now[name] == path.after[name]
    for each in outcome.failed:
        assert now[each.entity, each.key] == path.before[each.entity, each.key]
    pending = {item.address for item in path.session.plan().items}
    assert pending == {name for name in path.after if now[name] != path.after[name]}


def _check_once(path: Path, calls: Calls) -> None:
    """What must not happen twice was carried out by one call.

    The target of a cascade is deleted by itself, which may be sent again: it is not counted.
    """
    done = Counter(
        key
        for call in calls.of("entity/set", "transaction")
        if call.status is not None and call.status < 300
        for key in call.keys
    )
    counted = {key for kind, key in path.after if kind != "team"}
    assert all(done[key] == 1 for key in counted), f"carried out {done}:\n{calls}"
