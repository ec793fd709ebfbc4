"""Compare things fairly: in one process, in shuffled turns, by the median of paired ratios."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping

ROUNDS = 41


def compare(
    title: str,
    cases: Mapping[str, Callable[[], object]],
    *,
    repeat: int = 20,
    rounds: int = ROUNDS,
    goals: Mapping[str, str] | None = None,
    before: Mapping[str, Callable[[], object]] | None = None,
) -> dict[str, float]:
    """Time *cases* and print each as a ratio to the first; return the ratios.

    Every case runs once in each round, in a new order; a ratio is the median over the
    rounds of the pair measured in the same round. An A/A control, the base against itself,
    says how much to believe.

    *before* prepares the turn of a case, untimed. What is timed is the steady state: each
    turn begins with a call that does not count, because preparing and collecting garbage
    leave the processor's caches cold.
    """
    base = next(iter(cases))
    control = "(base again, as control)"
    turns = {**cases, control: cases[base]}
    prepare = dict(before or {})
    if base in prepare:
        prepare[control] = prepare[base]
    gc.collect()
    gc.freeze()  # what is set up so far need not be looked at again and again
    times: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name in random.sample(list(turns), len(turns)):
            if name in prepare:
                prepare[name]()
            gc.collect()
            times[name].append(_time(turns[name], repeat))
    gc.unfreeze()
    return _report(title, base, times, goals or {})


def _time(case: Callable[[], object], repeat: int) -> float:
    case()
    start = time.perf_counter()
    for _ in range(repeat):
        case()
    return (time.perf_counter() - start) / repeat


def _report(
    title: str, base: str, times: Mapping[str, list[float]], goals: Mapping[str, str]
) -> dict[str, float]:
    print(f"\n{title}")
    ratios: dict[str, float] = {}
    for name, measured in times.items():
        pairs = [mine / theirs for mine, theirs in zip(measured, times[base], strict=True)]
        low, ratios[name], high = statistics.quantiles(pairs, n=4)
        goal = f"   goal: {goals[name]}" if name in goals else ""
        micros = statistics.median(measured) * 1e6
        spread = f"[{low:.2f}..{high:.2f}]"
        print(f"  {name:44} {ratios[name]:6.2f} x  {spread}  {micros:9.1f} us{goal}")
    return ratios
