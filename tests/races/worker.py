"""One process that counts: python -m tests.races.worker FILE-OR-URL TIMES."""

from __future__ import annotations

import sys

from forge_orm import (
    Attr,
    Entity,
    Forge,
    HttpBackend,
    LocalBackend,
    Registry,
    Session,
    Tenant,
    attr,
    version,
)

registry = Registry("races")


class Hits(Entity, name="hits", key="hits:{name}", registry=registry):
    name: Attr[str] = attr()
    count: Attr[int] = attr(default=0)
    revision: Attr[int] = version()


def hit(session: Session) -> None:
    hits = session.get(Hits, "hits:all")
    assert hits is not None
    hits.count += 1


def main(where: str, times: int) -> None:
    with Forge(opened(where)) as forge:
        for _ in range(times):
            forge.run(hit, retries=500)


def opened(where: str) -> LocalBackend | HttpBackend:
    if where.startswith("http:"):
        return HttpBackend(where, tenant=Tenant(installation="i"))
    return LocalBackend(where, schemas=registry)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
