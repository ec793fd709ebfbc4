"""The short ways through the engine answer exactly as the long ones do."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from forge_orm.local import LENIENT, STRICT
from forge_orm.wire import Request, Response

from .strategies import BOOKS, KEYS, TTLS
from .world import DAY, World

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
