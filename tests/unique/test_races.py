"""Twenty writers want one value: threads, tasks, and processes that are killed on the way."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from forge_orm import (
    AsyncForge,
    AsyncSession,
    Forge,
    HttpBackend,
    LocalBackend,
    Session,
    Tenant,
    UniqueViolation,
)
from forge_orm.drivers import run
from forge_orm.flows.doctor import Doctor
from forge_orm.server import ForgeApp, Served

from .models import RESERVED, User, registry, rows

WRITERS = 20


@pytest.fixture(params=["embedded", "http"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[LocalBackend | HttpBackend, LocalBackend]]:
    """Yield what writers speak to, and the store behind it."""
    with ExitStack() as stack:
        store = stack.enter_context(LocalBackend(tmp_path / "a.db", schemas=registry))
        if request.param == "embedded":
            yield store, store
            return
        served = stack.enter_context(Served(ForgeApp(store)))
        tenant = Tenant(installation="default")
        yield stack.enter_context(HttpBackend(served.url, tenant=tenant)), store


def check_one_owner(store: LocalBackend) -> None:
    (owner,) = rows(store, "user")
    held = rows(store, RESERVED).values()
    assert [(row["owner"], row["held"]) for row in held] == [(owner, '["x"]')]


def test_threads(place: tuple[LocalBackend | HttpBackend, LocalBackend]) -> None:
    backend, store = place
    forge = Forge(backend)

    def work(number: int) -> str:
        def save(session: Session) -> None:
            session.add(User(id=number, email="x"))

        try:
            forge.run(save, retries=100)
        except UniqueViolation as error:
            return "?" if error.passing else error.owner
        return f"user:{number}"

    with ThreadPoolExecutor(WRITERS) as pool:
        owners = set(pool.map(work, range(WRITERS)))
    assert owners == set(rows(store, "user"))
    check_one_owner(store)


def test_tasks(place: tuple[LocalBackend | HttpBackend, LocalBackend]) -> None:
    backend, store = place

    async def main() -> list[str]:
        forge = AsyncForge(backend)

        async def work(number: int) -> str:
            async def save(session: AsyncSession) -> None:
                session.add(User(id=number, email="x"))

            try:
                await forge.run(save, retries=100)
            except UniqueViolation as error:
                return error.owner
            return f"user:{number}"

        owners = await asyncio.gather(*[work(number) for number in range(WRITERS)])
        if isinstance(backend, HttpBackend):
            await backend.aclose()
        return owners

    assert set(asyncio.run(main())) == set(rows(store, "user"))
    check_one_owner(store)


def test_processes_that_are_killed(tmp_path: Path) -> None:
    """They save, change, move and delete two values; some are killed wherever they are."""
    path, chance = tmp_path / "a.db", random.Random(1)
    with LocalBackend(path, schemas=registry) as store:
        store.build_indexes()
    for _ in range(4):
        writers = [_writer(path, number) for number in range(WRITERS // 4)]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "at work\n"
        for victim in writers[:-1]:
            time.sleep(chance.uniform(0.05, 0.3))
            victim.send_signal(signal.SIGKILL)
        writers[-1].terminate()
        for writer in writers:
            writer.communicate(timeout=30)
    with LocalBackend(path, schemas=registry) as store:
        check_values(store)
        found = run(Doctor(registry, repair=True).examine(), store)
        assert all(finding.trouble == "orphan" and finding.repaired for finding in found)
        check_values(store)
        assert run(Doctor(registry, repair=False).examine(), store) == []
        reserved = {(row["owner"], row["held"]) for row in rows(store, RESERVED).values()}
        having = {
            (key, f'["{row["email"]}"]')
            for key, row in rows(store, "user").items()
            if "email" in row
        }
        assert reserved == having


def _writer(path: Path, number: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.unique.worker", str(path), str(number)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )


def check_values(store: LocalBackend) -> None:
    emails = [row["email"] for row in rows(store, "user").values() if "email" in row]
    assert len(set(emails)) == len(emails)
