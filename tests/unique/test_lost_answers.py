"""An answer is lost at any call of a save: the session finds out, and goes on."""

from __future__ import annotations

import pytest

from forge_orm import (
    AnswerLost,
    CommitOutcome,
    ForgeError,
    LocalBackend,
    PartialCommit,
    Session,
)
from forge_orm.drivers import Channel
from forge_orm.wire import Request, Response

from .models import RESERVED, Page, User, registry, rows


class Losing:
    """A backend that loses the answer of one call, before or after it took effect."""

    def __init__(self, store: LocalBackend, call: int, *, after: bool) -> None:
        self._store, self._call, self._after = store, call, after
        self.calls = 0

    def send(self, request: Request, /) -> Response:
        self.calls += 1
        if self.calls != self._call:
            return self._store.send(request)
        if self._after:
            self._store.send(request)
        raise AnswerLost("on purpose")


def commit(session: Session) -> CommitOutcome | None:
    try:
        session.commit()
    except ForgeError as error:
        return error.outcome
    return None


@pytest.mark.parametrize("receipts", [False, True])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 9))
def test_a_save_is_finished_by_retry(call: int, after: bool, receipts: bool) -> None:
    """Claims of two values and two keys, two reads, a transaction, and what may follow."""
    with LocalBackend(schemas=registry) as store:
        losing = Losing(store, call, after=after)
        session = Session(Channel(losing, None), receipts=receipts)
        session.add(User(id=1, email="a"), Page(id=1, rank=1))
        outcome = commit(session)
        if outcome is not None:
            assert len(outcome.failed) + len(outcome.unknown) == 2
            assert bool(outcome.unknown) == (call == 7)
            assert session.retry().saved == 2
        else:
            assert call not in (5, 6, 7)
        assert not session.plan()
        assert rows(store, "user")["user:1"] == {"id": 1, "email": "a", "name": "n"}
        assert rows(store, "page")["page:1"]["revision"] == 1
        held = sorted(str(row.get("held")) for row in rows(store, RESERVED).values())
        assert held == ['["a"]', "[1.0]"]


@pytest.mark.parametrize("receipts", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_a_change_whose_answer_was_lost_is_settled_by_reading(
    after: bool, receipts: bool
) -> None:
    with LocalBackend(schemas=registry) as store:
        with Session(Channel(store, None)) as session:
            session.add(User(id=1, email="a"))
        losing = Losing(store, 3, after=after)
        session = Session(Channel(losing, None), receipts=receipts)
        user = session.get(User, "user:1")
        assert user is not None
        user.email = "b"
        with pytest.raises((AnswerLost, PartialCommit)):
            session.commit()
        outcome = session.resolve()
        assert (len(outcome.saved), len(outcome.failed)) == ((1, 0) if after else (0, 1))
        session.commit()
        assert rows(store, "user")["user:1"]["email"] == "b"
        held = [row["held"] for row in rows(store, RESERVED).values()]
        assert held == ['["b"]']
