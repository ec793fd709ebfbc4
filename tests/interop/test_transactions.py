"""Transactions, as the official client sends them: everything happens or nothing does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from .conftest import World
from .node import UNDEFINED, JsError, OfficialClient

BEFORE = {"surname": "Ada", "age": 3, "height": 1.5, "remote": True, "nickname": "countess"}
SETUP = """
    await kvs.set('plain', 'before');
    await kvs.entity('employee').set('ada',
        {surname: 'Ada', age: 3, height: 1.5, remote: true, nickname: 'countess'});
    await kvs.entity('employee').set('bob', {surname: 'Bob'});
"""


@pytest.fixture
def store(official: OfficialClient) -> OfficialClient:
    official.run(SETUP)
    return official


def state(store: OfficialClient) -> object:
    """Return everything that is stored."""
    return store("""Promise.all([
        kvs.query().getMany(),
        kvs.entity('employee').query().index('by-key').getMany(),
    ])""")


def test_sets_deletes_and_checks_happen_together(store: OfficialClient) -> None:
    done = store("""kvs.transact()
        .set('new', [1])
        .set('carl', {surname: 'Carl'}, {entityName: 'employee'})
        .delete('plain')
        .delete('bob', {entityName: 'employee'})
        .check('ada', {
            entityName: 'employee',
            conditions: new Filter().and('age', FilterConditions.equalTo(3)),
        })
        .execute()""")

    assert done is UNDEFINED
    plain, employees = store("""Promise.all([
        kvs.query().getMany(),
        kvs.entity('employee').query().index('by-key').getMany(),
    ])""")
    assert plain["results"] == [{"key": "new", "value": [1]}]
    assert employees["results"] == [
        {"key": "ada", "value": BEFORE},
        {"key": "carl", "value": {"surname": "Carl"}},
    ]


CONDITIONS = [
    ("('age', FilterConditions.equalTo(3))", True),
    ("('age', FilterConditions.equalTo(4))", False),
    ("('age', FilterConditions.notEqualTo(4))", True),
    ("('age', FilterConditions.notEqualTo(3))", False),
    ("('age', FilterConditions.between(3, 4))", True),
    ("('age', FilterConditions.between(4, 5))", False),
    ("('age', FilterConditions.greaterThan(2))", True),
    ("('age', FilterConditions.greaterThan(3))", False),
    ("('age', FilterConditions.greaterThanEqualTo(3))", True),
    ("('age', FilterConditions.greaterThanEqualTo(4))", False),
    ("('age', FilterConditions.lessThan(4))", True),
    ("('age', FilterConditions.lessThan(3))", False),
    ("('age', FilterConditions.lessThanEqualTo(3))", True),
    ("('age', FilterConditions.lessThanEqualTo(2))", False),
    ("('height', FilterConditions.equalTo(1.5))", True),
    ("('remote', FilterConditions.equalTo(true))", True),
    ("('remote', FilterConditions.notEqualTo(true))", False),
    ("('surname', FilterConditions.beginsWith('Ad'))", True),
    ("('surname', FilterConditions.beginsWith('ad'))", False),
    ("('nickname', FilterConditions.contains('unt'))", True),
    ("('nickname', FilterConditions.contains('ada'))", False),
    ("('nickname', FilterConditions.notContains('ada'))", True),
    ("('nickname', FilterConditions.notContains('unt'))", False),
    ("('nickname', FilterConditions.exists())", True),
    ("('team', FilterConditions.exists())", False),
    ("('team', FilterConditions.notExists())", True),
    ("('nickname', FilterConditions.notExists())", False),
]
OPERATIONS = {
    "set": ".set('ada', {surname: 'changed'}, {entityName: 'employee', conditions})",
    "delete": ".delete('ada', {entityName: 'employee', conditions})",
    "check": ".check('ada', {entityName: 'employee', conditions})",
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("given", "holds"), CONDITIONS)
def test_a_condition_decides_about_everything(
    store: OfficialClient, given: str, holds: bool, operation: str
) -> None:
    before = state(store)
    script = f"""
        const conditions = new Filter().and{given};
        await kvs.transact().set('plain', 'after'){OPERATIONS[operation]}.execute();
    """

    if holds:
        store.run(script)
        assert store("kvs.get('plain')") == "after"
        ada = store("kvs.entity('employee').get('ada')")
        assert (
            ada
            == {"set": {"surname": "changed"}, "delete": UNDEFINED, "check": BEFORE}[operation]
        )
    else:
        with pytest.raises(JsError) as caught:
            store.run(script)
        assert caught.value.refusal == (400, "CONDITIONAL_CHECK_FAILED")
        assert state(store) == before


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        ("and('age', {}.equalTo(3)).and('remote', {}.equalTo(true))", True),
        ("and('age', {}.equalTo(3)).and('remote', {}.equalTo(false))", False),
        ("or('age', {}.equalTo(9)).or('remote', {}.equalTo(true))", True),
        ("or('age', {}.equalTo(9)).or('remote', {}.equalTo(false))", False),
    ],
)
def test_conditions_are_joined(store: OfficialClient, given: str, holds: bool) -> None:
    filters = given.replace("{}", "FilterConditions")
    expression = f"""kvs.transact().delete('ada', {{
        entityName: 'employee', conditions: new Filter().{filters}}}).execute()"""

    if holds:
        store(expression)
    else:
        with pytest.raises(JsError, match="CONDITIONAL_CHECK_FAILED"):
            store(expression)
    assert (store("kvs.entity('employee').get('ada')") is UNDEFINED) is holds


def test_every_condition_must_hold(store: OfficialClient) -> None:
    before = state(store)

    with pytest.raises(JsError) as caught:
        store.run("""
            const conditions = (age) => new Filter().and('age', FilterConditions.equalTo(age));
            await kvs.transact()
                .set('plain', 'after')
                .set('ada', {age: 4}, {entityName: 'employee', conditions: conditions(3)})
                .check('bob', {entityName: 'employee', conditions: conditions(3)})
                .execute();
        """)

    assert caught.value.refusal == (400, "CONDITIONAL_CHECK_FAILED")
    assert state(store) == before


def test_a_condition_on_an_absent_entity_fails(store: OfficialClient) -> None:
    with pytest.raises(JsError) as caught:
        store.run("""
            const conditions = new Filter().and('age', FilterConditions.equalTo(3));
            await kvs.transact()
                .check('nobody', {entityName: 'employee', conditions}).execute();
        """)

    assert caught.value.refusal == (400, "CONDITIONAL_CHECK_FAILED")


def test_removing_what_is_absent_succeeds(store: OfficialClient) -> None:
    store("""kvs.transact().delete('nobody').delete('nobody too', {entityName: 'employee'})
        .execute()""")


def test_a_set_of_a_transaction_expires(store: OfficialClient, world: World) -> None:
    store("""kvs.transact()
        .set('soon', 1, undefined, {ttl: {value: 1, unit: 'HOURS'}})
        .set('carl', {age: 1}, {entityName: 'employee'}, {ttl: {value: 1, unit: 'HOURS'}})
        .execute()""")
    fields = "{metadataFields: [MetadataField.EXPIRE_TIME]}"
    assert store(f"kvs.get('soon', {fields})")["expireTime"]
    assert store(f"kvs.entity('employee').get('carl', {fields})")["expireTime"]

    world.clock.move(timedelta(hours=50))
    assert store("kvs.get('soon')") is UNDEFINED
    assert store("kvs.entity('employee').get('carl')") is UNDEFINED


def test_25_operations_are_the_most(store: OfficialClient) -> None:
    def write(count: int) -> None:
        store.run(f"""
            const transaction = kvs.transact();
            for (let n = 0; n < {count}; n++) transaction.set('k' + n, n);
            await transaction.execute();
        """)

    with pytest.raises(JsError) as caught:
        write(26)
    assert caught.value.refusal == (422, "UNPROCESSABLE_ENTITY")
    assert store("kvs.get('k0')") is UNDEFINED
    write(25)
    assert store("kvs.get('k24')") == 24


REFUSED = [
    ("", "INVALID_TRANSACTION_REQUEST"),
    (".set('k', 1).delete('k')", "KEY_DUPLICATION_ERROR"),
    (".set('a/b', 1)", "INVALID_KEY"),
    (".set('k')", "BAD_REQUEST"),
    (".set('k', null)", "BAD_REQUEST"),
    (".set('k', 1, undefined, {keyPolicy: 'FAIL_IF_EXISTS'})", "BAD_REQUEST"),
    (".set('k', 1, undefined, {ttl: {value: 0, unit: 'DAYS'}})", "INVALID_TTL"),
    (".set('k', {age: 1.5}, {entityName: 'employee'})", "INCORRECT_PROPERTY_TYPE"),
    (".delete('k', {conditions: new Filter().and('age', age)})", "BAD_REQUEST"),
    (
        ".check('k', {entityName: 'employee', conditions: new Filter().and('who', age)})",
        "BAD_REQUEST",
    ),
]


@pytest.mark.parametrize(("chained", "code"), REFUSED)
def test_a_transaction_that_is_refused_does_nothing(
    store: OfficialClient, chained: str, code: str
) -> None:
    before = state(store)

    with pytest.raises(JsError) as caught:
        store.run(f"""
            const age = FilterConditions.equalTo(3);
            const transaction = kvs.transact();
            {"" if not chained else "transaction.set('plain', 'after')" + chained};
            await transaction.execute();
        """)

    assert caught.value.refusal == (400, code)
    assert state(store) == before


def test_a_condition_on_a_list_is_unprocessable(store: OfficialClient) -> None:
    with pytest.raises(JsError) as caught:
        store("""kvs.transact().check('ada', {
            entityName: 'employee',
            conditions: new Filter().and('skills', FilterConditions.exists()),
        }).execute()""")

    assert caught.value.refusal == (422, "UNPROCESSABLE_ENTITY")


def test_the_client_refuses_conditions_without_any(store: OfficialClient) -> None:
    with pytest.raises(JsError) as caught:
        store("""kvs.transact()
            .check('ada', {entityName: 'employee', conditions: new Filter()}).execute()""")

    assert (caught.value.kind, caught.value.code) == ("ForgeKvsError", None)
    assert store.sent == []


def test_two_increments_at_once_are_not_lost(store: OfficialClient) -> None:
    """Read, change, and write under the condition that nobody else wrote: until it holds."""
    store.run("""
        const employee = kvs.entity('employee');
        const increment = async () => {
            for (;;) {
                const {age, ...rest} = await employee.get('ada');
                const conditions = new Filter().and('age', FilterConditions.equalTo(age));
                try {
                    return await kvs.transact().set('ada', {...rest, age: age + 1},
                        {entityName: 'employee', conditions}).execute();
                } catch (error) {
                    if (error.code !== 'CONDITIONAL_CHECK_FAILED') throw error;
                }
            }
        };
        await Promise.all([...Array(20)].map(increment));
    """)

    assert store("kvs.entity('employee').get('ada')")["age"] == 23
