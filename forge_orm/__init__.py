"""An object mapper for Atlassian Forge hosted storage: custom entities, keys and secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import errors as errors
from .aio import AsyncForge as AsyncForge
from .aio import AsyncSession as AsyncSession
from .backends.retry import RetryPolicy as RetryPolicy
from .errors import AnswerLost as AnswerLost
from .errors import ConditionFailed as ConditionFailed
from .errors import ConfigurationError as ConfigurationError
from .errors import Conflict as Conflict
from .errors import CorruptValue as CorruptValue
from .errors import DeclarationError as DeclarationError
from .errors import ForgeError as ForgeError
from .errors import InvalidValue as InvalidValue
from .errors import ItemFailure as ItemFailure
from .errors import KeyConflict as KeyConflict
from .errors import KeyNotFound as KeyNotFound
from .errors import NotSent as NotSent
from .errors import PartialCommit as PartialCommit
from .errors import PartialRead as PartialRead
from .errors import QueryError as QueryError
from .errors import RateLimited as RateLimited
from .errors import ServiceError as ServiceError
from .errors import SessionError as SessionError
from .errors import TransportError as TransportError
from .flows import FlushReport as FlushReport
from .flows import Page as Page
from .flows.keyvalue import KvsPage as KvsPage
from .kvs import AsyncKvs as AsyncKvs
from .kvs import Kvs as Kvs
from .model import Attr as Attr
from .model import Entity as Entity
from .model import Metadata as Metadata
from .model import Registry as Registry
from .model import attr as attr
from .model import default_registry
from .model import index as index
from .operations import Stored as Stored
from .query import Query as Query
from .query import RangeQuery as RangeQuery
from .secrets import AsyncSecrets as AsyncSecrets
from .secrets import Secrets as Secrets
from .session import Forge as Forge
from .session import Session as Session
from .unit import WritePlan as WritePlan
from .wire import MetadataField as MetadataField
from .wire import Tenant as Tenant
from .wire import acting_for as acting_for

if TYPE_CHECKING:
    from .backends import HttpBackend as HttpBackend
    from .local import LocalBackend as LocalBackend

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
    return sorted({*globals(), *_LAZY} - {"TYPE_CHECKING", "annotations", "default_registry"})
