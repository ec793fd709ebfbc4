"""The condition that something is stored: what makes a save an update and never a creation.

The service has no such key policy, and its documentation leaves open whether a condition is
tested against nothing, or fails at once, where the key does not exist. EXISTS fails either
way, so an update asks that an attribute exists which its class stores in every entity.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ..errors import SessionError
from ..expressions import AllOf, AnyOf, Comparison, Condition, KeyCondition, Operator
from ..model.mapping import EntityMapping
from ..schema import AttributeType

Conditions = tuple[Condition[Any], ...]

# Whether these hold where the attribute is absent is open (NOT_EXISTS: it does).
_OPEN: Final = (Operator.NOT_EXISTS, Operator.NOT_EQUAL_TO, Operator.NOT_CONTAINS)


def present(mapping: EntityMapping[Any], given: Conditions) -> Conditions:
    """Return conditions that hold only where *given* do and something is stored.

    Any one of the attributes will do where there is nothing else to ask, so that an entity
    which an older version of the class stored is found too. Raises `SessionError` where the
    class stores no attribute in every entity.
    """
    if any(map(_needs_something, given)):
        return given
    tests = tuple(_always_stored(mapping))
    if not tests:
        raise SessionError(
            f"{mapping.label} has no attribute that is always stored, so the service cannot "
            "tell whether one exists: update() needs a scalar that is not optional, or a "
            "version()"
        )
    return joined(given, tests)


def existing(mapping: EntityMapping[Any]) -> Conditions:
    """Return conditions of which any holds where something is stored, of whatever kind.

    There are none where the class stores no attribute in every entity.
    """
    if mapping.discriminator is not None:
        return (KeyCondition(mapping.discriminator, Operator.EXISTS, ()),)
    return tuple(_always_stored(mapping))


def joined(given: Conditions, tests: Conditions) -> Conditions:
    """Return conditions that hold only where *given* do and one of *tests* does."""
    if any(map(_needs_something, given)):
        return given
    if given or len(tests) == 1:
        return (*given, tests[0])
    return (AnyOf(tests),)


def _always_stored(mapping: EntityMapping[Any]) -> Iterator[KeyCondition[Any]]:
    if mapping.discriminator is not None and mapping.kind is not None:
        yield KeyCondition(mapping.discriminator, Operator.EQUAL_TO, (mapping.kind,))
        return
    for item in mapping.attributes.values():
        if not item.optional and item.codec.type is not AttributeType.ANY:
            yield KeyCondition(item.name, Operator.EXISTS, ())


def _needs_something(condition: Condition[Any]) -> bool:
    """Whether *condition* fails where nothing is stored, however the service reads it."""
    if isinstance(condition, AllOf):
        return any(map(_needs_something, condition.conditions))
    if isinstance(condition, AnyOf):
        return all(map(_needs_something, condition.conditions))
    return isinstance(condition, Comparison) and condition.operator not in _OPEN
