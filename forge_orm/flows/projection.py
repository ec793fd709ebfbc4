"""From an entity that was read to what a selection asks of it."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from pydantic import BaseModel, ValidationError

from ..errors import CorruptValue
from ..model import Entity
from ..model.entity import origin_of
from ..planner.evaluate import within
from ..query import Column, Selection


def projector(selection: Selection[Any]) -> Callable[[Any], Any]:
    """Return the function that cuts an entity down to what *selection* asks for."""
    if selection.model is not None:
        return _modeller(selection.model)
    columns = selection.columns
    if len(columns) > 1 and not any(column.path for column in columns):
        return attrgetter(*[column.field for column in columns])
    getters = [_getter(column) for column in columns]
    return lambda entity: tuple([get(entity) for get in getters])


def _getter(column: Column) -> Callable[[Any], Any]:
    if not column.path:
        return attrgetter(column.field)

    def inside(entity: Entity) -> Any:
        origin = origin_of(entity)
        stored = {} if origin is None else origin.value(entity.key)
        return within(stored.get(column.attribute), column.path)

    return inside


def _modeller(model: type[BaseModel]) -> Callable[[Any], BaseModel]:
    def make(entity: Entity) -> BaseModel:
        try:
            return model.model_validate(entity, from_attributes=True)
        except ValidationError as error:
            raise CorruptValue(
                f"the stored {type(entity).__name__} {entity.key!r} does not fit "
                f"{model.__name__}: {error}"
            ) from None

    return make
