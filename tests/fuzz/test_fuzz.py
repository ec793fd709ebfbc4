"""Thousands of calls, in order and not: none may fail, hang, or change what it was refused.

``FORGE_ORM_FUZZ_SECONDS`` says how long in all, ``FORGE_ORM_FUZZ_SEED`` where chance begins:
the same seed makes the same calls.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import httpx
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from forge_orm import LocalBackend
from forge_orm.faults import Capacity, Faults, MovableClock, Stale
from forge_orm.server import ForgeApp, Served
from forge_orm.server.admin import Admin
from tests.local.world import BOOK, T0
from tests.server.asgi import PREFIX
from tests.server.asgi import call as asgi_call

from .calls import HISTORIES, Call, admin_calls
from .checks import Cursors, check, dump, opened
from .wire import PATIENCE, Complaints, Wire, answers, shouts

SECONDS = float(os.environ.get("FORGE_ORM_FUZZ_SECONDS", "30"))
SEED = int(os.environ.get("FORGE_ORM_FUZZ_SEED", "0"))
# Some of what is sent is long, and hypothesis warns of showing it.
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
FREELY = settings(
    max_examples=50,
    deadline=None,
    database=None,
    derandomize=False,
    suppress_health_check=[
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
        HealthCheck.large_base_example,
        HealthCheck.too_slow,
    ],
)


def keep_on(test: Callable[[], None], seconds: float) -> None:
    """Run a test of hypothesis with one seed after the other."""
    end = time.monotonic() + seconds
    for number in itertools.count(SEED):
        seed(number)(test)()
        if time.monotonic() > end:
            return


def test_the_application() -> None:
    @FREELY
    @given(HISTORIES)
    def history(calls: list[Call]) -> None:
        with opened() as store:
            app = ForgeApp(store)

            def exchange(call: Call) -> tuple[int, Mapping[str, str], bytes]:
                start = time.monotonic()
                answer = asgi_call(
                    app, call.path, call.body, method=call.method, headers=call.headers
                )
                assert time.monotonic() - start < PATIENCE, call
                return answer.status, answer.headers, answer.body

            make(calls, store, exchange)

    keep_on(history, SECONDS * 0.5)


def test_the_admin() -> None:
    """Whatever was said to it, the store still answers once the faults are gone."""
    last = [
        Call("set", b'{"key":"k","value":1,"options":{"ttl":{"value":365,"unit":"DAYS"}}}'),
        Call("get", b'{"key":"k","options":{"metadataFields":["EXPIRE_TIME"]}}'),
    ]

    @FREELY
    @given(st.lists(admin_calls(), max_size=8))
    def history(calls: list[Call]) -> None:
        clock, faults = MovableClock(T0), Faults()
        with LocalBackend(schemas=[BOOK], clock=clock) as store:
            late = Stale(store, 0, clock=clock)
            limited = Capacity(late, reads=None, writes=None, clock=clock)
            admin = Admin(faults=faults, clock=clock, stale=late, capacity=limited)
            app = ForgeApp(limited, admin=admin)
            for each in calls:
                answer = asgi_call(app, each.path, each.body, method=each.method)
                check(each, answer.status, answer.headers, answer.body)
            faults.clear()
            limited.reads = limited.writes = None
            for each in last:
                assert each.operation is not None
                answer = asgi_call(app, PREFIX + each.operation, each.body)
                check(each, answer.status, answer.headers, answer.body)
            assert asgi_call(app, "/admin", b"", method="GET").status == 200

    keep_on(history, SECONDS * 0.1)


def make(
    calls: list[Call],
    store: LocalBackend,
    exchange: Callable[[Call], tuple[int, Mapping[str, str], bytes]],
) -> None:
    """Make *calls*, and check each answer, and the store where nothing may have changed."""
    cursors = Cursors()
    for each in calls:
        call = replace(each, body=cursors.put_into(each.body))
        before = dump(store)
        status, headers, body = exchange(call)
        changed = check(call, status, headers, body)
        assert changed or dump(store) == before, call
        cursors.learn(body)


def test_the_server() -> None:
    with opened() as store, Complaints() as complaints, Served(ForgeApp(store)) as served:
        begun = store.snapshot()

        @FREELY
        @given(HISTORIES)
        def history(calls: list[Call]) -> None:
            store.restore(begun)
            complaints.texts.clear()
            with Wire(served.url) as wire:
                make(calls, store, wire.exchange)
            assert complaints.texts == []

        keep_on(history, SECONDS * 0.2)


def test_the_server_spoken_to_in_no_http(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "uvicorn.error")  # it warns of each
    with opened() as store, Complaints() as complaints, Served(ForgeApp(store)) as served:
        wire = Wire(served.url)

        @FREELY
        @given(shouts())
        def history(raw: bytes) -> None:
            complaints.texts.clear()
            answer = wire.shout(raw)
            assert b"Traceback" not in answer
            assert b"text/plain" not in answer
            assert [status for status in answers(answer) if status >= 500] == []
            assert httpx.get(f"{served.url}/health").status_code == 200
            assert complaints.texts == []

        keep_on(history, SECONDS * 0.2)
