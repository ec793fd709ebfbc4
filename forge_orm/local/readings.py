"""What the service's documentation leaves open, as named switches.

Each default is the stricter or more awkward reading, so that what works here works there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """One switch for each question the documentation does not answer.

    Attributes:
        limit_before_filters: a query's limit counts the rows read, not those that pass its
            filters, so that pages come back short or empty.
        cursor_after_full_page: a full page carries a cursor even where nothing follows.
        cursor_bound_to_limit: a cursor goes on only with the limit it was made with.
        refuse_undeclared: an entity value may hold only declared attributes.
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
    """

    limit_before_filters: bool = True
    cursor_after_full_page: bool = True
    cursor_bound_to_limit: bool = True
    refuse_undeclared: bool = True
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


STRICT: Final = Readings()
"""The stricter reading of every question: the default."""

LENIENT: Final = Readings(**dict.fromkeys(Readings.__dataclass_fields__, False))
"""The more forgiving reading of every question."""
