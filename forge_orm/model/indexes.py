"""`index(…)`: an index declared beside the attributes it names, carrying their types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, Never, ParamSpec, Protocol, overload

from typing_extensions import TypeVar

from .. import limits
from ..errors import DeclarationError
from ..expressions import Expr
from ..query import RangeQuery, Search
from ..schema import IndexSchema, size_of_texts

E = TypeVar("E")
R = TypeVar("R")
P = ParamSpec("P")
P1 = TypeVar("P1")
P2 = TypeVar("P2")
P3 = TypeVar("P3")
P4 = TypeVar("P4")
T_co = TypeVar("T_co", covariant=True)
V = TypeVar("V", default=Any)
"""A partition as one value: that of its one attribute, or a tuple of several."""


class Indexable(Protocol[T_co]):
    """An attribute an index may name; *T* is what an operand of it may be."""

    def __operand__(self) -> T_co:
        """For type checkers only."""
        ...


class Index(Generic[P, R, V]):
    """An index as declared in a class body; on the finished class, a `BoundIndex`."""

    def __init__(self, partition: tuple[object, ...], range: object, name: str | None) -> None:
        """Remember what was named; `bind` finds out which fields those are."""
        self._partition, self._range, self._name = partition, range, name
        self.declared = IndexSchema("", "")

    def __get__(self, instance: object, owner: type[E]) -> BoundIndex[E, P, R, V]:
        """Return the index, ready to be asked about entities of *owner*."""
        return BoundIndex(owner, self)

    def bind(self, label: str, owner: str, fields: Mapping[int, str]) -> None:
        """Find the fields of *owner* that are meant, by the id of their ``attr()`` object.

        *label* is the name the index was assigned to. Raises `DeclarationError` for a part
        that is no attribute.
        """

        def field(part: object) -> str:
            return field_name(part, f"{owner}.{label}", fields)

        partition = tuple(field(part) for part in self._partition)
        self.declared = IndexSchema(self._name or label, field(self._range), partition)


class BoundIndex(Generic[E, P, R, V]):
    """An index of one entity class: call it with its partition to get a query."""

    def __init__(self, owner: type[E], index: Index[P, R, V]) -> None:
        """Bind *index* to *owner*."""
        self.owner: type[Any] = owner
        self._index = index

    @property
    def declared(self) -> IndexSchema:
        """The index, by the names of its fields."""
        return self._index.declared

    def __call__(self, *partition: P.args, **named: P.kwargs) -> RangeQuery[E, R]:
        """Ask for one partition: its values, in declared order."""
        if named:
            raise TypeError(
                f"{self.owner.__name__}.{self.declared} takes its values in that order, not by "
                f"name: {', '.join(named)}"
            )
        mapping: Any = getattr(self.owner, "__forge__")  # noqa: B009 - typed in a layer above
        query: RangeQuery[E, R] = mapping.typed_query(self._index, partition)
        return query

    def any_of(self, partitions: Iterable[V]) -> Search[E]:
        """Search several partitions at once, in the order of the index's range.

        ``Task.by_status.any_of([("P", OPEN), ("P", DONE)])``; an index of one partition
        attribute takes its values alone. They are read side by side and merged.
        """
        mapping: Any = getattr(self.owner, "__forge__")  # noqa: B009 - typed in a layer above
        search: Search[E] = mapping.partitions_search(self._index, partitions)
        return search


def field_name(part: object, label: str, fields: Mapping[int, str]) -> str:
    """Return the field that *part* of the declaration *label* names."""
    if isinstance(part, str):
        return part
    if isinstance(part, Expr):
        return part.label
    if id(part) in fields:
        return fields[id(part)]
    raise DeclarationError(
        f"{label}: {part!r} is no attribute of the class. Name attributes that are "
        "assigned in the class body (`due: Attr[datetime] = attr()`), a base class's attribute "
        "(`Base.due`), or an attribute's name as text ('due')"
    )


@overload
def index(*, range: Indexable[R], name: str | None = None) -> Index[[], R, Never]: ...
@overload
def index(
    p1: Indexable[P1], /, *, range: Indexable[R], name: str | None = None
) -> Index[[P1], R, P1]: ...
@overload
def index(
    p1: Indexable[P1],
    p2: Indexable[P2],
    /,
    *,
    range: Indexable[R],
    name: str | None = None,
) -> Index[[P1, P2], R, tuple[P1, P2]]: ...
@overload
def index(
    p1: Indexable[P1],
    p2: Indexable[P2],
    p3: Indexable[P3],
    /,
    *,
    range: Indexable[R],
    name: str | None = None,
) -> Index[[P1, P2, P3], R, tuple[P1, P2, P3]]: ...
@overload
def index(
    p1: Indexable[P1],
    p2: Indexable[P2],
    p3: Indexable[P3],
    p4: Indexable[P4],
    /,
    *,
    range: Indexable[R],
    name: str | None = None,
) -> Index[[P1, P2, P3, P4], R, tuple[P1, P2, P3, P4]]: ...
@overload
def index(*partition: str, range: str, name: str | None = None) -> Index[..., Any]: ...
def index(*partition: Any, range: Any, name: str | None = None) -> Any:
    """Declare an index: equality on each of *partition*, order by *range*.

    Assign it in the class body; the name it is assigned to is the index's name unless
    *name* is given (an index name may hold ``- . :``, a Python name may not). Without a
    partition it serves the whole entity in the order of *range*; with *name* equal to that
    attribute's name it is written to the manifest as the bare attribute. The service allows
    7 indexes an entity, one range attribute each, and no attribute of type ``any``
    (storage-reference/entities-manifest).
    """
    declared: Index[..., Any] = Index(partition, range, name)
    return declared


def too_long(index: IndexSchema, stored: Mapping[str, Any]) -> str | None:
    """Return what is too long in a *stored* form for *index*; None where it all fits.

    Numbers and booleans never are, and a body that is shorter than the limit of a range
    (`limits.RANGE_VALUE_MAX_BYTES`) holds no text that is.
    """
    for part, names, limit in (
        ("range", (index.range,), limits.RANGE_VALUE_MAX_BYTES),
        ("partition", index.partition, limits.PARTITION_VALUES_MAX_BYTES),
    ):
        if (size := size_of_texts(map(stored.get, names))) > limit:
            texts = [name for name in names if isinstance(stored.get(name), str)]
            return (
                f"{' + '.join(texts)} has {size} bytes, and the service takes {limit} as "
                f"{part} of index {index.name!r}. Index a shorter attribute (a computed field "
                "can derive one)"
            )
    return None
