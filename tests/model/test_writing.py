"""The fast way to the stored JSON leads where the careful one does, and refuses the same."""

from __future__ import annotations

import enum
import json
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel, Field, HttpUrl, Json, computed_field
from pydantic_core import from_json

from forge_orm import Attr, Entity, InvalidValue, Ref, Registry, attr, index, version
from forge_orm.model.codecs import Codec
from forge_orm.schema import AttributeType

from .declaring import entity

registry = Registry("writing")
NAN = float("nan")


class Size(enum.StrEnum):
    SMALL = "s"
    LARGE = "l"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Ratio(enum.Enum):
    HALF = 0.5


class Place(BaseModel):
    city: str
    height: float | None = None
    inside: list[Place] = []
    code: str = Field(default="c", alias="postal")
    raw: Json[list[int]] = Field(default_factory=list)

    @computed_field
    def shout(self) -> str:
        return self.city.upper()


class Text(str):
    __slots__ = ()


class User(Entity, name="user", registry=registry):
    name: Attr[str] = attr()


LOWER = Codec(AttributeType.STRING, (str,), str.lower, str.upper)
PAIR = Codec(AttributeType.ANY, (tuple,), list, tuple, ordered=False)


class Scalars(Entity, name="scalars", registry=registry):
    text: Attr[str] = attr()
    maybe: Attr[str | None] = attr(default=None)
    count: Attr[int] = attr(default=0)
    few: Attr[int | None] = attr(default=None)
    share: Attr[float] = attr(default=0.5)
    flag: Attr[bool] = attr(default=False)
    size: Attr[Size] = attr(default=Size.SMALL)
    level: Attr[Level | None] = attr(default=None)
    colour: Attr[Colour] = attr(default=Colour.RED)
    ratio: Attr[Ratio] = attr(default=Ratio.HALF)
    one_of: Attr[Literal["a", "b"]] = attr(default="a")
    member: Attr[Literal[Colour.RED] | None] = attr(default=None)
    kind_: Attr[str] = attr(default="k", alias="kind")
    serial: Attr[int] = version()

    by_text = index(text, maybe, range=kind_)


class Encoded(Entity, name="encoded", registry=registry):
    at: Attr[datetime] = attr()
    day: Attr[date | None] = attr(default=None)
    hour: Attr[time | None] = attr(default=None)
    span: Attr[timedelta | None] = attr(default=None)
    price: Attr[Decimal] = attr(default=Decimal(1), max_digits=5, decimal_places=2)
    exact: Attr[Decimal | None] = attr(default=None)
    id_: Attr[UUID | None] = attr(default=None, alias="ident")
    link: Attr[HttpUrl | None] = attr(default=None)
    owner: Attr[Ref[User] | None] = attr(default=None)
    shout: Annotated[str, LOWER] = "A"
    hidden: Attr[str] = attr(default="", exclude=True)

    by_owner = index(owner, range=at)


class Nesting(Entity, name="nesting", registry=registry):
    tags: Attr[list[str]] = attr(default_factory=list)
    sizes: Attr[dict[str, float | None]] = attr(default_factory=dict)
    place: Attr[Place | None] = attr(default=None)
    days: Attr[set[date]] = attr(default_factory=set)
    either: Attr[str | int] = attr(default=1)
    whatever: Attr[Any] = attr(default=None)
    pair: Annotated[tuple[int, int], PAIR] = (1, 2)


class Event(Entity, name="event", discriminator="sort", registry=registry):
    title: Attr[str] = attr(default="t")


class Login(Event, kind="login"):
    user: Attr[str] = attr(default="u")
    tries: Attr[int | None] = attr(default=None)

    by_user = index("user", range="title")


class Computing(Entity, name="computing", registry=registry):
    text: Attr[str] = attr(default="t")

    @computed_field
    def size(self) -> int:
        return len(self.text)


moments = st.datetimes(timezones=st.just(UTC))
places = st.builds(
    lambda city, height, inside: Place(city=city, height=height, inside=inside),
    st.sampled_from(["Bern", ""]),
    st.sampled_from([1.5, 2.0, 3.0, None, NAN]),
    st.lists(
        st.just(
            Place.model_validate({"city": "Biel", "height": 9, "postal": "2500", "raw": "[1]"})
        ),
        max_size=2,
    ),
)
sizes = st.floats(0, 9) | st.sampled_from([1.0, None, NAN])
references = st.builds(partial(Ref, User), st.sampled_from(["user:1", "u" * 500]))
USUAL: dict[type[Any], dict[str, SearchStrategy[Any]]] = {
    Scalars: {
        "text": st.text(min_size=1),
        "maybe": st.none() | st.text(min_size=1),
        "count": st.integers(-(2**31), 2**31 - 1),
        "few": st.none() | st.integers(0, 9),
        "share": st.floats(),
        "flag": st.booleans(),
        "size": st.sampled_from(Size),
        "level": st.none() | st.sampled_from(Level),
        "colour": st.sampled_from(Colour),
        "ratio": st.sampled_from(Ratio),
        "one_of": st.sampled_from("ab"),
        "member": st.sampled_from([None, Colour.RED]),
        "kind_": st.sampled_from(["k", "é" * 450, "é" * 451]),
        "serial": st.integers(0, 3),
    },
    Encoded: {
        "at": moments,
        "day": st.none() | st.dates(),
        "hour": st.none() | st.times(),
        "span": st.none() | st.timedeltas(timedelta(-9), timedelta(9)),
        "price": st.decimals(-999, 999, places=2),
        "exact": st.none() | st.decimals(allow_nan=False, places=3),
        "id_": st.none() | st.uuids(),
        "link": st.none() | st.just(HttpUrl("http://a/b")),
        "owner": st.none() | references,
        "shout": st.sampled_from(["A", "É"]),
        "hidden": st.text(),
    },
    Nesting: {
        "tags": st.lists(st.text(), max_size=2),
        "sizes": st.dictionaries(st.text(max_size=2), sizes, max_size=2),
        "place": st.none() | places,
        "days": st.sets(st.dates(), max_size=2),
        "either": st.integers() | st.text(),
        "whatever": st.none() | places | st.lists(st.dates() | sizes, max_size=2),
        "pair": st.tuples(st.integers(), st.integers()),
    },
    Login: {
        "sort": st.just("login"),
        "title": st.sampled_from(["t", "t" * 901]),
        "user": st.sampled_from(["u", "u" * 1701]),
        "tries": st.none() | st.integers(0, 9),
    },
    Computing: {"text": st.text(min_size=1)},
}
ABSENT = object()


def deep(levels: int) -> list[Any]:
    return [deep(levels - 1)] if levels else []


WRONG: list[Any] = [
    *(ABSENT, None, "", " ", "\x85", "text", "\ud800", "x" * 901, "x" * 250_000, Text("t")),
    *(0, -1, 2**31, 2**70, True, 1.5, NAN, float("inf"), -1e-200, 1e130, 1j, b"\xff"),
    *([], [""], [NAN], [None], {"a": None}, {"a": NAN}, {1: "a"}, {1}, ("a",), deep(40)),
    *(Size.SMALL, Level.LOW, Colour.BLUE, Ratio.HALF, object(), print, str, "kind"),
    *(Place(city="Bern"), Place.model_construct(city=3), Place.model_construct()),
    *(datetime(2026, 1, 1), date(2026, 1, 1), time(1, tzinfo=UTC), timedelta(10**6)),
    *(Decimal("NaN"), Decimal("1.234"), Decimal(10**6), UUID(int=1), HttpUrl("http://a")),
    *(Ref(User, "user:1"), User(name="n").with_key("user:2"), "user/2", "a:b"),
]


def read(body: bytes) -> str:
    return json.dumps(from_json(body), sort_keys=True)  # where 1, 1.0 and True are three


def outcome(write: Callable[[], bytes]) -> Any:
    try:
        return read(write())
    except Exception as error:  # whatever it is, it is to be the same
        return type(error), str(error)


def assert_alike(cls: Any, values: dict[str, Any]) -> None:
    entity, mapping = cls.model_construct(), cls.__forge__
    for field, value in values.items():
        entity.__dict__[field] = value
        if value is ABSENT:
            del entity.__dict__[field]

    fast = outcome(lambda: mapping.write(entity, "k"))
    careful = outcome(lambda: mapping.dump(mapping.stored(entity), "k"))
    assert fast == careful
    together = mapping.write_each([entity, entity])
    assert all(body is None or read(body) == fast for body in together)


@pytest.mark.parametrize("cls", USUAL, ids=lambda cls: str(cls.__name__))
def test_what_is_written_at_once_is_what_is_stored_bit_by_bit(cls: Any) -> None:
    @settings(max_examples=150, deadline=None, database=None)
    @given(st.fixed_dictionaries(USUAL[cls]))
    def usual(values: dict[str, Any]) -> None:
        assert_alike(cls, values)

    @settings(max_examples=250, deadline=None, database=None)
    @given(
        st.fixed_dictionaries(USUAL[cls]),
        st.dictionaries(st.sampled_from([*USUAL[cls]]), st.sampled_from(WRONG), max_size=2),
    )
    def unusual(values: dict[str, Any], wrong: dict[str, Any]) -> None:
        assert_alike(cls, {**values, **wrong})

    usual()
    unusual()


@pytest.mark.parametrize("cls", USUAL, ids=lambda cls: str(cls.__name__))
def test_any_wrong_value_is_refused_alike(cls: Any) -> None:
    fields = {"text": "t", "at": datetime(2026, 1, 1, tzinfo=UTC)}
    for field in USUAL[cls]:
        for value in WRONG:
            assert_alike(cls, {**fields, field: value} if cls is not Login else {field: value})


TEXT = {"a": str, "b": str, "c": str | None}
INDEXED: dict[str, Any] = {
    "c": attr(default=None, alias="see"),
    "by_it": index("a", "b", range="c"),
}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"a": "x" * 900, "b": "é" * 400, "see": "c"}, None),
        ({"a": "x" * 901, "b": "é" * 400, "see": "c"}, "a + b has 1701 bytes, and the service"),
        ({"a": "x" * 1701, "b": "b"}, "takes 1700 as partition of index 'by_it'"),
        ({"a": "a", "b": "b", "see": "é" * 450}, None),
        (
            {"a": "a", "b": "b", "see": "é" * 451},
            "see has 902 bytes, and the service takes 900",
        ),
    ],
)
def test_a_text_too_long_for_its_index_is_refused(values: Any, says: str | None) -> None:
    thing = entity(TEXT, **INDEXED)
    mapping, made = thing.__forge__, thing(**values)
    for write in (mapping.write, lambda made, key: mapping.dump(mapping.stored(made), key)):
        if says is None:
            assert from_json(write(made, "k")) == mapping.stored(made)
            continue
        with pytest.raises(InvalidValue, match=r"^Thing 'k' cannot be stored: ") as refusal:
            write(made, "k")
        assert says in str(refusal.value)


def test_a_number_json_cannot_express_is_named() -> None:
    thing = entity({"a": list[float], "b": dict[str, list[float]]}, a=attr(alias="alpha"))
    for values, field in (
        ({"alpha": [NAN], "b": {}}, "a"),
        ({"alpha": [], "b": {"x": [-1e999]}}, "b"),
    ):
        with pytest.raises(InvalidValue, match=f"^Thing 'k': {field} cannot .* it holds"):
            thing.__forge__.write(thing(**values), "k")


def test_a_kind_declared_later_may_index_what_others_have() -> None:
    class Paper(Entity, name="paper", discriminator="sort", registry=Registry()):
        title: Attr[str] = attr()

    class Letter(Paper, kind="letter"):
        pass

    long = Letter(title="t" * 901)
    assert len(Letter.__forge__.write(long, "k")) > 901
    assert None not in Letter.__forge__.write_each([long, long])

    class Book(Paper, kind="book"):
        by_title = index("sort", range="title")

    for cls in (Letter, Book):
        with pytest.raises(InvalidValue, match="title has 901 bytes"):
            cls.__forge__.write(cls(title=long.title), "k")
    assert Letter.__forge__.write_each([long, long]) == [None, None]


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Let threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_threads_that_first_read_a_class_together_get_whole_entities() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(5):
        place = entity({"city": str, "zip_": str}, zip_=attr(alias="zip"), label="Place")
        inside = attr(default=None, alias="within")
        thing = entity(
            {"at": datetime, "span": timedelta, "inside": place | None}, inside=inside
        )
        made = [
            thing(at=moment, span=timedelta(1), within=place(city="Bern", zip="3000")),
            place(city="Biel", zip="2500"),
        ] * 4
        start, found = threading.Barrier(len(made)), dict[int, Any]()

        def read(
            number: int,
            entity: Any,
            start: threading.Barrier = start,
            found: dict[int, Any] = found,
        ) -> None:
            mapping = type(entity).__forge__
            body = b'{"key":"k","value":%s}' % mapping.write(entity, "k")
            start.wait()
            found[number] = mapping.readers.row(body)["value"]

        threads = [threading.Thread(target=read, args=each) for each in enumerate(made)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert found == dict(enumerate(made))
        assert thing.__pydantic_complete__
        assert place.__pydantic_complete__
