"""What goes wrong: each column of the matrix, as rules for `forge_orm.faults`."""

from __future__ import annotations

from typing import Final

WRITES: Final = "+".join(
    [
        "set",
        "delete",
        "secret/set",
        "secret/delete",
        "entity/set",
        "entity/delete",
        "batch/set",
        "batch/delete",
        "transaction",
    ]
)

FAULTS: Final[dict[str, tuple[str, ...]]] = {
    "late": ("latency,seconds=0.001",),
    "429": ("throttle,times=1",),
    "429, wait 1 s": ("throttle,times=1,retry_after=1",),
    "429 storm": ("throttle",),
    "5xx before": ("fail,times=1",),
    "5xx after": ("fail-after,times=1",),
    "dropped": ("drop,times=1",),
    "answer lost": ("lose,times=1",),
    "lost, then storm": ("lose,times=1", "throttle"),
    "batch in part": ("partial,times=1",),
    "race lost": ("conflict,times=1",),
}


def rules(fault: str, struck: str) -> list[str]:
    """Return the rules of a column; they strike the operations *struck* only."""
    return [f"{rule},operations={struck}" for rule in FAULTS[fault]]
