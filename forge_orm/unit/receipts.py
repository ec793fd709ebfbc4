"""Receipts: a plain key that a transaction writes too, and that proves it was carried out.

What is stored can tell what became of a write whose answer was lost, but for two cases: a
twin, where somebody else wrote the very same at the same moment, and a later write on top.
A transaction is carried out whole or not at all, so its receipt tells in every case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Final

from ..model.keys import new_ulid
from ..operations import signed
from .plan import PlannedCall, WriteItem, WritePlan

PREFIX: Final = "forge-orm:receipt:"
LIFE: Final = timedelta(days=1)


class Receipts:
    """The receipts of one session: each flush and transaction has a key of its own."""

    def __init__(self) -> None:
        """Begin with a name no other session has."""
        self._name = new_ulid()
        self._flush = 0

    def turn(self) -> None:
        """Never use the keys of the plan again that is being sent."""
        self._flush += 1

    def sign(self, plan: WritePlan) -> WritePlan:
        """Let each transaction of *plan* that has room for it write a receipt."""
        numbers = count()
        stages = [tuple(self._signed(stage, numbers)) for stage in plan.stages]
        written = replace(plan, stages=tuple(stages))
        if (again := plan.again) is None:
            return written

        def sign_again(items: Sequence[WriteItem]) -> WritePlan:
            return self.sign(again(items))

        return replace(written, again=sign_again)

    def _signed(
        self, stage: tuple[PlannedCall, ...], numbers: Iterator[int]
    ) -> Iterator[PlannedCall]:
        for call in stage:
            key = f"{PREFIX}{self._name}:{self._flush}:{next(numbers)}"
            operation = signed(call.operation, key, LIFE)
            if operation is None:
                yield call
            else:
                yield replace(call, operation=operation, receipt=key)
