"""How long entities of a class live, and what is read of that: the class keywords about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias

from .. import limits
from ..errors import DeclarationError
from ..wire import MetadataField

OnUpdate: TypeAlias = Literal["renew", "keep"]
"""What a save of a known entity does to its time to live."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The *ttl* of a class, whether an update *keeps* what is left, and what is always read."""

    ttl: timedelta | None = None
    keeps: bool = False
    metadata: tuple[MetadataField, ...] = ()

    def asking(self, fields: Iterable[MetadataField]) -> tuple[MetadataField, ...]:
        """Return *fields* and those that are always asked for."""
        if not self.metadata:
            return tuple(fields)
        return tuple(dict.fromkeys((*fields, *self.metadata)))


def declared_lifetime(
    cls: Any,
    ttl: timedelta | None,
    on_update: OnUpdate | None,
    metadata: Iterable[str] | None,
) -> Lifetime:
    """Return the lifetime of *cls*, as given or inherited; raises `DeclarationError`.

    Where entities expire, EXPIRE_TIME is asked for unless the class says what is.
    """
    ttl = _kept(cls, "ttl", ttl)
    on_update = _kept(cls, "ttl_on_update", on_update)
    metadata = _kept(cls, "metadata_fields", metadata)
    if on_update not in (None, "renew", "keep"):
        raise DeclarationError(
            f"{cls.__name__}: ttl_on_update={on_update!r}; it is 'renew' or 'keep'"
        )
    keeps = on_update == "keep"
    fields = _fields(cls, metadata, expiring=ttl is not None or keeps)
    if keeps and MetadataField.EXPIRE_TIME not in fields:
        fields = (*fields, MetadataField.EXPIRE_TIME)
    return Lifetime(_checked(cls, ttl), keeps, fields)


def _kept(cls: Any, option: str, given: Any) -> Any:
    """Return a class keyword, else that of the base, and keep it for subclasses."""
    name = f"__forge_{option}__"
    value = given if given is not None else getattr(cls, name, None)
    type.__setattr__(cls, name, value)
    return value


def _fields(
    cls: Any, metadata: Iterable[str] | None, *, expiring: bool
) -> tuple[MetadataField, ...]:
    if metadata is None:
        return (MetadataField.EXPIRE_TIME,) if expiring else ()
    try:
        return tuple(MetadataField(each) for each in metadata)
    except (ValueError, TypeError):
        known = ", ".join(MetadataField)
        raise DeclarationError(
            f"{cls.__name__}: metadata={metadata!r}; write a list; known fields are {known}"
        ) from None


def _checked(cls: Any, ttl: timedelta | None) -> timedelta | None:
    if ttl is None:
        return None
    seconds, rest = divmod(ttl, timedelta(seconds=1))
    if rest or not 1 <= seconds <= limits.TTL_MAX_SECONDS:
        raise DeclarationError(
            f"{cls.__name__}: ttl={ttl!r}; the service takes whole seconds, from 1 to "
            f"{limits.TTL_MAX_SECONDS} (one year)"
        )
    return ttl
