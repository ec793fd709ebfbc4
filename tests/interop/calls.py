"""The same calls in both languages: as the official client says them, and as ours does.

What the official client sends for each is recorded in ``golden/`` (``record.py``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, NamedTuple

from pydantic import SecretStr

from forge_orm import Entity, Forge, MetadataField, Query, Session
from forge_orm import operations as ops
from forge_orm.operations import BatchItem, Check, Operation, Setting, Write
from forge_orm.wire import Request, Response

from .models import Employee

CREATED, UPDATED, EXPIRES = MetadataField
HOUR = timedelta(hours=1)
TTL = "{ttl: {value: 3600, unit: 'SECONDS'}}"
ALL = "['CREATED_AT', 'UPDATED_AT', 'EXPIRE_TIME']"

VALUE = "{surname: 'Lovelace', age: 36, height: 1.65, remote: true, team: 'maths'}"
RAW = b'{"surname":"Lovelace","age":36,"height":1.65,"remote":true,"team":"maths"}'
AGE_IS_36 = "new Filter().and('age', FilterConditions.equalTo(36))"


class Call(NamedTuple):
    """One call: its name, *theirs* in JavaScript, *ours* in Python."""

    name: str
    theirs: str
    ours: Callable[[Forge], object]


def ada() -> Employee:
    """Return what `VALUE` says."""
    return Employee(surname="Lovelace", age=36, height=1.65, remote=True)


def in_session(act: Callable[[Session], object]) -> Callable[[Forge], object]:
    """Let a session do something, and write it."""

    def run(forge: Forge) -> None:
        session = forge.session()
        act(session)
        session.flush()

    return run


def sent(operation: Operation[Any]) -> Callable[[Forge], object]:
    """Send an operation as it is: the floor below sessions, for what they do not say."""
    return lambda forge: operation.read(forge.backend.send(operation.request))


def page(query: Query[Any]) -> Callable[[Forge], object]:
    """Ask for one page."""
    return lambda forge: forge.session().page(query)


class Begun:
    """Answers the first page of a query, whose cursor is ``c``."""

    in_process = True

    def send(self, request: Request, /) -> Response:
        rows = json.loads(request.body)["limit"]
        row = b'{"key":"e%d","createdAt":1,"updatedAt":1,"value":%s}'
        data = b",".join([row % (number, RAW) for number in range(rows)])
        return Response(200, b'{"data":[%s],"cursor":"c"}' % data)


def page_after(query: Query[Any]) -> Callable[[Forge], object]:
    """Ask for the page after the first: our cursor holds that of the service."""

    def run(forge: Forge) -> None:
        first = Forge(Begun()).session().page(query)
        assert first.cursor is not None
        forge.session().page(query.cursor(first.cursor))

    return run


def adding(*entities: Entity, **options: Any) -> Callable[[Forge], object]:
    """Add entities in one session."""
    return in_session(lambda session: session.add(*entities, **options))


PLAIN: Final = [
    Call("get", "kvs.get('k')", lambda f: f.kvs.get("k")),
    Call("get a key with spaces", "kvs.get('a b:c#1')", lambda f: f.kvs.get("a b:c#1")),
    Call(
        "get with one metadata field",
        "kvs.get('k', {metadataFields: [MetadataField.CREATED_AT]})",
        lambda f: f.kvs.read("k", CREATED),
    ),
    Call(
        "get with all metadata",
        f"kvs.get('k', {{metadataFields: {ALL}}})",
        lambda f: f.kvs.read("k"),
    ),
    Call("set a text", "kvs.set('k', 'Zürich ☃ 𝄞')", lambda f: f.kvs.set("k", "Zürich ☃ 𝄞")),
    Call("set an integer", "kvs.set('k', 5)", lambda f: f.kvs.set("k", 5)),
    Call("set a fraction", "kvs.set('k', -0.25)", lambda f: f.kvs.set("k", -0.25)),
    Call("set a large number", "kvs.set('k', 1e21)", lambda f: f.kvs.set("k", 1e21)),
    Call("set true", "kvs.set('k', true)", lambda f: f.kvs.set("k", True)),
    Call(
        "set a list", "kvs.set('k', [1, 'x', null])", lambda f: f.kvs.set("k", [1, "x", None])
    ),
    Call(
        "set an object",
        "kvs.set('k', {a: {b: [{}]}, '': 0})",
        lambda f: f.kvs.set("k", {"a": {"b": [{}]}, "": 0}),
    ),
    Call(
        "set with a time to live",
        f"kvs.set('k', 1, {TTL})",
        lambda f: f.kvs.set("k", 1, ttl=HOUR),
    ),
    Call(
        "set with a time to live in days",
        "kvs.set('k', 1, {ttl: {value: 2, unit: 'DAYS'}})",
        lambda f: f.kvs.set("k", 1, ttl=timedelta(days=2)),
    ),
    Call(
        "set only if absent",
        "kvs.set('k', 1, {keyPolicy: 'FAIL_IF_EXISTS'})",
        lambda f: f.kvs.set("k", 1, policy="FAIL_IF_EXISTS"),
    ),
    Call(
        "set over what is there",
        "kvs.set('k', 1, {keyPolicy: 'OVERRIDE'})",
        lambda f: f.kvs.set("k", 1, policy="OVERRIDE"),
    ),
    Call(
        "set and return the previous value",
        "kvs.set('k', 1, {keyPolicy: 'OVERRIDE', returnValue: 'PREVIOUS'})",
        lambda f: f.kvs.set("k", 1, returns="PREVIOUS"),
    ),
    Call(
        "set and return a value without a key policy",
        "kvs.set('k', 1, {returnValue: 'PREVIOUS'})",
        lambda f: f.kvs.set("k", 1, returns="PREVIOUS"),
    ),
    Call(
        "set with every option",
        "kvs.set('k', 1, {ttl: {value: 3600, unit: 'SECONDS'}, keyPolicy: 'OVERRIDE', "
        f"returnValue: 'LATEST', returnMetadataFields: {ALL}}})",
        lambda f: f.kvs.set("k", 1, ttl=HOUR, returns="LATEST", metadata=MetadataField),
    ),
    Call("delete", "kvs.delete('k')", lambda f: f.kvs.delete("k")),
    Call("query", "kvs.query().getMany()", lambda f: f.kvs.page()),
    Call(
        "query with a limit",
        "kvs.query().limit(100).getMany()",
        lambda f: f.kvs.page(),
    ),
    Call(
        "query by prefix",
        "kvs.query().where('key', WhereConditions.beginsWith('a:')).limit(7).getMany()",
        lambda f: f.kvs.page("a:", limit=7),
    ),
    Call(
        "query from a cursor on",
        "kvs.query().limit(100).cursor('c').getMany()",
        lambda f: f.kvs.page(cursor="c"),
    ),
    Call(
        "query with everything",
        "kvs.query({metadataFields: [MetadataField.EXPIRE_TIME]})"
        ".where('key', WhereConditions.beginsWith('a')).cursor('c').limit(20).getMany()",
        lambda f: f.kvs.page("a", limit=20, cursor="c", metadata=[EXPIRES]),
    ),
    Call(
        "query one key",
        "kvs.query().where('key', WhereConditions.beginsWith('a')).getOne()",
        lambda f: f.kvs.page("a", limit=1),
    ),
]
SECRETS: Final = [
    Call("get", "kvs.getSecret('k')", lambda f: f.secrets.get("k")),
    Call(
        "get with all metadata",
        f"kvs.getSecret('k', {{metadataFields: {ALL}}})",
        lambda f: f.secrets.read("k"),
    ),
    Call("set", "kvs.setSecret('k', 'hush')", lambda f: f.secrets.set("k", SecretStr("hush"))),
    Call(
        "set an object",
        "kvs.setSecret('k', {token: 'hush', scopes: ['a']})",
        lambda f: f.secrets.typed("", dict[str, Any]).set(
            "k", {"token": SecretStr("hush"), "scopes": ["a"]}
        ),
    ),
    Call(
        "set with a time to live",
        f"kvs.setSecret('k', 'hush', {TTL})",
        lambda f: f.secrets.set("k", SecretStr("hush"), ttl=HOUR),
    ),
    Call(
        "set only if absent",
        "kvs.setSecret('k', 'hush', {keyPolicy: 'FAIL_IF_EXISTS'})",
        lambda f: f.secrets.set("k", SecretStr("hush"), policy="FAIL_IF_EXISTS"),
    ),
    Call(
        "set and return the latest value",
        "kvs.setSecret('k', 'hush', {keyPolicy: 'OVERRIDE', returnValue: 'LATEST', "
        "returnMetadataFields: [MetadataField.UPDATED_AT]})",
        lambda f: f.secrets.set("k", SecretStr("hush"), returns="LATEST", metadata=[UPDATED]),
    ),
    Call("delete", "kvs.deleteSecret('k')", lambda f: f.secrets.delete("k")),
]
ENTITIES: Final = [
    Call(
        "get",
        "kvs.entity('employee').get('ada')",
        in_session(lambda s: s.get(Employee, "ada")),
    ),
    Call(
        "get with one metadata field",
        "kvs.entity('employee').get('ada', {metadataFields: [MetadataField.UPDATED_AT]})",
        in_session(lambda s: s.get(Employee, "ada", metadata=[UPDATED])),
    ),
    Call(
        "get with all metadata",
        f"kvs.entity('employee').get('ada', {{metadataFields: {ALL}}})",
        in_session(lambda s: s.get(Employee, "ada", metadata=MetadataField)),
    ),
    Call("set", f"kvs.entity('employee').set('ada', {VALUE})", adding(ada(), key="ada")),
    Call(
        "set every attribute",
        "kvs.entity('employee').set('ada', {surname: 'L', age: -5, height: 2, remote: false, "
        "team: 'arts', nickname: 'Ü', skills: ['c', '']})",
        adding(
            Employee(
                surname="L", age=-5, height=2.0, team="arts", nickname="Ü", skills=["c", ""]
            ),
            key="ada",
        ),
    ),
    Call(
        "set without an optional attribute",
        "kvs.entity('employee').set('ada', {surname: 'Lovelace', age: 36, height: 1.65, "
        "remote: true, team: 'maths', nickname: undefined})",
        adding(ada(), key="ada"),
    ),
    Call(
        "set with a time to live",
        f"kvs.entity('employee').set('ada', {VALUE}, {TTL})",
        adding(ada(), key="ada", ttl=HOUR),
    ),
    Call(
        "set only if absent",
        f"kvs.entity('employee').set('ada', {VALUE}, {{keyPolicy: 'FAIL_IF_EXISTS'}})",
        in_session(lambda s: s.insert(ada().with_key("ada"))),
    ),
    Call(
        "set with every option",
        f"kvs.entity('employee').set('ada', {VALUE}, {{ttl: {{value: 3600, unit: 'SECONDS'}}, "
        f"keyPolicy: 'OVERRIDE', returnValue: 'PREVIOUS', returnMetadataFields: {ALL}}})",
        sent(
            ops.entity_set(
                "employee", "ada", RAW, Setting(HOUR, None, "PREVIOUS", tuple(MetadataField))
            )
        ),
    ),
    Call(
        "delete",
        "kvs.entity('employee').delete('ada')",
        in_session(lambda s: s.delete_keys(Employee, "ada")),
    ),
]


def _asked(rest: str, given: str = "'by-key'", options: str = "") -> str:
    return f"kvs.entity('employee').query({options}).index({given}){rest}.limit(100).getMany()"


def _filtered(name: str, given: str, condition: Any) -> Call:
    """Return a query by key with one filter."""
    theirs = _asked(f".filters(new Filter().and('{given}))")
    query = Employee.index("by-key").filter(condition).page_size(100)
    return Call(f"filter: {name}", theirs, page(query))


def _ranged(name: str, where: str, query: Query[Any], index: str = "'by-age'") -> Call:
    """Return a query with a condition on the range."""
    theirs = _asked(f".where(WhereConditions.{where})", index)
    return Call(f"range: {name}", theirs, page(query.page_size(100)))


BY_KEY: Final = Employee.index("by-key").page_size(100)
BY_AGE: Final = Employee.by_age()
QUERIES: Final = [
    Call("by key", _asked(""), page(BY_KEY)),
    Call(
        "without a limit",
        "kvs.entity('employee').query().index('by-age').getMany()",
        page(BY_AGE),
    ),
    Call("along an index", _asked("", "'by-age'"), page(BY_AGE.page_size(100))),
    Call("by an attribute's name", _asked("", "'surname'"), page(Employee.by_surname())),
    Call(
        "in a partition",
        _asked("", "'by-team', {partition: ['maths']}"),
        page(Employee.by_team("maths")),
    ),
    Call(
        "in a partition of two attributes",
        _asked("", "'by-desk', {partition: ['maths', true]}"),
        page(Employee.by_desk("maths", True)),
    ),
    Call("ascending", _asked(".sort(Sort.ASC)", "'by-age'"), page(BY_AGE.ascending())),
    Call("descending", _asked(".sort(Sort.DESC)", "'by-age'"), page(BY_AGE.descending())),
    Call("from a cursor on", _asked(".cursor('c')", "'by-age'"), page_after(BY_AGE)),
    Call(
        "with metadata",
        _asked("", "'by-age'", "{metadataFields: [MetadataField.CREATED_AT]}"),
        page(BY_AGE.metadata(CREATED)),
    ),
    Call(
        "one",
        "kvs.entity('employee').query().index('by-age').getOne()",
        lambda f: f.session().first(BY_AGE),
    ),
    Call(
        "one behind a filter",
        "kvs.entity('employee').query().index('by-age')"
        ".filters(new Filter().and('remote', FilterConditions.equalTo(true))).getOne()",
        lambda f: f.session().first(BY_AGE.filter(Employee.remote == True)),  # noqa: E712
    ),
    _ranged("equal to", "equalTo(3)", BY_AGE.equal_to(3)),
    _ranged("between", "between(3, 5)", BY_AGE.between(3, 5)),
    _ranged("greater than", "greaterThan(3)", BY_AGE.after(3)),
    _ranged("greater than or equal to", "greaterThanEqualTo(3)", BY_AGE.since(3)),
    _ranged("less than", "lessThan(3)", BY_AGE.before(3)),
    _ranged("less than or equal to", "lessThanEqualTo(3)", BY_AGE.up_to(3)),
    _ranged(
        "begins with", "beginsWith('Lo')", Employee.by_surname().startswith("Lo"), "'surname'"
    ),
    _ranged("a boolean", "equalTo(true)", Employee.by_remote().equal_to(True), "'by-remote'"),
    _ranged(
        "a float",
        "lessThan(2)",
        Employee.by_desk("a", False).before(2.0),
        "'by-desk', {partition: ['a', false]}",
    ),
    _ranged("keys", "beginsWith('e')", BY_KEY.where(Employee.key.startswith("e")), "'by-key'"),
    _filtered("equal to", "age', FilterConditions.equalTo(3)", Employee.age == 3),
    _filtered("not equal to", "age', FilterConditions.notEqualTo(3)", Employee.age != 3),
    _filtered("between", "age', FilterConditions.between(3, 5)", Employee.age.between(3, 5)),
    _filtered("greater than", "age', FilterConditions.greaterThan(3)", Employee.age > 3),
    _filtered(
        "greater than or equal to",
        "age', FilterConditions.greaterThanEqualTo(3)",
        Employee.age >= 3,
    ),
    _filtered("less than", "height', FilterConditions.lessThan(1.5)", Employee.height < 1.5),
    _filtered(
        "less than or equal to",
        "height', FilterConditions.lessThanEqualTo(2)",
        Employee.height <= 2.0,
    ),
    _filtered(
        "begins with",
        "surname', FilterConditions.beginsWith('Lo')",
        Employee.surname.startswith("Lo"),
    ),
    _filtered(
        "contains", "surname', FilterConditions.contains('ov')", Employee.surname.contains("ov")
    ),
    _filtered(
        "does not contain",
        "surname', FilterConditions.notContains('ov')",
        ~Employee.surname.contains("ov"),
    ),
    _filtered("exists", "nickname', FilterConditions.exists()", Employee.nickname.exists()),
    _filtered(
        "does not exist", "nickname', FilterConditions.notExists()", Employee.nickname.missing()
    ),
    _filtered(
        "a boolean",
        "remote', FilterConditions.equalTo(true)",
        Employee.remote == True,  # noqa: E712
    ),
    _filtered(
        "an optional attribute not equal to",
        "nickname', FilterConditions.notEqualTo('A.')",
        Employee.nickname != "A.",
    ),
    _filtered(
        "an optional attribute does not contain",
        "nickname', FilterConditions.notContains('A')",
        ~Employee.nickname.contains("A"),
    ),
    Call(
        "filters joined by and",
        _asked(
            ".filters(new Filter().and('age', FilterConditions.greaterThan(3))"
            ".and('remote', FilterConditions.equalTo(false))"
            ".and('nickname', FilterConditions.exists()))"
        ),
        page(
            BY_KEY.filter(
                Employee.age > 3,
                Employee.remote == False,  # noqa: E712
                Employee.nickname.exists(),
            )
        ),
    ),
    Call(
        "filters joined by or",
        _asked(
            ".filters(new Filter().or('age', FilterConditions.equalTo(3))"
            ".or('age', FilterConditions.equalTo(5)))"
        ),
        page(BY_KEY.filter(Employee.age.in_([3, 5]))),
    ),
    Call(
        "everything at once",
        f"kvs.entity('employee').query({{metadataFields: {ALL}}})"
        ".index('by-team', {partition: ['maths']})"
        ".where(WhereConditions.between(3, 5))"
        ".filters(new Filter().and('surname', FilterConditions.beginsWith('L'))"
        ".and('height', FilterConditions.lessThan(2)))"
        ".sort(Sort.DESC).cursor('c').limit(25).getMany()",
        page_after(
            Employee.by_team("maths")
            .between(3, 5)
            .filter(Employee.surname.startswith("L") & (Employee.height < 2.0))
            .descending()
            .page_size(25)
            .metadata()
        ),
    ),
]
BATCHES: Final = [
    Call(
        "set plain keys",
        "kvs.batchSet([{key: 'k', value: 1}, {key: 'l', value: {a: ['x']}}])",
        lambda f: f.kvs.set_many({"k": 1, "l": {"a": ["x"]}}),
    ),
    Call(
        "set plain keys with a time to live",
        f"kvs.batchSet([{{key: 'k', value: 1, options: {TTL}}}, "
        f"{{key: 'l', value: 2, options: {TTL}}}])",
        lambda f: f.kvs.set_many({"k": 1, "l": 2}, ttl=HOUR),
    ),
    Call(
        "set entities",
        f"kvs.batchSet([{{key: 'a', entityName: 'employee', value: {VALUE}}}, "
        f"{{key: 'b', entityName: 'employee', value: {VALUE}}}])",
        adding(ada().with_key("a"), ada().with_key("b")),
    ),
    Call(
        "set entities with a time to live",
        f"kvs.batchSet([{{key: 'a', entityName: 'employee', value: {VALUE}, options: {TTL}}}, "
        f"{{key: 'b', entityName: 'employee', value: {VALUE}, options: {TTL}}}])",
        adding(ada().with_key("a"), ada().with_key("b"), ttl=HOUR),
    ),
    Call(
        "set both kinds",
        f"kvs.batchSet([{{key: 'k', value: 1}}, "
        f"{{key: 'k', entityName: 'employee', value: {VALUE}}}])",
        sent(
            ops.batch_set([BatchItem("k", value=b"1"), BatchItem("k", "employee", value=RAW)])
        ),
    ),
    Call(
        "get plain keys",
        "kvs.batchGet([{key: 'k'}, {key: 'l'}])",
        lambda f: f.kvs.get_many(["k", "l"]),
    ),
    Call(
        "get entities",
        "kvs.batchGet(['a', 'b'].map((key) => ({key, entityName: 'employee'})))",
        in_session(lambda s: s.get_many(Employee, ["a", "b"])),
    ),
    Call(
        "get entities with metadata",
        f"kvs.batchGet(['a', 'b'].map((key) => "
        f"({{key, entityName: 'employee', options: {{metadataFields: {ALL}}}}})))",
        in_session(lambda s: s.get_many(Employee, ["a", "b"], metadata=MetadataField)),
    ),
    Call(
        "get both kinds",
        "kvs.batchGet([{key: 'k'}, {key: 'k', entityName: 'employee'}])",
        sent(ops.batch_get([BatchItem("k"), BatchItem("k", "employee")])),
    ),
    Call(
        "delete plain keys",
        "kvs.batchDelete([{key: 'k'}, {key: 'l'}])",
        lambda f: f.kvs.delete_many(["k", "l"]),
    ),
    Call(
        "delete entities",
        "kvs.batchDelete([{key: 'a', entityName: 'employee'}, "
        "{key: 'b', entityName: 'employee'}])",
        in_session(lambda s: s.delete_keys(Employee, "a", "b")),
    ),
    Call(
        "30 plain keys in two batches",
        "Promise.all([[0, 25], [25, 30]].map(([from, to]) => kvs.batchGet("
        "[...Array(to - from).keys()].map((n) => ({key: 'k' + (from + n)})))))",
        lambda f: f.kvs.get_many(f"k{number}" for number in range(30)),
    ),
]


def _guarded(given: str) -> str:
    """Return a transaction that checks one entity."""
    return f"""kvs.transact().check('ada', {{
        entityName: 'employee', conditions: new Filter().{given}}}).execute()"""


def _checked(name: str, given: str, *conditions: Any) -> Call:
    """Return a check under each kind of condition."""
    theirs = _guarded(given.replace("is.", "FilterConditions."))
    ours = in_session(lambda s: s.require(ada().with_key("ada"), *conditions))
    return Call(f"check: {name}", theirs, ours)


def _add_two_if_ada_is_36(session: Session) -> None:
    session.add(ada().with_key("a"), ada().with_key("b"))
    session.require(ada().with_key("ada"), *IS_36)


def _plain_writes(*writes: Write) -> Callable[[Forge], object]:
    return sent(ops.transaction(writes))


IS_36: Final = (Employee.age == 36,)
TRANSACTIONS: Final = [
    Call(
        "set a plain key",
        "kvs.transact().set('k', 1).execute()",
        _plain_writes(Write("k", value=b"1")),
    ),
    Call(
        "set a plain key with a time to live",
        f"kvs.transact().set('k', 1, undefined, {TTL}).execute()",
        _plain_writes(Write("k", value=b"1", ttl=HOUR)),
    ),
    Call(
        "delete a plain key", "kvs.transact().delete('k').execute()", _plain_writes(Write("k"))
    ),
    Call(
        "set an entity",
        f"kvs.transact().set('ada', {VALUE}, {{entityName: 'employee'}}).execute()",
        lambda f: _always(f, lambda s: s.add(ada(), key="ada")),
    ),
    Call(
        "set an entity with a time to live",
        f"kvs.transact().set('ada', {VALUE}, {{entityName: 'employee'}}, {TTL}).execute()",
        lambda f: _always(f, lambda s: s.add(ada(), key="ada", ttl=HOUR)),
    ),
    Call(
        "set under a condition",
        f"kvs.transact().set('ada', {VALUE}, "
        f"{{entityName: 'employee', conditions: {AGE_IS_36}}}).execute()",
        adding(ada(), key="ada", condition=IS_36[0]),
    ),
    Call(
        "set under a condition, with a time to live",
        f"kvs.transact().set('ada', {VALUE}, "
        f"{{entityName: 'employee', conditions: {AGE_IS_36}}}, {TTL}).execute()",
        adding(ada(), key="ada", condition=IS_36[0], ttl=HOUR),
    ),
    Call(
        "delete an entity",
        "kvs.transact().delete('ada', {entityName: 'employee'}).execute()",
        lambda f: _always(f, lambda s: s.delete_keys(Employee, "ada")),
    ),
    Call(
        "delete under a condition",
        f"kvs.transact().delete('ada', "
        f"{{entityName: 'employee', conditions: {AGE_IS_36}}}).execute()",
        sent(ops.transaction([Write("ada", "employee", conditions=IS_36)])),
    ),
    Call(
        "sets, deletes and checks",
        f"kvs.transact().set('k', 1).set('a', {VALUE}, {{entityName: 'employee'}})"
        ".delete('l').delete('b', {entityName: 'employee'})"
        f".check('ada', {{entityName: 'employee', conditions: {AGE_IS_36}}}).execute()",
        sent(
            ops.transaction(
                [
                    Write("k", value=b"1"),
                    Write("a", "employee", RAW),
                    Write("l"),
                    Write("b", "employee"),
                ],
                [Check("ada", "employee", IS_36)],
            )
        ),
    ),
    Call(
        "two entities and a check",
        f"kvs.transact().set('a', {VALUE}, {{entityName: 'employee'}})"
        f".set('b', {VALUE}, {{entityName: 'employee'}})"
        f".check('ada', {{entityName: 'employee', conditions: {AGE_IS_36}}}).execute()",
        in_session(_add_two_if_ada_is_36),
    ),
    _checked("equal to", "and('age', is.equalTo(3))", Employee.age == 3),
    _checked("not equal to", "and('age', is.notEqualTo(3))", Employee.age != 3),
    _checked("between", "and('age', is.between(3, 5))", Employee.age.between(3, 5)),
    _checked("greater than", "and('age', is.greaterThan(3))", Employee.age > 3),
    _checked(
        "greater than or equal to", "and('age', is.greaterThanEqualTo(3))", Employee.age >= 3
    ),
    _checked("less than", "and('age', is.lessThan(3))", Employee.age < 3),
    _checked("less than or equal to", "and('age', is.lessThanEqualTo(3))", Employee.age <= 3),
    _checked("begins with", "and('team', is.beginsWith('m'))", Employee.team.startswith("m")),
    _checked("contains", "and('team', is.contains('th'))", Employee.team.contains("th")),
    _checked(
        "does not contain", "and('team', is.notContains('th'))", ~Employee.team.contains("th")
    ),
    _checked("exists", "and('nickname', is.exists())", Employee.nickname.exists()),
    _checked("does not exist", "and('nickname', is.notExists())", Employee.nickname.missing()),
    _checked(
        "joined by and",
        "and('age', is.greaterThan(3)).and('age', is.lessThan(9))",
        Employee.age > 3,
        Employee.age < 9,
    ),
    _checked(
        "joined by or",
        "or('age', is.greaterThan(9)).or('age', is.lessThan(3))",
        (Employee.age > 9) | (Employee.age < 3),
    ),
    _checked(
        "an optional attribute not equal to",
        "and('nickname', is.notEqualTo('A.'))",
        Employee.nickname != "A.",
    ),
]


def _always(forge: Forge, act: Callable[[Session], object]) -> None:
    session = forge.session(atomic="always")
    act(session)
    session.flush()


CALLS: Final[dict[str, list[Call]]] = {
    "plain": PLAIN,
    "secrets": SECRETS,
    "entities": ENTITIES,
    "queries": QUERIES,
    "batches": BATCHES,
    "transactions": TRANSACTIONS,
}
"""Every call, by the golden file its requests are recorded in."""
