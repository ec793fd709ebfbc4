"""A backend that fails: the client is told, the log says more, neither tells a secret."""

from __future__ import annotations

import logging

import pytest

from forge_orm.server import ForgeApp
from forge_orm.wire import OPERATIONS, Request, Response

from .asgi import PREFIX, call

SECRETS = [operation for operation in OPERATIONS if operation.startswith("secret/")]
OTHERS = [operation for operation in OPERATIONS if operation not in SECRETS]


class Failing:
    """A backend whose errors quote what it was asked."""

    def __init__(self, kind: type[BaseException] = RuntimeError) -> None:
        self._kind = kind

    def send(self, request: Request, /) -> Response:
        raise self._kind(request.body.decode())


class Flaky(Failing):
    """Fails the first time."""

    calls = 0

    def send(self, request: Request, /) -> Response:
        self.calls += 1
        return super().send(request) if self.calls == 1 else Response(204)


BODY = b'{"key":"k","value":"hunter2"}'


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", [RuntimeError, KeyError, MemoryError, RecursionError])
def test_a_fault_is_told_without_its_words(operation: str, kind: type[Exception]) -> None:
    answer = call(ForgeApp(Failing(kind)), PREFIX + operation, BODY)

    assert answer.refusal == (500, "INTERNAL_SERVER_ERROR")
    assert kind.__name__ in answer.json["message"]
    for word in (b"hunter2", b"Traceback", b".py"):
        assert word not in answer.body


@pytest.mark.parametrize("operation", OTHERS)
def test_the_log_has_the_traceback(operation: str, caplog: pytest.LogCaptureFixture) -> None:
    call(ForgeApp(Failing()), PREFIX + operation, BODY)

    (record,) = caplog.records
    assert (record.name, record.levelno) == ("forge_orm.server", logging.ERROR)
    assert record.getMessage() == f"{operation} raised RuntimeError"
    assert "Traceback" in caplog.text
    assert 'test_faults.py", line' in caplog.text


@pytest.mark.parametrize("operation", SECRETS)
def test_of_a_secret_the_log_has_only_the_kind(
    operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    call(ForgeApp(Failing()), PREFIX + operation, BODY)

    (record,) = [record for record in caplog.records if record.name == "forge_orm.server"]
    assert record.getMessage() == f"{operation} raised RuntimeError"
    assert record.exc_info is None
    assert "hunter2" not in caplog.text
    assert "Traceback" not in caplog.text


def test_the_next_call_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    app = ForgeApp(Flaky())

    assert [call(app).status for _ in range(3)] == [500, 204, 204]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_the_end_of_the_program_is_no_answer(kind: type[BaseException]) -> None:
    with pytest.raises(kind):
        call(ForgeApp(Failing(kind)))


def test_refusals_are_not_logged(app: ForgeApp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "forge_orm")
    call(app, "/x")
    call(app, headers=())
    call(app, body=b"{")

    assert [record for record in caplog.records if record.name.startswith("forge_orm")] == []
