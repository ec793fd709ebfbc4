"""Stored order is Python's order, and what is stored comes back as it was."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import partial
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import (
    AwareDatetime,
    Base64Bytes,
    Base64Str,
    BaseModel,
    Field,
    HttpUrl,
    PastDate,
    TypeAdapter,
)
from pydantic_core import to_json

from forge_orm import InvalidValue
from forge_orm.model.codecs import (
    Codec,
    check_all,
    check_float,
    check_integer,
    check_string,
    encode_datetime,
    encode_datetimes,
)
from forge_orm.schema import AttributeType

from .declaring import entity


class Size(enum.StrEnum):
    SMALL = "s"
    LARGE = "L"
    UMLAUT = "ü"
    ASTRAL = "𝄞"


class Level(enum.IntEnum):
    LOW = -3
    HIGH = 12


class Ratio(float, enum.Enum):
    HALF = 0.5
    TWO = 2.0


class Plain(enum.Enum):
    A, B = "a", "b"


class Half(enum.Enum):
    HALF, TWO = 0.5, 2


class Point(BaseModel):
    x: float
    at: datetime | None = None


Name = NewType("Name", str)
Money = Annotated[Decimal, Field(max_digits=7, decimal_places=2)]
Long = Annotated[Decimal, Field(max_digits=38, decimal_places=10)]
Whole = Annotated[Decimal, Field(max_digits=3, decimal_places=0)]

texts = st.text(min_size=1, max_size=8).filter(lambda text: not text.isspace())
offsets = st.integers(-720, 720).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=offsets)
integers = st.integers(-(2**31), 2**31 - 1)
floats = st.one_of(
    st.floats(1e-130, 9.9e125), st.floats(-9.9e125, -1e-130), st.sampled_from([0.0, -0.0])
)
spans = st.timedeltas(timedelta(seconds=-(2**33)), timedelta(seconds=2**33))


def decimals(places: int, bound: int) -> SearchStrategy[Decimal]:
    return st.integers(1 - bound, bound - 1).map(lambda n: Decimal(f"{n}E-{places}"))


ORDERED: list[tuple[Any, SearchStrategy[Any]]] = [
    (str, texts),
    (Name, texts),
    (int, integers),
    (float, floats),
    (int | float, st.one_of(integers, floats)),
    (bool, st.booleans()),
    (datetime, moments),
    (AwareDatetime, moments),
    (date, st.dates()),
    (PastDate, st.dates(max_value=date(2020, 1, 1))),
    (time, st.times()),
    (timedelta, spans),
    (UUID, st.uuids()),
    (Money, decimals(2, 10**7)),
    (Long, decimals(10, 10**38)),
    (Whole, decimals(0, 10**3)),
    (Size, st.sampled_from(Size)),
    (Level, st.sampled_from(Level)),
    (Ratio, st.sampled_from(Ratio)),
    (Literal["b", "a", "ü"], st.sampled_from(["b", "a", "ü"])),
]
EQUALITY_ONLY: list[tuple[Any, SearchStrategy[Any]]] = [
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False, places=5)),
    (Plain, st.sampled_from(Plain)),
    (Literal[Plain.A, Plain.B], st.sampled_from(Plain)),
    (Literal[Half.HALF, Half.TWO], st.sampled_from(Half)),
    (IPv4Address, st.ip_addresses(v=4)),
    (HttpUrl, st.sampled_from(["http://a/b", "https://zürich.example/"]).map(HttpUrl)),
    (Base64Str, st.text(alphabet="abcü", min_size=1)),
    (Base64Bytes, st.binary(min_size=1, max_size=5)),
]
ANYTHING: list[tuple[Any, SearchStrategy[Any]]] = [
    (list[str], st.lists(st.text(max_size=3), max_size=3)),
    (dict[str, float], st.dictionaries(st.text(max_size=3), floats, max_size=3)),
    (set[int], st.sets(st.integers(), max_size=3)),
    (tuple[int, str], st.tuples(st.integers(), st.text(max_size=3))),
    (list[timedelta], st.lists(spans, max_size=2)),
    (Point, st.builds(Point, x=floats, at=st.none() | moments)),
    (str | int, st.one_of(texts, integers)),
]


def service_order(value: Any) -> Any:
    """How the service compares two stored values of one attribute."""
    return value.encode() if isinstance(value, str) else value


def codec_of(annotation: Any) -> Codec:
    codec: Codec = entity({"field": annotation}).__forge__.attributes["field"].codec
    return codec


@pytest.mark.parametrize(("annotation", "values"), ORDERED, ids=lambda each: str(each)[:40])
def test_the_services_order_is_pythons(annotation: Any, values: SearchStrategy[Any]) -> None:
    codec = codec_of(annotation)
    assert codec.ordered

    @settings(max_examples=60, deadline=None, database=None)
    @given(values, values)
    def compare(a: Any, b: Any) -> None:
        first, second = (service_order(codec.stored(value)) for value in (a, b))
        assert (first < second) == (a < b)
        assert (first == second) == (a == b)

    compare()


@pytest.mark.parametrize(
    ("annotation", "values"),
    [*ORDERED, *EQUALITY_ONLY, *ANYTHING],
    ids=lambda each: str(each)[:40],
)
def test_what_is_stored_is_read_back(annotation: Any, values: SearchStrategy[Any]) -> None:
    thing = entity({"field": annotation, "other": annotation | None}, other=None)
    mapping = thing.__forge__

    @settings(max_examples=40, deadline=None, database=None)
    @given(values)
    def there_and_back(value: Any) -> None:
        stored = mapping.stored(thing.model_construct(field=value, other=None))
        assert set(stored) == {"field"}  # None is absence
        body = mapping.dump(stored, "k")
        row = mapping.readers.row(b'{"key":"k","value":%s}' % body)
        assert row["value"].__dict__ == {"field": value, "other": None}
        assert mapping.readers.value(stored).__dict__["field"] == value

    there_and_back()


@pytest.mark.parametrize(
    ("annotation", "values"), EQUALITY_ONLY, ids=lambda each: str(each)[:40]
)
def test_equal_values_are_stored_alike(annotation: Any, values: SearchStrategy[Any]) -> None:
    codec = codec_of(annotation)

    @settings(max_examples=40, deadline=None, database=None)
    @given(values, values)
    def compare(a: Any, b: Any) -> None:
        assert (codec.stored(a) == codec.stored(b)) == (a == b)

    compare()


EXACT: list[tuple[Any, Any, Any]] = [
    (datetime, datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00.000000Z"),
    (datetime, datetime(5, 1, 1, tzinfo=UTC), "0005-01-01T00:00:00.000000Z"),
    (date, date(26, 1, 2), "0026-01-02"),
    (time, time(9, 5), "09:05:00.000000"),
    (timedelta, timedelta(days=-1, microseconds=1), -86399.999999),
    (UUID, UUID(int=10), "00000000-0000-0000-0000-00000000000a"),
    (Decimal, Decimal("-1.500"), "-1.5"),
    (Decimal, Decimal("1E+3"), "1000"),
    (Decimal, Decimal("-0.0"), "0"),
    (Decimal, Decimal("1" * 40 + ".10"), "1" * 40 + ".1"),
    (Money, Decimal("2.5"), "10000250"),
    (Money, Decimal("0E+99"), "10000000"),
    (Money, Decimal("-0.01"), "09999998"),
    (Size, Size.ASTRAL, "𝄞"),
    (Level, Level.HIGH, 12),
    (Plain | None, Plain.A, "a"),
    (float, 3, 3.0),
    (list[date], [date(2026, 1, 2)], ["2026-01-02"]),
    (Point, Point(x=1), {"x": 1.0, "at": None}),
]


@pytest.mark.parametrize(("annotation", "value", "stored"), EXACT, ids=str)
def test_a_value_is_stored_as(annotation: Any, value: Any, stored: Any) -> None:
    thing = entity({"field": annotation})

    found = thing.__forge__.stored(thing(field=value))["field"]
    assert found == stored
    assert type(found) is type(stored)


REFUSED: list[tuple[Any, Any, str]] = [
    (str, "", "use None"),
    (str, " \n", "empty or blank"),
    (str, 3, "expected str, got int"),
    (int, 2**31, "32-bit integer"),
    (int, -(2**31) - 1, "declare the attribute as float"),
    (int, True, "expected int, got bool"),
    (float, 1e-131, "outside the service's float"),
    (float, 1e126, "outside the service's float"),
    (float, float("nan"), "outside the service's float"),
    (float, float("inf"), "outside the service's float"),
    (bool, 1, "expected bool, got int"),
    (datetime, datetime(2026, 1, 1), "no time zone"),
    (datetime, datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))), "years 1 to 9999"),
    (time, time(1, tzinfo=UTC), "without one"),
    (timedelta, timedelta(seconds=2**33 + 1), "272 years"),
    (Decimal, Decimal("NaN"), "not finite"),
    (Money, Decimal("1.234"), "7 digits, 2 of them decimals"),
    (Money, Decimal(100_000), "7 digits"),
    (Money, Decimal("Infinity"), "not finite"),
    (Money, Decimal("1E+999999"), "7 digits"),
    (Money, Decimal("1." + "0" * 40 + "1"), "7 digits"),
    (Size, "s", "expected Size, got str"),
    (IPv4Address, 3, "expected IPv4Address, got int"),
    (str, None, "not declared optional"),
    (list[float], [float("nan")], "which JSON cannot express"),
    (dict[str, Any], {"a": print}, "builtin"),
]


@pytest.mark.parametrize(("annotation", "value", "says"), REFUSED, ids=str)
def test_a_value_the_service_cannot_hold_is_refused_by_name(
    annotation: Any, value: Any, says: str
) -> None:
    mapping = entity({"field": annotation}).__forge__
    with pytest.raises(InvalidValue, match=r"Thing.*cannot be stored") as refusal:
        mapping.dump(mapping.stored(mapping.cls.model_construct(field=value)), "k")

    assert says in str(refusal.value)


def test_a_codec_of_ones_own_may_stand_beside_the_annotation() -> None:
    lower = Codec(AttributeType.STRING, (str,), str.lower, str.upper)
    mapping = entity({"field": Annotated[str, lower]}).__forge__

    assert mapping.stored(mapping.cls(field="ABC")) == {"field": "abc"}
    assert mapping.readers.value({"field": "abc"}).__dict__ == {"field": "ABC"}


def test_a_codec_of_ones_own_may_be_of_type_any() -> None:
    pair = Codec(AttributeType.ANY, (complex,), lambda it: [it.real, it.imag], as_complex)
    mapping = entity({"field": Annotated[complex, pair]}).__forge__
    made = mapping.cls(field=1 + 2j)

    assert mapping.stored(made) == {"field": [1.0, 2.0]}
    assert mapping.readers.row(b'{"key":"k","value":%s}' % mapping.write(made, "k")) == {
        "key": "k",
        "value": made,
    }


def as_complex(stored: Any) -> Any:
    return complex(*stored) if isinstance(stored, list) else stored


@given(moments)
def test_an_instant_is_written_as_isoformat_has_it(moment: datetime) -> None:
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    assert encode_datetime(moment) == utc.isoformat(timespec="microseconds") + "Z"


@given(st.one_of(st.text(), st.sampled_from(["", " ", "\u2003", 1, None, Size.SMALL])))
def test_a_text_is_stored_the_same_with_and_without_the_short_way(value: Any) -> None:
    codec = Codec(AttributeType.STRING, (str,), check=check_string, textual=True)
    assert _attempt(codec.storer(), value) == _attempt(codec.stored, value)


def _attempt(store: Callable[[Any], Any], value: Any) -> Any:
    try:
        return store(value)
    except (ValueError, TypeError) as error:
        return type(error), str(error)


zoned = moments | st.datetimes(timezones=st.just(UTC))
as_read = zoned.map(lambda it: TypeAdapter(datetime).validate_json(to_json(it)))
whole = zoned.map(lambda it: it.replace(microsecond=0))


@given(st.lists(zoned | as_read | whole, max_size=4) | st.lists(whole, max_size=4))
def test_many_moments_are_stored_as_each_is(values: list[datetime]) -> None:
    assert encode_datetimes(values) == [encode_datetime(value) for value in values]


def test_one_moment_without_a_zone_is_refused_among_others() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        encode_datetimes([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1)])


NUMBERS = [
    0,
    0.0,
    -0.0,
    1,
    -1,
    2**31 - 1,
    2**31,
    -(2**31),
    -(2**31) - 1,
    1e-130,
    1e-131,
    -1e-131,
]
MORE = [9.99e125, 1e126, -1e126, float("inf"), float("-inf")]


@pytest.mark.parametrize("check", [check_integer, check_float])
@given(values=st.lists(st.sampled_from([*NUMBERS, *MORE]), min_size=1, max_size=5))
def test_numbers_are_in_order_together_only_if_each_is(
    check: Callable[[Any], None], values: list[Any]
) -> None:
    def passes(*checks: Callable[[], None]) -> bool:
        try:
            for each in checks:
                each()
        except ValueError:
            return False
        return True

    # What is refused is looked at again by itself, so it may be refused too often.
    if passes(lambda: check_all(check, values)):
        assert passes(*[partial(check, value) for value in values])
    if check is check_float:
        assert passes(lambda: check_all(check, values)) == passes(
            *[partial(check, value) for value in values]
        )


class Hashless(tzinfo):
    """As those of dateutil are."""

    def __hash__(self) -> int:
        raise TypeError("unhashable")

    def utcoffset(self, dt: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def dst(self, dt: datetime | None) -> None:
        return None

    def tzname(self, dt: datetime | None) -> str:
        return "one"


def test_a_zone_needs_no_hash() -> None:
    moment = datetime(2026, 1, 1, 1, tzinfo=Hashless())
    stored = "2026-01-01T00:00:00.000000Z"
    assert encode_datetime(moment) == stored
    assert encode_datetimes([moment, moment]) == [stored] * 2
