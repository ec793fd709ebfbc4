"""An object mapper for Atlassian Forge hosted storage: custom entities, keys and secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import errors
from .errors import (
    AnswerLost,
    BudgetExceeded,
    CascadeTooLarge,
    CommitOutcome,
    ConditionFailed,
    ConfigurationError,
    Conflict,
    CorruptValue,
    CursorError,
    DanglingReference,
    DeclarationError,
    DeleteRestricted,
    ForgeError,
    HookFailed,
    InvalidValue,
    ItemFailure,
    KeyAbsent,
    KeyConflict,
    KeyNotFound,
    NotLoaded,
    NotSent,
    PartialCommit,
    PartialRead,
    QueryError,
    RateLimited,
    ScanRefused,
    ServiceError,
    SessionError,
    SortTooLarge,
    StaleIndex,
    TargetMissing,
    TransportError,
    UniqueViolation,
    UnknownIndex,
    VersionConflict,
    WrongKind,
)
from .wire import MetadataField, Tenant, acting_for

if TYPE_CHECKING:
    from .aio import AsyncForge, AsyncSession
    from .backends import HttpBackend
    from .backends.budget import Budget, BudgetUsage
    from .backends.retry import RetryPolicy
    from .calls import Call, Calls
    from .flows import FlushReport, Page
    from .flows.bulk import Progress
    from .flows.keyvalue import KvsPage
    from .kvs import AsyncKvs, Kvs
    from .local import LocalBackend
    from .model import (
        Attr,
        Entity,
        Metadata,
        Ref,
        Registry,
        Reverse,
        UnknownKind,
        after,
        attr,
        before,
        index,
        ref,
        reverse,
        unique,
        version,
    )
    from .model import default_registry as registry
    from .observe import capture
    from .operations import Stored
    from .planner import Explanation
    from .query import Query, Question, RangeQuery, Search, Selection
    from .secrets import AsyncSecrets, Secrets
    from .session import Forge, Session
    from .streams import AsyncStream, Stream
    from .unit import CommitEvent, WriteEvent, WritePlan

__all__ = [
    "AnswerLost",
    "AsyncForge",
    "AsyncKvs",
    "AsyncSecrets",
    "AsyncSession",
    "AsyncStream",
    "Attr",
    "Budget",
    "BudgetExceeded",
    "BudgetUsage",
    "Call",
    "Calls",
    "CascadeTooLarge",
    "CommitEvent",
    "CommitOutcome",
    "ConditionFailed",
    "ConfigurationError",
    "Conflict",
    "CorruptValue",
    "CursorError",
    "DanglingReference",
    "DeclarationError",
    "DeleteRestricted",
    "Entity",
    "Explanation",
    "FlushReport",
    "Forge",
    "ForgeError",
    "HookFailed",
    "HttpBackend",
    "InvalidValue",
    "ItemFailure",
    "KeyAbsent",
    "KeyConflict",
    "KeyNotFound",
    "Kvs",
    "KvsPage",
    "LocalBackend",
    "Metadata",
    "MetadataField",
    "NotLoaded",
    "NotSent",
    "Page",
    "PartialCommit",
    "PartialRead",
    "Progress",
    "Query",
    "QueryError",
    "Question",
    "RangeQuery",
    "RateLimited",
    "Ref",
    "Registry",
    "RetryPolicy",
    "Reverse",
    "ScanRefused",
    "Search",
    "Secrets",
    "Selection",
    "ServiceError",
    "Session",
    "SessionError",
    "SortTooLarge",
    "StaleIndex",
    "Stored",
    "Stream",
    "TargetMissing",
    "Tenant",
    "TransportError",
    "UniqueViolation",
    "UnknownIndex",
    "UnknownKind",
    "VersionConflict",
    "WriteEvent",
    "WritePlan",
    "WrongKind",
    "acting_for",
    "after",
    "attr",
    "before",
    "capture",
    "errors",
    "index",
    "ref",
    "registry",
    "reverse",
    "unique",
    "version",
]

# Each is imported when it is asked for. pytest loads our plugin, and with it this module, in
# every run; and httpx alone doubles the time the rest takes, which is pydantic's for the most.
_HOME = {
    "aio": "AsyncForge AsyncSession",
    "backends": "HttpBackend",
    "backends.budget": "Budget BudgetUsage",
    "backends.retry": "RetryPolicy",
    "calls": "Call Calls",
    "flows": "FlushReport Page",
    "flows.bulk": "Progress",
    "flows.keyvalue": "KvsPage",
    "kvs": "AsyncKvs Kvs",
    "local": "LocalBackend",
    "model.kinds": "UnknownKind",
    "model": "Attr Entity Metadata Ref Registry after attr before default_registry index ref "
    "unique version",
    "model.reverses": "Reverse reverse",
    "observe": "capture",
    "operations": "Stored",
    "planner": "Explanation",
    "query": "Query Question RangeQuery Search Selection",
    "secrets": "AsyncSecrets Secrets",
    "session": "Forge Session",
    "streams": "AsyncStream Stream",
    "unit": "CommitEvent WriteEvent WritePlan",
}
_LAZY = {name: module for module, names in _HOME.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name == "registry":  # where entity classes go unless a base class says otherwise
        return __getattr__("default_registry")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
