"""A thousand saves through every fault at once count to exactly a thousand."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from forge_orm import AsyncForge, Forge, ForgeError, LocalBackend
from forge_orm.backends import Retrying, RetryPolicy
from forge_orm.faults import Faults, Faulty
from tests.scenarios.faces import Awaited

from .faults import WRITES
from .models import Count, Doc, registry

MIXED = (
    "throttle,rate=0.1",
    "fail,rate=0.1",
    "fail-after,rate=0.1",
    "drop,rate=0.1",
    "lose,rate=0.15",
    "partial,rate=0.3",
)
STEPS, NAMES = 250, "abcd"


async def _no_wait(_: float) -> None:
    return


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("verb", ["retry", "commit"])
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_every_save_counts_once(colour: str, verb: str, attempts: int) -> None:
    chance, faults = random.Random(attempts), Faults(seed=attempts)
    with LocalBackend(schemas=registry) as store:
        policy = RetryPolicy(attempts=attempts, first=0)
        sender = Retrying(Faulty(store, faults), policy, asleep=_no_wait)
        forge: Any = AsyncForge(sender, retry=None)
        if colour == "sync":
            forge = Awaited(Forge(sender, retry=None))

        async def main() -> int:
            session, raised = forge.session(), 0
            counters = [Count(name=name) for name in NAMES]
            docs = [Doc(number=number) for number in range(30)]
            session.add(*counters, *docs)
            await session.commit()
            for fault in MIXED:
                faults.add(f"{fault},operations={WRITES}")
            for step in range(STEPS):
                for counter in counters:
                    counter.number += 1
                for doc in chance.sample(docs, 3):
                    doc.text = f"step {step}"
                raised += await _until_saved(session, verb)
            faults.clear()
            async with forge.session() as seen:
                keys = [counter.key for counter in counters]
                stored = await seen.get_many(Count, keys)
                texts = await seen.get_many(Doc, [doc.key for doc in docs])
            assert [each.number for each in stored.values()] == [STEPS] * len(NAMES)
            assert [each.revision for each in stored.values()] == [STEPS + 1] * len(NAMES)
            assert [each.text for each in texts.values()] == [doc.text for doc in docs]
            return raised

        assert asyncio.run(main()) > 50


async def _until_saved(session: Any, verb: str) -> int:
    """Commit, then go on with *verb* until nothing is left; return how often it failed."""
    failures, attempt = 0, session.commit
    while True:
        try:
            await attempt()
        except ForgeError:
            failures += 1
            attempt = getattr(session, verb)
        else:
            assert not session.plan()
            return failures
