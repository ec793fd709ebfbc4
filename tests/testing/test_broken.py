"""The suites find what is wrong with a backend: each of these breaks one promise."""

from __future__ import annotations

import pytest

pytest_plugins = "pytester"

TESTS = """
    import json

    import pytest

    from forge_orm import LocalBackend
    from forge_orm.errors import NotSent
    from forge_orm.faults import Faulty
    from forge_orm.testing import SCHEMAS, BackendSuite, FaultSuite
    from forge_orm.wire import Request, Response

    class Broken:
        def __init__(self, store):
            self.store = store

        def send(self, request):
            return self.store.send(request)

    class Base:
        colours = ("sync",)

        @pytest.fixture
        def backend(self):
            with LocalBackend(schemas=SCHEMAS) as store:
                yield self.Backend(store)

    class TestForgets(Base, BackendSuite):
        class Backend(Broken):
            def send(self, request):
                if request.operation == "set":
                    return Response(204)
                return super().send(request)

    class TestOneInstallation(Base, BackendSuite):
        class Backend(Broken):
            def send(self, request):
                return super().send(request._replace(tenant=None))

    class TestLosesTheLastOfAPage(Base, BackendSuite):
        class Backend(Broken):
            def send(self, request):
                response = super().send(request)
                if request.operation != "entity/query" or not response.ok:
                    return response
                body = json.loads(response.body)
                if "cursor" in body:
                    del body["data"][-1]
                return response._replace(body=json.dumps(body).encode())

    class TestEndsAtAnEmptyPage(Base, BackendSuite):
        class Backend(Broken):
            def send(self, request):
                response = super().send(request)
                if request.operation != "entity/query" or not response.ok:
                    return response
                body = json.loads(response.body)
                if not body["data"]:
                    body.pop("cursor", None)
                return response._replace(body=json.dumps(body).encode())

    class TestAnswersAPage(Base, BackendSuite):
        class Backend(Broken):
            def send(self, request):
                response = super().send(request)
                return response if response.ok else response._replace(body=b"<html>")

    class TestNoTransaction(Base, BackendSuite):
        class Backend(Broken):
            def send(self, request):
                if request.operation == "transaction":
                    for item in json.loads(request.body).get("set", []):
                        item.pop("conditions", None)
                        body = json.dumps({"set": [item]}).encode()
                        super().send(request._replace(body=body))
                return super().send(request)

    class Interrupted(Broken):
        # Says that nothing was sent where something was.
        def send(self, request):
            response = self.store.send(request)
            if not getattr(self, "quiet", False) and request.operation == "entity/set":
                raise NotSent("so it says")
            return response

    class TestNotSent(Base, FaultSuite):
        Backend = Broken

        @pytest.fixture
        def faulty(self, backend, faults):
            return Faulty(Interrupted(backend.store), faults)

    class TestHalfDone(Base, FaultSuite):
        Backend = Broken

        @pytest.fixture
        def faulty(self, backend, faults):
            class Half(Broken):
                def send(self, request):
                    if request.operation == "transaction":
                        body = json.loads(request.body)
                        body["set"] = body["set"][:1]
                        body = json.dumps(body).encode()
                        self.store.send(request._replace(body=body))
                        return Response(500, b'{"code":"X","message":"x"}')
                    return super().send(request)
            return Faulty(Half(backend.store), faults)

    class TestNoBackend(BackendSuite):
        colours = ("async",)
"""

FOUND = [
    ("TestForgets", "test_a_value_comes_back_as_it_was", "sync-text-plain"),
    ("TestForgets", "test_stores_are_apart", "sync"),
    ("TestOneInstallation", "test_installations_see_nothing_of_each_other", "sync"),
    ("TestLosesTheLastOfAPage", "test_pages_lose_and_repeat_nothing", "sync-7"),
    ("TestEndsAtAnEmptyPage", "test_a_filter_passes_what_it_is_true_of", "sync-greater"),
    ("TestAnswersAPage", "test_a_batch_holds_25_items", "sync-batch/set"),
    ("TestNoTransaction", "test_a_condition_that_fails_undoes_everything", "sync-delete"),
    (
        "TestNotSent",
        "test_a_write_is_done_or_not_and_never_in_part",
        "sync-entity/set-lose",
    ),
    (
        "TestHalfDone",
        "test_an_atomic_session_is_saved_whole_or_not_at_all",
        "sync-lose",
    ),
    ("TestHalfDone", "test_a_long_run_of_writes_ends_as_it_was_answered", "sync-0"),
]


@pytest.fixture
def result(pytester: pytest.Pytester) -> pytest.RunResult:
    pytester.makepyfile(TESTS)
    return pytester.runpytest_subprocess("-q", "-rfE", "--tb=line", "-p", "no:cacheprovider")


def test_a_broken_promise_is_found(result: pytest.RunResult) -> None:
    for cls, test, case in FOUND:
        result.stdout.fnmatch_lines_random([f"FAILED *::{cls}::{test}[[]{case}]*"])
    result.stdout.fnmatch_lines_random(["*give your subclass a fixture `backend`*"])
