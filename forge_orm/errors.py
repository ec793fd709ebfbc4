"""Every exception the library raises, from one root.

ForgeError
├── DeclarationError         a class, attribute, index or key template is declared wrongly
├── ConfigurationError       the environment, an option or a missing extra
├── QueryError               a question the service's language cannot express
│   ├── UnknownIndex         the class declares no index of that name
│   ├── ScanRefused          a search would read every entity
│   ├── SortTooLarge         a search has too many matches to sort them here
│   ├── BudgetExceeded       answering would cost more than it may
│   └── CursorError          a cursor is none, outdated, or of another question
├── InvalidValue             a value the service cannot store, found before sending it
├── CorruptValue             a stored value that does not fit its class
│   └── WrongKind            it is of another kind than the class asked for
├── SessionError             a session used in a way it cannot be
│   ├── NotLoaded            the value of a reference was asked for before it was loaded
│   ├── DanglingReference    the value of a reference to what is not stored
│   ├── DeleteRestricted     what is to be deleted is still referred to
│   └── CascadeTooLarge      a deletion would reach more entities than it may
├── PartialCommit            some writes of a commit were saved and some were not
├── HookFailed               the commit went well, and a hook after it did not
├── PartialRead              some keys of a batch get could not be read
├── TransportError           no answer came back
│   ├── NotSent              the request did not reach the service     (retryable)
│   └── AnswerLost           it may have; its effect is unknown   (retryable if repeatable)
└── ServiceError             the service answered, and the answer is an error
    ├── InvalidRequest       the request breaks a rule of the service
    │   ├── InvalidKey
    │   ├── RejectedValue
    │   ├── InvalidQuery
    │   │   └── StaleIndex   the deployed app does not have the index, or not yet
    │   └── TooManyItems
    ├── NotFound
    │   ├── KeyNotFound
    │   └── SchemaNotFound
    ├── Conflict
    │   ├── KeyConflict      create-only, and the key exists
    │   ├── KeyAbsent        update-only, and the key does not
    │   ├── TargetMissing    what a checked reference leads to does not exist
    │   ├── VersionConflict  somebody saved it since it was read
    │   ├── UniqueViolation  another entity has the value that must be unique
    │   └── ConditionFailed  a condition of a transaction did not hold
    ├── Unauthorized
    ├── RateLimited                                                    (retryable)
    └── ServiceFault         the service failed                        (retryable if repeatable)

Classes are named for the cause, never for the operation. The service's own code stays on
the instance, so a code this version does not know is still an ordinary `ServiceError`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast

from .wire import Response


class ForgeError(Exception):
    """The root of all errors raised by this library."""

    retryable: ClassVar[bool] = False
    """Whether the same call, made again later, may succeed."""

    doubtful: ClassVar[bool] = False
    """Whether the call may have taken effect although this was raised."""

    outcome: CommitOutcome | None = None
    """What became of each write, where a session raised it while writing; else None."""


class DeclarationError(ForgeError, TypeError):
    """A class, attribute, index or key template is declared wrongly."""


class ConfigurationError(ForgeError):
    """The environment is not set up, an option is wrong, or an extra is not installed."""


class QueryError(ForgeError, ValueError):
    """A query or condition cannot be expressed in the service's language."""


class ScanRefused(QueryError):
    """A search would read every entity, and was not allowed to."""


class SortTooLarge(QueryError):
    """A search has more matches than it may collect to sort them here."""


class BudgetExceeded(QueryError):
    """Answering would cost more than the budget allows: ask less, or go on from the cursor.

    Attributes:
        found: what was found before, where a list or a page was asked for.
        cursor: where to go on, for ``query.cursor(…)``.
    """

    def __init__(self, message: str, cursor: str | None = None) -> None:
        """Say where to go on."""
        super().__init__(message)
        self.cursor = cursor
        self.found: Sequence[Any] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the cursor and what was found."""
        return type(self), (str(self), self.cursor), {"found": list(self.found)}


class CursorError(QueryError):
    """A cursor is none, was changed, is outdated, or belongs to another question."""


class UnknownIndex(QueryError):
    """The class declares no index of that name: declare it, or name one that there is."""


class InvalidValue(ForgeError, ValueError):
    """A value the service cannot store, found before anything was sent."""


class CorruptValue(ForgeError, ValueError):
    """A stored value does not fit the class it is read into."""


class WrongKind(CorruptValue):
    """What is stored under the key is of another kind than the class it was asked for as.

    Attributes:
        entity: the entity's name.
        key: its key.
        kind: the stored value of its discriminator; None if it has none.
    """

    def __init__(self, entity: str, key: str, wanted: str, kind: str | None) -> None:
        """Name the kind that was found."""
        super().__init__(
            f"{entity} {key!r} is of kind {kind!r}, which is no {wanted}; ask for it as the "
            "base class if any kind will do"
        )
        self.entity, self.key, self.wanted, self.kind = entity, key, wanted, kind

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by what it was made of."""
        return type(self), (self.entity, self.key, self.wanted, self.kind)


class SessionError(ForgeError, RuntimeError):
    """A session was used in a way it cannot be."""


class NotLoaded(SessionError):
    """The value of a reference was asked for, and nobody loaded it: attributes do no I/O."""


class DanglingReference(SessionError):
    """The value of a reference was asked for, and nothing is stored under its key."""


class DeleteRestricted(SessionError):
    """What is to be deleted is still referred to, and a rule forbids that; nothing was sent.

    Attributes:
        entity: the name of the entity that was to be deleted.
        key: its key.
        referrers: (entity, key) of what refers to it, as far as it was looked up.
    """

    def __init__(
        self, message: str, entity: str, key: str, referrers: Sequence[tuple[str, str]]
    ) -> None:
        """Name both sides."""
        super().__init__(message)
        self.entity, self.key, self.referrers = entity, key, tuple(referrers)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with what it names."""
        return type(self), (str(self), self.entity, self.key, self.referrers)


class CascadeTooLarge(SessionError):
    """Deleting an entity would reach more others than it may; nothing was sent.

    Attributes:
        entity: the name of the entity that was to be deleted.
        key: its key.
        found: how many others were found before the search ended.
        limit: how many it may reach.
    """

    def __init__(self, message: str, entity: str, key: str, found: int, limit: int) -> None:
        """Name the entity and the numbers."""
        super().__init__(message)
        self.entity, self.key, self.found, self.limit = entity, key, found, limit

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with what it names."""
        return type(self), (str(self), self.entity, self.key, self.found, self.limit)


class TransportError(ForgeError):
    """No answer came back."""

    doubtful = True


class NotSent(TransportError):
    """The request did not reach the service; sending it again is safe."""

    retryable = True
    doubtful = False


class AnswerLost(TransportError):
    """The request may have reached the service; whether it took effect is unknown."""

    retryable = True


_by_code: dict[str, type[ServiceError]] = {}


class ServiceError(ForgeError):
    """The service answered, and the answer is an error.

    Attributes:
        code: the service's own code, e.g. ``"KEY_NOT_FOUND"``.
        message: the service's own words.
        status: the HTTP status; 0 for an item of a batch, which has none.
        context: what else the error body held.
        trace_id: the id to give Atlassian support, if the service sent one.
    """

    codes: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Register the class under each of the service's codes it stands for."""
        _by_code.update(dict.fromkeys(cls.codes if "codes" in vars(cls) else (), cls))

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 0,
        context: Mapping[str, Any] | None = None,
        trace_id: str | None = None,
    ) -> None:
        """Keep everything the service said."""
        where = f" [{status}]" if status else ""
        trace = f" (trace {trace_id})" if trace_id else ""
        super().__init__(f"{code}{where}: {message}{trace}")
        self.code = code
        self.message = message
        self.status = status
        self.context = dict(context or {})
        self.trace_id = trace_id

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the keyword arguments, which `Exception` would lose."""
        options = {"status": self.status, "context": self.context, "trace_id": self.trace_id}
        # The outcome names this error in turn, so it comes when there is one to name.
        state = None if self.outcome is None else {"outcome": self.outcome}
        return _revive, (type(self), self.code, self.message, options), state


def _revive(
    cls: type[ServiceError], code: str, message: str, options: dict[str, Any]
) -> ServiceError:
    return cls(code, message, **options)


class InvalidRequest(ServiceError):
    """The request breaks a rule of the service."""

    codes: ClassVar[tuple[str, ...]] = (
        "BAD_REQUEST",
        "UNPROCESSABLE_ENTITY",
        "VALIDATION_ERROR",
        "INVALID_TTL",
        "INVALID_KEY_POLICY_RETURN_VALUE_COMBINATION",
        "INVALID_TRANSACTION_REQUEST",
        "KEY_DUPLICATION_ERROR",
        "ENTITY_TYPE_TOO_SHORT",
        "ENTITY_TYPE_TOO_LARGE",
        "INVALID_ENTITY_TYPE",
    )


class InvalidKey(InvalidRequest):
    """The key is empty, too long, or holds a character the service does not allow."""

    codes = ("EMPTY_KEY", "KEY_TOO_SHORT", "KEY_TOO_LONG", "INVALID_KEY")


class RejectedValue(InvalidRequest):
    """The value is too large, too deep, or does not fit the declared attributes."""

    codes = (
        "MAX_SIZE",
        "MAX_DEPTH",
        "INCORRECT_PROPERTY_TYPE",
        "INVALID_ENTITY_VALUE",
        "INVALID_ENTITY_ATTRIBUTE",
        "STORAGE_LIMIT_EXCEEDED",
    )


class InvalidQuery(InvalidRequest):
    """The query names an index, condition, limit or cursor the service does not accept."""

    codes: ClassVar[tuple[str, ...]] = (
        "COMPLEX_QUERY_PAGE_LIMIT_NOT_IN_RANGE",
        "LIST_QUERY_LIMIT_EXCEEDED",
        "QUERY_WHERE_INVALID",
        "QUERY_WHERE_FIELD_INVALID",
        "INVALID_FILTER_CONDITION",
        "INVALID_FILTER_VALUES",
        "EMPTY_FILTER_OPERATOR",
        "INVALID_FILTER_OPERATORS_COMBINATION",
        "INSUFFICIENT_FILTER_VALUES",
        "INVALID_CURSOR",
        "INVALID_PARTITION",
    )


class StaleIndex(InvalidQuery):
    """The deployed app does not have the index, or is still building it.

    Deploy the manifest that declares it (``forge-orm manifest check`` compares), and wait
    until ``forge storage entities indexes list`` says that it is active.
    """

    codes = ("INVALID_ENTITY_INDEX",)


class TooManyItems(InvalidRequest):
    """A batch or transaction holds more items than the service takes."""

    codes = ("TOO_MANY_BATCH_ENTITIES",)


class NotFound(ServiceError):
    """Nothing is there under that name."""


class KeyNotFound(NotFound):
    """Nothing is stored under the key."""

    codes = ("KEY_NOT_FOUND", "NOT_FOUND")


class SchemaNotFound(NotFound):
    """The entity is not declared in the deployed manifest."""

    codes = ("SCHEMA_NOT_FOUND",)


class Conflict(ServiceError):
    """Somebody else's write is in the way.

    Attributes:
        passing: whether the same work, done again from reading on, may succeed.
    """

    codes = ("CONFLICT",)
    passing: bool = True


class KeyConflict(Conflict):
    """The write was to create the key, and the key exists."""

    codes = ("KEY_CONFLICT",)


class KeyAbsent(Conflict):
    """The write was to update an entity, and nothing is stored under its key.

    Attributes:
        entity: the entity's name.
        key: its key.
    """

    def __init__(self, entity: str, key: str) -> None:
        """Name what is not there."""
        self.entity, self.key = entity, key
        super().__init__(
            "CONDITIONAL_CHECK_FAILED",
            f"{entity} {key!r} was to be updated, and nothing is stored under that key: "
            "add() writes it all the same, insert() creates it",
            status=400,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with what it names."""
        return type(self), (self.entity, self.key)


class TargetMissing(Conflict):
    """What a checked reference leads to does not exist, so nothing was written.

    Attributes:
        entity: the name of the entity that was to be saved.
        key: its key.
        attribute: the name of the reference.
        target: the name of the entity that it refers to.
        target_key: the key under which nothing is stored.
    """

    def __init__(
        self, entity: str, key: str, attribute: str, target: str, target_key: str
    ) -> None:
        """Name both sides."""
        self.entity, self.key, self.attribute = entity, key, attribute
        self.target, self.target_key = target, target_key
        super().__init__(
            "CONDITIONAL_CHECK_FAILED",
            f"{entity} {key!r} was not saved: {attribute} refers to {target} {target_key!r}, "
            "and nothing is stored under that key. Save that first, or refer to another",
            status=400,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with what it names."""
        return type(self), (self.entity, self.key, self.attribute, self.target, self.target_key)


class VersionConflict(Conflict):
    """Somebody saved the entity since it was read, so this save would undo theirs.

    Attributes:
        entity: the entity's name.
        key: its key.
        expected: the version that was read.
        actual: the version that is stored; None if it is gone.
    """

    def __init__(self, entity: str, key: str, expected: int | None, actual: int | None) -> None:
        """Name what is stale."""
        self.entity, self.key = entity, key
        self.expected, self.actual = expected, actual
        now = "it is gone" if actual is None else f"it has version {actual} now"
        super().__init__(
            "CONDITIONAL_CHECK_FAILED",
            f"{entity} {key!r} was read with version {expected}, and {now}: read it again "
            "and repeat the change, or let forge.run() do that",
            status=400,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with what it names."""
        return type(self), (self.entity, self.key, self.expected, self.actual)


class UniqueViolation(Conflict):
    """Another entity has the value, or is about to have it.

    It is *passing*, so that ``forge.run`` tries again, only while the other is still being
    saved.

    Attributes:
        entity: the entity's name.
        key: the key of the one that was not saved.
        attributes: the names of the unique attributes.
        values: their values, as they are stored.
        owner: the key of the one that has them.
    """

    def __init__(
        self,
        entity: str,
        key: str,
        attributes: Sequence[str],
        values: Sequence[Any],
        owner: str,
        *,
        passing: bool = False,
    ) -> None:
        """Name the value and who has it."""
        self.entity, self.key, self.owner = entity, key, owner
        self.attributes, self.values = tuple(attributes), tuple(values)
        self.passing = passing
        shown = ", ".join(map(repr, self.values))
        shown = shown if len(shown) <= 200 else f"{shown[:200]}…"
        has = "is being saved with it" if passing else "has it"
        super().__init__(
            "KEY_CONFLICT",
            f"{entity} {key!r}: {', '.join(self.attributes)} = {shown} is unique, and "
            f"{entity} {owner!r} {has}",
            status=409,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with what it names."""
        named = self.entity, self.key, self.attributes, self.values, self.owner, self.passing
        return _revive_violation, named


def _revive_violation(*named: Any) -> UniqueViolation:
    return UniqueViolation(*named[:-1], passing=named[-1])


class ConditionFailed(Conflict):
    """A condition of a transaction did not hold; nothing was written."""

    codes = ("CONDITIONAL_CHECK_FAILED",)


class Unauthorized(ServiceError):
    """The caller may not make this call: token, installation or the ``storage:app`` scope."""

    codes = ("UNAUTHORIZED", "FORBIDDEN", "PERMISSION_DENIED")


class RateLimited(ServiceError):
    """The service asks to slow down; nothing was done."""

    codes = ("RATE_LIMIT_EXCEEDED", "TOO_MANY_REQUESTS", "REQUEST_THROTTLED")
    retryable = True


class ServiceFault(ServiceError):
    """The service failed; whether the call took effect is unknown."""

    codes = ("INTERNAL_SERVER_ERROR",)
    retryable = True
    doubtful = True


UNKNOWN_CODE = "UNKNOWN_ERROR"
"""The code given to an error answer whose body has none, as the official client does."""

_BY_STATUS: Mapping[int, type[ServiceError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    409: Conflict,
    422: InvalidRequest,
    429: RateLimited,
}


def service_error(
    code: str,
    message: str,
    *,
    status: int = 0,
    context: Mapping[str, Any] | None = None,
    trace_id: str | None = None,
) -> ServiceError:
    """Build the most specific error known: by code, else by status."""
    by_status = ServiceFault if status >= 500 else _BY_STATUS.get(status, ServiceError)
    cls = _by_code.get(code, by_status)
    return cls(code, message, status=status, context=context, trace_id=trace_id)


def error_from(response: Response) -> ServiceError:
    """Read an error answer: ``{code, message, context?, …}``, or anything at all."""
    body = _error_body(response.body)
    code, message = body.pop("code", None), body.pop("message", None)
    if not (isinstance(code, str) and isinstance(message, str)):
        code, message = UNKNOWN_CODE, response.body.decode(errors="replace")[:2000]
        message = message or "the service gave no reason"
    nested: Any = body.pop("context", None)
    context: dict[str, Any] = {**body, **(nested if isinstance(nested, dict) else {})}
    return service_error(
        code, message, status=response.status, context=context, trace_id=response.trace_id
    )


def _error_body(body: bytes) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] | Any = json.loads(body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}


_LISTED: Final = 20


def _lines(items: Sequence[Any], where: str) -> str:
    """Return a line for each of the first *items*; *where* says what holds all of them."""
    lines = "".join(f"\n  {each}" for each in items[:_LISTED])
    more = len(items) - _LISTED
    return f"{lines}\n  … and {more} more (see {where})" if more > 0 else lines


@dataclass(frozen=True, slots=True)
class ItemFailure:
    """One write that was not confirmed, and why.

    *unknown* says that its answer was lost: it may have been saved or not.
    """

    entity: str | None
    key: str
    error: ForgeError

    @property
    def code(self) -> str:
        """The service's code, or the name of the error where no answer came."""
        error = self.error
        return error.code if isinstance(error, ServiceError) else type(error).__name__

    @property
    def message(self) -> str:
        """What the service said."""
        return self.error.message if isinstance(self.error, ServiceError) else str(self.error)

    @property
    def retryable(self) -> bool:
        """Whether the same write may succeed later."""
        return self.error.retryable

    @property
    def unknown(self) -> bool:
        """Whether the write may have been saved although no answer came."""
        return self.error.doubtful

    def __str__(self) -> str:
        """Name the item and the reason on one line."""
        name = f"{self.entity} {self.key!r}" if self.entity else f"key {self.key!r}"
        doubt = " (may have been saved)" if self.unknown else ""
        return f"{name}: {self.code}: {self.message}{doubt}"


@dataclass(frozen=True, slots=True)
class CommitOutcome:
    """What became of each write: saved, failed, or unknown because its answer was lost.

    *saved* are the (entity, key) pairs that were written or deleted. *failed* were surely
    not. *unknown* may have been: `Session.resolve` finds out. Both stay pending.
    """

    saved: tuple[tuple[str | None, str], ...] = ()
    failed: tuple[ItemFailure, ...] = ()
    unknown: tuple[ItemFailure, ...] = ()

    @classmethod
    def of(
        cls, saved: Iterable[tuple[str | None, str]], unsaved: Iterable[ItemFailure]
    ) -> CommitOutcome:
        """Tell what failed from what is unknown."""
        listed = tuple(unsaved)
        return cls(
            tuple(saved),
            tuple(each for each in listed if not each.unknown),
            tuple(each for each in listed if each.unknown),
        )


class PartialCommit(ForgeError):
    """Some writes were not confirmed; they stay pending in the session.

    Attributes:
        saved: the (entity, key) pairs that were written or deleted.
        failed: an `ItemFailure` for each write that was not carried out.
        unknown: an `ItemFailure` for each whose answer was lost: it may have been.
    """

    def __init__(
        self, saved: Sequence[tuple[str | None, str]], unsaved: Sequence[ItemFailure]
    ) -> None:
        """List what was not confirmed, one line each as long as they are few."""
        self.outcome = outcome = CommitOutcome.of(saved, unsaved)
        self.saved, self.failed, self.unknown = outcome.saved, outcome.failed, outcome.unknown
        held = [name for name in ("failed", "unknown") if getattr(self, name)]
        lines = _lines(unsaved, " and ".join(f".{name}" for name in held))
        total = len(saved) + len(unsaved)
        super().__init__(
            f"{len(unsaved)} of {total} writes were not confirmed and stay pending:{lines}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by what it was made of."""
        return type(self), (self.saved, (*self.failed, *self.unknown))


class HookFailed(ForgeError):
    """A commit went well, and then an after-hook raised an error; everything is saved.

    Attributes:
        report: what the commit returns.
        errors: what was raised; every other hook was called.
    """

    def __init__(self, report: Any, errors: Sequence[Exception]) -> None:
        """Say first that the commit happened."""
        lines = _lines([f"{type(error).__name__}: {error}" for error in errors], ".errors")
        super().__init__(
            f"the commit went well, everything is saved ({report}), but {len(errors)} of the "
            f"hooks after it failed:{lines}"
        )
        self.report = report
        self.errors = tuple(errors)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by what it was made of."""
        return type(self), (self.report, self.errors)


def is_unknown(error: ForgeError) -> bool:
    """Whether *error* leaves open what became of some write."""
    return error.outcome is not None and bool(error.outcome.unknown)


class PartialRead(ForgeError):
    """Some keys of a batch get could not be read, for another reason than being absent.

    Attributes:
        found: what was read, by key.
        failed: an `ItemFailure` for each key that was not.
    """

    def __init__(self, found: Mapping[str, Any], failed: Sequence[ItemFailure]) -> None:
        """List what was not read, one line each as long as they are few."""
        lines = _lines(failed, ".failed")
        super().__init__(f"{len(failed)} keys could not be read:{lines}")
        self.found = dict(found)
        self.failed = tuple(failed)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by what it was made of."""
        return type(self), (self.found, self.failed)
