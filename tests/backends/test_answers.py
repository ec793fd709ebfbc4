"""Answers that are not what the service sends, and the trace ids of those that are."""

from __future__ import annotations

import gzip
import time
from email.utils import formatdate
from typing import Any

import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from forge_orm import AnswerLost, HttpBackend, PartialCommit, Tenant
from forge_orm.errors import (
    InvalidRequest,
    KeyNotFound,
    NotFound,
    RateLimited,
    ServiceError,
    ServiceFault,
    Unauthorized,
)
from forge_orm.wire import Request, Response
from tests.scenarios.models import Task

from .colours import ask, play

HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def backend() -> HttpBackend:
    return HttpBackend("http://localhost:7072", tenant=Tenant(installation="i"))


ANSWERS = {
    "html-502": (502, HTML, ServiceFault, "UNKNOWN_ERROR", HTML.decode()),
    "empty-500": (500, b"", ServiceFault, "UNKNOWN_ERROR", "the service gave no reason"),
    "empty-404": (404, b"", NotFound, "UNKNOWN_ERROR", "the service gave no reason"),
    "text-401": (401, b"who?", Unauthorized, "UNKNOWN_ERROR", "who?"),
    "not-utf-8": (503, b"\xff\xfe", ServiceFault, "UNKNOWN_ERROR", "\ufffd\ufffd"),
    "list": (500, b"[1]", ServiceFault, "UNKNOWN_ERROR", "[1]"),
    "null": (500, b"null", ServiceFault, "UNKNOWN_ERROR", "null"),
    "no-message": (500, b'{"code":"A"}', ServiceFault, "UNKNOWN_ERROR", '{"code":"A"}'),
    "number": (500, b'{"code":1,"message":"m"}', ServiceFault, "UNKNOWN_ERROR", None),
    "cut-short": (429, b'{"code":"RATE', RateLimited, "UNKNOWN_ERROR", '{"code":"RATE'),
    "new-code": (418, b'{"code":"TEAPOT","message":"m"}', ServiceError, "TEAPOT", "m"),
    "redirect": (302, b"", ServiceError, "UNKNOWN_ERROR", "the service gave no reason"),
    "known": (404, b'{"code":"KEY_NOT_FOUND","message":"m"}', KeyNotFound, None, "m"),
}


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "message"), ANSWERS.values(), ids=ANSWERS
)
def test_an_error_answer_of_any_form_is_a_service_error(
    colour: str,
    status: int,
    body: bytes,
    kind: type[ServiceError],
    code: str | None,
    message: str | None,
) -> None:
    with respx.mock() as router, pytest.raises(ServiceError) as caught:
        router.post(path__startswith="/").respond(status, content=body)
        play(colour, backend(), lambda forge: forge.kvs.set("k", 1), retry=None)

    error = caught.value
    assert isinstance(error, kind)
    assert error.status == status
    assert error.code == (code or "KEY_NOT_FOUND")
    assert message is None or error.message == message


def test_a_page_of_html_is_quoted_only_so_far(colour: str) -> None:
    with respx.mock() as router, pytest.raises(ServiceFault) as caught:
        router.post(path__startswith="/").respond(502, content=b"x" * 100_000)
        play(colour, backend(), lambda forge: forge.kvs.get("k"), retry=None)

    assert len(str(caught.value)) < 2100


async def commit_two(forge: Any) -> None:
    async with forge.session() as session:
        session.add(*[Task(project="P", number=number, title="t") for number in (1, 2)])


SCENES = {
    "get": lambda forge: forge.kvs.get("k"),
    "set": lambda forge: forge.kvs.set("k", 1),
    "delete": lambda forge: forge.kvs.delete("k"),
    "all": lambda forge: forge.kvs.all(),
    "get_many": lambda forge: forge.kvs.get_many(["k"]),
    "secret": lambda forge: forge.secrets.get("k"),
    "entity": lambda forge: forge.session().get(Task, "task:P:1"),
    "query": lambda forge: forge.session().all(Task.index("by-key")),
    "commit": commit_two,
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
@pytest.mark.parametrize("page", [HTML, b"\n\t <!doctype html>"], ids=["html", "indented"])
def test_a_page_that_says_200_is_not_believed(colour: str, scene: Any, page: bytes) -> None:
    with respx.mock() as router, pytest.raises(AnswerLost) as caught:
        router.post(path__startswith="/").respond(200, content=page)
        play(colour, backend(), scene, retry=None)

    assert "a page answered with status 200" in str(caught.value)


def test_writes_answered_by_a_page_stay_pending(colour: str) -> None:
    with respx.mock() as router, pytest.raises(PartialCommit) as caught:
        router.post(path__startswith="/").respond(200, content=HTML)
        play(colour, backend(), lambda forge: forge.kvs.set_many({"a": 1}), retry=None)

    (failure,) = caught.value.unknown
    assert failure.unknown
    assert failure.retryable


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_success_without_a_body_is_a_write_done(colour: str, status: int) -> None:
    with respx.mock() as router:
        route = router.post(path__startswith="/").respond(status)
        play(colour, backend(), lambda forge: forge.kvs.set("k", 1), retry=None)
        play(colour, backend(), lambda forge: forge.kvs.delete("k"), retry=None)

    assert route.call_count == 2


@pytest.mark.parametrize(
    "body", [HTML, b"", b"not here", b'{"code":"UNKNOWN_OPERATION","message":"m"}']
)
def test_a_404_without_the_service_s_code_is_no_absent_key(colour: str, body: bytes) -> None:
    with respx.mock() as router, pytest.raises(NotFound) as caught:
        router.post(path__startswith="/").respond(404, content=body)
        play(colour, backend(), lambda forge: forge.kvs.get("k"), retry=None)

    assert not isinstance(caught.value, KeyNotFound)


@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        ({}, None),
        ({"x-b3-traceid": "b3"}, "b3"),
        ({"X-B3-TraceId": "b3"}, "b3"),
        ({"x-trace-id": "plain"}, "plain"),
        ({"x-trace-id": "plain", "x-b3-traceid": "b3"}, "b3"),
        ({"x-b3-traceid": "", "x-trace-id": "plain"}, "plain"),
        ({"x-request-id": "other"}, None),
    ],
)
def test_the_trace_id_for_support_is_kept(
    colour: str, headers: dict[str, str], trace: str | None
) -> None:
    with respx.mock() as router, pytest.raises(InvalidRequest) as caught:
        router.post(path__startswith="/").respond(400, headers=headers, content=b"x")
        play(colour, backend(), lambda forge: forge.kvs.get("k"), retry=None)

    assert caught.value.trace_id == trace
    assert ("(trace " in str(caught.value)) == (trace is not None)


def test_of_the_headers_only_those_are_kept_that_something_reads(colour: str) -> None:
    said = {"Retry-After": "3", "Set-Cookie": "a=b", "Content-Type": "text/plain", "Date": "x"}
    with respx.mock() as router:
        router.post(path__startswith="/").respond(429, headers=said, content=b"x")
        (answer,) = ask(colour, backend(), Request("get", b"{}"))

    said.pop("Set-Cookie")
    assert answer.headers == {name.lower(): value for name, value in said.items()}


LATER = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("until", "sent", "seconds"),
    [
        (LATER, "Sun, 06 Nov 1994 08:49:07 GMT", 30),
        ("Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:07 1994", 30),
        (LATER, LATER, 0),
        (LATER, "Sun, 06 Nov 1994 08:50:00 GMT", 0),
        (LATER, "soon", None),
        ("Sun, 06 Nov 1994 99:49:37 GMT", LATER, None),
        ("Sun, 06 Nov 1994 08:49:37 +9999999999999999", LATER, None),
        ("soon", LATER, None),
        ("-1", LATER, None),
    ],
)
def test_a_date_to_try_again_counts_from_the_service_s_own(
    colour: str, until: str, sent: str, seconds: float | None
) -> None:
    said = {"Retry-After": until, "Date": sent}
    with respx.mock() as router:
        router.post(path__startswith="/").respond(503, headers=said)
        (answer,) = ask(colour, backend(), Request("get", b"{}"))

    assert answer.retry_after == seconds


def test_where_the_service_names_no_date_it_is_when_the_answer_came(colour: str) -> None:
    said = {"Retry-After": formatdate(time.time() + 60, usegmt=True)}
    with respx.mock() as router:
        router.post(path__startswith="/").respond(503, headers=said)
        (answer,) = ask(colour, backend(), Request("get", b"{}"))

    assert answer.retry_after == pytest.approx(60, abs=5)


@given(st.text() | st.from_regex(r"\w{3}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [-+]?\w+"))
def test_whatever_is_said_of_when_to_try_again_is_a_time_or_nothing(until: str) -> None:
    for said in ({"retry-after": until, "date": LATER}, {"retry-after": LATER, "date": until}):
        seconds = Response(503, b"", said).retry_after
        assert seconds is None or seconds >= 0


def test_cookies_and_redirects_are_not_followed(colour: str) -> None:
    headers = {"location": "http://elsewhere/", "set-cookie": "session=1"}
    with respx.mock() as router:
        router.post(path__startswith="/").respond(307, headers=headers)
        first, second = ask(colour, backend(), *[Request("get", b"{}")] * 2)
        calls = [call.request for call in router.calls]

    assert (first.status, second.status) == (307, 307)
    assert {call.url.host for call in calls} == {"localhost"}
    assert not any("cookie" in call.headers for call in calls)


def test_a_compressed_answer_is_read(colour: str) -> None:
    body = b'{"key":"k","value":1}'
    with respx.mock() as router:
        route = router.post(path__startswith="/")
        route.respond(200, headers={"content-encoding": "gzip"}, content=gzip.compress(body))
        (answer,) = ask(colour, backend(), Request("get", b"{}"))

    assert answer.body == body
