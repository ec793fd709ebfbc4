"""A local Forge as an application, over an empty store in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from forge_orm import LocalBackend
from forge_orm.server import ForgeApp
from tests.scenarios.models import registry


@pytest.fixture
def app() -> Iterator[ForgeApp]:
    with LocalBackend(schemas=registry) as local:
        yield ForgeApp(local)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
