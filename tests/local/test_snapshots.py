"""A store emptied, and put back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_orm import Forge, LocalBackend, Tenant


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_snapshot_puts_everything_back(tmp_path: Path, kind: str) -> None:
    path = ":memory:" if kind == "memory" else tmp_path / "a.db"
    with LocalBackend(path, schemas=[]) as store:
        one, two = (Forge(store, tenant=Tenant(installation=name)) for name in "ab")
        one.kvs.set("k", 1)
        two.kvs.set("k", 2)
        kept = store.snapshot()
        one.kvs.set("k", 3)
        store.reset()
        assert (one.kvs.all(), two.kvs.all()) == ({}, {})
        one.kvs.set("new", 4)
        for _ in range(2):
            store.restore(kept)
            assert (one.kvs.all(), two.kvs.all()) == ({"k": 1}, {"k": 2})


def test_a_snapshot_goes_into_another_store(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    with LocalBackend(schemas=[]) as first, LocalBackend(path, schemas=[]) as other:
        Forge(first).kvs.set("k", 1)
        other.restore(first.snapshot())
        assert Forge(other).kvs.get("k") == 1
    with LocalBackend(path, schemas=[]) as again:
        assert Forge(again).kvs.get("k") == 1
