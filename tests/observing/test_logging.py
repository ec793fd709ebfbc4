"""What each logger says, at which level, and that nothing secret is ever said or listed."""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forge_orm import (
    AnswerLost,
    Conflict,
    ForgeError,
    HttpBackend,
    LocalBackend,
    RetryPolicy,
    Tenant,
    capture,
)
from forge_orm.faults import Faults, Faulty
from forge_orm.server import ForgeApp, Served
from forge_orm.wire import Response
from tests.backends.colours import COLOURS, Scripted, play
from tests.flows.script import Task, registry

QUICK = RetryPolicy(first=0, attempts=3)


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """Everything any logger says, tracebacks too."""
    said, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(said)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield said
    root.removeHandler(handler)
    root.setLevel(before)


def lines(said: io.StringIO, logger: str) -> list[str]:
    return [line for line in said.getvalue().splitlines() if line.startswith(f"{logger} ")]


# --- What is said ---------------------------------------------------------------------------


@pytest.mark.parametrize("colour", COLOURS)
def test_every_area_has_its_logger(colour: str, said: io.StringIO, tmp_path: Path) -> None:
    async def scene(forge: Any) -> None:
        async with forge.session() as session:
            session.add(Task(number=1, title="quiet"))
        async with forge.session() as session:
            await session.all(Task.query(Task.title == "quiet"))
        await forge.secrets.set("s", "hunter2")

    path = tmp_path / "a.db"
    with LocalBackend(path, schemas=registry) as local, Served(ForgeApp(local)) as served:
        backend = HttpBackend(served.url, tenant=Tenant(installation="i"))
        play(colour, backend, scene)

    (made, *_) = lines(said, "forge_orm.local")
    assert made == f"forge_orm.local DEBUG opened {path}"
    assert any("INFO made" in line for line in lines(said, "forge_orm.local"))
    assert lines(said, "forge_orm.planner") == [
        "forge_orm.planner DEBUG Task: single, reading by_title"
    ]
    (flushed, *_) = lines(said, "forge_orm.session")
    assert (
        flushed == "forge_orm.session DEBUG flushed: FlushReport(saved=1, deleted=0, calls=1)"
    )
    assert [line.partition("   [")[0] for line in lines(said, "forge_orm.calls")] == [
        "forge_orm.calls DEBUG entity/set task task:1 -> 204",
        "forge_orm.calls DEBUG entity/query task index by_title -> 200",
        "forge_orm.calls DEBUG secret/set <secret> -> 204",
    ]
    assert len(lines(said, "forge_orm.http")) == 3
    assert "entity/set: 204, sent 128 bytes, got 0, trace " in lines(said, "forge_orm.http")[0]
    assert "quiet" not in said.getvalue()


@pytest.mark.parametrize("colour", COLOURS)
def test_what_is_tried_again_is_a_warning(colour: str, said: io.StringIO) -> None:
    async def scene(forge: Any) -> None:
        await forge.kvs.get("k")

    play(
        colour,
        Scripted(Response(503), Response(200, b'{"key":"k","value":1}')),
        scene,
        retry=QUICK,
    )
    assert lines(said, "forge_orm.retry") == [
        "forge_orm.retry WARNING get: attempt 1 of 3 ended with status 503; again in 0.00 s"
    ]


@pytest.mark.parametrize("colour", COLOURS)
def test_a_run_that_begins_again_says_why(colour: str, said: io.StringIO) -> None:
    async def scene(forge: Any) -> None:
        async def awaited(session: Any) -> None:
            session.insert(Task(number=1))

        def blocking(session: Any) -> None:
            session.insert(Task(number=1))

        work = awaited if colour == "async" else blocking
        await forge.run(work, retries=1)
        with pytest.raises(Conflict):
            await forge.run(work, retries=1)

    play(colour, LocalBackend(schemas=registry), scene)
    infos = [line for line in lines(said, "forge_orm.session") if "INFO" in line]
    assert infos == ["forge_orm.session INFO run: KeyConflict in attempt 1; again"]


def test_nobody_is_told_what_nobody_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        LocalBackend(schemas=registry).close()
    assert caplog.records == []


# --- What is never said ---------------------------------------------------------------------

PLANTED = ("hunter2", "hook:hunter3", "hunter4-token", "hunter5-id")
VALUE, KEY, TOKEN, INVOCATION = PLANTED
TENANTS = {
    "container": Tenant(invocation=INVOCATION),
    "remote": Tenant(token=TOKEN, invocation=INVOCATION),
}


async def secretive(forge: Any, shown: list[str]) -> None:
    """Do everything one can do with a secret, whether or not it goes well."""
    secrets = forge.secrets
    steps: list[Callable[[], Any]] = [
        lambda: secrets.set(KEY, VALUE),
        lambda: secrets.get(KEY),
        lambda: secrets.read(KEY),
        lambda: secrets.set(KEY, VALUE, ttl=None),
        lambda: secrets.delete(KEY),
        lambda: secrets.get(KEY),
    ]
    for step in steps:
        try:
            found = await step()
            shown.append(repr(getattr(found, "value", found)))
        except ForgeError as error:
            shown.append("".join(traceback.format_exception(error)))


FAULTS = [
    "",
    "throttle,times=2",
    "fail,times=2",
    "fail-after,times=2",
    "lose,operations=secret/set+secret/get",
    "drop,times=2",
]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", ["container", "remote", "embedded"])
def test_nothing_secret_shows(
    place: str, fault: str, colour: str, said: io.StringIO, tmp_path: Path
) -> None:
    """Neither in a log, whoever writes it, nor in what is captured, nor in an error."""
    faults = Faults(*[fault] if fault else [], seed=1)
    shown: list[str] = []

    async def scene(forge: Any) -> None:
        with capture() as calls:
            await secretive(forge, shown)
        assert len(calls) >= 6
        shown.extend((repr(calls), calls.report(), *map(repr, calls), repr(forge)))
        shown.extend(repr(call.keys) for call in calls)

    with LocalBackend(tmp_path / "a.db", schemas=registry) as local:
        if place == "embedded":
            play(colour, Closed(Faulty(local, faults)), scene, retry=QUICK)
        else:
            with Served(ForgeApp(local, faults=faults)) as served:
                make = HttpBackend if place == "container" else HttpBackend.remote
                backend = make(url=served.url)
                play(colour, backend, scene, retry=QUICK, tenant=TENANTS[place])

    everything = said.getvalue() + "\n".join(shown)
    assert "forge_orm.calls DEBUG secret/" in everything
    for secret in PLANTED:
        assert secret not in everything


class Closed:
    """A backend that `play` may leave: what it wraps stays open."""

    def __init__(self, backend: Any) -> None:
        self.send, self.asend = backend.send, backend.asend

    def __repr__(self) -> str:
        return "Closed()"


def test_a_code_that_is_none_is_not_repeated() -> None:
    body = b'{"code":"hunter2 is wrong","message":"m"}'

    async def scene(forge: Any) -> str:
        with capture() as calls, pytest.raises(ForgeError):
            await forge.secrets.get("k")
        return calls.report()

    assert "hunter2" not in play("sync", Scripted(Response(400, body)), scene, retry=None)


def test_an_answer_nobody_understands_keeps_its_secret(said: io.StringIO) -> None:
    async def scene(forge: Any) -> str:
        with capture() as calls, pytest.raises(AnswerLost) as caught:
            await forge.secrets.get("k")
        return calls.report() + "".join(traceback.format_exception(caught.value))

    shown = play("sync", Scripted(Response(200, b'["hunter2"]')), scene, retry=None)
    assert "hunter2" not in shown + said.getvalue()
