"""Times to live: what has expired, what is left of it, and what a touch is guarded with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from .. import limits
from ..errors import InvalidValue, SessionError
from ..expressions import Condition, KeyCondition, Operator
from ..model.entity import Entity, Metadata, Origin, key_of, origin_of
from ..model.mapping import EntityMapping
from ..schema import AttributeType
from ..wire import MetadataField

Now: TypeAlias = Callable[[], float]
"""The Unix time in seconds. A unit of work has no clock of its own; a session gives it one."""


def never() -> float:
    """Return a time at which nothing has expired."""
    return 0.0


def metadata_of(entity: Entity) -> Metadata | None:
    """Return the metadata that was read of *entity*, None if none was."""
    origin, key = origin_of(entity), str(key_of(entity))
    return None if origin is None or origin.metadata is None else origin.metadata.get(key)


def has_expired(entity: Entity, now: Now) -> bool:
    """Whether *entity* is known to have expired: the service deletes up to 48 hours later."""
    known = metadata_of(entity)
    if known is None or known.expires_at is None:
        return False
    return known.expires_at.timestamp() <= now()


def may_expire(entity: Entity, origin: Origin) -> str | None:
    """Return why a save without a time to live may end one that *entity* has, and the remedy.

    None for one that has none, as was read, or as this session saved it.
    """
    known = metadata_of(entity)
    if known is not None and known.expires_at is not None:
        return "has one: say which with touch(…, ttl=…)"
    if origin.saved or (known is not None and MetadataField.EXPIRE_TIME in known.asked):
        return None
    return (
        "may have one, which was not read: say which with touch(…, ttl=…), or get it with "
        "metadata=[MetadataField.EXPIRE_TIME]"
    )


def expiry(ttl: timedelta | None, now: Now) -> datetime | None:
    """Return when something written now expires."""
    return None if ttl is None else datetime.fromtimestamp(now(), UTC) + ttl


def remaining(entity: Entity, now: Now) -> timedelta | None:
    """Return what is left of the time to live, in whole seconds; None if there is none.

    Raises `SessionError` where it was not read, `InvalidValue` where nothing is left.
    """
    label, known = f"{type(entity).__name__} {key_of(entity)!r}", metadata_of(entity)
    if known is None or MetadataField.EXPIRE_TIME not in known.asked:
        raise SessionError(
            f"{label} is to keep its time to live, which was not read: refresh it, or give the "
            "save a ttl="
        )
    if known.expires_at is None:
        return None
    if has_expired(entity, now):
        raise InvalidValue(
            f"{label} expired at {known.expires_at.isoformat()}, so a save has no time to live "
            "to keep; touch it with a ttl=, or expunge it"
        )
    seconds = round(known.expires_at.timestamp() - now())
    return timedelta(seconds=min(max(seconds, 1), limits.TTL_MAX_SECONDS))


def unchanged(
    mapping: EntityMapping[Any], stored: Mapping[str, Any]
) -> Iterator[Condition[Any]]:
    """Yield conditions that hold while what is stored is as it was read.

    Attributes of type ``any`` cannot be compared by the service.
    """
    for item in mapping.attributes.values():
        if item.codec.type is AttributeType.ANY:
            continue
        if item.name in stored:
            yield KeyCondition(item.name, Operator.EQUAL_TO, (stored[item.name],))
        else:
            yield KeyCondition(item.name, Operator.NOT_EXISTS, ())
