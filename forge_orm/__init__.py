"""An object mapper for Atlassian Forge hosted storage: custom entities, keys and secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import errors
from .aio import AsyncForge, AsyncSession
from .backends.retry import RetryPolicy
from .errors import (
    AnswerLost,
    ConditionFailed,
    ConfigurationError,
    Conflict,
    CorruptValue,
    CursorError,
    DeclarationError,
    ForgeError,
    InvalidValue,
    ItemFailure,
    KeyConflict,
    KeyNotFound,
    NotSent,
    PartialCommit,
    PartialRead,
    QueryError,
    RateLimited,
    ScanRefused,
    ServiceError,
    SessionError,
    SortTooLarge,
    TransportError,
    VersionConflict,
)
from .flows import FlushReport, Page
from .flows.keyvalue import KvsPage
from .kvs import AsyncKvs, Kvs
from .model import (
    Attr,
    Entity,
    Metadata,
    Registry,
    attr,
    default_registry,
    index,
    version,
)
from .operations import Stored
from .planner import Explanation
from .query import Query, RangeQuery, Search
from .secrets import AsyncSecrets, Secrets
from .session import Forge, Session
from .unit import WritePlan
from .wire import MetadataField, Tenant, acting_for

if TYPE_CHECKING:
    from .backends import HttpBackend
    from .local import LocalBackend

__all__ = [
    "AnswerLost",
    "AsyncForge",
    "AsyncKvs",
    "AsyncSecrets",
    "AsyncSession",
    "Attr",
    "ConditionFailed",
    "ConfigurationError",
    "Conflict",
    "CorruptValue",
    "CursorError",
    "DeclarationError",
    "Entity",
    "Explanation",
    "FlushReport",
    "Forge",
    "ForgeError",
    "HttpBackend",
    "InvalidValue",
    "ItemFailure",
    "KeyConflict",
    "KeyNotFound",
    "Kvs",
    "KvsPage",
    "LocalBackend",
    "Metadata",
    "MetadataField",
    "NotSent",
    "Page",
    "PartialCommit",
    "PartialRead",
    "Query",
    "QueryError",
    "RangeQuery",
    "RateLimited",
    "Registry",
    "RetryPolicy",
    "ScanRefused",
    "Search",
    "Secrets",
    "ServiceError",
    "Session",
    "SessionError",
    "SortTooLarge",
    "Stored",
    "Tenant",
    "TransportError",
    "VersionConflict",
    "WritePlan",
    "acting_for",
    "attr",
    "errors",
    "index",
    "registry",
    "version",
]

registry = default_registry
"""Where entity classes go unless a base class says otherwise."""


_LAZY = {"HttpBackend": "backends", "LocalBackend": "local"}
"""Backends are imported when they are asked for: httpx alone doubles the import time."""


def __getattr__(name: str) -> object:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
