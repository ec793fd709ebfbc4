"""Python types ↔ the service's attribute types, with encodings whose order is Python's.

The service orders strings by their UTF-8 bytes, numbers by value and false before true. A
`Codec` says how a Python type is stored so that this agrees with Python's own order, or
that it does not (`ordered` is false, and only equality is offered).
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum, Flag
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NewType,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    EmailStr,
    EncodedBytes,
    EncodedStr,
    FutureDate,
    FutureDatetime,
    Json,
    NaiveDatetime,
    PastDate,
    PastDatetime,
    Secret,
    SecretBytes,
    SecretStr,
    TypeAdapter,
    ValidationError,
)
from pydantic.errors import PydanticUserError
from pydantic_core import (
    PydanticSerializationError,
    TzInfo,
    from_json,
    to_json,
    to_jsonable_python,
)
from typing_extensions import TypeAliasType

from .. import limits
from ..errors import DeclarationError, InvalidValue
from ..schema import AttributeType
from ..wire import Scalar

PythonType: TypeAlias = type[Any]
# Python's own, which `type X = int` makes, is another class than that of the package.
_ALIASES: Final = (TypeAliasType, getattr(typing, "TypeAliasType", TypeAliasType))


@dataclass(frozen=True, slots=True)
class Codec:
    """How one Python type is stored.

    *python* are the types an operand may have. *encode* turns a value into its stored form,
    *decode* turns that into something pydantic accepts; where they are None pydantic's own
    JSON form is the stored form. *check* raises `ValueError` for a stored value the service
    would refuse. *encode_all* does what *encode* does, for many values of the type itself.
    """

    type: AttributeType
    python: tuple[PythonType, ...]
    encode: Callable[[Any], Any] | None = None
    decode: Callable[[Any], Any] | None = None
    check: Callable[[Any], None] | None = None
    ordered: bool = True
    textual: bool = False
    encode_all: Callable[[Sequence[Any]], Sequence[Any]] | None = None

    @property
    def plain(self) -> PythonType | None:
        """The one type whose values pydantic writes in their stored form; None for others."""
        kind = self.python[-1]
        if self.encode is _encode_enum:  # its values were checked when it was declared
            return None if issubclass(kind, Flag) or self.type is AttributeType.FLOAT else kind
        return kind if self.encode is None and kind in (str, int, float, bool) else None

    def storer(self) -> Callable[[Any], Any]:
        """Return a function that does what `stored` does, fast for values as they usually are.

        A commit calls it once for every attribute it writes.
        """
        stored, encode, check = self.stored, self.encode, self.check
        if encode is None and self.python == (str,) and check is check_string:
            return _text_storer(stored)
        usual = frozenset(self.python)

        def store(value: Any) -> Any:
            if value.__class__ not in usual:
                return stored(value)
            encoded = value if encode is None else encode(value)
            if check is not None:
                check(encoded)
            return encoded

        return store

    def stored(self, value: Any) -> Any:
        """Return the stored form of *value*, checked; raises ValueError or TypeError."""
        if not isinstance(value, self.python) or (
            isinstance(value, bool) and bool not in self.python
        ):
            names = " or ".join(kind.__name__ for kind in self.python)
            raise TypeError(f"expected {names}, got {value.__class__.__name__}")
        encoded = value if self.encode is None else self.encode(value)
        if self.check is not None:
            self.check(encoded)
        return encoded


def _text_storer(stored: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the storer of most attributes there are, without a call where nothing is wrong."""

    def store(value: Any) -> Any:
        plain = value.__class__ is str and value and not value.isspace()
        return value if plain else stored(value)

    return store


# --- What the service refuses ---------------------------------------------------------


def check_string(value: str) -> None:
    """A string must hold something besides white space (entities-manifest)."""
    if not value or value.isspace():
        raise ValueError(
            "the service refuses an empty or blank string; use None (stored as absence)"
        )


def check_integer(value: int) -> None:
    """An integer is signed 32-bit (entities-manifest)."""
    if not limits.INTEGER_MIN <= value <= limits.INTEGER_MAX:
        raise ValueError(
            f"{value} does not fit the service's 32-bit integer "
            f"({limits.INTEGER_MIN}..{limits.INTEGER_MAX}); declare the attribute as float, "
            "or as Decimal with max_digits and decimal_places"
        )


def check_float(value: float) -> None:
    """A float is 0 or of magnitude 1E-130 to 9.99E+125 (entities-manifest)."""
    low, high = limits.FLOAT_MIN_MAGNITUDE, limits.FLOAT_MAX_MAGNITUDE
    if not (value == 0 or low <= abs(value) <= high):
        raise ValueError(f"{value!r} is outside the service's float (0, or {low} to {high})")


def check_all(check: Callable[[Any], None], values: Sequence[Any]) -> None:
    """Check many values of one type: of numbers, those that stand out say it for all."""
    if check in (check_integer, check_float):
        sizes: list[Any] = [abs(value) for value in values if value]
        values = min(values), max(values), min(sizes, default=0)
    for value in values:
        check(value)


# --- Encodings ------------------------------------------------------------------------


_UTC: Final[tuple[tzinfo, ...]] = (UTC, TzInfo(0))
"""Python's own, and that of what pydantic has read; not a set, since some have no hash."""


def encode_datetime(value: datetime) -> str:
    """Fixed-width UTC, so that the order of the text is the order in time."""
    if value.tzinfo is None:
        raise ValueError(
            f"{value!r} has no time zone, so its order is undefined; "
            "use an aware datetime such as datetime.now(timezone.utc)"
        )
    if value.tzinfo not in _UTC:
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            raise ValueError(f"{value!r} is outside the years 1 to 9999 in UTC") from None
    # As isoformat(timespec="microseconds") has it, in two thirds of the time.
    day = value.year, value.month, value.day
    return _INSTANT % (*day, value.hour, value.minute, value.second, value.microsecond)


_INSTANT: Final = "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ"


def encode_datetimes(values: Sequence[datetime]) -> Sequence[str]:
    """Encode many in a pass of pydantic, which leaves out the fraction of a whole second."""
    if not all(value.tzinfo in _UTC for value in values):
        return [*map(encode_datetime, values)]
    texts: list[str] = from_json(to_json(values))
    return [text if len(text) == _WIDTH else f"{text[:-1]}.000000Z" for text in texts]


_WIDTH: Final = len("2026-01-01T00:00:00.000000Z")


def encode_time(value: time) -> str:
    """Fixed-width local time."""
    if value.tzinfo is not None:
        raise ValueError(f"{value!r} has a time zone; times are stored without one")
    return value.isoformat(timespec="microseconds")


# From here on two neighbouring floats are more than a microsecond apart.
_EXACT_SECONDS: Final = timedelta(seconds=2**33)


def encode_timedelta(value: timedelta) -> float:
    """Seconds; exact to the microsecond up to 272 years."""
    if abs(value) > _EXACT_SECONDS:
        raise ValueError(f"{value!r} is longer than 272 years, past which it loses precision")
    return value.total_seconds()


def decode_timedelta(value: Any) -> Any:
    """Read seconds, rounded to the nearest microsecond."""
    return timedelta(seconds=value) if isinstance(value, int | float) else value


def encode_decimal(value: Decimal) -> str:
    """One text for equal numbers; digits past float's are kept."""
    if not value.is_finite():
        raise ValueError(f"{value!r} is not finite")
    text = format(value, "f")  # normalize() would round to 28 digits
    return (text.rstrip("0").rstrip(".") if "." in text else text) if value else "0"


def sortable_decimal(max_digits: int, places: int) -> Codec:
    """Fixed-point text whose order is numeric: a sign digit, then zero-padded digits.

    Negative numbers are stored as their nines' complement, so that more negative sorts
    first.
    """
    scale, bound = 10**places, 10**max_digits

    def encode(value: Decimal) -> str:
        if not value.is_finite():
            raise ValueError(f"{value!r} is not finite")
        # In integers: Decimal's own arithmetic rounds to 28 digits.
        fits = not value or value.adjusted() < max_digits
        numerator, denominator = value.as_integer_ratio() if fits else (bound, 1)
        units, rest = divmod(numerator * scale, denominator)
        if rest or abs(units) >= bound:
            raise ValueError(
                f"{value!r} does not fit {max_digits} digits, {places} of them decimals"
            )
        return (
            f"1{units:0{max_digits}}" if units >= 0 else f"0{bound - 1 + units:0{max_digits}}"
        )

    def decode(value: Any) -> Any:
        if not (isinstance(value, str) and len(value) == max_digits + 1 and value.isdecimal()):
            return value
        digits = int(value[1:])
        return Decimal(f"{digits if value[0] == '1' else digits - bound + 1}E-{places}")

    return Codec(AttributeType.STRING, (Decimal,), encode, decode)


def _encode_enum(value: Enum) -> Any:
    return value.value


_STRING: Final = Codec(AttributeType.STRING, (str,), check=check_string, textual=True)
_INTEGER: Final = Codec(AttributeType.INTEGER, (int,), check=check_integer)
_FLOAT: Final = Codec(AttributeType.FLOAT, (int, float), check=check_float)
_BOOLEAN: Final = Codec(AttributeType.BOOLEAN, (bool,))
_ANY: Final = Codec(AttributeType.ANY, (object,), ordered=False)
_BY_TYPE: Final[Mapping[type[Any], Codec]] = {
    str: _STRING,
    bool: _BOOLEAN,
    int: _INTEGER,
    float: _FLOAT,
    datetime: Codec(
        AttributeType.STRING, (datetime,), encode_datetime, encode_all=encode_datetimes
    ),
    date: Codec(AttributeType.STRING, (date,), date.isoformat),
    time: Codec(AttributeType.STRING, (time,), encode_time),
    timedelta: Codec(
        AttributeType.FLOAT, (timedelta,), encode_timedelta, decode_timedelta, check_float
    ),
    UUID: Codec(AttributeType.STRING, (UUID,), str),
    Decimal: Codec(AttributeType.STRING, (Decimal,), encode_decimal, ordered=False),
}
_ALIKE: Final[Mapping[Any, type[Any]]] = {
    AwareDatetime: datetime,
    PastDatetime: datetime,
    FutureDatetime: datetime,
    PastDate: date,
    FutureDate: date,
    EmailStr: str,
}
"""pydantic's classes that only name a rule: their values are of the plain type."""


@dataclass(frozen=True, slots=True)
class Storage:
    """The answer to "how is an attribute of this annotation stored?"."""

    codec: Codec
    optional: bool


def storage_of(annotation: Any, metadata: Sequence[Any] = ()) -> Storage:
    """Work out how *annotation* is stored.

    *metadata* are pydantic's constraints beside it (``max_digits``, ``decimal_places``, a
    `Codec` to use). Raises `DeclarationError` for what cannot be stored.
    """
    plain, extra, optional = _strip(annotation)
    found = [*metadata, *extra]
    for item in found:
        if isinstance(item, Codec):
            return Storage(item, optional)
        _refuse_json(item)
        if isinstance(item, EncodedStr | EncodedBytes):
            return Storage(_codec_by_json_schema(Annotated[plain, *found], plain), optional)
    return Storage(_codec_for(plain, found), optional)


def _strip(annotation: Any) -> tuple[Any, list[Any], bool]:
    """Take ``Annotated``, aliases, NewTypes and ``| None`` off an annotation."""
    if isinstance(annotation, _ALIASES):
        return _strip(annotation.__value__)
    if isinstance(get_origin(annotation), _ALIASES):
        return _strip(_aliased(annotation))
    if isinstance(annotation, NewType):
        return _strip(annotation.__supertype__)
    if isinstance(annotation, TypeVar):
        return _strip(annotation.__bound__ or Any)
    if get_origin(annotation) is Annotated:
        inner, *extra = get_args(annotation)
        plain, more, optional = _strip(inner)
        return plain, [*extra, *more], optional
    if get_origin(annotation) in (Union, types.UnionType):
        members = [arm for arm in get_args(annotation) if arm is not types.NoneType]
        optional = len(members) < len(get_args(annotation))
        if len(members) == 1:
            plain, more, inner_optional = _strip(members[0])
            return plain, more, optional or inner_optional
        return Union[tuple(members)], [], optional  # noqa: UP007 - built from a list
    if get_origin(annotation) is Literal and None in (values := get_args(annotation)):
        present = tuple(value for value in values if value is not None)
        return (Literal[present] if present else annotation), [], True
    return annotation, [], False


def _aliased(annotation: Any) -> Any:
    """Return what a generic alias with arguments stands for."""
    alias = annotation.__origin__
    given = dict(zip(alias.__type_params__, get_args(annotation), strict=False))
    value = alias.__value__
    parameters = getattr(value, "__parameters__", ())
    return value[tuple(given.get(each, each) for each in parameters)] if parameters else value


def holds_enum(annotation: Any, seen: tuple[Any, ...] = ()) -> bool:
    """Whether values of *annotation* are or hold members of an enum; models are their own."""
    plain = _strip(annotation)[0]
    if isinstance(plain, Enum) or (isinstance(plain, type) and issubclass(plain, Enum)):
        return True
    within = (*seen, annotation)
    return annotation not in seen and any(holds_enum(part, within) for part in get_args(plain))


def _codec_for(plain: Any, metadata: Sequence[Any]) -> Codec:
    origin = get_origin(plain)
    if origin is Literal:
        return _codec_of_literal(plain)
    if origin is Union:
        return _codec_of_union(get_args(plain))
    if (made := getattr(origin or plain, "__forge_codec__", None)) is not None:
        codec: Codec = made(plain)
        return codec
    if not isinstance(plain, type):
        _refuse_secret(plain)
        return _ANY
    return _codec_of_class(cast("type[Any]", plain), metadata)


def _codec_of_class(plain: type[Any], metadata: Sequence[Any]) -> Codec:
    _refuse_unstorable(plain)
    plain = _ALIKE.get(plain, plain)
    if issubclass(plain, Enum):
        return _codec_of_enum(plain)
    if plain is Decimal:
        return _codec_of_decimal(metadata)
    if plain in _BY_TYPE:
        return _BY_TYPE[plain]
    if issubclass(plain, BaseModel):
        return _ANY
    return _codec_of_subclass(plain) or _codec_by_json_schema(plain, plain)


def _refuse_secret(plain: Any, seen: tuple[Any, ...] = ()) -> None:
    origin = get_origin(plain) or plain
    if plain in seen:
        return
    if isinstance(origin, type) and issubclass(origin, SecretStr | SecretBytes | Secret):
        raise DeclarationError(
            f"{origin.__name__} would be stored readable (or as '**********'); "
            "keep secrets with session.secrets.set(key, value)"
        )
    for part in _parts(plain, origin):
        _refuse_secret(_strip(part)[0], (*seen, plain))


def _parts(plain: Any, origin: Any) -> tuple[Any, ...]:
    """Return the types a type is made of: its arguments, or the fields of a model."""
    if isinstance(origin, type) and issubclass(origin, BaseModel):
        return tuple(field.annotation for field in origin.model_fields.values())
    return get_args(plain)


_JSON: Final[Any] = Json  # to type checkers it is no class


def _refuse_json(item: Any) -> None:
    if item is _JSON or isinstance(item, _JSON):
        raise DeclarationError(
            "Json[…] reads a text that holds JSON, and keeps what is in it; declare the type "
            "that is in it, which is stored as JSON anyway"
        )


def _refuse_unstorable(plain: Any) -> None:
    _refuse_secret(plain)
    _refuse_json(plain)
    if issubclass(plain, bytes | bytearray | memoryview):
        raise DeclarationError(
            f"{plain.__name__} has no JSON form; store text, e.g. base64 in a str, or use "
            "pydantic's Base64Str"
        )
    if plain is NaiveDatetime:
        raise DeclarationError(
            "a NaiveDatetime has no time zone, so its order is undefined; use AwareDatetime"
        )
    if issubclass(plain, complex):
        raise DeclarationError("complex has no JSON form; store two floats")


def _codec_of_enum(plain: type[Enum]) -> Codec:
    values = tuple(member.value for member in plain)
    codec = _codec_of_values(values, (plain,))
    ordered = codec.ordered and issubclass(plain, str | int | float)
    return replace(codec, encode=_encode_enum, ordered=ordered)


def _codec_of_values(values: Sequence[Any], python: tuple[type[Any], ...]) -> Codec:
    kinds = {_base(value.__class__) for value in values}
    if kinds == {str}:
        for value in values:
            _declared(check_string, value)
        return replace(_STRING, python=python)
    if kinds == {int}:
        for value in values:
            _declared(check_integer, value)
        return replace(_INTEGER, python=python)
    if kinds <= {int, float}:
        return replace(_FLOAT, python=python)
    return replace(_BOOLEAN, python=python) if kinds == {bool} else _ANY


def _declared(check: Callable[[Any], None], value: Any) -> None:
    try:
        check(value)
    except ValueError as error:
        raise DeclarationError(
            f"the declared value {value!r} cannot be stored: {error}"
        ) from None


def _base(kind: type[Any]) -> type[Any]:
    return next((base for base in (bool, str, int, float) if issubclass(kind, base)), kind)


def _codec_of_literal(plain: Any) -> Codec:
    literals: tuple[object, ...] = get_args(plain)
    members = {each.value: each for each in literals if isinstance(each, Enum)}
    values = list(map(_encode_member, literals))
    codec = _codec_of_values(values, tuple({each.__class__ for each in literals}))
    if not members or codec.type is AttributeType.ANY:
        return codec
    plainest = [each for each in members.values() if not isinstance(each, str | int | float)]
    if not plainest:
        return replace(codec, encode=_encode_member)
    if len(set(values)) < len(values):
        raise DeclarationError(f"two of {', '.join(map(repr, literals))} are stored alike")

    def decode(value: Any) -> Any:  # pydantic knows such a member only by itself
        return members.get(value, value) if isinstance(value, str | int | float) else value

    return replace(codec, encode=_encode_member, decode=decode, ordered=False)


def _codec_of_union(arms: Sequence[Any]) -> Codec:
    codecs = [_codec_for(*_strip(arm)[:2]) for arm in arms]
    kinds = {codec.type for codec in codecs}
    simple = (None, _encode_enum, _encode_member)
    plain = all(codec.encode in simple and codec.decode is None for codec in codecs)
    if (
        not plain
        or kinds == {AttributeType.ANY}
        or (not kinds <= {AttributeType.INTEGER, AttributeType.FLOAT} and len(kinds) > 1)
    ):
        return _ANY
    python = tuple(kind for codec in codecs for kind in codec.python)
    if kinds == {AttributeType.INTEGER, AttributeType.FLOAT}:
        return replace(_FLOAT, python=python)
    return replace(codecs[0], python=python, encode=_encode_member)


def _encode_member(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _codec_of_decimal(metadata: Sequence[Any]) -> Codec:
    digits = _constraint(metadata, "max_digits")
    places = _constraint(metadata, "decimal_places")
    if digits is None or places is None:
        return _BY_TYPE[Decimal]
    return sortable_decimal(digits, places)


def _constraint(metadata: Sequence[Any], name: str) -> int | None:
    for item in _flattened(metadata):
        if (value := getattr(item, name, None)) is not None:
            return int(value)
    return None


def _flattened(metadata: Sequence[Any]) -> Iterator[Any]:
    for item in metadata:
        yield item
        yield from getattr(item, "metadata", ()) or ()


def _codec_of_subclass(plain: type[Any]) -> Codec | None:
    for base in (str, int, float):
        if issubclass(plain, base):
            return replace(_BY_TYPE[base], encode=base)
    return None


_JSON_TYPES: Final[Mapping[str, Codec]] = {
    "string": _STRING,
    "integer": _INTEGER,
    "number": _FLOAT,
    "boolean": _BOOLEAN,
}


def _codec_by_json_schema(annotation: Any, plain: type[Any]) -> Codec:
    """Any other type pydantic knows: stored in its JSON form, equality only."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        described = adapter.json_schema(mode="serialization")
    except PydanticUserError as error:
        raise DeclarationError(
            f"{plain.__name__} has no JSON form pydantic knows: {error.message}"
        ) from None
    kind = described.get("type")
    if not isinstance(kind, str) or kind not in _JSON_TYPES:
        return _ANY

    def encode(value: Any) -> Any:
        if not isinstance(value, plain):  # a class may only name a rule, as IPvAnyAddress does
            try:
                value = adapter.validate_python(value, strict=True)
            except ValidationError:
                found = value.__class__.__name__
                raise TypeError(f"expected {plain.__name__}, got {found}") from None
        return adapter.dump_python(value, mode="json")

    return replace(
        _JSON_TYPES[kind], python=(object,), encode=encode, ordered=False, textual=False
    )


def operand_encoder(label: str, codec: Codec) -> Callable[[Any], Scalar]:
    """Return the function that turns an operand into its stored form, with a clear error."""

    def encode(value: Any) -> Scalar:
        try:
            stored: Scalar = codec.stored(value)
        except (ValueError, TypeError) as error:
            raise InvalidValue(
                f"{label}: {value!r} cannot be compared with it: {error}"
            ) from None
        if isinstance(stored, float) and not math.isfinite(stored):
            raise InvalidValue(f"{label}: {value!r} is not a finite number")
        return stored

    return encode


def nested_encoder(label: str) -> Callable[[Any], Scalar]:
    """Return the same for values inside an attribute of type ``any``: plain JSON values."""

    def encode(value: Any) -> Scalar:
        try:
            stored: Any = to_jsonable_python(value)
        except PydanticSerializationError as error:
            raise InvalidValue(f"{label}: {value!r} has no JSON form: {error}") from None
        if not isinstance(stored, str | int | float):
            raise InvalidValue(
                f"{label}: {value!r} cannot be compared with what is inside it; compare "
                f"parts, {label}['part'] == …"
            )
        return stored

    return encode
