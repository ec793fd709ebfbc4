"""`sender`: the backend a forge really speaks to, with what its options put around it."""

from __future__ import annotations

from typing import TypeVar

from ..wire import AsyncBackend, Backend
from .budget import Budget
from .retry import Retrying, RetryPolicy
from .throttle import Throttled

B = TypeVar("B", Backend, AsyncBackend)


def sender(
    backend: B, retry: RetryPolicy | None, budget: Budget | None
) -> B | Throttled | Retrying:
    """Put *budget* and *retry* around *backend*, in this order: each attempt is charged."""
    held = backend if budget is None else Throttled(backend, budget)
    # In this process there is no network between here and the store to try again over.
    alone = retry is None or getattr(backend, "in_process", False)
    return held if alone else Retrying(held, retry)
