"""`Read`: one query of the service, or the reading of some keys, and what it gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..expressions import AllOf, AnyOf, Condition
from ..query import QuerySpec
from ..schema import BY_KEY
from .access import Rejected
from .evaluate import holds
from .normal import Branch, key_of_branch, names_key


@dataclass(frozen=True, slots=True)
class Read:
    """What is asked of the service, and what is tried here on each row it gives.

    *wanted* are the alternatives it answers; *residual* is None where the service tries all.
    A read of keys has them in *rests*, with what else must hold of each; None if nothing.
    """

    spec: QuerySpec
    wanted: tuple[Branch, ...]
    residual: Condition[Any] | None
    why: str
    rejected: tuple[Rejected, ...] = ()
    rests: Mapping[str, Condition[Any] | None] = field(
        default_factory=dict[str, Condition[Any] | None]
    )

    @property
    def plain(self) -> bool:
        """Whether it gives every row that the service gives."""
        return self.residual is None and all(rest is None for rest in self.rests.values())

    def passes(self, key: str, stored: Mapping[str, Any]) -> bool:
        """Whether a row that the service gave is one it is to give."""
        residual = self.rests[key] if self.rests else self.residual
        return residual is None or holds(residual, key, stored)

    def gives(self, key: str, stored: Mapping[str, Any]) -> bool:
        """Whether it finds the entity *stored* under *key*."""
        if self.rests:
            return key in self.rests and self.passes(key, stored)
        return any(all(holds(each, key, stored) for each in branch) for branch in self.wanted)

    def overlaps(self, other: Read) -> bool:
        """Whether both may find the same entity: not in two partitions of one index."""
        if self.rests or other.rests or self.spec.index != other.spec.index:
            return True
        return self.spec.partition == other.spec.partition


def read_of_keys(entity: str, found: Iterable[Branch], others: Iterable[Rejected]) -> Read:
    """Return the read of every key that the alternatives *found* name (``/batch/get``)."""
    branches = tuple(found)
    rests: dict[str, list[Condition[Any]]] = {}
    for branch in branches:
        rest = tuple(each for each in branch if not names_key(each))
        rests.setdefault(str(key_of_branch(branch)), []).append(AllOf(rest))
    by_key = {key: _either(rests[key]) for key in sorted(rests)}
    keys = f"{len(by_key)} keys" if len(by_key) > 1 else repr(next(iter(by_key)))
    spec = QuerySpec(entity, BY_KEY)
    return Read(spec, branches, None, f"{keys}, by /batch/get", tuple(others), by_key)


def _either(rests: list[Condition[Any]]) -> Condition[Any] | None:
    """Join what else must hold of one key; None where one alternative asks nothing else."""
    if any(rest == AllOf(()) for rest in rests):
        return None
    return rests[0] if len(rests) == 1 else AnyOf(tuple(rests))
