"""`reverse(…)`: the other side of a reference, as the query of an index."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from ..errors import DeclarationError
from ..query import RangeQuery
from .indexes import BoundIndex

if TYPE_CHECKING:
    from .entity import Entity

E = TypeVar("E")
R = TypeVar("R")


class Reverse(Generic[E, R]):
    """What refers to an entity: on an entity, a query of the index that was named."""

    def __init__(self, index: object) -> None:
        """Remember the index, its name or the function that returns it."""
        self._given = index
        self._label = "reverse()"

    def __set_name__(self, owner: type[Any], name: str) -> None:
        """Learn what it is called."""
        self._label = f"{owner.__name__}.{name}"

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Reverse[E, R]: ...
    @overload
    def __get__(self, instance: Entity, owner: type[Any]) -> RangeQuery[E, R]: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        """Return the query of what refers to *instance*; no I/O.

        Raises `DeclarationError` where the index does not lead from the reference alone.
        """
        if instance is None:
            return self
        index: BoundIndex[Any, ..., Any] = self._index(owner)
        partition, range_ = index.declared.partition, index.declared.range
        self._check(index, partition or (range_,), owner)
        return index(instance) if partition else index().equal_to(instance)

    def _check(
        self, index: BoundIndex[Any, ..., Any], fields: tuple[str, ...], owner: type[Any]
    ) -> None:
        references = index.owner.__forge__.references
        codec = references.get(fields[0]) if len(fields) == 1 else None
        if codec is not None and issubclass(owner, codec.link.target):
            return
        raise DeclarationError(
            f"{self._label}: the index {index.owner.__name__}.{index.declared} does not lead "
            f"from a Ref[{owner.__name__}] alone: its partition is to be that reference only, "
            "or its range where it has no partition. Ask the index itself, with every value "
            "of its partition"
        )

    def _index(self, owner: Any) -> BoundIndex[Any, ..., Any]:
        given: Any = self._given
        if isinstance(given, str):
            given = self._named(given, owner)
        found = given() if isinstance(given, FunctionType) else given
        if not isinstance(found, BoundIndex):
            raise DeclarationError(f"{self._label}: {found!r} is no index of an entity class")
        return cast("BoundIndex[Any, ..., Any]", found)

    def _named(self, text: str, owner: Any) -> Any:
        label, _, name = text.partition(".")
        for cls in owner.__forge_registry__:
            if cls.__name__ == label and hasattr(cls, name):
                return getattr(cls, name)
        raise DeclarationError(
            f"{self._label}: {text!r} is no index of a class in this registry; write "
            "'Class.index', as in reverse('Task.by_owner')"
        )


@overload
def reverse(
    index: BoundIndex[E, ..., R] | Callable[[], BoundIndex[E, ..., R]],
) -> Reverse[E, R]: ...
@overload
def reverse(index: str) -> Reverse[Any, Any]: ...
def reverse(index: Any) -> Any:
    """Declare the other side of a reference: ``tasks = reverse("Task.by_owner")``.

    ``user.tasks`` is then the query of that index for this user, for a session to run. The
    index has the reference as its only partition attribute, or as its range and no
    partition. Name it as ``"Class.index"`` where its class is declared later; a class that
    is declared before gives a query that type checkers know, ``reverse(Task.by_owner)``.
    """
    declared: Reverse[Any, Any] = Reverse(index)
    return declared
