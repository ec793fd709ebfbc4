"""``forge-orm serve``: the local Forge over HTTP."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from .. import limits
from ..errors import ConfigurationError
from ..local import PROFILES, LocalBackend, Readings, read_readings
from ..manifest import compare, read_schemas
from ..schema import EntitySchema
from .models import ModelsOption, declared_schemas
from .output import err
from .watch import ManifestSource, watching

if TYPE_CHECKING:
    from ..server.log import RequestLog


class Profile(StrEnum):
    """The readings that have a name together."""

    STRICT = "strict"
    LENIENT = "lenient"
    FAST = "fast"


class LogFormat(StrEnum):
    """For whom the lines of the request log are."""

    TEXT = "text"
    JSON = "json"


def serve(
    manifest: Annotated[
        Path | None, typer.Option(help="A manifest.yml that declares the entities.")
    ] = None,
    models: ModelsOption = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Read the manifest again whenever it changes, and keep the data."
        ),
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="The file to keep data in; by default it is in memory.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 is any free one.")] = 8490,
    profile: Annotated[
        Profile,
        typer.Option(
            help="How to read what the documentation leaves open: [b]strict[/b] refuses what "
            "may be refused, [b]lenient[/b] takes what may be allowed, [b]fast[/b] is strict "
            "without what only costs time."
        ),
    ] = Profile.STRICT,
    reading: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Read one open question otherwise than the profile does, e.g. "
            "[b]refuse_undeclared=off[/b]; a wrong name lists all. Repeat it for more.",
        ),
    ] = None,
    installation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID=NAME",
            help="Let calls with this invocation id, token or installation id be for the "
            "installation NAME. Else an installation id is itself, and all others are for "
            "[b]local[/b]. Repeat it for more.",
        ),
    ] = None,
    index_delay: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Refuse queries of a new index on data that is there for so long, as while "
            "the service builds it.",
        ),
    ] = 0.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[,NAME=VALUE…]",
            help="Let calls go wrong: latency, throttle, fail, fail-after, drop, lose, partial "
            "or conflict, e.g. [b]lose,operations=set+batch/set,rate=0.1[/b]. Repeat it for "
            "more.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Chooses which calls go wrong.")] = 0,
    stale: Annotated[
        float,
        typer.Option(min=0, help="Let queries see the data as it was so many seconds ago."),
    ] = 0.0,
    capacity: Annotated[
        bool,
        typer.Option(
            "--capacity", help="Answer 429 past 4000 read or write units a minute, as Forge."
        ),
    ] = False,
    admin: Annotated[
        bool,
        typer.Option(
            "--admin",
            help="Serve /admin, for tests: faults, the time, late queries, limits of units, "
            "reset and snapshots.",
        ),
    ] = False,
    log_format: Annotated[
        LogFormat, typer.Option(help="The request log on standard output: for whom it is.")
    ] = LogFormat.TEXT,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Keep no request log.")] = False,
) -> None:
    """Answer the storage API on this machine, for services in any language.

    Point a service at it with FORGE_EGRESS_PROXY_URL set to the printed URL.
    """
    from ..faults import Capacity, Faults, MovableClock, Stale
    from ..server import Admin, ForgeApp
    from ..server import serve as run

    readings = read_readings(reading or (), PROFILES[profile])
    faults, clock = Faults(*(fault or ()), seed=seed), MovableClock()
    installations = _pairs(installation or ())
    declared = _declared(manifest, models, watch, readings)
    with ExitStack() as stack:
        store = stack.enter_context(
            LocalBackend(
                data or ":memory:",
                schemas=declared.schemas,
                readings=readings,
                clock=clock,
                index_delay=index_delay,
            )
        )
        store.build_indexes()
        if declared.watched is not None:
            stack.enter_context(watching(declared.watched, store.build_indexes))
        late = Stale(store, stale or readings.query_lag, clock=clock)
        limited = Capacity(
            late,
            reads=limits.READ_UNITS_PER_MINUTE if capacity else None,
            writes=limits.WRITE_UNITS_PER_MINUTE if capacity else None,
            retry_after=not readings.silent_throttle,
            rounded_once=readings.units_rounded_once,
            clock=clock,
        )
        governed = Admin(faults=faults, clock=clock, stale=late, capacity=limited)
        app = ForgeApp(
            limited,
            faults=faults,
            admin=governed if admin else None,
            log=None if quiet else _request_log(log_format, readings),
            readings=readings,
            installations=installations,
            clock=clock,
        )
        run(app, host, port, started=lambda url: _started(url, declared.schemas(), data))


def _request_log(format: LogFormat, readings: Readings) -> RequestLog:
    from ..server.log import RequestLog

    return RequestLog(_write, format.value, rounded_once=readings.units_rounded_once)


def _pairs(settings: Iterable[str]) -> dict[str, str]:
    """Read ``ID=NAME``; an id may hold a ``=``, the name of an installation not."""
    pairs: dict[str, str] = {}
    for setting in settings:
        known, _, name = setting.rpartition("=")
        if not known or not name:
            raise ConfigurationError(f"--installation {setting!r}: say ID=NAME")
        pairs[known] = name
    return pairs


@dataclass(frozen=True, slots=True)
class _Declared:
    """Where the schemas come from; *watched* is a manifest that may change."""

    schemas: Callable[[], list[EntitySchema]]
    watched: ManifestSource | None = None


def _declared(
    manifest: Path | None, models: list[str] | None, watch: bool, readings: Readings
) -> _Declared:
    """Take the schemas of the manifest, of the classes, or of both if they agree."""
    if manifest is None:
        if watch:
            raise ConfigurationError("watch what? --watch needs --manifest")
        listed = declared_schemas(models, instead=". Or give --manifest manifest.yml")
        return _Declared(lambda: listed)
    strict = readings.refuse_redefined
    source = ManifestSource(manifest, _report, refuse_redefined=strict) if watch else None
    written = read_schemas(manifest) if source is None else source.schemas()
    if models and (differences := compare(declared_schemas(models), written)):
        raise ConfigurationError(
            f"{manifest} and the classes differ; `forge-orm manifest write {manifest}` "
            "ends that: " + "; ".join(map(str, differences))
        )
    return _Declared(lambda: written) if source is None else _Declared(source.schemas, source)


def _report(told: str) -> None:
    err.print(Text(told))


def _write(line: str) -> None:
    """Write a line of the request log; calls go on where nobody reads it any more."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _started(url: str, schemas: list[EntitySchema], data: Path | None) -> None:
    names = ", ".join(schema.name for schema in schemas) or "none"
    err.print(f"Forge storage at [b]{url}[/b], data in {data or 'memory'}, entities: {names}")
    err.print(f"  export FORGE_EGRESS_PROXY_URL={url}")
    err.print("Ctrl-C stops it.")
