"""Twenty writers count to a thousand, and it is a thousand."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from forge_orm import (
    AsyncForge,
    AsyncSession,
    Forge,
    HttpBackend,
    LocalBackend,
    NotSent,
    VersionConflict,
)
from forge_orm.faults import Faults, Faulty
from forge_orm.server import ForgeApp, Served

from .worker import Hits, hit, opened, registry

WRITERS, EACH = 20, 50


@pytest.fixture(params=["embedded", "http"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A file, or the URL of a local Forge over one."""
    path = str(tmp_path / "a.db")
    if request.param == "embedded":
        yield path
        return
    with (
        LocalBackend(path, schemas=registry) as store,
        Served(ForgeApp(store)) as served,
    ):
        yield served.url


@pytest.fixture
def backend(where: str) -> Iterator[LocalBackend | HttpBackend]:
    with opened(where) as backend:
        start(Forge(backend))
        yield backend


def start(forge: Forge) -> None:
    with forge.session() as session:
        session.add(Hits(name="all"))


def counted(forge: Forge) -> int:
    with forge.session() as session:
        return session.one(Hits.index("by-key")).count


def test_threads(backend: LocalBackend | HttpBackend) -> None:
    forge = Forge(backend)

    def work(_: int) -> None:
        for _ in range(EACH):
            forge.run(hit, retries=500)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(work, range(WRITERS)))
    assert counted(forge) == WRITERS * EACH


def test_tasks(backend: LocalBackend | HttpBackend) -> None:
    async def ahit(session: AsyncSession) -> None:
        hits = await session.get(Hits, "hits:all")
        assert hits is not None
        hits.count += 1

    async def main() -> None:
        forge = AsyncForge(backend)

        async def work() -> None:
            for _ in range(EACH):
                await forge.run(ahit, retries=500)

        await asyncio.gather(*[work() for _ in range(WRITERS)])
        if isinstance(backend, HttpBackend):
            await backend.aclose()

    asyncio.run(main())
    assert counted(Forge(backend)) == WRITERS * EACH


def test_processes(backend: LocalBackend | HttpBackend, where: str) -> None:
    command = [sys.executable, "-m", "tests.races.worker", where, str(EACH)]
    root = Path(__file__).parents[2]
    writers = [subprocess.Popen(command, cwd=root) for _ in range(WRITERS)]
    assert [writer.wait(timeout=300) for writer in writers] == [0] * WRITERS
    assert counted(Forge(backend)) == WRITERS * EACH


def test_work_that_always_loses_raises_the_conflict() -> None:
    with LocalBackend(schemas=registry) as store:
        forge = Forge(store)
        start(forge)
        tries: list[int] = []

        def lose(session: object) -> None:
            tries.append(1)
            mine = forge.session()
            hits = mine.get(Hits, "hits:all")
            with forge.session() as other:
                hit(other)
            assert hits is not None
            hits.count = -1
            mine.commit()

        with pytest.raises(VersionConflict):
            forge.run(lose, retries=2)
        assert len(tries) == 3
        assert counted(forge) == 3


LOSING = ("lose,rate=0.2", "fail-after,rate=0.1", "fail,rate=0.1", "drop,rate=0.1")


def test_writers_whose_answers_are_lost_count_what_they_were_told() -> None:
    """Each run with receipts that returned has counted, and no other has."""
    with LocalBackend(schemas=registry) as store:
        start(Forge(store))
        faults = Faults(*[f"{fault},operations=transaction" for fault in LOSING])
        forge = Forge(Faulty(store, faults), retry=None)

        def work(_: int) -> int:
            returned = 0
            for _ in range(25):
                try:
                    forge.run(hit, retries=60, receipts=True)
                except NotSent:
                    continue
                returned += 1
            return returned

        with ThreadPoolExecutor(8) as pool:
            returned = sum(pool.map(work, range(8)))
        assert counted(Forge(store)) == returned > 100
