# pyright: reportUnusedCallResult=true
"""Finding many entities by key: 25 a call, the calls together, known ones not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ..errors import ItemFailure, PartialRead
from ..limits import BATCH_MAX_ITEMS
from ..model import Entity
from ..model.keys import check_key
from ..operations import BatchItem, Operation, batch_get
from ..operations.batch import failures_of_get, read_failures
from ..unit import UnitOfWork
from ..wire import MetadataField
from .core import Flow, perform_all

Found: TypeAlias = dict[tuple[type[Any], str], Entity]


def look_up(
    unit: UnitOfWork,
    wanted: Mapping[type[Any], Iterable[str]],
    metadata: Sequence[MetadataField] = (),
) -> Flow[Found]:
    """Return what is found of *wanted*, keys by class; read or already known.

    Raises `PartialRead` for keys that failed for another reason than being absent.
    """
    keys = {cls: dict.fromkeys(given) for cls, given in wanted.items()}
    asked = [
        (cls, operation)
        for cls, distinct in keys.items()
        for operation in _operations(unit, cls, distinct, metadata)
    ]
    bodies = yield from perform_all([operation for _, operation in asked])
    found, failures = Found(), list[ItemFailure]()
    for (cls, _), body in zip(asked, bodies, strict=True):
        fields = cls.__forge__.lifetime.asking(metadata)
        entities, failed = unit.load_batch(cls, body, fields)
        right, wrong = unit.sorted_out(cls, entities)
        found.update(((cls, entity.key), entity) for entity in right)
        failures += [*failures_of_get(read_failures(failed)), *wrong]
    if failures:
        raise PartialRead({key: entity for (_, key), entity in found.items()}, failures)
    return {**_known(unit, keys), **found}


def _operations(
    unit: UnitOfWork,
    cls: type[Any],
    keys: Iterable[str],
    metadata: Sequence[MetadataField],
) -> Iterator[Operation[bytes]]:
    name = cls.__forge__.entity_schema().name
    absent = [key for key in keys if not unit.holds(cls, key, metadata)]
    fields = cls.__forge__.lifetime.asking(metadata)
    missing = [
        BatchItem(check_key(key, f"{cls.__name__} key"), name)
        for key in absent
        if not unit.is_deleting(cls, key)
    ]
    for start in range(0, len(missing), BATCH_MAX_ITEMS):
        yield batch_get(missing[start : start + BATCH_MAX_ITEMS], fields)


def _known(unit: UnitOfWork, keys: Mapping[type[Any], Iterable[str]]) -> Found:
    known: Found = {}
    for cls, distinct in keys.items():
        for key in distinct:
            entity: Entity | None = unit.find(cls, key)
            if entity is not None:
                known[cls, key] = entity
    return known
