"""From a query or a condition to the service's JSON, leaving out what it does not say."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any

from .. import limits
from ..errors import QueryError
from ..expressions import Comparison, Condition, Operator
from ..wire import Json, Scalar
from .query import QuerySpec, flat_conditions, flat_filter


def compile_query(spec: QuerySpec, *, rows: int) -> dict[str, Json]:
    """Return the body of ``entity/query`` that reads up to *rows* rows.

    Raises `QueryError` if the index's partition is not given in full.
    """
    payload: dict[str, Json] = {"entityName": spec.entity, "indexName": spec.index.name}
    if spec.index.partition:
        payload["partition"] = list(_partition(spec))
    if spec.range is not None:
        payload["range"] = {
            "condition": spec.range.operator,
            "values": list(spec.range.values),
        }
    if (flat := flat_filter(spec)) is not None:
        payload["filters"] = _joined(*flat)
    if spec.descending:
        payload["sort"] = "DESC"
    if spec.cursor is not None:
        payload["cursor"] = spec.cursor
    payload["limit"] = rows
    if spec.metadata:
        payload["options"] = {"metadataFields": list(spec.metadata)}
    return payload


def compile_conditions(conditions: Iterable[Condition[Any]]) -> dict[str, Json]:
    """Return the ``conditions`` of a transaction item."""
    return _joined(*flat_conditions(conditions))


def rows_to_read(spec: QuerySpec, wanted: int | None) -> int:
    """Return how many rows each call should read to find *wanted* entities.

    It stays the same for a whole walk: a cursor must be sent with otherwise identical
    parameters. Without filters every row counts, so hardly more is read than wanted; with
    filters a full page costs the fewest calls.
    """
    if spec.page_size is not None:
        return spec.page_size
    if wanted is None or spec.filters:
        return limits.PAGE_MAX
    pages = ceil(wanted / limits.PAGE_MAX)
    return max(1, ceil(wanted / max(1, pages)))


def _partition(spec: QuerySpec) -> tuple[Scalar, ...]:
    given = dict(spec.partition)
    missing = [name for name in spec.index.partition if name not in given]
    if missing:
        raise QueryError(
            f"index {spec.index} needs a value for {', '.join(map(repr, missing))}: add "
            f"where({missing[0]} == …). The service cannot search across "
            "partitions; ask 'by-key' or an index without a partition for that"
        )
    return tuple(given[name] for name in spec.index.partition)


def _joined(operator: str, comparisons: Iterable[Comparison[Any]]) -> dict[str, Json]:
    return {operator: [_comparison(comparison) for comparison in comparisons]}


def _comparison(comparison: Comparison[Any]) -> dict[str, Json]:
    presence = comparison.operator in (Operator.EXISTS, Operator.NOT_EXISTS)
    return {
        "property": comparison.attribute,
        "condition": comparison.operator,
        "values": [True] if presence else list(comparison.values),
    }
