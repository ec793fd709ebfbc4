"""A local Forge over HTTP, and Atlassian's own client in front of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from forge_orm import Forge, HttpBackend, LocalBackend, Tenant
from forge_orm.faults import Faults, MovableClock
from forge_orm.server import ForgeApp, Served

from .models import registry
from .node import Driver, OfficialClient


@dataclass(frozen=True)
class World:
    """A running server, its clock and its faults."""

    url: str
    clock: MovableClock
    faults: Faults


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    """Node with the official client; installed on first use, and a failure of that fails."""
    with Driver() as driver:
        yield driver


@pytest.fixture(scope="session")
def _world() -> Iterator[World]:
    clock, faults = MovableClock(), Faults()
    with (
        LocalBackend(schemas=registry, clock=clock) as local,
        Served(ForgeApp(local, faults=faults)) as served,
    ):
        yield World(served.url, clock, faults)


@pytest.fixture
def world(_world: World) -> Iterator[World]:
    yield _world
    _world.faults.clear()


@pytest.fixture
def tenant() -> Tenant:
    """An installation of its own for each test: nothing is stored there yet."""
    return Tenant(installation=str(uuid.uuid4()))


@pytest.fixture
def official(driver: Driver, world: World, tenant: Tenant) -> OfficialClient:
    """The official client."""
    credential = f"Forge as=app,installationId={tenant.installation}"
    return OfficialClient(driver, world.url, credential)


@pytest.fixture
def ours(world: World, tenant: Tenant) -> Iterator[Forge]:
    """This library, over HTTP to the same installation."""
    with Forge(HttpBackend(world.url, tenant=tenant), retry=None) as forge:
        yield forge
