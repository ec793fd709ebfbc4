"""The errors: one tree, as it is drawn, and every code of the service in its place."""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from forge_orm import ForgeError, PartialCommit, PartialRead, ServiceError, errors
from forge_orm.errors import AnswerLost, HookFailed, ItemFailure, service_error
from forge_orm.wire import Response

ERRORS = [
    member
    for _, member in inspect.getmembers(errors, inspect.isclass)
    if issubclass(member, BaseException) and member.__module__ == errors.__name__
]


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_has_the_root_a_docstring_and_a_place_in_the_tree(error: type[Any]) -> None:
    assert issubclass(error, ForgeError)
    assert error.__doc__
    drawn = (errors.__doc__ or "").splitlines()
    (line,) = [line for line in drawn if re.search(rf"^[│├└─ ]*{error.__name__}\b", line)]
    assert line.index(error.__name__) // len("├── ") == error.__mro__.index(ForgeError)


# forge-storage: "Error body and statuses".
CODES = """
    400 BAD_REQUEST InvalidRequest
    400 EMPTY_KEY InvalidKey
    400 KEY_TOO_SHORT InvalidKey
    400 INVALID_KEY InvalidKey
    400 KEY_TOO_LONG InvalidKey
    400 MAX_SIZE RejectedValue
    400 MAX_DEPTH RejectedValue
    400 ENTITY_TYPE_TOO_SHORT InvalidRequest
    400 ENTITY_TYPE_TOO_LARGE InvalidRequest
    400 INVALID_ENTITY_TYPE InvalidRequest
    404 SCHEMA_NOT_FOUND SchemaNotFound
    400 INCORRECT_PROPERTY_TYPE RejectedValue
    400 INVALID_ENTITY_VALUE RejectedValue
    400 INVALID_ENTITY_ATTRIBUTE RejectedValue
    400 INVALID_ENTITY_INDEX StaleIndex
    400 COMPLEX_QUERY_PAGE_LIMIT_NOT_IN_RANGE InvalidQuery
    400 LIST_QUERY_LIMIT_EXCEEDED InvalidQuery
    400 QUERY_WHERE_INVALID InvalidQuery
    400 QUERY_WHERE_FIELD_INVALID InvalidQuery
    400 INVALID_FILTER_CONDITION InvalidQuery
    400 INVALID_FILTER_VALUES InvalidQuery
    400 EMPTY_FILTER_OPERATOR InvalidQuery
    400 INVALID_FILTER_OPERATORS_COMBINATION InvalidQuery
    400 INSUFFICIENT_FILTER_VALUES InvalidQuery
    400 INVALID_CURSOR InvalidQuery
    422 UNPROCESSABLE_ENTITY InvalidRequest
    400 INVALID_TTL InvalidRequest
    400 INVALID_KEY_POLICY_RETURN_VALUE_COMBINATION InvalidRequest
    404 KEY_NOT_FOUND KeyNotFound
    404 NOT_FOUND KeyNotFound
    409 KEY_CONFLICT KeyConflict
    400 CONDITIONAL_CHECK_FAILED ConditionFailed
    400 KEY_DUPLICATION_ERROR InvalidRequest
    400 TOO_MANY_BATCH_ENTITIES TooManyItems
    400 INVALID_TRANSACTION_REQUEST InvalidRequest
    429 RATE_LIMIT_EXCEEDED RateLimited
    429 TOO_MANY_REQUESTS RateLimited
    429 REQUEST_THROTTLED RateLimited
    500 INTERNAL_SERVER_ERROR ServiceFault
    200 VALIDATION_ERROR InvalidRequest
    200 PERMISSION_DENIED Unauthorized
    200 STORAGE_LIMIT_EXCEEDED RejectedValue
"""


@pytest.mark.parametrize("row", CODES.strip().splitlines())
def test_a_documented_code_has_its_class_with_or_without_a_status(row: str) -> None:
    status, code, name = row.split()
    in_a_batch = service_error(code, "words")
    alone = service_error(code, "words", status=int(status))
    assert type(in_a_batch) is type(alone) is getattr(errors, name)
    assert (alone.code, alone.message, alone.status) == (code, "words", int(status))


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "InvalidRequest"),
        (401, "Unauthorized"),
        (403, "Unauthorized"),
        (404, "NotFound"),
        (409, "Conflict"),
        (418, "ServiceError"),
        (422, "InvalidRequest"),
        (429, "RateLimited"),
        (500, "ServiceFault"),
        (503, "ServiceFault"),
    ],
)
@pytest.mark.parametrize(
    "body", [b'{"code": "NEW_CODE", "message": "m"}', b"", b"<html>", b"[]", b"\xff"]
)
def test_an_unknown_answer_has_the_class_of_its_status(
    status: int, name: str, body: bytes
) -> None:
    error = errors.error_from(Response(status, body, {"x-b3-traceid": "t-1"}))
    assert type(error) is getattr(errors, name)
    assert isinstance(error, ServiceError)
    assert error.code == ("NEW_CODE" if b"NEW" in body else errors.UNKNOWN_CODE)
    assert "trace t-1" in str(error)


# --- Errors that list items -------------------------------------------------------------------


def refused(count: int) -> list[ItemFailure]:
    error = service_error("MAX_SIZE", "too large", status=400)
    return [ItemFailure("task", f"task:{number}", error) for number in range(count)]


def lost(count: int) -> list[ItemFailure]:
    return [ItemFailure(None, f"key {number}", AnswerLost("reset")) for number in range(count)]


LISTING: dict[str, tuple[Callable[[int], Any], str, str]] = {
    "failed": (lambda count: PartialCommit([], refused(count)), ".failed", "failed"),
    "unknown": (lambda count: PartialCommit([], lost(count)), ".unknown", "unknown"),
    "read": (lambda count: PartialRead({"k": 1}, refused(count)), ".failed", "failed"),
    "hooks": (
        lambda count: HookFailed("1 saved", [ValueError(each) for each in range(count)]),
        ".errors",
        "errors",
    ),
}


@pytest.mark.parametrize(("make", "where", "name"), LISTING.values(), ids=LISTING)
def test_an_error_lists_the_first_twenty_items_and_holds_all(
    make: Callable[[int], ForgeError], where: str, name: str
) -> None:
    for count in (1, 20):
        lines = str(make(count)).splitlines()
        assert len(lines) == 1 + count
        assert "more" not in lines[-1]

    error = make(1000)
    lines = str(error).splitlines()
    assert len(lines) == 1 + 20 + 1
    assert lines[-1] == f"  … and 980 more (see {where})"
    held: Sequence[Any] = getattr(error, name)
    assert len(held) == 1000
    assert str(held[19]) in lines[20]
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_commit_that_failed_both_ways_says_where_both_are() -> None:
    error = PartialCommit([("task", "task:x")], [*refused(15), *lost(6)])
    first, *_, last = str(error).splitlines()
    assert first == "21 of 22 writes were not confirmed and stay pending:"
    assert last == "  … and 1 more (see .failed and .unknown)"
    assert (len(error.failed), len(error.unknown)) == (15, 6)
