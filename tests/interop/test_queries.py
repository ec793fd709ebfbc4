"""Queries of entities: every range, filter, order and page, as the official client asks."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import World
from .node import UNDEFINED, OfficialClient

# Number n of 12: age n, height n / 4, every third one remote, in teams of four.
STAFF = """
    const teams = ['art', 'biology', 'chess'];
    const named = (n) => 'e' + String(n).padStart(3, '0');
    const employee = (n) => ({
        surname: ['Ada', 'Adam', 'Bob', 'Zoë'][n % 4] + ' ' + String(n).padStart(3, '0'),
        age: n,
        height: n / 4,
        remote: n % 3 === 0,
        team: teams[Math.floor(n / 4) % 3],
        ...(n % 2 ? {nickname: 'nick ' + n} : {}),
        skills: [n],
    });
    const hire = async (count) => {
        for (let i = 0; i < count; i += 25)
            await kvs.batchSet([...Array(Math.min(25, count - i)).keys()].map((n) => (
                {key: named(i + n), entityName: 'employee', value: employee(i + n)})));
    };
"""


@pytest.fixture
def staff(official: OfficialClient) -> OfficialClient:
    official.run(f"{STAFF} await hire(12);")
    return official


def ask(staff: OfficialClient, index: str, rest: str = "") -> list[int]:
    """Return the numbers of the employees a query finds."""
    page = staff(f"kvs.entity('employee').query().index({index}){rest}.limit(100).getMany()")
    return [row["value"]["age"] for row in page["results"]]


WHERE = [
    ("'by-key'", "", [*range(12)]),
    ("'by-key'", "beginsWith('e00')", [*range(10)]),
    ("'by-key'", "equalTo('e003')", [3]),
    ("'by-key'", "greaterThan('e009')", [10, 11]),
    ("'by-age'", "", [*range(12)]),
    ("'by-age'", "between(3, 5)", [3, 4, 5]),
    ("'by-age'", "equalTo(7)", [7]),
    ("'by-age'", "greaterThan(9)", [10, 11]),
    ("'by-age'", "greaterThanEqualTo(9)", [9, 10, 11]),
    ("'by-age'", "lessThan(2)", [0, 1]),
    ("'by-age'", "lessThanEqualTo(2)", [0, 1, 2]),
    ("'by-age'", "equalTo(99)", []),
    ("'surname'", "beginsWith('Ada')", [0, 4, 8, 1, 5, 9]),
    ("'surname'", "beginsWith('Ada ')", [0, 4, 8]),
    ("'surname'", "beginsWith('Zoë')", [3, 7, 11]),
    ("'surname'", "between('Adam 005', 'Bob 002')", [5, 9, 2]),
    ("'surname'", "equalTo('Bob 006')", [6]),
    ("'by-remote'", "equalTo(true)", [0, 3, 6, 9]),
    ("'by-team', {partition: ['biology']}", "", [4, 5, 6, 7]),
    ("'by-team', {partition: ['biology']}", "greaterThan(5)", [6, 7]),
    ("'by-team', {partition: ['drama']}", "", []),
    ("'by-desk', {partition: ['art', true]}", "", [0, 3]),
    ("'by-desk', {partition: ['art', false]}", "lessThanEqualTo(0.25)", [1]),
    ("'by-desk', {partition: ['chess', false]}", "between(2, 2.5)", [8, 10]),
]


@pytest.mark.parametrize(("index", "where", "found"), WHERE)
def test_a_range_is_read_along_its_index(
    staff: OfficialClient, index: str, where: str, found: list[int]
) -> None:
    rest = f".where(WhereConditions.{where})" if where else ""
    assert ask(staff, index, rest) == found
    assert ask(staff, index, f"{rest}.sort(Sort.ASC)") == found
    assert ask(staff, index, f"{rest}.sort(Sort.DESC)") == found[::-1]


FILTERS = [
    ("('age', FilterConditions.equalTo(3))", [3]),
    ("('age', FilterConditions.notEqualTo(3))", [0, 1, 2, *range(4, 12)]),
    ("('age', FilterConditions.between(3, 5))", [3, 4, 5]),
    ("('age', FilterConditions.greaterThan(9))", [10, 11]),
    ("('age', FilterConditions.greaterThanEqualTo(9))", [9, 10, 11]),
    ("('age', FilterConditions.lessThan(2))", [0, 1]),
    ("('age', FilterConditions.lessThanEqualTo(2))", [0, 1, 2]),
    ("('height', FilterConditions.lessThan(0.5))", [0, 1]),
    ("('height', FilterConditions.equalTo(1))", [4]),
    ("('remote', FilterConditions.equalTo(true))", [0, 3, 6, 9]),
    ("('remote', FilterConditions.notEqualTo(true))", [1, 2, 4, 5, 7, 8, 10, 11]),
    ("('surname', FilterConditions.beginsWith('Bob'))", [2, 6, 10]),
    ("('surname', FilterConditions.contains('o'))", [2, 3, 6, 7, 10, 11]),
    ("('surname', FilterConditions.notContains('o'))", [0, 1, 4, 5, 8, 9]),
    ("('surname', FilterConditions.contains('OB'))", []),
    ("('nickname', FilterConditions.exists())", [1, 3, 5, 7, 9, 11]),
    ("('nickname', FilterConditions.notExists())", [0, 2, 4, 6, 8, 10]),
    ("('nickname', FilterConditions.lessThan('nick 5'))", [1, 3, 11]),
]


@pytest.mark.parametrize(("given", "found"), FILTERS)
@pytest.mark.parametrize("joined", ["and", "or"])
def test_a_filter_keeps_what_satisfies_it(
    staff: OfficialClient, joined: str, given: str, found: list[int]
) -> None:
    assert ask(staff, "'by-key'", f".filters(new Filter().{joined}{given})") == found


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("and('age', FilterConditions.greaterThan(4)).and('remote', {}.equalTo(true))", [6, 9]),
        ("or('age', FilterConditions.equalTo(4)).or('age', {}.equalTo(2))", [2, 4]),
        (
            (
                "and('age', {}.greaterThan(1)).and('nickname', {}.exists())"
                ".and('surname', {}.beginsWith('Z'))"
            ),
            [3, 7, 11],
        ),
        (
            "or('nickname', {}.notExists()).or('age', {}.greaterThan(8))",
            [0, 2, 4, 6, *range(8, 12)],
        ),
    ],
)
def test_filters_are_joined(staff: OfficialClient, given: str, found: list[int]) -> None:
    filters = given.replace("{}", "FilterConditions")
    assert ask(staff, "'by-key'", f".filters(new Filter().{filters})") == found


def test_a_range_an_order_and_filters_together(staff: OfficialClient) -> None:
    rest = """.where(WhereConditions.between(4, 10))
        .filters(new Filter()
            .and('nickname', FilterConditions.notExists())
            .and('height', FilterConditions.greaterThan(1)))
        .sort(Sort.DESC)"""

    assert ask(staff, "'by-age'", rest) == [10, 8, 6]


def test_the_first_of_a_query(staff: OfficialClient) -> None:
    query = "kvs.entity('employee').query().index('by-age')"

    assert staff(f"{query}.getOne()")["key"] == "e000"
    assert staff(f"{query}.sort(Sort.DESC).getOne()")["key"] == "e011"
    assert staff(f"{query}.where(WhereConditions.equalTo(99)).getOne()") is UNDEFINED


def test_the_official_first_misses_what_a_filter_hides(staff: OfficialClient) -> None:
    """It reads a page of one row, and the filter drops that row."""
    nine = ".filters(new Filter().and('height', FilterConditions.equalTo(2.25)))"

    assert staff(f"kvs.entity('employee').query().index('by-age'){nine}.getOne()") is UNDEFINED
    assert ask(staff, "'by-age'", nine) == [9]


def test_rows_hold_key_and_value_and_metadata_that_is_asked_for(
    official: OfficialClient, world: World
) -> None:
    official("kvs.entity('employee').set('k', {age: 1}, {ttl: {value: 1, unit: 'DAYS'}})")
    fields = "{metadataFields: ['CREATED_AT', 'UPDATED_AT', 'EXPIRE_TIME']}"

    plain = official("kvs.entity('employee').query().index('by-age').getMany()")
    full = official(f"kvs.entity('employee').query({fields}).index('by-age').getMany()")

    assert plain == {"results": [{"key": "k", "value": {"age": 1}}]}
    assert full == {"results": [official(f"kvs.entity('employee').get('k', {fields})")]}


def test_an_entity_without_the_range_attribute_is_not_in_the_index(
    official: OfficialClient,
) -> None:
    official("kvs.entity('employee').set('k', {surname: 'Ageless'})")

    assert official("kvs.entity('employee').query().index('by-age').getMany()") == {
        "results": []
    }
    by_key = official("kvs.entity('employee').query().index('by-key').getMany()")
    assert len(by_key["results"]) == 1


def walk(official: OfficialClient, index: str, rest: str, limit: int) -> list[list[Any]]:
    """Return the pages of a walk through 250 employees."""
    found: list[list[Any]] = official.run(f"""
        {STAFF}
        await hire(250);
        const pages = [];
        let cursor;
        do {{
            let query = kvs.entity('employee').query().index({index}){rest}.limit({limit});
            if (cursor) query = query.cursor(cursor);
            const {{results, nextCursor}} = await query.getMany();
            pages.push(results);
            cursor = nextCursor;
        }} while (cursor);
        return pages;
    """)
    return found


@pytest.mark.parametrize(
    ("index", "rest", "limit", "found"),
    [
        ("'by-key'", "", 100, [*range(250)]),
        ("'by-age'", "", 7, [*range(250)]),
        ("'by-age'", ".sort(Sort.DESC)", 50, [*range(249, -1, -1)]),
        ("'by-age'", ".where(WhereConditions.between(20, 219))", 100, [*range(20, 220)]),
        (
            "'by-team', {partition: ['chess']}",
            "",
            10,
            [n for n in range(250) if n // 4 % 3 == 2],
        ),
        (
            "'by-age'",
            ".filters(new Filter().and('remote', FilterConditions.equalTo(true)))",
            20,
            [*range(0, 250, 3)],
        ),
    ],
)
def test_every_entity_comes_once_page_by_page(
    official: OfficialClient, index: str, rest: str, limit: int, found: list[int]
) -> None:
    pages = walk(official, index, rest, limit)

    assert [row["value"]["age"] for page in pages for row in page] == found
    assert all(len(page) <= limit for page in pages)


def test_equal_range_values_do_not_lose_anybody_between_pages(
    official: OfficialClient,
) -> None:
    pages = walk(official, "'by-remote'", ".where(WhereConditions.equalTo(false))", 10)

    rows = [row["key"] for page in pages for row in page]
    assert sorted(rows) == [f"e{n:03}" for n in range(250) if n % 3]


def test_a_filter_can_empty_a_page_that_is_not_the_last(official: OfficialClient) -> None:
    last = ".filters(new Filter().and('height', FilterConditions.greaterThan(62)))"

    pages = walk(official, "'by-age'", last, 100)

    assert [len(page) for page in pages] == [0, 0, 1]


def test_a_page_has_ten_entities_by_default(staff: OfficialClient) -> None:
    page = staff("kvs.entity('employee').query().index('by-age').getMany()")

    assert len(page["results"]) == 10
    assert page["nextCursor"]
