"""The short ways through the engine answer exactly as the long ones do."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from forge_orm.local import LENIENT, STRICT
from forge_orm.local.shapes import parse
from forge_orm.local.store import Table
from forge_orm.local.values import column
from forge_orm.wire import Request, Response

from .strategies import BOOKS, KEYS, TTLS
from .world import BOOK, DAY, World

ENTITIES = st.sampled_from(["book", "book", "plant", "nothing", "..", "Book"])


def get(entity: str, key: str, separator: str) -> bytes:
    body = {"entityName": entity, "key": key}
    return json.dumps(body, separators=(",", separator), ensure_ascii=False).encode()


@given(ENTITIES, KEYS, BOOKS, TTLS, st.sampled_from([0, DAY, 3 * DAY]), st.booleans())
@example("book", "k", {"title": "a"}, 1, 3 * DAY, True)
@example("book", "k", {"title": "a"}, 1, DAY, False)
def test_a_get_in_few_words(
    entity: str, key: str, book: dict[str, Any], ttl: int | None, later: float, strict: bool
) -> None:
    """A space more in the body takes the long way."""
    with World(readings=STRICT if strict else LENIENT) as world:
        options = {} if ttl is None else {"ttl": {"value": ttl, "unit": "SECONDS"}}
        assert world.put("k", book, **options)[0] < 300
        world.now += later
        short, long = (
            world.backend.send(Request("entity/get", get(entity, key, separator)))
            for separator in (":", ": ")
        )
        assert _same(short, long)


def _same(one: Response, other: Response) -> bool:
    return (one.status, one.body, one.headers) == (other.status, other.body, other.headers)


_BLANKS = "\t\n\v\f\r \u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"


@given(
    st.text(st.sampled_from([*_BLANKS, "a", "~", "!", "\x1f", "\x7f", "\x85", "é"]), max_size=4)
)
def test_a_text_is_blank_where_it_holds_nothing_but_white_space_of_javascript(
    text: str,
) -> None:
    with World() as world:
        assert (world.put("k", {"title": text})[0] == 400) == (not text.strip(_BLANKS))


@given(st.text(st.sampled_from("0123456789abc.e-"), max_size=60), st.integers(0, 10**20))
def test_numbers_of_more_than_fifteen_digits_are_looked_at(text: str, number: int) -> None:
    """The quick search finds what a search for the digits finds, so all are rounded."""
    body = f'{{"a":"{text}","b":{number}}}'.encode()
    found = parse(body, STRICT)
    assert found == {"a": text, "b": int(float(number)) if number > 2**53 else number}
    assert parse(body, LENIENT)["b"] == number


@given(st.one_of(BOOKS, st.just({"price": 2**70, "lent": True, "pages": 0})))
def test_the_columns_of_a_value(book: dict[str, Any]) -> None:
    table = Table("e_book", tuple(BOOK.attributes))
    assert table.cells(book) == tuple(column(book.get(name)) for name in BOOK.attributes)
