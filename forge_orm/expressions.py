"""Conditions as values, in the service's own vocabulary, and the operands that make them.

``Task.due < now`` is an `Expr` meeting an operator: its result is a `KeyCondition`, plain
data that can be compared, printed, stored and sent. Nothing here performs I/Owner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

from .errors import InvalidValue, QueryError
from .schema import AttributeType
from .wire import Scalar

O_contra = TypeVar("O_contra", contravariant=True)
Owner = TypeVar("Owner")
T = TypeVar("T")


class Operator(StrEnum):
    """The service's condition names (storage-reference/entities-api-query)."""

    EQUAL_TO = "EQUAL_TO"
    NOT_EQUAL_TO = "NOT_EQUAL_TO"
    LESS_THAN = "LESS_THAN"
    LESS_THAN_EQUAL_TO = "LESS_THAN_EQUAL_TO"
    GREATER_THAN = "GREATER_THAN"
    GREATER_THAN_EQUAL_TO = "GREATER_THAN_EQUAL_TO"
    BETWEEN = "BETWEEN"
    BEGINS_WITH = "BEGINS_WITH"
    CONTAINS = "CONTAINS"
    NOT_CONTAINS = "NOT_CONTAINS"
    EXISTS = "EXISTS"
    NOT_EXISTS = "NOT_EXISTS"
    NOT_BEGINS_WITH = "NOT_BEGINS_WITH"
    """No condition of the service; a search tries it here."""


_SYMBOLS: Final = {
    Operator.EQUAL_TO: "==",
    Operator.NOT_EQUAL_TO: "!=",
    Operator.LESS_THAN: "<",
    Operator.LESS_THAN_EQUAL_TO: "<=",
    Operator.GREATER_THAN: ">",
    Operator.GREATER_THAN_EQUAL_TO: ">=",
}

_OPPOSITE_PAIRS: Final = (
    (Operator.EQUAL_TO, Operator.NOT_EQUAL_TO),
    (Operator.LESS_THAN, Operator.GREATER_THAN_EQUAL_TO),
    (Operator.LESS_THAN_EQUAL_TO, Operator.GREATER_THAN),
    (Operator.CONTAINS, Operator.NOT_CONTAINS),
    (Operator.EXISTS, Operator.NOT_EXISTS),
    (Operator.BEGINS_WITH, Operator.NOT_BEGINS_WITH),
)
_OPPOSITES: Final = dict(_OPPOSITE_PAIRS) | {b: a for a, b in _OPPOSITE_PAIRS}

NEGATIVE: Final = frozenset(
    {Operator.NOT_EQUAL_TO, Operator.NOT_CONTAINS, Operator.NOT_BEGINS_WITH}
)
"""Operators for which it is open whether an absent attribute satisfies them."""


class Condition(Generic[O_contra]):
    """Something that is true or false of an entity; combine with ``&``, ``|`` and ``~``."""

    __slots__ = ()

    def __and__(self: Condition[Owner], other: Condition[Owner]) -> Condition[Owner]:
        """Both hold."""
        return AllOf((*_parts(AllOf, self, "&"), *_parts(AllOf, other, "&")))

    def __or__(self: Condition[Owner], other: Condition[Owner]) -> Condition[Owner]:
        """At least one holds."""
        return AnyOf((*_parts(AnyOf, self, "|"), *_parts(AnyOf, other, "|")))

    def __invert__(self: Condition[Owner]) -> Condition[Owner]:
        """The opposite holds; still false of an entity that lacks the attribute."""
        return _negated(self)

    def __bool__(self) -> NoReturn:
        """Refuse: ``a and b``, ``not a``, ``if a`` and ``1 < x < 5`` all land here."""
        raise TypeError(
            f"the condition {self!r} has no truth value. Write & for `and`, | for `or`, "
            "~ for `not` (with parentheses around each comparison), "
            ".between(low, high) for a chained comparison, and .in_(values) for `in`"
        )

    if not TYPE_CHECKING:  # type checkers find the mistake by themselves

        def __iter__(self):
            """Refuse ``filter(*condition)``."""
            raise TypeError(
                f"the condition {self!r} holds nothing: hand it to filter() as it is"
            )

        def __contains__(self, item):
            """Refuse ``x in condition``."""
            iter(self)


def _parts(
    kind: type[AllOf[Any] | AnyOf[Any]], condition: Condition[Owner], joined: str
) -> tuple[Any, ...]:
    if not isinstance(condition, Condition):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"{joined} joins conditions such as Task.priority > 3, not {condition!r}. A "
            "plain True or False usually means that a value was compared, not an attribute of "
            "the class"
        )
    return condition.conditions if isinstance(condition, kind) else (condition,)


@dataclass(frozen=True, slots=True)
class Comparison(Condition[O_contra]):
    """One comparison of one attribute.

    *values* are as the service stores them. *optional* says that an entity may lack the
    attribute. *owner* is the class the attribute was named on. *path* leads to a value
    inside an attribute of type ``any``, or is empty for the whole of it: such comparisons
    the service cannot make, only a search can. It is None for any other attribute.
    """

    attribute: str
    operator: Operator
    values: tuple[Scalar, ...]
    optional: bool = False
    owner: type[Any] | None = None
    path: tuple[str, ...] | None = None

    @property
    def on_key(self) -> bool:
        """Whether it compares the key rather than an attribute."""
        return self.attribute == "key"

    @property
    def served(self) -> bool:
        """Whether the service can make this comparison."""
        return self.path is None and self.operator is not Operator.NOT_BEGINS_WITH

    @property
    def ambiguous(self) -> bool:
        """Whether it is open if an entity that lacks the attribute satisfies this."""
        return self.optional and self.operator in NEGATIVE

    def __repr__(self) -> str:
        """Show it as it was written."""
        named = self.attribute + "".join(f"[{step!r}]" for step in self.path or ())
        if symbol := _SYMBOLS.get(self.operator):
            return f"{named} {symbol} {self.values[0]!r}"
        values = ", ".join(map(repr, self.values))
        return f"{named} {self.operator.replace('_', ' ')} {values}".rstrip()


@dataclass(frozen=True, slots=True, repr=False)
class KeyCondition(Comparison[O_contra]):
    """A comparison an index can serve: what ``where()`` takes."""


@dataclass(frozen=True, slots=True)
class AllOf(Condition[O_contra]):
    """Every one of *conditions* holds."""

    conditions: tuple[Condition[O_contra], ...]

    def __repr__(self) -> str:
        """Show the conditions between ``&``."""
        return " & ".join(f"({condition!r})" for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class AnyOf(Condition[O_contra]):
    """At least one of *conditions* holds."""

    conditions: tuple[Condition[O_contra], ...]

    def __repr__(self) -> str:
        """Show the conditions between ``|``."""
        return " | ".join(f"({condition!r})" for condition in self.conditions)


def _negated(condition: Condition[Owner]) -> Condition[Owner]:
    match condition:
        case AllOf(conditions):
            return AnyOf(tuple(_negated(part) for part in conditions))
        case AnyOf(conditions):
            return AllOf(tuple(_negated(part) for part in conditions))
        case Comparison(operator=Operator.BETWEEN, values=(low, high)):
            below = _rewritten(condition, Operator.LESS_THAN, (low,))
            return below | _rewritten(condition, Operator.GREATER_THAN, (high,))
        case Comparison(operator=operator, values=values) if operator in _OPPOSITES:
            return _rewritten(condition, _OPPOSITES[operator], values)
        case _:
            raise QueryError(f"{condition!r} has no opposite")


def _rewritten(
    comparison: Comparison[Owner], operator: Operator, values: tuple[Scalar, ...]
) -> Comparison[Owner]:
    kind: Any = Comparison if operator in NEGATIVE or not comparison.served else KeyCondition
    made: Comparison[Owner] = kind(
        comparison.attribute,
        operator,
        values,
        comparison.optional,
        comparison.owner,
        comparison.path,
    )
    return made


@dataclass(frozen=True, slots=True)
class Order(Generic[O_contra]):
    """A direction along an index's range."""

    attribute: str
    descending: bool
    owner: type[Any] | None = None

    def __repr__(self) -> str:
        """Show it as it is written."""
        return f"{self.attribute}.{'desc' if self.descending else 'asc'}()"


@dataclass(frozen=True, slots=True)
class Operand:
    """What an `Expr` knows of its attribute.

    *encode* turns a Python value into the stored one and raises `InvalidValue`; *ordered*
    says that the stored order is Python's order; *textual* that a Python ``str`` prefix or
    part of it is a prefix or part of the stored value; *path* is that of its comparisons.
    """

    name: str
    type: AttributeType
    encode: Callable[[Any], Scalar]
    optional: bool = False
    ordered: bool = True
    textual: bool = False
    path: tuple[str, ...] | None = None


class Expr(Generic[Owner, T]):
    """An attribute named on its class, waiting for an operator: ``Task.priority``."""

    __slots__ = ("_operand", "_owner", "label")

    def __init__(self, owner: type[Owner], label: str, operand: Operand) -> None:
        """Name the attribute *label* of *owner*."""
        self._owner, self.label, self._operand = owner, label, operand

    if TYPE_CHECKING:

        def __operand__(self) -> T:
            """Say what an operand may be."""
            ...

    @property
    def name(self) -> str:
        """The attribute's name in the store."""
        return self._operand.name

    @property
    def owner(self) -> type[Owner]:
        """The class it was named on."""
        return self._owner

    @property
    def path(self) -> tuple[str, ...]:
        """What leads to a value inside the attribute; empty for the whole."""
        return self._operand.path or ()

    def __repr__(self) -> str:
        """Show the attribute as it is written."""
        return f"{self._owner.__name__}.{self.label}"

    def __hash__(self) -> int:
        """Hash by what is named."""
        return hash((self._owner, self.label))

    def __eq__(self, other: T) -> KeyCondition[Owner]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """Equal to *other*; with None, that the attribute is missing."""
        if other is None:
            return self._presence(Operator.NOT_EXISTS)
        return self._compare(Operator.EQUAL_TO, other)

    def __ne__(self, other: T) -> Condition[Owner]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """Present and not equal to *other*; with None, that the attribute exists."""
        if other is None:
            return self._presence(Operator.EXISTS)
        return self._plain(Operator.NOT_EQUAL_TO, other)

    def __lt__(self, other: T) -> KeyCondition[Owner]:
        """Before *other*."""
        return self._ordered(Operator.LESS_THAN, other)

    def __le__(self, other: T) -> KeyCondition[Owner]:
        """Before or equal to *other*."""
        return self._ordered(Operator.LESS_THAN_EQUAL_TO, other)

    def __gt__(self, other: T) -> KeyCondition[Owner]:
        """After *other*."""
        return self._ordered(Operator.GREATER_THAN, other)

    def __ge__(self, other: T) -> KeyCondition[Owner]:
        """After or equal to *other*."""
        return self._ordered(Operator.GREATER_THAN_EQUAL_TO, other)

    def between(self, low: T, high: T) -> KeyCondition[Owner]:
        """From *low* to *high*, both included."""
        return self._ordered(Operator.BETWEEN, low, high)

    def startswith(
        self: Expr[Owner, str] | Expr[Owner, str | None], prefix: str
    ) -> KeyCondition[Owner]:
        """Begin with *prefix*, letter by letter."""
        return KeyCondition(*self._text(Operator.BEGINS_WITH, "startswith()", prefix))

    def contains(
        self: Expr[Owner, str] | Expr[Owner, str | None], part: str
    ) -> Condition[Owner]:
        """Hold *part* somewhere, letter by letter."""
        return Comparison(*self._text(Operator.CONTAINS, "contains()", part))

    def in_(self, values: Iterable[T]) -> Condition[Owner]:
        """Equal to one of *values*: sent as one ``EQUAL_TO`` for each, joined by or."""
        found: tuple[Condition[Owner], ...] = tuple(self == value for value in values)
        if not found:
            raise QueryError(
                f"{self!r}.in_() of no values matches nothing; leave the query out"
            )
        return found[0] if len(found) == 1 else AnyOf(found)

    def not_in(self, values: Iterable[T]) -> Condition[Owner]:
        """Present, and equal to none of *values*; with None among them, that it exists."""
        found: tuple[Condition[Owner], ...] = tuple(self != value for value in values)
        if not found:
            raise QueryError(
                f"{self!r}.not_in() of no values is true of everything; leave it out"
            )
        return found[0] if len(found) == 1 else AllOf(found)

    def exists(self) -> Condition[Owner]:
        """Be present."""
        return self._presence(Operator.EXISTS)

    def missing(self) -> Condition[Owner]:
        """Be absent: ``None`` is stored as absence."""
        return self._presence(Operator.NOT_EXISTS)

    def asc(self) -> Order[Owner]:
        """Ascending by this attribute."""
        return Order(self.name, descending=False, owner=self._owner)

    def desc(self) -> Order[Owner]:
        """Descending by this attribute."""
        return Order(self.name, descending=True, owner=self._owner)

    def __contains__(self, item: object) -> bool:
        """Refuse ``"a" in Task.title``, which Python turns into a truth value.

        Said to be a bool, so that checkers see that ``filter("a" in Task.title)`` gets one.
        """
        raise TypeError(f"write {self!r}.contains({item!r}) instead of `{item!r} in {self!r}`")

    def __iter__(self) -> NoReturn:
        """Refuse: an attribute named on its class holds nothing to iterate over."""
        raise TypeError(f"{self!r} names an attribute; only an entity has its value")

    def __bool__(self) -> NoReturn:
        """Refuse ``if Task.done`` and ``not Task.done``."""
        raise TypeError(f"{self!r} has no truth value; write {self!r} == True, for example")

    def __getitem__(self, step: str | int) -> Expr[Owner, Any]:
        """Name a value inside an attribute of type ``any``, for a search: ``["city"]``."""
        operand = self._operand
        if operand.path is None:
            raise QueryError(f"{self!r}[{step!r}]: {operand.type} has nothing inside")
        inner = replace(operand, path=(*operand.path, str(step)), optional=True)
        return Expr(self._owner, f"{self.label}[{step!r}]", inner)

    def _compare(self, operator: Operator, *values: Any) -> KeyCondition[Owner]:
        return KeyCondition(*self._terms(operator, values))

    def _plain(self, operator: Operator, *values: Any) -> Comparison[Owner]:
        return Comparison(*self._terms(operator, values))

    def _terms(self, operator: Operator, values: tuple[Any, ...]) -> tuple[Any, ...]:
        operand = self._operand
        encoded = tuple(operand.encode(value) for value in values)
        return operand.name, operator, encoded, operand.optional, self._owner, operand.path

    def _ordered(self, operator: Operator, *values: Any) -> KeyCondition[Owner]:
        if self._operand.type is AttributeType.BOOLEAN or not self._operand.ordered:
            raise QueryError(
                f"{self!r} cannot be compared with {operator}: its stored form has no order "
                "that agrees with Python's; only ==, != and in_() work on it"
            )
        return self._compare(operator, *values)

    def _presence(self, operator: Operator) -> KeyCondition[Owner]:
        return KeyCondition(*self._terms(operator, ()))

    def _text(self, operator: Operator, method: str, part: object) -> tuple[Any, ...]:
        """Return the terms of a comparison with a part of a text, which is taken as it is."""
        operand = self._operand
        if not operand.textual:
            raise QueryError(f"{self!r}.{method} needs an attribute that is stored as its text")
        if operand.path is not None:
            return self._terms(operator, (part,))
        if not isinstance(part, str) or not part:
            raise InvalidValue(
                f"{self!r}.{method} takes a text that is not empty, not {part!r}"
            )
        return operand.name, operator, (str(part),), operand.optional, self._owner, None
