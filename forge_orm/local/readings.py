"""What the service's documentation leaves open, as named switches.

Each default is the stricter or more awkward reading, so that what works here works there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Final

from ..errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """One switch for each question the documentation does not answer.

    Attributes:
        limit_before_filters: a query's limit counts the rows read, not those that pass its
            filters, so that pages come back short or empty.
        cursor_after_full_page: a full page carries a cursor even where nothing follows.
        cursor_bound_to_limit: a cursor goes on only with the limit it was made with.
        cursor_bound_to_query: a cursor goes on only with the partition, range, filters and
            sort it was made with; else with any of the same index.
        refuse_undeclared: an entity value may hold only declared attributes.
        refuse_reserved: an entity value may not hold an attribute of a reserved name, such as
            createdAt; else that is an undeclared attribute like any other.
        refuse_null: an attribute may not be null.
        refuse_blank: a string attribute must hold more than white space.
        absent_item_fails: every condition on an item that does not exist fails, NOT_EXISTS
            included.
        absent_attribute_fails: NOT_EQUAL_TO and NOT_CONTAINS are false of an item that lacks
            the attribute.
        refuse_index_filters: a filter may not name an attribute of the queried index.
        refuse_by_key_partition: ``by-key`` may not be given a partition.
        set_clears_ttl: a set without a time to live ends the one there was.
        expired_conflicts: FAIL_IF_EXISTS sees an expired row that is not deleted yet.
        expired_visible: expired rows are read until they are deleted, 48 hours later.
        delete_reports_absent: deleting a key that is not there answers KEY_NOT_FOUND.
        one_key_per_transaction: a key may occur once in a transaction, whatever its entity.
        own_batch_codes: too many gets or deletes, and a key that occurs twice, have the codes
            TOO_MANY_BATCH_ENTITIES and KEY_DUPLICATION_ERROR, as too many sets do; else
            BAD_REQUEST.
        schema_before_key: of an undeclared entity and a wrong key the entity is told; else the
            key.
        absent_range_hides: an item that lacks an index's range attribute is not in the index;
            else it comes before all others.
        nothing_is_204: a call that returns nothing answers 204; else 200 without a body.
        refuse_decimal_point: a number written 5.0 is no integer.
        round_numbers: a whole number of more than 53 bits is kept as the nearest double.
        ties_follow_sort: rows of equal range are in the order of the sort, so that DESC turns
            their keys round too; else their keys always ascend.
        utf8_order: texts are in the order of their UTF-8 bytes; else of their UTF-16 units, as
            JavaScript compares them, which takes no index and so more time.
        size_in_bytes: the 240 KiB of a value are bytes of UTF-8, not characters.
        depth_of_31: a value may be nested 31 levels deep, as the limits page says; else 32,
            as the error's text says.
        small_secrets: a secret may have 128 KiB, as its own page says; else 240 KiB, as the
            limits page says.
        refuse_odd_limit: a query of plain keys with the limit 0, or one that is no whole
            number, is refused; else it takes the default limit, or the whole part.
        building_is_unknown: a query of an index that is still being built is refused as if
            there were no such index; else it answers 503.
        refuse_any_conditions: a condition of a transaction may not name an attribute of the
            type any; else values of one kind compare, and others are unequal.
        units_rounded_once: a batch or transaction is rounded up to capacity units once; else
            each of its items is (of a served store).
        silent_throttle: a 429 for used up units does not say how long to wait; else
            Retry-After does (of a served store).
        refuse_redefined: a manifest that is read again may not give an attribute another type,
            nor an index another partition or range (of a served store).
        times_in_milliseconds: createdAt and updatedAt are Unix milliseconds, else seconds.
        refuse_ari: the header's installationId is the id alone, not its ARI (of a served
            store).
        refuse_user: a call made as=user may not use storage (of a served store).
        invocation_lifetime: for how many seconds after its first call an invocation id may be
            used; 0 is for ever (of a served store).
        query_lag: for how many seconds a query does not see what was written; 0, so that
            nobody has to wait (of a served store; else see `forge_orm.faults.Stale`).
    """

    limit_before_filters: bool = True
    cursor_after_full_page: bool = True
    cursor_bound_to_limit: bool = True
    cursor_bound_to_query: bool = True
    refuse_undeclared: bool = True
    refuse_reserved: bool = True
    refuse_null: bool = True
    refuse_blank: bool = True
    absent_item_fails: bool = True
    absent_attribute_fails: bool = True
    refuse_index_filters: bool = True
    refuse_by_key_partition: bool = True
    set_clears_ttl: bool = True
    expired_conflicts: bool = True
    expired_visible: bool = True
    delete_reports_absent: bool = True
    one_key_per_transaction: bool = True
    own_batch_codes: bool = True
    schema_before_key: bool = True
    absent_range_hides: bool = True
    nothing_is_204: bool = True
    refuse_decimal_point: bool = True
    round_numbers: bool = True
    ties_follow_sort: bool = True
    utf8_order: bool = True
    size_in_bytes: bool = True
    depth_of_31: bool = True
    small_secrets: bool = True
    refuse_odd_limit: bool = True
    building_is_unknown: bool = True
    refuse_any_conditions: bool = True
    units_rounded_once: bool = True
    silent_throttle: bool = True
    refuse_redefined: bool = True
    times_in_milliseconds: bool = True
    refuse_ari: bool = True
    refuse_user: bool = True
    invocation_lifetime: float = 0.0
    query_lag: float = 0.0


SWITCHES: Final[Mapping[str, type[Any]]] = MappingProxyType(
    {one.name: bool if one.default is True else float for one in fields(Readings)}
)
"""The name of every switch, and whether it is on or off (`bool`) or a number (`float`)."""

STRICT: Final = Readings()
"""The stricter reading of every question: the default."""

_OFF: Final[dict[str, Any]] = {name: False for name, kind in SWITCHES.items() if kind is bool}

LENIENT: Final = replace(Readings(**_OFF), utf8_order=True)
"""The more forgiving reading of every question; of two orders of texts neither is."""

FAST: Final = replace(STRICT, cursor_after_full_page=False)
"""The strict readings, without what only costs time: the empty page at a query's end."""

PROFILES: Final[Mapping[str, Readings]] = MappingProxyType(
    {"strict": STRICT, "lenient": LENIENT, "fast": FAST}
)
"""The readings that have a name together."""

_WORDS: Final = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def read_readings(settings: Iterable[str], base: Readings = STRICT) -> Readings:
    """Return *base* with *settings* changed, each ``NAME=VALUE`` as on the command line.

    Raises:
        ConfigurationError: a name or a value is none; the message lists what there is.
    """
    changes: dict[str, Any] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        name = name.strip().replace("-", "_")
        changes[name] = _value(setting, name, value.strip().lower())
    return replace(base, **changes)


def _value(setting: str, name: str, value: str) -> Any:
    kind = SWITCHES.get(name)
    if kind is None:
        raise ConfigurationError(f"{setting!r}: no reading has that name; {_names()}")
    if kind is float:
        return _seconds(setting, value)
    if value not in _WORDS:
        raise ConfigurationError(f"{setting!r}: say {name}=on or {name}=off")
    return _WORDS[value]


def _seconds(setting: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        name = setting.partition("=")[0]
        raise ConfigurationError(f"{setting!r}: say how many seconds, as in {name}=0.5")
    return seconds


def _names() -> str:
    listed = (name if kind is bool else f"{name} (seconds)" for name, kind in SWITCHES.items())
    return "there are " + ", ".join(listed)
