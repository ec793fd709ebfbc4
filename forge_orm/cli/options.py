"""The options of ``forge-orm serve``, in the groups its help shows them in."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer


class Profile(StrEnum):
    """The readings that have a name together."""

    STRICT = "strict"
    LENIENT = "lenient"
    FAST = "fast"


class LogFormat(StrEnum):
    """For whom the lines of the request log are."""

    TEXT = "text"
    JSON = "json"


_DECLARED: Final = "What is declared"
_DATA: Final = "Its data"
_OPEN: Final = "What the documentation leaves open"
_DAYS: Final = "Bad days"
_SERVER: Final = "The server"

ManifestOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        help="A manifest.yml that declares the entities. Given with --models, the two must "
        "agree.",
        rich_help_panel=_DECLARED,
    ),
]
ServedModels: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--models",
        "-m",
        metavar="MODULE",
        help="A module that declares entity classes, as for [b]forge-orm manifest[/b]. Repeat "
        "it for more.",
        rich_help_panel=_DECLARED,
    ),
]
WatchOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--watch",
        help="Read the manifest again whenever it changes, and keep the data.",
        rich_help_panel=_DECLARED,
    ),
]
IndexDelayOption: TypeAlias = Annotated[
    float,
    typer.Option(
        "--index-delay",
        min=0,
        metavar="SECONDS",
        help="Refuse queries of a new index on data that is there for so long, as while the "
        "service builds it.",
        rich_help_panel=_DECLARED,
    ),
]
DataOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="The file to keep data in; by default it is in memory.",
        rich_help_panel=_DATA,
    ),
]
InstallationOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--installation",
        metavar="ID=NAME",
        help="Let calls with this invocation id, token or installation id be for the "
        "installation NAME. Else an installation id is itself, and all others are for "
        "[b]local[/b]. Repeat it for more.",
        rich_help_panel=_DATA,
    ),
]
ProfileOption: TypeAlias = Annotated[
    Profile,
    typer.Option(
        "--profile",
        help="[b]strict[/b] refuses what may be refused, [b]lenient[/b] takes what may be "
        "allowed, [b]fast[/b] is strict without what only costs time.",
        rich_help_panel=_OPEN,
    ),
]
ReadingOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--reading",
        metavar="NAME=VALUE",
        help="Read one question otherwise than the profile does, e.g. "
        "[b]refuse_undeclared=off[/b]; a wrong name lists all. Repeat it for more.",
        rich_help_panel=_OPEN,
    ),
]
FaultOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        metavar="KIND[,NAME=VALUE…]",
        help="Let calls go wrong: latency, throttle, fail, fail-after, drop, lose, partial or "
        "conflict, e.g. [b]lose,operations=set+batch/set,rate=0.1[/b]. Repeat it for more.",
        rich_help_panel=_DAYS,
    ),
]
SeedOption: TypeAlias = Annotated[
    int,
    typer.Option("--seed", help="Chooses which calls go wrong.", rich_help_panel=_DAYS),
]
StaleOption: TypeAlias = Annotated[
    float,
    typer.Option(
        "--stale",
        min=0,
        metavar="SECONDS",
        help="Let queries see the data as it was so long ago.",
        rich_help_panel=_DAYS,
    ),
]
CapacityOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--capacity",
        help="Answer 429 past 4000 read or write units a minute, as Forge.",
        rich_help_panel=_DAYS,
    ),
]
AdminOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--admin",
        help="Serve /admin, for tests: faults, the time, late queries, limits of units, reset "
        "and snapshots.",
        rich_help_panel=_DAYS,
    ),
]
HostOption: TypeAlias = Annotated[
    str, typer.Option("--host", help="The address to listen on.", rich_help_panel=_SERVER)
]
PortOption: TypeAlias = Annotated[
    int, typer.Option("--port", help="The port; 0 is any free one.", rich_help_panel=_SERVER)
]
LogFormatOption: TypeAlias = Annotated[
    LogFormat,
    typer.Option(
        "--log-format",
        help="The request log on standard output: for people, or for programs.",
        rich_help_panel=_SERVER,
    ),
]
QuietOption: TypeAlias = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Keep no request log.", rich_help_panel=_SERVER),
]
