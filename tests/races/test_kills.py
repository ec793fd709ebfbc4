"""A process that is killed leaves each commit done or not, and what it was told of done."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from forge_orm import Forge, LocalBackend, Tenant
from forge_orm.server import ForgeApp, Served

from .killed import Purse
from .worker import Hits, registry

KILLS = 4


@pytest.fixture(params=["embedded", "http"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Forge]]:
    """Where the process writes, and a forge that sees it."""
    with ExitStack() as stack:
        store = stack.enter_context(LocalBackend(tmp_path / "a.db", schemas=registry))
        tenant = Tenant(installation="i")
        if request.param == "http":
            url = stack.enter_context(Served(ForgeApp(store))).url
            yield url, Forge(store, tenant=tenant)
        else:
            yield str(tmp_path / "a.db"), Forge(store)


def test_what_was_acknowledged_is_there_and_nothing_is_half_done(
    place: tuple[str, Forge],
) -> None:
    where, forge = place
    with forge.session() as session:
        session.add(Hits(name="all"), Purse(owner="ann", coins=10_000), Purse(owner="bob"))
    told: Counter[str] = Counter()
    for kill in range(1, KILLS + 1):
        told += _told_before_it_is_killed(where, 5 + 7 * kill)
        with forge.session() as session:
            hits = session.one(Hits.index("by-key"))
            purses = session.get_many(Purse, ["purse:ann", "purse:bob"])
        coins = {purse.owner: purse.coins for purse in purses.values()}
        assert told["hit"] <= hits.count <= told["hit"] + kill
        assert hits.revision == hits.count + 1
        assert told["transfer"] <= coins["bob"] - 100 <= told["transfer"] + kill
        assert sum(coins.values()) == 10_100


def _told_before_it_is_killed(where: str, lines: int) -> Counter[str]:
    command = [sys.executable, "-m", "tests.races.killed", where]
    worker = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert worker.stdout is not None
    heard = [worker.stdout.readline() for _ in range(lines)]
    worker.kill()
    heard += worker.stdout.readlines()
    worker.stdout.close()
    worker.wait(timeout=30)
    assert all(heard[:lines]), "it ended before it was killed"
    return Counter(line.strip() for line in heard if line.strip())
