"""The pytest plugin: fixtures for a store, a session, a clock, faults and counted calls.

It is loaded in every pytest run of an environment the package is installed in, so nothing
is imported before a fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..aio import AsyncForge
    from ..backends.retry import Retrying
    from ..calls import Calls
    from ..faults import Faults, MovableClock
    from ..local import LocalBackend
    from ..server import Served
    from ..session import Forge, Session

# So that a failing assert of the suite shows what was compared.
pytest.register_assert_rewrite(
    *[f"forge_orm.testing.{name}" for name in ("suite", "fault_suite", "peer")]
)


@pytest.fixture
def forge_registry() -> Any:
    """What is declared in the store: by default every entity class of `forge_orm.registry`.

    Override it in a conftest.py to return another registry, or a list of schemas.
    """
    from .. import registry

    return registry


@pytest.fixture
def forge_clock() -> MovableClock:
    """The store's clock. It stands still, from the test's beginning on, until it is moved.

    ``forge_clock.move(timedelta(days=3))`` lets what expires expire. The pauses between
    attempts of `forge` and `async_forge`, and the latency of `forge_faults`, move it too:
    nothing really waits.
    """
    import time

    from ..faults import MovableClock

    return MovableClock(int(time.time()))


@pytest.fixture
def forge_store(forge_registry: Any, forge_clock: MovableClock) -> Iterator[LocalBackend]:
    """An embedded store in memory, empty at the beginning of each test.

    What is done to it directly is neither recorded nor struck by faults. ``reset()``
    empties it; ``snapshot()`` and ``restore(snapshot)`` put back what a test changed.
    """
    from ..local import LocalBackend

    with LocalBackend(schemas=forge_registry, clock=forge_clock) as store:
        yield store


@pytest.fixture
def forge_faults() -> Faults:
    """What goes wrong with calls: nothing, until ``forge_faults.add("throttle,times=2")``.

    It stands in front of the store for `forge`, `forge_session`, `async_forge` and
    `forge_server`. The same calls meet the same faults in every run.
    """
    from ..faults import Faults

    return Faults()


@pytest.fixture
def forge_calls() -> Calls:
    """The calls made through `forge`, `forge_session`, `async_forge` and `forge_server`.

    ``forge_calls.assert_count(exactly=2)`` or ``assert_count("entity/query", max=1)`` fails
    with a list of the calls; ``clear()`` forgets those made so far. Each attempt counts.
    """
    from ..calls import Calls

    return Calls()


@pytest.fixture
def _forge_backend(
    forge_store: LocalBackend,
    forge_clock: MovableClock,
    forge_faults: Faults,
    forge_calls: Calls,
) -> Retrying:
    """The store behind faults, the recorder, and a client that tries again without waiting."""
    from ..backends.retry import Retrying, RetryPolicy
    from ..faults import Faulty
    from .recorder import Recorder

    async def pause(seconds: float) -> None:
        forge_clock.move(seconds)

    faulty = Faulty(forge_store, forge_faults, sleep=forge_clock.move, asleep=pause)
    return Retrying(
        Recorder(faulty, forge_calls),
        RetryPolicy(jitter=0),
        sleep=forge_clock.move,
        asleep=pause,
        clock=forge_clock,
    )


@pytest.fixture
def forge(_forge_backend: Retrying, forge_clock: MovableClock) -> Forge:
    """A `Forge` over `forge_store`, for code that takes one.

    It tries again as a deployed one does. Closing it leaves the store open for the test.
    """
    from ..session import Forge

    return Forge(_forge_backend, retry=None, clock=forge_clock)


@pytest.fixture
def forge_session(forge: Forge) -> Iterator[Session]:
    """A session of `forge`. What is not committed by the end of the test is dropped."""
    session = forge.session()
    yield session
    session.close()


@pytest.fixture
def async_forge(_forge_backend: Retrying, forge_clock: MovableClock) -> AsyncForge:
    """An `AsyncForge` over `forge_store`, in any event loop; `forge` sees the same data."""
    from ..aio import AsyncForge

    return AsyncForge(_forge_backend, retry=None, clock=forge_clock)


@pytest.fixture
def forge_server(
    forge_store: LocalBackend,
    forge_faults: Faults,
    forge_calls: Calls,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Served]:
    """`forge_store` over HTTP at ``forge_server.url``, on a free port of 127.0.0.1.

    ``FORGE_EGRESS_PROXY_URL`` names it during the test, so that a service finds it as it
    finds its sidecar. Faults are real there: connections are dropped, latency is waited for.
    """
    from ..backends.http import URL_VARIABLE
    from ..faults import Faulty
    from ..server import ForgeApp, Served
    from .recorder import Recorder

    app = ForgeApp(Recorder(Faulty(forge_store, forge_faults), forge_calls))
    with Served(app) as served:
        monkeypatch.setenv(URL_VARIABLE, served.url)
        yield served
