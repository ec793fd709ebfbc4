"""What tests need: a recorder of calls, and suites that authors of backends can run.

Each name here is imported when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..calls import Call as Call
    from ..calls import Calls as Calls
    from .fault_suite import FaultSuite as FaultSuite
    from .peer import SCHEMAS as SCHEMAS
    from .recorder import Recorder as Recorder
    from .suite import BackendSuite as BackendSuite

_HOME = {
    "BackendSuite": ".suite",
    "Call": "..calls",
    "Calls": "..calls",
    "FaultSuite": ".fault_suite",
    "Recorder": ".recorder",
    "SCHEMAS": ".peer",
}

__all__ = ["SCHEMAS", "BackendSuite", "Call", "Calls", "FaultSuite", "Recorder"]


def __getattr__(name: str) -> object:
    """Import the module a public name lives in (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
