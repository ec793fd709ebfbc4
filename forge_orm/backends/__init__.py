"""Backends that reach the service, and wrappers around them; each is imported when named."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .budget import Budget as Budget
    from .http import HttpBackend as HttpBackend
    from .retry import Retrying as Retrying
    from .retry import RetryPolicy as RetryPolicy
    from .throttle import Throttled as Throttled

# Importing httpx costs half as much as pydantic, and not every user of the package needs it.
_HOME = {
    "Budget": ".budget",
    "HttpBackend": ".http",
    "RetryPolicy": ".retry",
    "Retrying": ".retry",
    "Throttled": ".throttle",
}

__all__ = ["Budget", "HttpBackend", "RetryPolicy", "Retrying", "Throttled"]


def __getattr__(name: str) -> object:
    """Import the module a public name lives in (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
