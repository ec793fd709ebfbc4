"""What is written in Python, and the JSON of ``entity/query`` it becomes."""

from __future__ import annotations

import json
from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from forge_orm import MetadataField, Query
from forge_orm.expressions import Condition
from forge_orm.operations import Check, Write, entity_query, transaction

from .models import NOON, Note, Status, Task

Payload = dict[str, Any]
ALL = ["CREATED_AT", "UPDATED_AT", "EXPIRE_TIME"]
OWNER = UUID("00000000-0000-4000-8000-0000000000aa")

keys = Task.index("by-key")
# At run time where() looks into & and in_() too; type checkers let only comparisons in.
loose: Any = Task.index("by-status")
given = (Task.project == "P", Task.status == Status.OPEN)
by_status = Task.by_status("P", Status.OPEN)
titles = Task.by_title()
KEYS: Payload = {"entityName": "task", "indexName": "by-key"}
BY_STATUS: Payload = {
    "entityName": "task",
    "indexName": "by-status",
    "partition": ["P", "open"],
}
TITLES: Payload = {"entityName": "task", "indexName": "title"}
BY_PRICE: Payload = {"entityName": "task", "indexName": "by_price", "partition": [True]}


def range_(condition: str, *values: Any) -> Payload:
    return {"range": {"condition": condition, "values": list(values)}}


def term(property: str, condition: str, *values: Any) -> Payload:
    return {"property": property, "condition": condition, "values": list(values)}


def all_of(*terms: Payload) -> Payload:
    return {"filters": {"and": list(terms)}}


def any_of(*terms: Payload) -> Payload:
    return {"filters": {"or": list(terms)}}


AT_NOON = "2026-01-01T12:00:00.000000Z"
AT_ONE = "2026-01-01T13:00:00.000000Z"
LATER = NOON + timedelta(hours=1)
EAST = NOON.astimezone(timezone(timedelta(hours=9)))

INDEXES: list[tuple[Query[Any], Payload]] = [
    (keys, KEYS),
    (Note.index("by-key"), {"entityName": "note", "indexName": "by-key"}),
    (titles, TITLES),
    (Task.index("title"), TITLES),
    (by_status, BY_STATUS),
    (
        Task.index("by-status").where(*given),
        BY_STATUS,
    ),
    (
        Task.index("by-status").where(Task.status == Status.OPEN).where(Task.project == "P"),
        BY_STATUS,
    ),
    (
        loose.where((Task.project == "P") & (Task.status == Status.OPEN)),
        BY_STATUS,
    ),
    (
        loose.where(Task.project == "P", Task.status.in_([Status.OPEN])),
        BY_STATUS,
    ),
    (Task.by_price(True), BY_PRICE),
]
RANGES: list[tuple[Query[Any], Payload]] = [
    (keys.where(Task.key == "a"), KEYS | range_("EQUAL_TO", "a")),
    (keys.where(Task.key < "a"), KEYS | range_("LESS_THAN", "a")),
    (keys.where(Task.key <= "a"), KEYS | range_("LESS_THAN_EQUAL_TO", "a")),
    (keys.where(Task.key > "a"), KEYS | range_("GREATER_THAN", "a")),
    (keys.where(Task.key >= "a"), KEYS | range_("GREATER_THAN_EQUAL_TO", "a")),
    (keys.where(Task.key.between("a", "b")), KEYS | range_("BETWEEN", "a", "b")),
    (keys.where(Task.key >= "a", Task.key <= "b"), KEYS | range_("BETWEEN", "a", "b")),
    (keys.where(Task.key <= "b").where(Task.key >= "a"), KEYS | range_("BETWEEN", "a", "b")),
    (keys.where(Task.key.startswith("a:")), KEYS | range_("BEGINS_WITH", "a:")),
    (by_status.before(NOON), BY_STATUS | range_("LESS_THAN", AT_NOON)),
    (by_status.up_to(NOON), BY_STATUS | range_("LESS_THAN_EQUAL_TO", AT_NOON)),
    (by_status.after(NOON), BY_STATUS | range_("GREATER_THAN", AT_NOON)),
    (by_status.since(EAST), BY_STATUS | range_("GREATER_THAN_EQUAL_TO", AT_NOON)),
    (by_status.equal_to(NOON), BY_STATUS | range_("EQUAL_TO", AT_NOON)),
    (by_status.between(NOON, LATER), BY_STATUS | range_("BETWEEN", AT_NOON, AT_ONE)),
    (by_status.since(NOON).up_to(LATER), BY_STATUS | range_("BETWEEN", AT_NOON, AT_ONE)),
    (
        loose.where(*given, ~(Task.due < NOON)),
        BY_STATUS | range_("GREATER_THAN_EQUAL_TO", AT_NOON),
    ),
    (titles.startswith("Zür"), TITLES | range_("BEGINS_WITH", "Zür")),
    (Task.by_price(True).after(Decimal("2.5")), BY_PRICE | range_("GREATER_THAN", "100250")),
    (Task.by_price(True).before(Decimal(-1)), BY_PRICE | range_("LESS_THAN", "099899")),
    (
        Task.index("by_urgent").where(Task.urgent == False),  # noqa: E712
        {"entityName": "task", "indexName": "by_urgent"} | range_("EQUAL_TO", False),
    ),
]
PAGING: list[tuple[Query[Any], Payload]] = [
    (by_status.descending(), BY_STATUS | {"sort": "DESC"}),
    (by_status.order(Task.due.desc()), BY_STATUS | {"sort": "DESC"}),
    (by_status.descending().ascending(), BY_STATUS),
    (keys.order(Task.key.desc()), KEYS | {"sort": "DESC"}),
    (keys.cursor("c="), KEYS | {"cursor": "c="}),
    (keys.cursor("c").cursor(None), KEYS),
    (keys.limit(3), KEYS),  # the limit is the caller's, not the page's
    (keys.metadata(), KEYS | {"options": {"metadataFields": ALL}}),
    (
        keys.metadata(MetadataField.EXPIRE_TIME),
        KEYS | {"options": {"metadataFields": ["EXPIRE_TIME"]}},
    ),
]
# One condition each: the same in a filter, and as a condition of a transaction.
CONDITIONS: list[tuple[Condition[Task], Payload]] = [
    (Task.title == "ü", {"and": [term("title", "EQUAL_TO", "ü")]}),
    (Task.title != "ü", {"and": [term("title", "NOT_EQUAL_TO", "ü")]}),
    (Task.title.contains("b"), {"and": [term("title", "CONTAINS", "b")]}),
    (~Task.title.contains("b"), {"and": [term("title", "NOT_CONTAINS", "b")]}),
    (Task.title.startswith("b"), {"and": [term("title", "BEGINS_WITH", "b")]}),
    (Task.priority < 3, {"and": [term("priority", "LESS_THAN", 3)]}),
    (Task.priority <= 3, {"and": [term("priority", "LESS_THAN_EQUAL_TO", 3)]}),
    (Task.weight > 2, {"and": [term("weight", "GREATER_THAN", 2)]}),
    (Task.weight >= 0.5, {"and": [term("weight", "GREATER_THAN_EQUAL_TO", 0.5)]}),
    (Task.weight.between(-1, 1.5), {"and": [term("weight", "BETWEEN", -1, 1.5)]}),
    (Task.cost == Decimal("1.50"), {"and": [term("cost", "EQUAL_TO", "1.5")]}),
    (Task.urgent == True, {"and": [term("urgent", "EQUAL_TO", True)]}),  # noqa: E712
    (Task.due == EAST, {"and": [term("dueAt", "EQUAL_TO", AT_NOON)]}),
    (Task.owner == OWNER, {"and": [term("owner", "EQUAL_TO", str(OWNER))]}),
    (Task.assignee == None, {"and": [term("assignee", "NOT_EXISTS", True)]}),  # noqa: E711
    (Task.assignee != None, {"and": [term("assignee", "EXISTS", True)]}),  # noqa: E711
    (Task.assignee.missing(), {"and": [term("assignee", "NOT_EXISTS", True)]}),
    (~Task.assignee.missing(), {"and": [term("assignee", "EXISTS", True)]}),
    # An absent attribute never satisfies a negative comparison: that is said, once.
    (
        (Task.assignee != "a") & (Task.assignee != "b"),
        {
            "and": [
                term("assignee", "NOT_EQUAL_TO", "a"),
                term("assignee", "EXISTS", True),
                term("assignee", "NOT_EQUAL_TO", "b"),
            ]
        },
    ),
    (
        Task.assignee.missing() | (Task.assignee != "a"),
        {"or": [term("assignee", "NOT_EXISTS", True), term("assignee", "NOT_EQUAL_TO", "a")]},
    ),
    (
        Task.priority.in_([1, 2]),
        {"or": [term("priority", "EQUAL_TO", 1), term("priority", "EQUAL_TO", 2)]},
    ),
    (
        ~Task.priority.in_([1, 2]),
        {"and": [term("priority", "NOT_EQUAL_TO", 1), term("priority", "NOT_EQUAL_TO", 2)]},
    ),
    (
        (Task.priority > 1) & (Task.weight < 2) & (Task.title == "t"),
        {
            "and": [
                term("priority", "GREATER_THAN", 1),
                term("weight", "LESS_THAN", 2),
                term("title", "EQUAL_TO", "t"),
            ]
        },
    ),
    (
        ~((Task.priority > 1) & (Task.weight < 2)),
        {
            "or": [
                term("priority", "LESS_THAN_EQUAL_TO", 1),
                term("weight", "GREATER_THAN_EQUAL_TO", 2),
            ]
        },
    ),
    (
        ~Task.weight.between(1, 2),
        {"or": [term("weight", "LESS_THAN", 1), term("weight", "GREATER_THAN", 2)]},
    ),
]
FILTERED = [
    (keys.filter(condition), KEYS | {"filters": said}) for condition, said in CONDITIONS
]
FILTERED += [
    (
        by_status.filter(Task.priority > 1).filter(Task.weight < 2),
        BY_STATUS | all_of(term("priority", "GREATER_THAN", 1), term("weight", "LESS_THAN", 2)),
    ),
    (
        by_status.since(NOON)
        .filter((Task.priority == 1) | (Task.weight == 2))
        .descending()
        .cursor("c")
        .metadata(MetadataField.CREATED_AT),
        BY_STATUS
        | range_("GREATER_THAN_EQUAL_TO", AT_NOON)
        | any_of(term("priority", "EQUAL_TO", 1), term("weight", "EQUAL_TO", 2))
        | {"sort": "DESC", "cursor": "c", "options": {"metadataFields": ["CREATED_AT"]}},
    ),
]


@pytest.mark.parametrize(("query", "payload"), [*INDEXES, *RANGES, *PAGING, *FILTERED], ids=str)
def test_a_query_becomes_this_request(query: Query[Any], payload: Payload) -> None:
    request = entity_query(query.spec, rows=7).request

    assert request.operation == "entity/query"
    assert request.repeatable
    assert json.loads(request.body) == payload | {"limit": 7}


@pytest.mark.parametrize(("condition", "said"), CONDITIONS, ids=str)
def test_a_condition_of_a_transaction_is_said_in_the_same_words(
    condition: Condition[Task], said: Payload
) -> None:
    write = Write("k", "task", b"{}", conditions=(condition,))
    body = json.loads(transaction([write], [Check("c", "task", (condition,))]).request.body)

    assert body == {
        "set": [{"key": "k", "entityName": "task", "conditions": said, "value": {}}],
        "check": [{"key": "c", "entityName": "task", "conditions": said}],
    }


def test_a_prefix_of_an_enum_is_a_text() -> None:
    prefix: Any = Task.status  # to a type checker it is no text
    (comparison,) = Task.index("by-key").filter(prefix.startswith("op")).spec.filters
    assert repr(comparison) == "status BEGINS WITH 'op'"
