"""Our own backends pass the suite that authors of backends run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from forge_orm import HttpBackend, LocalBackend, Tenant
from forge_orm.faults import Faults, MovableClock
from forge_orm.local import LENIENT
from forge_orm.server import ForgeApp, Served
from forge_orm.testing import SCHEMAS, BackendSuite, FaultSuite

START = 1_800_000_000.0


@pytest.fixture(scope="module")
def served_clock() -> MovableClock:
    return MovableClock(START)


@pytest.fixture(scope="module")
def served(served_clock: MovableClock) -> Iterator[Served]:
    store = LocalBackend(schemas=SCHEMAS, clock=served_clock)
    with store, Served(ForgeApp(store)) as served:
        yield served


class Failing(NamedTuple):
    """A server, and what is behind it."""

    url: str
    store: LocalBackend
    faults: Faults


@pytest.fixture(scope="module")
def failing() -> Iterator[Failing]:
    store, faults = LocalBackend(schemas=SCHEMAS), Faults()
    with store, Served(ForgeApp(store, faults=faults)) as served:
        yield Failing(served.url, store, faults)


class TestMemory(BackendSuite):
    @pytest.fixture
    def clock(self) -> MovableClock:
        return MovableClock(START)

    @pytest.fixture
    def backend(self, clock: MovableClock) -> Iterator[LocalBackend]:
        with LocalBackend(schemas=SCHEMAS, clock=clock) as backend:
            yield backend


class TestFile(BackendSuite):
    @pytest.fixture
    def clock(self) -> MovableClock:
        return MovableClock(START)

    @pytest.fixture
    def backend(self, clock: MovableClock, tmp_path: Path) -> Iterator[LocalBackend]:
        with LocalBackend(tmp_path / "a.db", schemas=SCHEMAS, clock=clock) as backend:
            yield backend


class TestLenient(BackendSuite):
    @pytest.fixture
    def clock(self) -> MovableClock:
        return MovableClock(START)

    @pytest.fixture
    def backend(self, clock: MovableClock) -> Iterator[LocalBackend]:
        with LocalBackend(schemas=SCHEMAS, readings=LENIENT, clock=clock) as backend:
            yield backend


class TestHttp(BackendSuite):
    """One server for all; each test has an installation of its own."""

    @pytest.fixture
    def clock(self, served_clock: MovableClock) -> MovableClock:
        return served_clock

    @pytest.fixture
    def backend(self, served: Served) -> Iterator[HttpBackend]:
        with HttpBackend(served.url, tenant=Tenant(installation=str(uuid4()))) as backend:
            yield backend


class TestMemoryFaults(FaultSuite):
    @pytest.fixture
    def backend(self) -> Iterator[LocalBackend]:
        with LocalBackend(schemas=SCHEMAS) as backend:
            yield backend


class TestFileFaults(FaultSuite):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> Iterator[LocalBackend]:
        with LocalBackend(tmp_path / "a.db", schemas=SCHEMAS) as backend:
            yield backend


class TestHttpFaults(FaultSuite):
    """The server fails: connections are dropped, and it answers 429 and 5xx itself."""

    @pytest.fixture
    def faults(self, failing: Failing) -> Faults:
        failing.faults.clear()
        return failing.faults

    @pytest.fixture
    def backend(self, failing: Failing) -> LocalBackend:
        failing.store.reset()
        return failing.store

    @pytest.fixture
    def faulty(self, failing: Failing) -> Iterator[HttpBackend]:
        # An invocation is of the installation that requests without a tenant are for.
        with HttpBackend(failing.url, tenant=Tenant(invocation="i-1")) as backend:
            yield backend
