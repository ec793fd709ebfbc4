"""Several who create where an expired entity is in the way: one wins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from forge_orm import Attr, Entity, Forge, KeyConflict, LocalBackend, Registry, attr, version
from forge_orm.faults import MovableClock

WRITERS, ROUNDS = 8, 5
registry = Registry("expired")


class Lock(Entity, name="lock", key="lock:{name}", ttl=timedelta(hours=1), registry=registry):
    name: Attr[str] = attr()
    owner: Attr[int] = attr()
    version: Attr[int] = version()


def test_of_many_who_create_over_what_has_expired_one_wins(tmp_path: Path) -> None:
    clock = MovableClock(1_800_000_000)
    with LocalBackend(tmp_path / "a.db", schemas=registry, clock=clock) as store:
        forge = Forge(store)

        def lock(owner: int) -> bool:
            try:
                with forge.session() as session:
                    session.insert(Lock(name="l", owner=owner))
            except KeyConflict:
                return False
            return True

        for _ in range(ROUNDS):
            with ThreadPoolExecutor(WRITERS) as threads:
                won = [*threads.map(lock, range(WRITERS))]
            assert won.count(True) == 1
            with forge.session() as session:
                held = session.get(Lock, "lock:l")
                assert held is not None
                assert held.owner == won.index(True)
            clock.move(timedelta(hours=2))
