"""`Selection`: some attributes of what a question finds, as tuples or as a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self, TypeVar, cast

from pydantic import BaseModel

from ..errors import QueryError
from ..expressions import Expr
from .question import EntityQuestion, Question, hold

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Column:
    """One part of a selection: a field of the entity, or a value inside of its attribute."""

    field: str
    attribute: str
    path: tuple[str, ...] = ()


class Selection(Question[T_co]):
    """What a question finds, cut down to *columns* or to *model*. See ``query.select``."""

    __slots__ = ("columns", "model", "question")

    columns: tuple[Column, ...]
    model: type[BaseModel] | None
    question: EntityQuestion[Any]

    def __init__(
        self,
        question: EntityQuestion[Any],
        columns: tuple[Column, ...],
        model: type[BaseModel] | None,
    ) -> None:
        """Cut what *question* finds down to *columns*, or to *model* if there is one."""
        hold(self, "question", question)
        hold(self, "columns", columns)
        hold(self, "model", model)

    def limit(self, count: int) -> Self:
        """Return at most *count* of them."""
        return self._asking(self.question.limit(count))

    def page_size(self, rows: int) -> Self:
        """Read *rows* rows in one call, 1 to 100."""
        return self._asking(self.question.page_size(rows))

    def cursor(self, cursor: str | None) -> Self:
        """Go on after the page that returned *cursor*; None starts at the beginning."""
        return self._asking(self.question.cursor(cursor))

    def _asking(self, question: EntityQuestion[Any]) -> Self:
        return type(self)(question, self.columns, self.model)

    def _parts(self) -> tuple[object, ...]:
        return self.question, self.columns, self.model

    def __eq__(self, other: object) -> bool:
        """Whether both ask the same."""
        return isinstance(other, Selection) and self._parts() == other._parts()

    def __hash__(self) -> int:
        """Hash by what is asked."""
        return hash(self._parts())

    def __repr__(self) -> str:
        """Show the selection as it could be written."""
        if self.model is not None:
            return f"{self.question!r}.select({self.model.__name__})"
        name = self.question.entity.__name__
        shown = (
            f"{name}.{column.field}" + "".join(f"[{step!r}]" for step in column.path)
            for column in self.columns
        )
        return f"{self.question!r}.select({', '.join(shown)})"


def select(question: EntityQuestion[Any], parts: tuple[Any, ...]) -> Selection[Any]:
    """Cut *question* down to *parts*: attributes, or one model; raises `QueryError`."""
    if len(parts) == 1 and isinstance(parts[0], type) and issubclass(parts[0], BaseModel):
        model: type[BaseModel] = parts[0]
        _check_model(question.entity, model)
        return Selection(question, (), model)
    if not parts:
        raise QueryError("select() needs attributes, or a pydantic model")
    return Selection(question, tuple(_columns(question.entity, parts)), None)


def _columns(entity: type[Any], parts: Iterable[object]) -> Iterable[Column]:
    for part in parts:
        if not isinstance(part, Expr):
            raise TypeError(
                f"select() takes attributes such as {entity.__name__}.key, or one pydantic "
                f"model, not {part!r}"
            )
        expr = cast("Expr[Any, Any]", part)
        if not issubclass(entity, expr.owner):
            raise QueryError(
                f"{expr!r} is of {expr.owner.__name__}, this question about {entity.__name__}"
            )
        yield Column(expr.label.partition("[")[0], expr.name, expr.path)


def _check_model(entity: type[Any], model: type[BaseModel]) -> None:
    if hasattr(model, "__forge__"):
        raise QueryError(
            f"select({model.__name__}): an entity class is asked for with its own query; "
            "select takes a plain pydantic model"
        )
    there = {"key", "metadata", *entity.model_fields, *entity.model_computed_fields}
    for field, info in model.model_fields.items():
        name = info.alias or field
        if info.is_required() and name not in there:
            raise QueryError(
                f"{model.__name__}.{field}: {entity.__name__} has no attribute {name!r}; it "
                f"has {', '.join(sorted(there))}"
            )
