"""Any boolean expression as alternatives: each a list of comparisons that all hold."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any, TypeAlias

from ..expressions import AllOf, AnyOf, Comparison, Condition, Operator

Branch: TypeAlias = tuple[Comparison[Any], ...]

BRANCHES_MAX = 100
"""Alternatives a condition may fall into; one with more is tried here, row by row."""

KEYS_MAX = 2500
"""Alternatives that name a key, over and above those: 100 calls of ``/batch/get``."""


def branches(conditions: Iterable[Condition[Any]]) -> list[Branch] | None:
    """Return *conditions*, which all hold, as alternatives; None if there are too many.

    What can never hold is left out, so that no alternative is left where nothing can match.
    """
    found = _alternatives(AllOf(tuple(conditions)))
    if found is None:
        return None
    tidy = [tidied for branch in found if (tidied := _tidied(branch)) is not None]
    return _without_narrower(list(dict.fromkeys(tidy)))


def _alternatives(condition: Condition[Any]) -> list[Branch] | None:
    match condition:
        case Comparison():
            return [(condition,)]
        case AnyOf(conditions):
            return _either(conditions)
        case AllOf(conditions):
            return _both(conditions)
        case _:
            raise TypeError(f"{condition!r} is no condition of this library")


def _either(conditions: Iterable[Condition[Any]]) -> list[Branch] | None:
    found: list[Branch] = []
    for part in conditions:
        if (more := _alternatives(part)) is None:
            return None
        found += more
    return found if _few(found) else None


def _few(found: list[Branch]) -> bool:
    """Whether there are not too many; those that name a key are cheap, and may be more."""
    if len(found) <= BRANCHES_MAX:
        return True
    others = sum(key_of_branch(branch) is None for branch in found)
    return others <= BRANCHES_MAX and len(found) - others <= KEYS_MAX


def key_of_branch(branch: Branch) -> str | None:
    """Return the key an alternative names, if it does."""
    for each in branch:
        if names_key(each):
            return str(each.values[0])
    return None


def names_key(comparison: Comparison[Any]) -> bool:
    """Whether it says which key it is."""
    return comparison.on_key and comparison.operator is Operator.EQUAL_TO


def _both(conditions: Iterable[Condition[Any]]) -> list[Branch] | None:
    found: list[Branch] = [()]
    for part in conditions:
        more = _alternatives(part)
        if more is None or len(found) * len(more) > BRANCHES_MAX + KEYS_MAX:
            return None
        found = [(*left, *right) for left, right in product(found, more)]
        if not _few(found):
            return None
    return found


def _tidied(branch: Branch) -> Branch | None:
    """Return *branch* without repeats, or None if it contradicts itself."""
    once = tuple(dict.fromkeys(branch))
    equal: dict[tuple[str, ...], Any] = {}
    for comparison in once:
        name = (comparison.attribute, *(comparison.path or ()))
        if comparison.operator is Operator.EQUAL_TO:
            value = comparison.values[0]
            if name in equal and not _same(equal[name], value):
                return None
            equal[name] = value
    return once


def _same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _without_narrower(found: list[Branch]) -> list[Branch]:
    """Leave out what another alternative includes: in ``a | (a & b)`` the second."""
    # Only alternatives of the same key, or of none, can include one that names a key.
    by_key: dict[str | None, list[frozenset[Comparison[Any]]]] = {None: []}
    for branch in found:
        by_key.setdefault(key_of_branch(branch), []).append(frozenset(branch))
    return [
        branch
        for branch in found
        if not any(
            other < frozenset(branch)
            for other in (*by_key[None], *by_key[key_of_branch(branch)])
        )
    ]
