"""The service's bad days, on purpose: faults in front of a backend, and a clock that moves."""

from __future__ import annotations

from .backend import Faulty
from .clock import MovableClock
from .rules import Effect, Fault, FaultKind, Faults

__all__ = ["Effect", "Fault", "FaultKind", "Faults", "Faulty", "MovableClock"]
