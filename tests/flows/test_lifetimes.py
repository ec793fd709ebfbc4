"""Writes over what has expired, and touches: what is said, and what a lost answer leaves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from forge_orm import AnswerLost, Attr, Entity, KeyConflict, Session, attr, version

from .script import Line, Scripted, done, page, refusal, registry, rows, said, says, session

LOST = AnswerLost("no answer came")
TAKEN = refusal("KEY_CONFLICT", 409)
REFUSED = refusal("CONDITIONAL_CHECK_FAILED")


class Lease(
    Entity, name="lease", key="lease:{name}", ttl=timedelta(hours=1), registry=registry
):
    name: Attr[str] = attr()
    owner: Attr[str] = attr(default="me")
    revision: Attr[int] = version()


class Pass(Entity, name="pass", key="pass:{name}", ttl=timedelta(hours=1), registry=registry):
    name: Attr[str] = attr()
    uses: Attr[int] = attr(default=0)
    note: Attr[str | None] = attr(default=None)


def lease(revision: int, owner: str = "them", expires: str = "2020-01-01") -> dict[str, Any]:
    value = {"name": "a", "owner": owner, "revision": revision}
    return {"key": "lease:a", "value": value, "expireTime": f"{expires}T00:00:00.000Z"}


def conflict(**row: Any) -> list[Line]:
    """Return the refusal of a creation, and the look at what is in the way."""
    asked = {
        "entityName": "lease",
        "key": "lease:a",
        "options": {"metadataFields": ["EXPIRE_TIME"]},
    }
    return [Line("entity/set", TAKEN), Line("entity/get", says(lease(4, **row)), asked)]


def test_a_creation_goes_over_what_has_expired_in_the_version_that_was_seen() -> None:
    with session(*conflict(), Line("transaction", done)) as (held, script):
        made = Lease(name="a")
        held.insert(made)
        held.commit()
        assert made.revision == 5
        (item,) = said(script.heard[-1])["set"]
        assert item["value"]["revision"] == 5
        assert item["conditions"] == {
            "and": [{"property": "revision", "condition": "EQUAL_TO", "values": [4]}]
        }
        assert not held.plan()


@pytest.mark.parametrize(
    "lines",
    [
        [*conflict(expires="2999-01-01")],
        [*conflict(), Line("transaction", REFUSED)],
        [Line("entity/set", TAKEN), Line("entity/get", refusal("KEY_NOT_FOUND", 404))],
        [Line("entity/set", TAKEN), Line("entity/get", LOST)],
    ],
    ids=["it lives", "somebody was faster", "it was deleted", "it cannot be read"],
)
def test_otherwise_the_conflict_is_raised_and_the_creation_stays_pending(
    lines: list[Line],
) -> None:
    with session(*lines) as (held, _):
        held.insert(Lease(name="a"))
        with pytest.raises(KeyConflict):
            held.commit()
        assert [item.create for item in held.plan().items] == [True]


@pytest.mark.parametrize(("stored", "saved"), [(lease(5, owner="me"), True), (lease(4), False)])
def test_an_answer_that_was_lost_then_is_found_out_about(
    stored: dict[str, Any], saved: bool
) -> None:
    with session(*conflict(), Line("transaction", LOST)) as (held, script):
        held.insert(Lease(name="a"))
        with pytest.raises(AnswerLost):
            held.commit()
        script.expect(Line("batch/get", rows(stored)))
        found = held.resolve()
        assert (len(found.saved), len(found.failed), len(found.unknown)) == (
            (1, 0, 0) if saved else (0, 1, 0)
        )
        assert bool(held.plan()) is not saved


def test_an_interruption_leaves_the_write_unknown() -> None:
    with session(*conflict(), Line("transaction", KeyboardInterrupt())) as (held, script):
        held.insert(Lease(name="a"))
        with pytest.raises(KeyboardInterrupt):
            held.commit()
        script.expect(Line("batch/get", rows(lease(5, owner="me"))))
        assert len(held.resolve().saved) == 1


# --- Touch ----------------------------------------------------------------------------------


def _read_pass(held: Session, script: Scripted) -> Pass:
    row = {"key": "pass:a", "value": {"name": "a", "uses": 1}}
    script.expect(Line("entity/query", page(row)))
    return held.one(Pass.index("by-key"))


def test_a_touch_asks_that_everything_is_as_it_was_read() -> None:
    with session() as (held, script):
        held.touch(_read_pass(held, script), ttl=timedelta(minutes=5))
        script.expect(Line("transaction", done))
        held.commit()
        (item,) = said(script.heard[-1])["set"]
        assert item["options"] == {"ttl": {"value": 300, "unit": "SECONDS"}}
        terms = [
            (term["property"], term["condition"], term["values"])
            for term in item["conditions"]["and"]
        ]
        assert terms == [
            ("name", "EQUAL_TO", ["a"]),
            ("uses", "EQUAL_TO", [1]),
            ("note", "NOT_EXISTS", [True]),
        ]


def test_without_transactions_a_touch_is_a_plain_set() -> None:
    with session(atomic="never") as (held, script):
        held.touch(_read_pass(held, script))
        script.expect(Line("entity/set", done))
        held.commit()


def test_reading_does_not_tell_if_a_touch_was_carried_out_so_it_is_sent_again() -> None:
    with session() as (held, script):
        held.touch(_read_pass(held, script))
        script.expect(Line("transaction", LOST))
        with pytest.raises(AnswerLost):
            held.commit()
        row = {"key": "pass:a", "value": {"name": "a", "uses": 1}}
        script.expect(Line("batch/get", rows(row)))
        assert len(held.resolve().unknown) == 1
        script.expect(Line("transaction", done))
        held.commit()
        assert not held.plan()


def test_a_page_of_a_class_that_expires_asks_for_the_expiry() -> None:
    with session() as (held, script):
        _read_pass(held, script)
        assert said(script.heard[0])["options"] == {"metadataFields": ["EXPIRE_TIME"]}
