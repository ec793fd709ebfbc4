"""Unique values held against their reservations, with the doctor and without."""

from __future__ import annotations

from typing import Any, Final

from forge_orm import LocalBackend, Tenant
from forge_orm.drivers import Channel
from forge_orm.flows.doctor import Doctor, Trouble
from forge_orm.model.uniques import RESERVATIONS

from .models import Member, registry

ENTITY: Final = Member.__forge__.name


def check_owners(store: LocalBackend, tenant: Tenant) -> None:
    """Every value has one owner now; what is left behind besides, the doctor removes.

    He is let at a copy, so that whoever goes on has to cope without him.
    """
    _check_reserved(store, tenant)
    with store.twin() as twin:
        doctor = Doctor(registry, repair=True)
        found = Channel(twin, tenant).run(doctor.examine())
        assert all(each.trouble is Trouble.ORPHAN and each.repaired for each in found), found
        assert _reservations(twin, tenant) == _owned(twin, tenant)


def check_tidy(store: LocalBackend, tenant: Tenant) -> None:
    """Nothing is reserved but what entities have, and the doctor has nothing to tell."""
    assert _reservations(store, tenant) == _owned(store, tenant)
    assert not Channel(store, tenant).run(Doctor(registry, repair=False).examine())


def _check_reserved(store: LocalBackend, tenant: Tenant) -> None:
    having = _owned(store, tenant)
    assert len({value for value, _ in having}) == len(having), f"owned twice: {having}"
    assert not set(having) - set(_reservations(store, tenant))


def _owned(store: LocalBackend, tenant: Tenant) -> list[tuple[str, str]]:
    """Return each value with the key of the entity that has it."""
    rows = _rows(store, tenant, ENTITY)
    return sorted((f'["{row["value"]["email"]}"]', row["key"]) for row in rows)


def _reservations(store: LocalBackend, tenant: Tenant) -> list[tuple[str, str]]:
    """Return each value with the key it is reserved for; of a reserved key no value."""
    rows = _rows(store, tenant, RESERVATIONS.name)
    return sorted((row["value"].get("held", ""), row["value"]["owner"]) for row in rows)


def _rows(store: LocalBackend, tenant: Tenant, entity: str) -> list[dict[str, Any]]:
    return [
        row
        for row in store.dump(installation=tenant.installation)
        if row.get("entity") == entity
    ]
