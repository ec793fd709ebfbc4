# pyright: reportUnusedCallResult=true
"""Plain keys and secrets, as typed values: one `KeySpace` serves both colours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar, cast

from pydantic import Secret, SecretStr, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from .. import limits, operations
from ..errors import (
    AnswerLost,
    CommitOutcome,
    CorruptValue,
    ForgeError,
    InvalidValue,
    ItemFailure,
    PartialCommit,
    PartialRead,
)
from ..model.entity import Metadata
from ..model.keys import check_key
from ..model.writing import check_nested
from ..operations import BatchItem, BatchOutcome, Operation, Setting, Stored, StoredSecret
from ..operations.batch import failures_of_get, read_batch_rows
from ..wire import MetadataField
from .core import Flow, answer, perform, perform_all

T = TypeVar("T")
U = TypeVar("U")

_JSON: TypeAdapter[Any] = TypeAdapter(Any)


@dataclass(frozen=True, slots=True)
class KvsPage(Generic[T]):
    """Some keys and values in key order, and the cursor after them (None at the end)."""

    items: Sequence[Stored[T]]
    cursor: str | None = None

    def __iter__(self) -> Iterator[Stored[T]]:
        """Iterate over the stored values."""
        return iter(self.items)

    def __len__(self) -> int:
        """Count the stored values."""
        return len(self.items)


class KeySpace(Generic[T]):
    """The keys below *prefix*, holding values of one type."""

    def __init__(
        self,
        prefix: str = "",
        adapter: TypeAdapter[T] = _JSON,
        ttl: timedelta | None = None,
        space: operations.Space = "",
    ) -> None:
        """Describe the space; *ttl* is given to every set that names none."""
        self.prefix, self._adapter, self._ttl = prefix, adapter, ttl
        self._space: operations.Space = space

    @property
    def is_secret(self) -> bool:
        """Whether the values are secrets."""
        return bool(self._space)

    def below(
        self, prefix: str, adapter: TypeAdapter[Any], ttl: timedelta | None
    ) -> KeySpace[Any]:
        """Return a space further down, with its own type."""
        return KeySpace(self.prefix + prefix, adapter, ttl, self._space)

    def get(self, key: str, metadata: Iterable[MetadataField] = ()) -> Flow[Stored[T] | None]:
        """Read one value."""
        operation = operations.get(self._full(key), metadata, space=self._space)
        return self._loaded((yield from perform(operation)))

    def set(self, key: str, value: T, setting: Setting) -> Flow[Stored[T] | None]:
        """Store one value; returns what *setting* asks for."""
        if setting.ttl is None and self._ttl is not None:
            setting = _with_ttl(setting, self._ttl)
        body = self._dump(key, value)
        operation = operations.set(self._full(key), body, setting, space=self._space)
        return self._loaded((yield from self._written(key, operation)))

    def delete(self, key: str) -> Flow[None]:
        """Remove one key, if it is there."""
        operation = operations.delete(self._full(key), space=self._space)
        return (yield from self._written(key, operation))

    def _written(self, key: str, operation: Operation[U]) -> Flow[U]:
        """Carry out a write; its error tells whether it failed or is unknown."""
        try:
            return (yield from perform(operation))
        except ForgeError as error:
            error.outcome = CommitOutcome.of((), [ItemFailure(None, self._full(key), error)])
            raise

    def get_many(self, keys: Iterable[str]) -> Flow[dict[str, T]]:
        """Read many values, 25 a call; absent keys are left out."""
        found, failures = yield from self._read_many(keys, ())
        values = {key: stored.value for key, stored in found.items()}
        if failures:
            raise PartialRead(values, failures)
        return values

    def read_many(
        self, keys: Iterable[str], metadata: Sequence[MetadataField]
    ) -> Flow[dict[str, Stored[T]]]:
        """Read many values with *metadata*, 25 a call; absent keys are left out."""
        found, failures = yield from self._read_many(keys, metadata)
        if failures:
            raise PartialRead(found, failures)
        return found

    def _read_many(
        self, keys: Iterable[str], metadata: Sequence[MetadataField]
    ) -> Flow[tuple[dict[str, Stored[T]], list[ItemFailure]]]:
        items = [BatchItem(self._full(key)) for key in dict.fromkeys(keys)]
        bodies = yield from perform_all(
            [operations.batch_get(chunk, metadata) for chunk in _chunks(items)]
        )
        found: dict[str, Stored[T]] = {}
        failures: list[ItemFailure] = []
        for body in bodies:
            rows, failed = read_batch_rows(body)
            found.update((item.key, item) for item in map(self._shortened, rows))
            failures += failures_of_get(failed)
        return found, failures

    def set_many(self, values: Mapping[str, T], ttl: timedelta | None) -> Flow[None]:
        """Store many values, 25 a call; raises `PartialCommit` naming those that failed."""
        items = [
            BatchItem(self._full(key), None, self._dump(key, value), ttl or self._ttl)
            for key, value in values.items()
        ]
        return (yield from _all_done(_chunks(items), operations.batch_set))

    def delete_many(self, keys: Iterable[str]) -> Flow[None]:
        """Remove many keys, 25 a call."""
        items = [BatchItem(self._full(key)) for key in dict.fromkeys(keys)]
        return (yield from _all_done(_chunks(items), operations.batch_delete))

    def page(
        self, prefix: str, rows: int, cursor: str | None, metadata: Iterable[MetadataField]
    ) -> Flow[KvsPage[T]]:
        """Read one page of the keys that begin with *prefix*."""
        if type(rows) is not int or not 1 <= rows <= limits.PAGE_MAX:
            raise InvalidValue(
                f"a page of {rows!r}: the service reads 1 to {limits.PAGE_MAX} keys"
            )
        operation = operations.query(
            self.prefix + prefix, rows=rows, cursor=cursor, metadata=metadata
        )
        page = yield from perform(operation)
        return KvsPage([self._shortened(item) for item in page.items], page.cursor)

    def _full(self, key: str) -> str:
        return check_key(self.prefix + key)

    def _short(self, key: str) -> str:
        return key[len(self.prefix) :]

    def _loaded(self, stored: Stored[Any] | None) -> Stored[T] | None:
        return None if stored is None else self._shortened(stored)

    def _shortened(self, stored: Stored[Any]) -> Stored[T]:
        value = self._load(stored.key, stored.value)
        make: Callable[[str, T, Metadata], Stored[T]] = Stored
        if self.is_secret:
            make = StoredSecret
        return make(self._short(stored.key), value, stored.metadata)

    def _load(self, key: str, value: Any) -> T:
        if self._adapter is _JSON:
            return value  # type: ignore[no-any-return]
        try:
            return self._adapter.validate_json(to_json(value))
        except ValidationError as error:
            problems = error.errors(include_input=False, include_context=False)
            kinds = "; ".join(
                f"{self._place(item['loc'])}: {item['type']}" for item in problems
            )
            raise CorruptValue(
                f"what is stored under {key!r} does not fit its type: {kinds}"
            ) from None

    def _place(self, path: tuple[int | str, ...]) -> str:
        """Name a place inside a value; of a secret none, as a name may be part of it."""
        return "value" if self.is_secret else ".".join(map(str, path)) or "value"

    def _dump(self, key: str, value: T) -> bytes:
        try:
            plain = _plain(
                self._adapter.dump_python(value, by_alias=True, warnings="error"),
                self.is_secret,
            )
            check_nested(plain)
            body = to_json(plain, by_alias=True)
        except (PydanticSerializationError, ValueError) as error:
            shown = "" if self.is_secret else f" = {value!r}"
            reason = type(error).__name__ if self.is_secret else error
            raise InvalidValue(f"key {key!r}{shown} cannot be stored: {reason}") from None
        _check_body(key, body, secret=self.is_secret)
        return body


def _plain(value: Any, secret: bool) -> Any:
    """Put a secret's own text in its place; pydantic's JSON would mask it."""
    if isinstance(value, Secret | SecretStr):
        if not secret:
            raise ValueError("it holds a secret, and plain keys are readable; use secrets")
        return cast("Secret[Any]", value).get_secret_value()
    if isinstance(value, dict):
        members = cast("dict[Any, Any]", value)
        return {name: _plain(part, secret) for name, part in members.items()}
    if isinstance(value, list | tuple | set | frozenset):
        parts: list[Any] = [*value]
        return [_plain(part, secret) for part in parts]
    return value


def _check_body(key: str, body: bytes, *, secret: bool) -> None:
    if body == b"null":
        raise InvalidValue(
            f"key {key!r}: the service cannot store null; delete the key instead"
        )
    limit = limits.SECRET_MAX_BYTES if secret else limits.VALUE_MAX_BYTES
    if len(body) > limit:
        raise InvalidValue(
            f"key {key!r}: the value is {len(body)} bytes; the limit is {limit}. Split it"
        )


def _with_ttl(setting: Setting, ttl: timedelta) -> Setting:
    return Setting(ttl, setting.policy, setting.returns, setting.metadata)


def _chunks(items: list[BatchItem]) -> Iterator[list[BatchItem]]:
    """Cut *items* into batches: 25 items, and no more bytes than a payload may have."""
    chunk: list[BatchItem] = []
    size = 0
    for item in items:
        added = len(item.value) + len(item.key) + 100
        full = len(chunk) == limits.BATCH_MAX_ITEMS or size + added > limits.PAYLOAD_MAX_BYTES
        if chunk and full:
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += added
    if chunk:
        yield chunk


def _all_done(chunks: Iterable[list[BatchItem]], operation: Any) -> Flow[None]:
    """Send every chunk in one round trip; raise `PartialCommit` if anything failed."""
    listed = list(chunks)
    if not listed:
        return
    calls: list[Operation[BatchOutcome]] = [operation(chunk) for chunk in listed]
    outcomes = yield tuple([call.request for call in calls])
    done: list[tuple[str | None, str]] = []
    failed: list[ItemFailure] = []
    for chunk, call, outcome in zip(listed, calls, outcomes, strict=True):
        try:
            result = call.read(answer(outcome))
        except ForgeError as error:
            failed += [ItemFailure(None, item.key, error) for item in chunk]
            continue
        confirmed = {key for _, key in result.done}
        told = {failure.key for failure in result.failed}
        done += result.done
        failed += result.failed
        silent = AnswerLost(
            f"{call.request.operation}: the answer does not say what became of it"
        )
        failed += [
            ItemFailure(None, item.key, silent)
            for item in chunk
            if item.key not in confirmed and item.key not in told
        ]
    if failed:
        raise PartialCommit(done, failed)
