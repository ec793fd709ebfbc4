"""What one client writes the other reads: in the same store, at the same time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import SecretStr

from forge_orm import ConditionFailed, Forge, KeyConflict, MetadataField

from .models import Employee
from .node import UNDEFINED, JsError, OfficialClient

ADA = Employee(
    surname="Löve ☃ 𝄞", age=36, height=2.0, remote=True, nickname="A.", skills=["c", "Ü"]
)


def test_an_entity_of_ours_is_read_by_theirs(official: OfficialClient, ours: Forge) -> None:
    with ours.session() as session:
        session.add(ADA.model_copy(), key="ada")

    assert official("kvs.entity('employee').get('ada')") == {
        "surname": "Löve ☃ 𝄞",
        "age": 36,
        "height": 2,
        "remote": True,
        "team": "maths",
        "nickname": "A.",
        "skills": ["c", "Ü"],
    }
    # JavaScript has one number: a float that is whole is written without a fraction.
    assert official.run("""
        const ada = await kvs.entity('employee').get('ada');
        return JSON.stringify(ada.height) === '2';
    """)


def test_an_entity_of_theirs_is_read_by_ours(official: OfficialClient, ours: Forge) -> None:
    official("""kvs.entity('employee').set('ada', {surname: 'Löve ☃ 𝄞', age: 36, height: 2,
        remote: true, team: 'maths', nickname: 'A.', skills: ['c', 'Ü']})""")

    with ours.session() as session:
        found = session.get(Employee, "ada", metadata=[MetadataField.CREATED_AT])
        assert found == ADA.model_copy().with_key("ada")
        assert found is not None
        assert isinstance(found.height, float)
        assert found.metadata.created_at is not None


def test_nothing_is_lost_when_both_change_an_entity(
    official: OfficialClient, ours: Forge
) -> None:
    official("kvs.entity('employee').set('ada', {surname: 'Ada', age: 36, team: 'maths'})")
    with ours.session() as session:
        found = session.get(Employee, "ada")
        assert found is not None
        found.age += 1
    official.run("""
        const ada = await kvs.entity('employee').get('ada');
        await kvs.entity('employee').set('ada', {...ada, nickname: 'countess'});
    """)

    with ours.session() as session:
        found = session.get(Employee, "ada")
        assert found is not None
        assert (found.age, found.nickname, found.surname) == (37, "countess", "Ada")


def test_both_find_the_same_by_an_index(official: OfficialClient, ours: Forge) -> None:
    with ours.session() as session:
        for age in range(0, 60, 2):
            session.add(Employee(surname=f"n{age}", age=age), key=f"e{age}")
    official("""kvs.batchSet([...Array(25).keys()].map((n) => ({
        key: 'e' + (2 * n + 1), entityName: 'employee',
        value: {surname: 'n' + (2 * n + 1), age: 2 * n + 1, team: 'maths'},
    })))""")

    page = official("""kvs.entity('employee').query()
        .index('by-team', {partition: ['maths']})
        .where(WhereConditions.between(10, 50))
        .filters(new Filter().and('surname', FilterConditions.notEqualTo('n11')))
        .sort(Sort.DESC).limit(100).getMany()""")
    query = Employee.by_team("maths").between(10, 50).descending()
    with ours.session() as session:
        found = session.all(query.filter(Employee.surname != "n11"))

    theirs = [row["value"]["age"] for row in page["results"]]
    assert theirs == [entity.age for entity in found]
    assert theirs == [50, *range(49, 11, -1), 10]


def test_a_cursor_of_one_goes_on_in_the_other(official: OfficialClient, ours: Forge) -> None:
    """Of plain keys; a query of entities has cursors of its own in ours."""
    official("kvs.batchSet([...Array(20).keys()].map((n) => ({key: 'k' + n, value: n})))")
    first = official("kvs.query().limit(8).getMany()")
    second = ours.kvs.page(limit=8, cursor=first["nextCursor"])
    third = official(f"kvs.query().cursor('{second.cursor}').limit(8).getMany()")

    keys = [row["key"] for row in first["results"]]
    keys += [item.key for item in second.items]
    keys += [row["key"] for row in third["results"]]
    assert keys == sorted(f"k{number}" for number in range(20))


def test_keys_and_secrets_are_shared(official: OfficialClient, ours: Forge) -> None:
    ours.kvs.set("from:ours", {"a": [1, 2.5, None, "ü"]}, ttl=timedelta(hours=1))
    official("kvs.set('from:theirs', {b: true})")
    ours.secrets.set("s:ours", SecretStr("hush"))
    official("kvs.setSecret('s:theirs', 'psst')")

    assert official("kvs.get('from:ours')") == {"a": [1, 2.5, None, "ü"]}
    assert ours.kvs.get("from:theirs") == {"b": True}
    assert official("kvs.getSecret('s:ours')") == "hush"
    found = ours.secrets.get("s:theirs")
    assert found is not None
    assert found.get_secret_value() == "psst"
    expires = official("kvs.get('from:ours', {metadataFields: ['EXPIRE_TIME']})")
    told = ours.kvs.read("from:ours")
    assert told is not None
    assert told.metadata.expires_at is not None
    assert told.metadata.expires_at.isoformat(timespec="milliseconds") == (
        expires["expireTime"].replace("Z", "+00:00")
    )


def test_each_sees_that_the_other_was_first(official: OfficialClient, ours: Forge) -> None:
    create = "kvs.entity('employee').set('k', {surname: 'x'}, {keyPolicy: 'FAIL_IF_EXISTS'})"
    official(create)
    session = ours.session()
    session.insert(Employee(surname="y").with_key("k"))
    with pytest.raises(KeyConflict):
        session.flush()

    ours.kvs.set("k", 1)
    with pytest.raises(JsError) as caught:
        official("kvs.set('k', 2, {keyPolicy: 'FAIL_IF_EXISTS'})")
    assert caught.value.code == "KEY_CONFLICT"


def test_a_condition_of_one_sees_the_write_of_the_other(
    official: OfficialClient, ours: Forge
) -> None:
    official("kvs.entity('employee').set('k', {surname: 'x', age: 1})")
    session = ours.session()
    found = session.get(Employee, "k")
    assert found is not None
    session.add(found, condition=Employee.age == 1)
    found.age = 2
    official("kvs.entity('employee').set('k', {surname: 'x', age: 9})")

    with pytest.raises(ConditionFailed):
        session.flush()
    assert official("kvs.entity('employee').get('k')") == {"surname": "x", "age": 9}


def test_what_one_removes_is_gone_for_the_other(official: OfficialClient, ours: Forge) -> None:
    official("kvs.entity('employee').set('k', {surname: 'x'})")
    with ours.session() as session:
        session.delete_keys(Employee, "k")
    assert official("kvs.entity('employee').get('k')") is UNDEFINED

    ours.kvs.set("k", 1)
    official("kvs.delete('k')")
    assert ours.kvs.get("k") is None
