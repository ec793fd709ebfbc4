"""``forge-orm serve``: the local Forge over HTTP."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from .. import limits
from ..errors import ConfigurationError
from ..local import PROFILES, LocalBackend, Readings, read_readings
from ..manifest import compare, read_schemas
from ..schema import EntitySchema
from .models import declared_schemas
from .options import (
    AdminOption,
    CapacityOption,
    DataOption,
    FaultOption,
    HostOption,
    IndexDelayOption,
    InstallationOption,
    LogFormat,
    LogFormatOption,
    ManifestOption,
    PortOption,
    Profile,
    ProfileOption,
    QuietOption,
    ReadingOption,
    SeedOption,
    ServedModels,
    StaleOption,
    WatchOption,
)
from .output import err
from .watch import ManifestSource, watching

if TYPE_CHECKING:
    from ..server.log import RequestLog


def serve(
    manifest: ManifestOption = None,
    models: ServedModels = None,
    watch: WatchOption = False,
    index_delay: IndexDelayOption = 0.0,
    data: DataOption = None,
    installation: InstallationOption = None,
    profile: ProfileOption = Profile.STRICT,
    reading: ReadingOption = None,
    fault: FaultOption = None,
    seed: SeedOption = 0,
    stale: StaleOption = 0.0,
    capacity: CapacityOption = False,
    admin: AdminOption = False,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8490,
    log_format: LogFormatOption = LogFormat.TEXT,
    quiet: QuietOption = False,
) -> None:
    """Answer Forge's storage API on this machine, for services in any language.

    Point a service at it by setting FORGE_EGRESS_PROXY_URL to the URL it prints.

    A file that lasts, and a manifest you are working on:
    [b]forge-orm serve --manifest manifest.yml --data app.db --watch[/b]

    For tests, empty and able to fail:
    [b]forge-orm serve --manifest manifest.yml --port 8491 --admin --quiet[/b]
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
