"""`Question`: what a session answers; and what queries and searches have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, overload

from pydantic import BaseModel

from .. import limits
from ..errors import QueryError
from ..expressions import Expr
from ..paths import Path
from ..wire import ALL_METADATA, MetadataField

if TYPE_CHECKING:
    from .selection import Selection

E = TypeVar("E")
T_co = TypeVar("T_co", covariant=True)
M = TypeVar("M", bound=BaseModel)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
F = TypeVar("F")
G = TypeVar("G")
H = TypeVar("H")
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What answering may cost; None is no bound.

    *requests* counts calls, *units* the service's read units (10 KB of an answer, rounded up
    for each call; limits-kvs-ce), *seconds* the time since the first call.
    """

    requests: int | None = None
    units: int | None = None
    seconds: float | None = None

    def __repr__(self) -> str:
        """Show the bounds that there are."""
        names = ("requests", "units", "seconds")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        return ", ".join(f"{name}={value!r}" for name, value in given.items())


UNBOUNDED = Bounds()


hold: Final = object.__setattr__
"""Fills a slot of a question that is being made: after that they cannot be set."""


class Question(Generic[T_co]):
    """What a session answers: `Query` and `Search` with entities, `Selection` with less.

    Questions are values: they perform no I/O, never change, and can be compared and printed.
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # type checkers find the mistake by themselves

        def __iter__(self):
            """Refuse: only a session has answers."""
            raise TypeError(
                f"{self!r} is a question; ask it of a session: session.all(query) or "
                "session.stream(query)"
            )

        def __setattr__(self, name, value):
            """Refuse: a question is compared and hashed by what it asks."""
            raise AttributeError(
                f"{type(self).__name__}.{name} cannot be set: a question never changes; its "
                "methods return new ones"
            )

        def __delattr__(self, name):
            """Refuse, as to set it."""
            setattr(self, name, None)

        def __setstate__(self, state):
            """Copy or unpickle: the only time that slots are filled from outside."""
            for name, value in state[1].items():
                hold(self, name, value)


class EntityQuestion(Question[E], Generic[E]):
    """A question about entities of one kind. Every method returns a new one."""

    __slots__ = ("entity", "spec")

    entity: type[E]
    spec: Any

    def __init__(self, entity: type[E], spec: Any) -> None:
        """Ask for entities of the class *entity* as *spec* says."""
        hold(self, "entity", entity)
        hold(self, "spec", spec)

    def limit(self, count: int) -> Self:
        """Return at most *count* entities, however many pages that takes."""
        return self._saying(limit=positive("limit", count))

    def page_size(self, rows: int) -> Self:
        """Read *rows* rows in one call, 1 to 100 (entities-api-query)."""
        if positive("page_size", rows) > limits.PAGE_MAX:
            raise QueryError(f"page_size({rows}): the service reads at most {limits.PAGE_MAX}")
        return self._saying(page_size=rows)

    def cursor(self, cursor: str | None) -> Self:
        """Go on after the page that returned *cursor*; None starts at the beginning."""
        return self._saying(cursor=cursor)

    def metadata(self, *fields: MetadataField) -> Self:
        """Ask for created, updated and expiry times too; all three if none is named."""
        if unknown := [each for each in fields if each not in ALL_METADATA]:
            known = ", ".join(ALL_METADATA)
            raise QueryError(f"metadata({unknown[0]!r}): known fields are {known}")
        return self._saying(metadata=fields or ALL_METADATA)

    def prefetch(self, *paths: Path[E, Any]) -> Self:
        """Load too what references lead to: ``Task.owner``, ``Task.owner / User.team``.

        It takes further calls, outside of any budget: 25 targets a batch get, each target
        once, none for those the session holds; a path's levels one after the other.
        """
        check_paths(self.entity, paths)
        return self._saying(prefetch=(*self.spec.prefetch, *paths))

    def budget(
        self,
        *,
        requests: int | None = None,
        units: int | None = None,
        seconds: float | None = None,
    ) -> Self:
        """Spend no more than this: calls, read units of 10 KB, seconds from the first call.

        What would go beyond is not asked: `BudgetExceeded` has what was found before and the
        cursor to go on from. Units and time of a call are known only after it, so the last
        one may go over.
        """
        budget = Bounds(requests, units, seconds)
        given = [each for each in (requests, units, seconds) if each is not None]
        if not given or min(given) <= 0:
            raise QueryError(f"budget({budget!r}) needs a bound, and one above 0")
        return self._saying(budget=budget)

    @overload
    def select(self, model: type[M], /) -> Selection[M]: ...
    @overload
    def select(self, a: Expr[E, A], /) -> Selection[tuple[A]]: ...
    @overload
    def select(self, a: Expr[E, A], b: Expr[E, B], /) -> Selection[tuple[A, B]]: ...
    @overload
    def select(
        self, a: Expr[E, A], b: Expr[E, B], c: Expr[E, C], /
    ) -> Selection[tuple[A, B, C]]: ...
    @overload
    def select(
        self, a: Expr[E, A], b: Expr[E, B], c: Expr[E, C], d: Expr[E, D], /
    ) -> Selection[tuple[A, B, C, D]]: ...
    @overload
    def select(
        self, a: Expr[E, A], b: Expr[E, B], c: Expr[E, C], d: Expr[E, D], e: Expr[E, F], /
    ) -> Selection[tuple[A, B, C, D, F]]: ...
    @overload
    def select(
        self,
        a: Expr[E, A],
        b: Expr[E, B],
        c: Expr[E, C],
        d: Expr[E, D],
        e: Expr[E, F],
        f: Expr[E, G],
        /,
    ) -> Selection[tuple[A, B, C, D, F, G]]: ...
    @overload
    def select(
        self,
        a: Expr[E, A],
        b: Expr[E, B],
        c: Expr[E, C],
        d: Expr[E, D],
        e: Expr[E, F],
        f: Expr[E, G],
        g: Expr[E, H],
        /,
    ) -> Selection[tuple[A, B, C, D, F, G, H]]: ...
    @overload
    def select(
        self,
        a: Expr[E, A],
        b: Expr[E, B],
        c: Expr[E, C],
        d: Expr[E, D],
        e: Expr[E, F],
        f: Expr[E, G],
        g: Expr[E, H],
        h: Expr[E, K],
        /,
    ) -> Selection[tuple[A, B, C, D, F, G, H, K]]: ...
    def select(self, *parts: Any) -> Selection[Any]:
        """Ask for some attributes as tuples, or for a pydantic model made of them.

        ``select(Task.title, Task.due)`` gives ``tuple[str, datetime]``, up to eight;
        ``select(Summary)`` a `Summary` for each entity, its fields filled from the attributes
        of their names. What is given is what is stored; the session does not watch it. The
        service returns whole entities all the same, so it costs as much.

        Raises `QueryError` for a part of another entity, or a field that none has.
        """
        from .selection import select

        return select(self, parts)

    def _saying(self, **changes: Any) -> Self:
        return self._with(replace(self.spec, **changes))

    def _with(self, spec: Any) -> Self:
        return type(self)(self.entity, spec)

    def __eq__(self, other: object) -> bool:
        """Whether both ask the same."""
        if not isinstance(other, EntityQuestion):
            return NotImplemented
        entity: object = other.entity  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return self.entity is entity and bool(self.spec == other.spec)

    def __hash__(self) -> int:
        """Hash by what is asked."""
        return hash((self.entity, self.spec))


def check_paths(entity: type[Any], paths: Iterable[Path[Any, Any]]) -> None:
    """Refuse what is no path that begins at *entity*: raises `QueryError`, `TypeError`."""
    for path in paths:
        if not isinstance(path, Path):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"{path!r} is no reference such as Task.owner, nor a path of them")
        if not issubclass(entity, path.steps[0].owner):
            raise QueryError(f"{path!r} does not begin at {entity.__name__}")


def positive(name: str, value: int) -> int:
    """Return *value*; raises `QueryError` if it is no whole number of at least 1."""
    if type(value) is not int or value < 1:
        raise QueryError(f"{name}({value!r}) must be a whole number, and at least 1")
    return value


def shown(question: object) -> str:
    """Show a question in a message: of a long one, its beginning and its end."""
    said = repr(question)
    return said if len(said) <= _SHOWN else f"{said[: _SHOWN - 60]} … {said[-50:]}"


_SHOWN = 240
