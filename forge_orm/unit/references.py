"""Checked references: what they lead to has to exist when what refers to it is saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import SessionError
from ..operations import Check
from .identity import Name
from .presence import Conditions, existing, joined

if TYPE_CHECKING:
    from .plan import WriteItem


class Checked(NamedTuple):
    """What the checked reference *attribute* leads to, and what holds if it is stored."""

    attribute: str
    name: Name
    tests: Conditions

    @property
    def address(self) -> tuple[str, str]:
        """The target's entity name and key."""
        return self.name[0].__forge__.name, self.name[1]


def referring(
    item: WriteItem, before: Mapping[str, Any] | None, is_deleting: Callable[..., bool]
) -> WriteItem:
    """Return *item* with the targets that are to be checked: those that *before* had not.

    Raises `SessionError` for one that is about to be deleted, and one that cannot be checked.
    """
    targets = tuple(_targets(item, before or {}))
    for target in targets:
        if is_deleting(*target.name):
            raise _refused(item, target, "which is about to be deleted")
        if target.name[1] == item.name[1] and target.address != item.address:
            raise _refused(
                item,
                target,
                "which has the same key, and the service takes a key once in a transaction: "
                "give them different keys, or declare the reference without check",
            )
    return item._replace(targets=targets)


def _targets(item: WriteItem, before: Mapping[str, Any]) -> Iterator[Checked]:
    stored = item.stored or {}
    for reference in item.mapping.checked:
        key = stored.get(reference.stored_name)
        if key is None or key == before.get(reference.stored_name):
            continue
        root: type[Any] = reference.target.__forge_root__
        tests = existing(reference.target.__forge__)
        target = Checked(reference.field, (root, key), tests)
        if not tests:
            raise _refused(
                item,
                target,
                f"and whether one exists cannot be asked, for {reference.target.__name__} has "
                "no attribute that is always stored: give it a scalar that is not optional",
            )
        if target.address != item.address:  # what refers to itself is there once it is saved
            yield target


def checks_with(items: Sequence[WriteItem], given: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks of one transaction: those *given*, and one for each target.

    A target that the transaction itself sets needs none.
    """
    checks = {(check.entity, check.key): check for check in given}
    written = {item.address for item in items}
    for target in (target for item in items for target in item.targets):
        entity, key = target.address
        if (entity, key) not in written:
            known = checks.get((entity, key))
            conditions = joined(() if known is None else known.conditions, target.tests)
            checks[entity, key] = Check(key, entity, conditions)
    return tuple(checks.values())


def in_ranks(groups: Sequence[Sequence[WriteItem]]) -> list[list[Sequence[WriteItem]]]:
    """Put what is referred to before what refers to it: each rank needs those before only.

    Raises `SessionError` for what refers to each other.
    """
    if not any(item.targets for group in groups for item in group):
        return [list(groups)]
    ranks: list[list[Sequence[WriteItem]]] = []
    waiting = list(groups)
    while waiting:
        unsaved = {item.address: group for group in waiting for item in group}
        ready = [group for group in waiting if not _awaits(group, unsaved)]
        if not ready:
            raise _circular(waiting[0])
        waiting = [group for group in waiting if _awaits(group, unsaved)]
        ranks.append(ready)
    return ranks


def _awaits(
    group: Sequence[WriteItem], unsaved: Mapping[tuple[str, str], Sequence[WriteItem]]
) -> bool:
    targets = (target.address for item in group for target in item.targets)
    return any(unsaved.get(address, group) is not group for address in targets)


def _circular(group: Sequence[WriteItem]) -> SessionError:
    item = next(item for item in group if item.targets)
    return _refused(
        item,
        item.targets[0],
        "and their checked references form a circle or wait for one, so none can be saved "
        "first: save them in one transaction, with atomic='always', or one after the other",
    )


def _refused(item: WriteItem, target: Checked, why: str) -> SessionError:
    (entity, key), (other, other_key) = item.address, target.address
    return SessionError(
        f"{entity} {key!r}: {target.attribute} refers to {other} {other_key!r}, {why}"
    )
