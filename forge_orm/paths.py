"""References named on their class: operands of conditions, and paths to what they lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .errors import QueryError
from .expressions import Expr, Operand

From = TypeVar("From")
From_contra = TypeVar("From_contra", contravariant=True)
To = TypeVar("To")
To_co = TypeVar("To_co", covariant=True)
Via = TypeVar("Via")
X = TypeVar("X")


@dataclass(frozen=True, slots=True)
class Step:
    """One reference of a path: the attribute *field* of *owner*, which leads to *target*."""

    owner: type[Any]
    field: str
    target: type[Any]

    def __str__(self) -> str:
        """Show it as it is written."""
        return f"{self.owner.__name__}.{self.field}"


class Path(Generic[From_contra, To_co]):
    """A way from entities of one class to those they refer to: ``Task.owner / User.team``."""

    __slots__ = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """The references to follow, one after the other."""
        raise TypeError(f"{type(self).__name__} leads nowhere")

    def __truediv__(self: Path[From, Via], further: Path[Via, To]) -> Path[From, To]:
        """Go on from there; raises `QueryError` where the ends do not meet."""
        last, first = self.steps[-1], further.steps[0]
        if not (issubclass(last.target, first.owner) or issubclass(first.owner, last.target)):
            raise QueryError(
                f"{last} leads to {last.target.__name__}, where {first} does not begin"
            )
        return _Joined((*self.steps, *further.steps))


class _Joined(Path[From_contra, To_co]):
    __slots__ = ("_steps",)

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self._steps = steps

    @property
    def steps(self) -> tuple[Step, ...]:
        return self._steps

    def __repr__(self) -> str:
        return " / ".join(map(str, self._steps))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Joined) and self._steps == other._steps

    def __hash__(self) -> int:
        return hash(self._steps)


class RefExpr(Expr[From, X], Path[From, To], Generic[From, To, X]):
    """A reference named on its class: ``Task.owner``.

    Compare it with an entity, a reference or a key; give it to ``prefetch``.
    """

    __slots__ = ("_target",)

    def __init__(
        self, owner: type[From], label: str, operand: Operand, target: type[To]
    ) -> None:
        """Name the reference *label* of *owner*, which leads to *target*."""
        super().__init__(owner, label, operand)
        self._target = target

    @property
    def steps(self) -> tuple[Step, ...]:
        """This one reference."""
        return (Step(self._owner, self.label, self._target),)
