"""Everything that can be wrong with unique values, written past the library."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from forge_orm import LocalBackend, Tenant
from forge_orm.model.uniques import Reservation, key_reservation
from forge_orm.operations import Operation, entity_set

from .models import RESERVED, User


def make_trouble(store: LocalBackend, tenant: Tenant) -> None:
    """Leave two orphans, a lock, an unreserved value and a double one."""

    def send(operation: Operation[Any]) -> None:
        operation.read(store.send(operation.request._replace(tenant=tenant)))

    def row(number: int, **values: Any) -> None:
        value = {"id": number, "name": "n", **values}
        send(entity_set("user", f"user:{number}", to_json(value)))

    def reserve(reservation: Reservation) -> None:
        send(entity_set(RESERVED, reservation.key, reservation.stored("t")))

    row(2, email="raw")
    row(3)
    row(4, email="d")
    row(5, email="d")
    reserve(reservation_of(4, "d"))
    reserve(reservation_of(9, "gone"))
    reserve(reservation_of(3, "other"))
    reserve(key_reservation("user", "user:8"))


def reservation_of(number: int, email: str) -> Reservation:
    """Return the reservation of an e-mail address."""
    (by_email,) = User.__forge__.uniques
    found = by_email.reservation({"email": email}, f"user:{number}")
    assert found is not None
    return found
