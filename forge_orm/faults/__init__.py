"""The service's bad days, on purpose: faults in front of a backend, and a clock that moves."""

from __future__ import annotations

from .backend import Faulty
from .capacity import Capacity
from .clock import MovableClock
from .rules import Effect, Fault, FaultKind, Faults
from .stale import Stale

__all__ = [
    "Capacity",
    "Effect",
    "Fault",
    "FaultKind",
    "Faults",
    "Faulty",
    "MovableClock",
    "Stale",
]
