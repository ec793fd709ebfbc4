"""Run every benchmark in turn: ``python -m benchmarks``."""

from __future__ import annotations

from . import embedded, hydrate, scale

for module in (hydrate, embedded, scale):
    module.main()
