"""Run every benchmark in turn: ``python -m benchmarks``."""

from __future__ import annotations

from . import embedded, hydrate, scale, serve, stream

if __name__ == "__main__":  # the served store is a process of its own, which imports this
    for module in (hydrate, embedded, scale, stream, serve):
        module.main()
