"""One process that counts and transfers until it is killed: python -m tests.races.killed WHERE.

It writes a line after each commit that it was told of.
"""

from __future__ import annotations

import sys
from typing import Any

from forge_orm import Attr, Entity, Forge, HttpBackend, LocalBackend, Session, Tenant, attr

from .worker import hit, registry


class Purse(Entity, name="purse", key="purse:{owner}", registry=registry):
    owner: Attr[str] = attr()
    coins: Attr[int] = attr(default=100)


def transfer(session: Session) -> None:
    """Move a coin; the two saves are of one transaction."""
    ann, bob = (session.get(Purse, f"purse:{owner}") for owner in ("ann", "bob"))
    assert ann is not None
    assert bob is not None
    ann.coins -= 1
    bob.coins += 1


def main(where: str) -> None:
    if where.startswith("http"):
        backend: Any = HttpBackend(where, tenant=Tenant(installation="i"))
    else:
        backend = LocalBackend(where, schemas=registry)
    with Forge(backend) as forge:
        while True:
            forge.run(hit, retries=500)
            print("hit", flush=True)
            with forge.session(atomic="always") as session:
                transfer(session)
            print("transfer", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
