"""Several installations side by side see nothing of each other."""

from __future__ import annotations

from typing import Any

from forge_orm import Tenant, acting_for

from .faces import Face, scenario
from .models import Task

ONE, TWO = Tenant(installation="one"), Tenant(installation="two")


@scenario
async def test_installations_are_apart(forge: Any, face: Face) -> None:
    for tenant, title in ((ONE, "first"), (TWO, "second")):
        async with forge.session(tenant=tenant) as session:
            session.add(Task(project="P", number=1, title=title))
            await session.kvs.set("k", title)
    for tenant, title in ((ONE, "first"), (TWO, "second")):
        with acting_for(tenant):
            async with forge.session() as session:
                (task,) = await session.all(Task.index("title"))
                assert task.title == title
            assert await forge.kvs.all() == {"k": title}
