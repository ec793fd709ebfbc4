"""What refers to something is saved only if that exists, under either reading of conditions."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from forge_orm import (
    Attr,
    Entity,
    PartialCommit,
    Ref,
    Registry,
    SessionError,
    TargetMissing,
    attr,
    ref,
    version,
)

from .faces import Face, scenario

registry = Registry("checked references")


class Shop(Entity, name="shop", key="shop:{name}", registry=registry):
    """Two scalars are in every shop, so the check is an alternative."""

    name: Attr[str] = attr()
    city: Attr[str] = attr(default="x")


class Sale(Entity, name="sale", key="sale:{number}", registry=registry):
    number: Attr[int] = attr()
    shop: Attr[Ref[Shop]] = ref(check=True)
    before: Attr[Ref[Sale] | None] = ref(default=None, check=True)


class Till(Entity, name="till", key="till:{number}", registry=registry):
    number: Attr[int] = attr(unique=True)
    shop: Attr[Ref[Shop] | None] = ref(default=None, check=True)
    revision: Attr[int] = version()


def sale(number: int, shop: str = "a") -> Sale:
    return Sale(number=number, shop=Ref(Shop, f"shop:{shop}"))


@scenario
async def test_what_refers_to_something_stored_is_saved(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.add(Shop(name="a"))
    async with forge.session() as session:
        session.add(*[sale(number) for number in range(30)])
    async with forge.session() as session:
        assert await session.count(Sale.index("by-key")) == 30


@scenario
async def test_what_refers_to_nothing_is_not_saved_and_named(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.add(sale(1))
        with pytest.raises(TargetMissing, match="sale 'sale:1' was not saved") as caught:
            await session.commit()
        error = pickle.loads(pickle.dumps(caught.value))
        assert (error.entity, error.key, error.attribute) == ("sale", "sale:1", "shop")
        assert (error.target, error.target_key) == ("shop", "shop:a")
        assert session.plan()
        session.add(Shop(name="a"))  # nothing is lost: with the shop it goes
        await session.commit()
    async with forge.session() as session:
        assert (await session.get(Sale, "sale:1")).shop.key == "shop:a"


@scenario
async def test_a_change_is_checked_against_what_was_deleted(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.add(Shop(name="a"), Shop(name="b"), sale(1))
    async with forge.session() as session:
        found = await session.get(Sale, "sale:1")
        async with forge.session() as other:
            other.delete_keys(Shop, "shop:b")
        found.shop = Ref(Shop, "shop:b")
        with pytest.raises(TargetMissing, match="shop:b"):
            await session.commit()
        session.expunge(found)
    async with forge.session() as session:
        assert (await session.get(Sale, "sale:1")).shop.key == "shop:a"


@scenario
async def test_a_missing_target_stops_everything_else(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.add(sale(1), sale(2, "none"), Shop(name="a"))
        with pytest.raises(TargetMissing, match="sale:2") as caught:
            await session.commit()
        outcome: Any = caught.value.outcome
        assert len(outcome.failed) == 3
        session.rollback()
    async with forge.session() as session:
        assert await session.get_many(Sale, ["sale:1", "sale:2"]) == {}
        assert await session.get(Shop, "shop:a") is None


@scenario
async def test_a_new_target_stays_if_what_refers_to_it_fails(forge: Any, face: Face) -> None:
    def pending() -> list[Entity]:
        lost = Sale(number=1, shop=Ref(Shop, "shop:a"), before=Ref(Sale, "sale:0"))
        return [lost, Shop(name="a")]

    async with forge.session(atomic="always") as session:
        session.add(*pending())
        with pytest.raises(TargetMissing, match=r"before refers to sale 'sale:0'"):
            await session.commit()
        session.rollback()
        assert await session.get(Shop, "shop:a") is None
    async with forge.session() as session:
        session.add(*pending())
        with pytest.raises(PartialCommit) as caught:
            await session.commit()
        assert list(caught.value.saved) == [("shop", "shop:a")]
        (failure,) = caught.value.failed
        assert isinstance(failure.error, TargetMissing)
        session.add(sale(0))
        await session.commit()
    async with forge.session() as session:
        assert (await session.get(Sale, "sale:1")).before.key == "sale:0"


@scenario
async def test_a_target_that_is_deleted_too_is_refused(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        shop = Shop(name="a")
        session.add(shop)
        await session.commit()
        session.add(sale(1))
        session.delete(shop)
        with pytest.raises(SessionError, match="about to be deleted"):
            await session.commit()
        session.rollback()
    async with forge.session() as session:
        assert await session.get(Shop, "shop:a") is not None


@scenario
async def test_with_a_unique_value_a_versioned_one_is_created(forge: Any, face: Face) -> None:
    async with forge.session() as session:
        session.add(Till(number=1, shop=Ref(Shop, "shop:a")))
        with pytest.raises(TargetMissing, match="till:1"):
            await session.commit()
        session.rollback()
    async with forge.session() as session:
        session.add(Till(number=1, shop=Ref(Shop, "shop:a")), Shop(name="a"))
    async with forge.session() as session:
        assert (await session.get(Till, "till:1")).revision == 1
