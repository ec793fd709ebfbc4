"""What the service cannot express is refused where it is written, with the reason."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from forge_orm import InvalidValue, MetadataField, Query, QueryError
from forge_orm.expressions import Condition
from forge_orm.operations import Check, entity_query, transaction
from forge_orm.query import compile_conditions

from .models import NOON, Note, Status, Task

keys: Any = Task.index("by-key")
status: Any = Task.index("by-status")
opened: Any = Task.by_status("P", Status.OPEN)
# What type checkers refuse too, they must not see.
task: Any = Task
note: Any = Note
either_or = Check("k", "task", (Task.priority.in_([1, 2]), Task.weight.in_([1, 2])))


def sent(query: Query[Any]) -> Any:
    return entity_query(query.spec, rows=1)


INDEX: list[tuple[Callable[[], Any], str]] = [
    (lambda: Task.index("by_due"), "Task has no index 'by_due'; it has by-status(project"),
    (lambda: sent(status), "needs a value for 'project', 'status'"),
    (lambda: sent(status.where(Task.project == "P")), "needs a value for 'status'"),
    (lambda: task.by_status("P"), "takes 2 partition values, got 1"),
    (lambda: status.where(Task.project > "P"), "which takes only =="),
    (lambda: opened.where(Task.project == "Q"), "already has a value"),
    (lambda: status.where(Task.priority == 1), "does not hold 'priority'; use filter()"),
    (lambda: status.where(Task.project == "P" * 1701), "is 1701 bytes; the service takes 1700"),
    (lambda: Task.by_title().equal_to("ü" * 451), "is 902 bytes; the service takes 900"),
    (lambda: Task.by_title().between("a" * 500, "b" * 500), "is 1000 bytes"),
    (lambda: keys.where((Task.key < "a") | (Task.key > "b")), "use filter()"),
    (lambda: keys.where(task.key != "a"), "cannot take NOT_EQUAL_TO"),
    (lambda: keys.where(task.key.contains("a")), "cannot take CONTAINS"),
    (lambda: Task.by_assignee().where(task.assignee.exists()), "cannot take EXISTS"),
    (lambda: keys.where(Task.key > "a", Task.key < "b"), ">= and <= together make one"),
    (lambda: keys.where(Task.key == "a").where(Task.key == "b"), "takes one range condition"),
    (lambda: keys.where(Task.key >= "a", Task.key >= "b"), "takes one range condition"),
    (lambda: opened.order(Task.priority.desc()), "to order by 'priority' use an index whose"),
]
FILTER: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: keys.filter(
            (Task.priority == 1) & ((Task.weight == 1) | (Task.urgent == True))  # noqa: E712
        ),
        "one flat list of comparisons",
    ),
    (
        lambda: keys.filter((Task.priority == 1) | ((Task.weight == 1) & (Task.title == "t"))),
        "Ask two queries",
    ),
    (lambda: keys.filter(Task.priority.in_([1, 2])).filter(Task.weight == 1), "not nested"),
    (
        lambda: keys.filter(Task.priority.in_([1, 2]), Task.weight.in_([1, 2])),
        "joined either by & or by |",
    ),
    (
        lambda: keys.filter((Task.assignee != "a") | (Task.priority == 1)),
        "add | assignee.missing()",
    ),
    (
        lambda: keys.filter(~Task.title.startswith("a")),
        "the service cannot make this comparison",
    ),
    (lambda: keys.filter(Task.key == "a"), "belongs to the index by-key"),
    (lambda: opened.filter(Task.due > NOON), "say it with where()"),
    (lambda: opened.filter(Task.project == "P"), "'project' belongs to the index by-status"),
    (lambda: keys.filter(*[Task.priority != n for n in range(101)]), "101 conditions"),
    (
        lambda: opened.since(NOON).filter(*[Task.priority != n for n in range(100)]),
        "the service takes 100 a query",
    ),
    (lambda: keys.filter(task.tags["a"] == "b"), "the service cannot make this comparison"),
    (lambda: Task.priority.in_([]), "Task.priority.in_() of no values"),
    (lambda: Task.cost > Decimal(1), "Task.cost cannot be compared with GREATER_THAN"),
    (lambda: task.urgent < True, "only ==, != and in_() work"),
    (lambda: task.due.startswith("2026"), "Task.due.startswith() needs an attribute"),
    (lambda: task.priority.contains("1"), "Task.priority.contains() needs an attribute"),
    (lambda: keys.filter(Note.text == "t"), "is about Note, this query about Task"),
    (lambda: keys.where(Note.key == "k"), "is about Note"),
    (lambda: keys.filter((Task.title == "t") | (note.text == "t")), "is about Note"),
    (lambda: compile_conditions(()), "a condition needs at least one comparison"),
    (lambda: transaction([], [either_or]), "one flat list of comparisons"),
]
PAGE: list[tuple[Callable[[], Any], str]] = [
    (lambda: keys.limit(0), "limit(0) must be a whole number, and at least 1"),
    (lambda: keys.limit(2.5), "limit(2.5) must be a whole number"),
    (lambda: keys.limit(True), "limit(True) must be a whole number"),
    (lambda: keys.page_size(0), "page_size(0) must be a whole number, and at least 1"),
    (lambda: keys.page_size("9"), "page_size('9') must be a whole number"),
    (lambda: keys.page_size(101), "page_size(101): the service reads at most 100"),
    (lambda: keys.metadata("CREATED"), "metadata('CREATED'): known fields are CREATED_AT"),
]


@pytest.mark.parametrize(("ask", "says"), [*INDEX, *FILTER, *PAGE])
def test_a_question_the_service_does_not_know_is_refused(
    ask: Callable[[], Any], says: str
) -> None:
    with pytest.raises(QueryError) as refusal:
        ask()

    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("compare", "says"),
    [
        (lambda: task.priority == "3", "Task.priority: '3' cannot be compared with it"),
        (lambda: task.priority == True, "expected int, got bool"),  # noqa: E712
        (lambda: Task.priority > 2**31, "32-bit integer"),
        (lambda: Task.weight < float("nan"), "Task.weight"),
        (lambda: Task.title == "", "use None"),
        (lambda: Task.title.startswith(""), "Task.title.startswith() takes a text"),
        (lambda: task.title.contains(3), "Task.title.contains() takes a text"),
        (lambda: Task.due > datetime(2026, 1, 1), "no time zone"),
        (lambda: task.status == "open", "expected Status, got str"),
        (lambda: Task.price == Decimal("0.001"), "2 of them decimals"),
        (lambda: Task.key == "a/b", "Task.key 'a/b' is refused"),
        (lambda: task.priority < None, "Task.priority: None"),
    ],
)
def test_a_value_an_attribute_cannot_hold_is_refused(
    compare: Callable[[], Any], says: str
) -> None:
    with pytest.raises(InvalidValue) as refusal:
        compare()

    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda: bool(Task.priority == 1), "Write & for `and`"),
        (lambda: Task.priority == 1 and Task.weight == 1, "| for `or`"),
        (lambda: not (task.priority == 1), "~ for `not`"),  # noqa: SIM201
        (lambda: 1 < Task.priority < 5, ".between(low, high)"),
        (lambda: task.priority in [1, 2], ".in_(values) for `in`"),
        (lambda: 1 in (task.priority == 1), "hand it to filter() as it is"),
        (lambda: keys.filter(*(task.priority == 1)), "hand it to filter() as it is"),
        (lambda: (task.priority == 1) & True, "& joins conditions such as Task.priority > 3"),
        (lambda: (task.priority == 1) | None, "| joins conditions"),
        (lambda: task.by_status(project="P", status=1), "in that order, not by name: project"),
        (lambda: "a" in task.title, "write Task.title.contains('a')"),
        (lambda: list(task.tags), "only an entity has its value"),
        (lambda: not task.urgent, "write Task.urgent == True"),
        (lambda: keys.filter(True), "expected a condition such as Task.priority > 3, got True"),
        (lambda: keys.where(False), "a value was compared, not an attribute"),
    ],
)
def test_python_that_would_lose_a_condition_says_what_to_write(
    write: Callable[[], Any], says: str
) -> None:
    with pytest.raises(TypeError) as refusal:
        write()

    assert says in str(refusal.value)


STEPS: list[Callable[[Any], Any]] = [
    lambda query: query.where(Task.due > NOON),
    lambda query: query.filter(Task.priority == 1),
    lambda query: query.order(Task.due.desc()),
    lambda query: query.limit(3),
    lambda query: query.page_size(3),
    lambda query: query.cursor("c"),
    lambda query: query.metadata(),
    lambda query: query.since(NOON),
    lambda query: query.descending(),
]


@pytest.mark.parametrize("step", STEPS)
def test_a_query_never_changes(step: Callable[[Any], Any]) -> None:
    before = Task.by_status("P", Status.OPEN)
    after = step(before)

    assert after != before
    assert before == opened
    assert type(after) is type(before)
    assert step(before) == after
    assert len({before, opened, after, step(before)}) == 2


@pytest.mark.parametrize(
    "question",
    [keys, opened, Task.query(Task.priority > 1), keys.select(Task.title)],
    ids=lambda question: type(question).__name__,
)
def test_a_question_cannot_be_changed_and_can_be_copied(question: Any) -> None:
    for name in (*question.__slots__, "spec", "other"):
        with pytest.raises(AttributeError, match=r"never changes; its methods return new"):
            setattr(question, name, None)
        with pytest.raises(AttributeError, match=r"never changes"):
            delattr(question, name)

    assert copy.copy(question) == copy.deepcopy(question) == question


def test_queries_of_two_entities_differ() -> None:
    assert Task.index("by-key") != Note.index("by-key")
    assert Task.index("by-key") != "Task"


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (keys, "Task.index('by-key')"),
        (opened, "Task.index('by-status').where(project == 'P', status == 'open')"),
        (
            Task.by_title().startswith("a").filter(Task.priority > 1, Task.assignee.missing()),
            (
                "Task.index('title').where(title BEGINS WITH 'a')"
                ".filter(priority > 1, assignee NOT EXISTS)"
            ),
        ),
        (
            keys.order(Task.key.desc()).limit(3).page_size(2).cursor("c"),
            "Task.index('by-key').order(key.desc()).limit(3).page_size(2).cursor('c')",
        ),
        (keys.metadata(MetadataField.CREATED_AT), "Task.index('by-key').metadata(CREATED_AT)"),
        ((Task.priority > 1) & (Task.weight <= 2), "(priority > 1) & (weight <= 2)"),
        (Task.priority.in_([1, 2]), "(priority == 1) | (priority == 2)"),
        (Task.weight.between(1, 2), "weight BETWEEN 1, 2"),
        (~(Task.title == "t"), "title != 't'"),
        (Task.due.asc(), "dueAt.asc()"),
    ],
)
def test_queries_and_conditions_show_what_they_ask(shown: object, text: str) -> None:
    assert repr(shown) == text


def test_the_opposite_of_the_opposite_is_the_condition() -> None:
    for condition in (Task.priority == 1, Task.priority > 1, Task.assignee.exists()):
        plain: Condition[Task] = condition
        assert ~~plain == plain
