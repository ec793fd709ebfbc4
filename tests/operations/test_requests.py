"""The exact bytes of all fifteen requests, with every field said and with none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_orm import Attr, Entity, InvalidValue, MetadataField, Registry, attr, index
from forge_orm import operations as ops
from forge_orm.model.keys import check_key
from forge_orm.operations import BatchItem, Check, Operation, Setting, Write
from forge_orm.operations.core import json_object
from forge_orm.operations.entity import get_request
from forge_orm.wire import ALL_METADATA, OPERATIONS, Request

UPDATED = (MetadataField.UPDATED_AT,)
HOUR = timedelta(hours=1)
VALUE = '{"city":"Zürich ☃ 𝄞","n":1.5}'.encode()
EVERYTHING = Setting(HOUR, "OVERRIDE", "PREVIOUS", ALL_METADATA)
CREATE = Setting(policy="FAIL_IF_EXISTS")


class Task(Entity, name="task", registry=Registry()):
    project: Attr[str] = attr()
    due: Attr[int] = attr()
    note: Attr[str | None] = attr(default=None)

    by_due = index(project, range=due)


FULL_QUERY = (
    Task.by_due("Zürich")
    .between(1, 2)
    .filter(Task.note == "ü")
    .descending()
    .cursor("c")
    .metadata()
    .spec
)
NONE_SAID = Task.index("by-key").spec

BARE: list[tuple[Operation[Any], str, str]] = [
    (ops.get("k"), "get", '{"key":"k"}'),
    (ops.set("k", b"true"), "set", '{"key":"k","value":true}'),
    (ops.delete("k"), "delete", '{"key":"k"}'),
    (ops.query(rows=100), "query", '{"limit":100}'),
    (ops.get("k", space="secret/"), "secret/get", '{"key":"k"}'),
    (ops.set("k", b'"s"', space="secret/"), "secret/set", '{"key":"k","value":"s"}'),
    (ops.delete("k", space="secret/"), "secret/delete", '{"key":"k"}'),
    (ops.entity_get("task", "k"), "entity/get", '{"entityName":"task","key":"k"}'),
    (
        ops.entity_set("task", "k", b"{}"),
        "entity/set",
        '{"entityName":"task","key":"k","value":{}}',
    ),
    (ops.entity_delete("task", "k"), "entity/delete", '{"entityName":"task","key":"k"}'),
    (
        ops.entity_query(NONE_SAID, rows=100),
        "entity/query",
        '{"entityName":"task","indexName":"by-key","limit":100}',
    ),
    (ops.batch_get([BatchItem("k")]), "batch/get", '[{"key":"k"}]'),
    (
        ops.batch_set([BatchItem("k", value=b"[1]")]),
        "batch/set",
        '[{"key":"k","value":[1]}]',
    ),
    (ops.batch_delete([BatchItem("k")]), "batch/delete", '[{"key":"k"}]'),
    (
        ops.transaction([Write("k", value=b"0")]),
        "transaction",
        '{"set":[{"key":"k","value":0}]}',
    ),
]
META = '"metadataFields":["CREATED_AT","UPDATED_AT","EXPIRE_TIME"]'
TTL = '"ttl":{"value":3600,"unit":"SECONDS"}'
SET = (
    f'"options":{{{TTL},"keyPolicy":"OVERRIDE","returnValue":"PREVIOUS",'
    '"returnMetadataFields":["CREATED_AT","UPDATED_AT","EXPIRE_TIME"]}'
)
JSON = VALUE.decode()
CONDITION = '"conditions":{"and":[{"property":"due","condition":"EQUAL_TO","values":[1]}]}'
DUE = (Task.due == 1,)
FULL: list[tuple[Operation[Any], str, str]] = [
    (ops.get("k", ALL_METADATA), "get", f'{{"key":"k","options":{{{META}}}}}'),
    (ops.set("k", VALUE, EVERYTHING), "set", f'{{"key":"k",{SET},"value":{JSON}}}'),
    (
        ops.query("a:", rows=7, cursor="c=", metadata=ALL_METADATA),
        "query",
        (
            '{"limit":7,"after":"c=","where":[{"property":"key","condition":"BEGINS_WITH",'
            f'"values":["a:"]}}],"options":{{{META}}}}}'
        ),
    ),
    (
        ops.get("k", UPDATED, space="secret/"),
        "secret/get",
        '{"key":"k","options":{"metadataFields":["UPDATED_AT"]}}',
    ),
    (
        ops.set("k", VALUE, EVERYTHING, space="secret/"),
        "secret/set",
        f'{{"key":"k",{SET},"value":{JSON}}}',
    ),
    (
        ops.entity_get("task", "k", ALL_METADATA),
        "entity/get",
        f'{{"entityName":"task","key":"k","options":{{{META}}}}}',
    ),
    (
        ops.entity_set("task", "k", VALUE, EVERYTHING),
        "entity/set",
        f'{{"entityName":"task","key":"k",{SET},"value":{JSON}}}',
    ),
    (
        ops.entity_query(FULL_QUERY, rows=7),
        "entity/query",
        (
            '{"entityName":"task","indexName":"by_due","partition":["Zürich"],'
            '"range":{"condition":"BETWEEN","values":[1,2]},'
            '"filters":{"and":[{"property":"note","condition":"EQUAL_TO","values":["ü"]}]},'
            f'"sort":"DESC","cursor":"c","limit":7,"options":{{{META}}}}}'
        ),
    ),
    (
        ops.batch_get([BatchItem("k", "task"), BatchItem("l")], ALL_METADATA),
        "batch/get",
        (
            f'[{{"key":"k","entityName":"task","options":{{{META}}}}},'
            f'{{"key":"l","options":{{{META}}}}}]'
        ),
    ),
    (
        ops.batch_set([BatchItem("k", "task", VALUE, HOUR), BatchItem("l", value=b"1")]),
        "batch/set",
        (
            f'[{{"key":"k","entityName":"task","options":{{{TTL}}},"value":{JSON}}},'
            '{"key":"l","value":1}]'
        ),
    ),
    (
        ops.batch_delete([BatchItem("k", "task"), BatchItem("l")]),
        "batch/delete",
        '[{"key":"k","entityName":"task"},{"key":"l"}]',
    ),
    (
        ops.transaction(
            [
                Write("d", "task", conditions=DUE),
                Write("k", "task", VALUE, HOUR, DUE),
                Write("l", value=b"1"),
                Write("m"),
            ],
            [Check("c", "task", DUE)],
        ),
        "transaction",
        (
            f'{{"set":[{{"key":"k","entityName":"task",{CONDITION},"options":{{{TTL}}},'
            f'"value":{JSON}}},{{"key":"l","value":1}}],'
            f'"delete":[{{"key":"d","entityName":"task",{CONDITION}}},{{"key":"m"}}],'
            f'"check":[{{"key":"c","entityName":"task",{CONDITION}}}]}}'
        ),
    ),
]


@pytest.mark.parametrize(("operation", "path", "body"), [*BARE, *FULL])
def test_a_request_is_these_bytes(operation: Operation[Any], path: str, body: str) -> None:
    assert operation.request.operation == path
    assert operation.request.body.decode() == body


def test_the_tables_hold_every_operation_of_the_reference() -> None:
    assert {path for _, path, _ in BARE} == set(OPERATIONS)
    assert {path for _, path, _ in FULL} == set(OPERATIONS) - {
        "delete",
        "secret/delete",
        "entity/delete",  # with nothing optional to say
    }


@pytest.mark.parametrize(
    ("setting", "options"),
    [
        (Setting(), {}),
        (Setting(policy="OVERRIDE"), {"keyPolicy": "OVERRIDE"}),
        (CREATE, {"keyPolicy": "FAIL_IF_EXISTS"}),
        (
            Setting(returns="LATEST"),
            {"keyPolicy": "OVERRIDE", "returnValue": "LATEST"},
        ),
        (
            Setting(returns="LATEST", metadata=UPDATED),
            {
                "keyPolicy": "OVERRIDE",
                "returnValue": "LATEST",
                "returnMetadataFields": ["UPDATED_AT"],
            },
        ),
        (Setting(timedelta(seconds=1)), {"ttl": {"value": 1, "unit": "SECONDS"}}),
        (Setting(timedelta(days=365)), {"ttl": {"value": 31536000, "unit": "SECONDS"}}),
    ],
)
def test_a_setting_says_only_what_was_asked(setting: Setting, options: dict[str, Any]) -> None:
    assert setting.payload() == options


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ops.set("k", b"1", Setting(timedelta(0))), "from 1 to 31536000 "),
        (lambda: ops.set("k", b"1", Setting(-HOUR)), "whole seconds"),
        (lambda: ops.entity_set("e", "k", b"{}", Setting(HOUR / 7)), "whole seconds"),
        (lambda: ops.batch_set([BatchItem("k", ttl=timedelta(days=366))]), "one year"),
        (lambda: ops.transaction([Write("k", value=b"1", ttl=HOUR / 7)]), "whole seconds"),
        (lambda: Setting(policy="FAIL_IF_EXISTS", returns="LATEST"), "nothing to return"),
        (lambda: Setting(policy="FAIL_IF_EXISTS", metadata=UPDATED), "nothing to return"),
        (lambda: Setting(metadata=UPDATED), "returns='LATEST'"),
    ],
)
def test_options_the_service_refuses_are_refused_before_sending(
    make: Callable[[], Any], says: str
) -> None:
    with pytest.raises(InvalidValue, match=says):
        make()


def test_only_what_has_the_same_effect_twice_is_repeatable() -> None:
    once: list[Operation[Any]] = [
        ops.set("k", b"1", CREATE),
        ops.set("k", b"1", CREATE, space="secret/"),
        ops.entity_set("task", "k", b"{}", CREATE),
        ops.entity_set("task", "k", b"{}", Setting(returns="PREVIOUS")),
        ops.transaction([Write("k", value=b"1")]),
    ]
    often = [operation for operation, path, _ in BARE if path != "transaction"]
    often.append(ops.set("k", b"1", Setting(returns="LATEST")))

    assert not any(operation.request.repeatable for operation in once)
    assert all(operation.request.repeatable for operation in often)


def test_a_secret_is_not_shown() -> None:
    request: Request = ops.set("k", b'"hush"', space="secret/").request

    assert b"hush" in request.body
    assert repr(request) == "Request('secret/set', <secret>)"
    assert repr(ops.delete("k").request) == """Request('delete', {"key":"k"})"""


@given(st.from_regex(r"[A-Za-z0-9:._\-# ]{1,60}", fullmatch=True).filter(str.strip))
def test_the_short_way_to_a_get_makes_the_same_request(key: str) -> None:
    assert get_request("task", check_key(key)) == ops.entity_get("task", key).request


@given(st.text(max_size=20), st.sampled_from(["task", "it:em"]), st.booleans())
def test_an_item_of_a_batch_is_written_as_any_object_is(
    key: str, entity: str, last: bool
) -> None:
    item = BatchItem(key, entity, VALUE)
    twin = json_object({"key": key, "entityName": entity}, value=VALUE)
    items = [BatchItem("plain", None, VALUE), item] if last else [item]
    assert ops.batch_set(items).request.body.endswith(twin + b"]")
