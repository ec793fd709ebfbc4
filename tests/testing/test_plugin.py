"""The pytest plugin, tried in runs of its own as its users would."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from forge_orm.testing import plugin

pytest_plugins = "pytester"

ROOT = Path(__file__).parents[2]

Run = Callable[..., pytest.RunResult]

FIXTURES = (
    "forge_registry",
    "forge_clock",
    "forge_store",
    "forge_faults",
    "forge_calls",
    "forge",
    "forge_session",
    "async_forge",
    "forge_server",
)

MODELS = """
    from datetime import timedelta

    import pytest

    from forge_orm import Attr, Entity, HttpBackend, Forge, MetadataField, Tenant, attr, errors

    class Note(Entity, name="note", key="note:{slug}"):
        slug: Attr[str] = attr()
"""

INI = """
    [pytest]
    addopts = -p no:cacheprovider
    filterwarnings = error
    asyncio_default_fixture_loop_scope = function
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Run tests in a process of their own; the plugin is found as an installed one is."""

    def run(tests: str, *options: str) -> pytest.RunResult:
        pytester.makeini(INI)
        pytester.makepyfile(models=dedent(MODELS))
        pytester.makepyfile(test_app="from models import *\n" + dedent(tests))
        return pytester.runpytest_subprocess(*options)

    return run


def test_the_fixtures_are_described(run: Run) -> None:
    result = run("", "--fixtures")
    for name in FIXTURES:
        result.stdout.re_match_lines([rf"{name} -- .*", r"    \w.*"])


def test_nothing_is_imported_for_those_who_do_not_use_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        """
        import sys

        def test_what_is_loaded(request):
            assert request.config.pluginmanager.has_plugin("forge_orm")
            ours = {name for name in sys.modules if name.startswith("forge_orm")}
            assert ours == {
                "forge_orm", "forge_orm.errors", "forge_orm.wire",
                "forge_orm.testing", "forge_orm.testing.plugin",
            }
            assert not {"pydantic", "httpx", "sqlite3", "asyncio", "uvicorn"} & {*sys.modules}
        """
    )
    pytester.runpytest_subprocess("-p", "forge_orm").assert_outcomes(passed=1)


def test_each_test_begins_with_an_empty_store(run: Run) -> None:
    tests = """
        @pytest.mark.parametrize("number", [1, 2])
        def test_one_row(forge, forge_session, forge_store, number):
            forge_session.add(Note(slug=f"n{number}"))
            forge_session.commit()
            forge.kvs.set("k", number)
            with forge.session() as other:
                assert [note.slug for note in other.all(Note.index("by-key"))] == [f"n{number}"]
            assert forge.kvs.all() == {"k": number}

        def test_snapshots(forge, forge_store):
            forge.kvs.set("k", 1)
            before = forge_store.snapshot()
            forge.kvs.set("k", 2)
            forge_store.restore(before)
            assert forge.kvs.get("k") == 1
            forge_store.reset()
            assert forge.kvs.get("k") is None

        def test_what_is_not_committed_is_dropped(forge_session):
            forge_session.add(Note(slug="dropped"))

        def test_closing_leaves_the_store(forge):
            with forge:
                forge.kvs.set("k", 1)
            assert forge.kvs.get("k") == 1
    """
    run(tests).assert_outcomes(passed=5)


def test_the_registry_can_be_another(run: Run) -> None:
    tests = """
        from forge_orm import Registry
        mine = Registry("mine")

        class Task(Entity, name="task", key="task:{title}", registry=mine):
            title: Attr[str] = attr()

        @pytest.fixture
        def forge_registry():
            return mine

        def test_task(forge_session):
            forge_session.add(Task(title="t"))
            forge_session.commit()

        def test_note(forge_session):
            forge_session.insert(Note(slug="n"))
            with pytest.raises(errors.SchemaNotFound):
                forge_session.commit()
    """
    run(tests).assert_outcomes(passed=2)


def test_the_clock_stands_until_it_is_moved(run: Run) -> None:
    tests = """
        def test_expiry(forge, forge_session, forge_clock):
            began = forge_clock.now
            forge_session.add(Note(slug="n"), ttl=timedelta(hours=1))
            forge_session.commit()
            with forge.session() as session:
                note = session.get(Note, "note:n", metadata=MetadataField)
                assert note.metadata.created_at == began == forge_clock.now
                assert note.metadata.expires_at == began + timedelta(hours=1)
            forge_clock.move(timedelta(days=3))
            with forge.session() as session:
                assert session.get(Note, "note:n") is None
    """
    run(tests).assert_outcomes(passed=1)


def test_faults_are_met_and_nothing_really_waits(run: Run) -> None:
    tests = """
        import time

        def test_another_attempt(forge, forge_faults, forge_calls, forge_clock):
            began, really = forge_clock.now, time.monotonic()
            forge_faults.add("throttle,retry_after=2,times=2")
            forge_faults.add("latency,seconds=30,operations=get")
            forge.kvs.set("k", 1)
            assert forge.kvs.get("k") == 1
            assert [call.status for call in forge_calls] == [429, 429, 204, 200]
            assert forge_clock.now - began >= timedelta(seconds=34)
            assert time.monotonic() - really < 5

        def test_an_answer_lost(forge, forge_faults, forge_store):
            forge_faults.add("lose,operations=set")
            with pytest.raises(errors.AnswerLost):
                forge.kvs.set("k", 1)
            forge_faults.clear()
            assert forge.kvs.get("k") == 1

        def test_a_service_that_is_down(forge, forge_faults, forge_calls):
            forge_faults.add("fail")
            with pytest.raises(errors.ServiceFault):
                forge.kvs.get("k")
            forge_calls.assert_count("get", min=2)
            assert {call.code for call in forge_calls} == {"SERVICE_UNAVAILABLE"}
    """
    run(tests).assert_outcomes(passed=3)


def test_calls_are_counted_and_listed(run: Run) -> None:
    tests = """
        def test_few(forge, forge_session, forge_calls):
            forge_session.add(*[Note(slug=f"n{number}") for number in range(30)])
            forge_session.commit()
            forge_calls.assert_count(exactly=2)
            forge_calls.assert_count("batch/set", entity="note", max=2)
            forge_calls.clear()
            forge_calls.assert_count(exactly=0)

        def test_many(forge, forge_calls):
            forge.secrets.set("token", __import__("pydantic").SecretStr("hunter2"))
            for name in ("a", "b", "a"):
                forge.kvs.get(name)
            forge_calls.assert_count("get", max=2)
    """
    result = run(tests)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: 3 calls (get) were made, not at most 2:",
            "E*1. get a -> 404 KEY_NOT_FOUND",
            "E*2. get b -> 404 KEY_NOT_FOUND",
            "E*3. get a -> 404 KEY_NOT_FOUND",
        ]
    )
    # The test's own line is shown, not the inside of `assert_count`.
    result.stdout.no_fnmatch_line("*recorder.py*")
    listed = [line for line in result.outlines if re.match(r"E .*->", line)]
    assert "hunter2" not in "".join(listed)


def test_a_server_is_the_same_store_over_http(run: Run) -> None:
    tests = """
        def test_it_is_found_where_a_sidecar_is(forge_server, forge, forge_calls):
            with Forge(HttpBackend(), tenant=Tenant(invocation="i")) as app:
                app.kvs.set("k", 1)
            assert forge.kvs.get("k") == 1
            assert [call.operation for call in forge_calls] == ["set", "get"]

        @pytest.mark.parametrize("text", ["drop", "lose"])
        def test_it_drops_connections(forge_server, forge, forge_faults, forge_calls, text):
            backend = HttpBackend(forge_server.url, tenant=Tenant(invocation="i"))
            with Forge(backend, retry=None) as app:
                forge_faults.add(f"{text},times=1")
                with pytest.raises(errors.TransportError):
                    app.kvs.set("k", 1)
                assert [call.status for call in forge_calls] == [None]
                assert app.kvs.get("k") == (1 if text == "lose" else None)

        def test_it_is_not_there_without_the_fixture(monkeypatch):
            with pytest.raises(errors.ConfigurationError):
                HttpBackend()
    """
    run(tests).assert_outcomes(passed=4)


@pytest.mark.parametrize("mark", ["asyncio", "anyio"])
def test_the_async_forge_goes_with_any_plugin_for_coroutines(run: Run, mark: str) -> None:
    tests = f"""
        pytestmark = pytest.mark.{mark}

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        async def test_async(async_forge, forge, forge_faults, forge_calls, forge_clock):
            forge_faults.add("latency,seconds=9,times=1")
            forge_faults.add("fail,times=1")
            began = forge_clock.now
            async with async_forge.session() as session:
                session.add(Note(slug="n"))
            async with async_forge.session() as session:
                assert await session.get(Note, "note:n") == Note(slug="n")
            forge_calls.assert_count(exactly=3)
            assert forge_clock.now >= began + timedelta(seconds=9)
            with forge.session() as session:
                assert session.get(Note, "note:n") is not None
    """
    run(tests).assert_outcomes(passed=1)


def test_processes_side_by_side_do_not_meet(run: Run) -> None:
    tests = """
        @pytest.mark.parametrize("number", range(12))
        def test_alone(forge_server, forge, number):
            backend = HttpBackend(tenant=Tenant(invocation="i"))
            with Forge(backend) as app:
                assert app.kvs.all() == {}
                app.kvs.set(f"k{number}", number)
            assert forge.kvs.all() == {f"k{number}": number}
    """
    run(tests, "-n", "2").assert_outcomes(passed=12)


def test_the_files_of_the_page_are_a_suite_that_passes(pytester: pytest.Pytester) -> None:
    page = (ROOT / "docs/guides/testing.md").read_text("utf-8")
    blocks = re.findall(r"^```py\b(.*)\n((?s:.*?))^```$", page, re.MULTILINE)
    for number, (settings, code) in enumerate(blocks):
        named = re.search(r'title="(.*?)"', settings)
        name = named[1] if named else f"test_{number}.py"
        (pytester.path / name).write_text(code, "utf-8")
    pytester.makeini(INI)
    # Where the page says `MyBackend`, ours will do; one test of it says that the page is right.
    pytester.makepyfile(my_backend="from forge_orm import LocalBackend as MyBackend")
    pytester.makepyfile(
        test_filled="""
        from app import texts_of

        def test_filled(forge, many_notes):
            assert len(texts_of(forge, "ann")) == 1000
        """
    )
    result = pytester.runpytest_subprocess("-k", "not MyBackend or session")

    outcomes = result.parseoutcomes()
    assert outcomes.keys() == {"passed", "deselected"}
    assert outcomes["passed"] > len(blocks)


def test_the_plugin_offers_these_fixtures_and_no_more() -> None:
    public = {name for name in vars(plugin) if name.startswith(("forge", "async_forge"))}
    assert public == {*FIXTURES}
