"""``forge-orm serve``: the local Forge over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ConfigurationError
from ..local import LENIENT, STRICT, LocalBackend
from ..manifest import compare, read_schemas
from ..schema import EntitySchema
from .models import ModelsOption, declared_schemas
from .output import err


def serve(
    manifest: Annotated[
        Path | None, typer.Option(help="A manifest.yml that declares the entities.")
    ] = None,
    models: ModelsOption = None,
    data: Annotated[
        Path | None, typer.Option(help="The file to keep data in; by default it is in memory.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 is any free one.")] = 8490,
    lenient: Annotated[
        bool,
        typer.Option(
            "--lenient", help="Where the documentation is silent, take what may be allowed."
        ),
    ] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[,NAME=VALUE…]",
            help="Let calls go wrong: latency, throttle, fail, fail-after, drop, lose or "
            "partial, e.g. [b]lose,operations=set+batch/set,rate=0.1[/b]. Repeat it for more.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Chooses which calls go wrong.")] = 0,
    stale: Annotated[
        float, typer.Option(help="Let queries see the data as it was so many seconds ago.")
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
            "--admin", help="Serve /admin: faults, the time, reset and snapshots, for tests."
        ),
    ] = False,
) -> None:
    """Answer the storage API on this machine, for services in any language.

    Point a service at it with FORGE_EGRESS_PROXY_URL set to the printed URL.
    """
    from ..faults import Capacity, Faults, MovableClock, Stale
    from ..server import Admin, ForgeApp
    from ..server import serve as run

    schemas = _schemas(manifest, models)
    readings = LENIENT if lenient else STRICT
    faults, clock = Faults(*(fault or ()), seed=seed), MovableClock()
    with LocalBackend(
        data or ":memory:", schemas=schemas, readings=readings, clock=clock
    ) as backend:
        governed = Admin(faults=faults, clock=clock, store=backend) if admin else None
        late = Stale(backend, stale, clock=clock) if stale else backend
        served = Capacity(late, clock=clock) if capacity else late
        app = ForgeApp(served, faults=faults, admin=governed)
        run(app, host, port, started=lambda url: _started(url, schemas, data))


def _schemas(manifest: Path | None, models: list[str] | None) -> list[EntitySchema]:
    """Read the schemas of the manifest, of the classes, or of both if they agree."""
    if manifest is None:
        return declared_schemas(models)
    written = read_schemas(manifest)
    if models and (differences := compare(declared_schemas(models), written)):
        raise ConfigurationError(
            f"{manifest} and the classes differ; `forge-orm manifest write {manifest}` "
            "ends that: " + "; ".join(map(str, differences))
        )
    return written


def _started(url: str, schemas: list[EntitySchema], data: Path | None) -> None:
    names = ", ".join(schema.name for schema in schemas) or "none"
    err.print(f"Forge storage at [b]{url}[/b], data in {data or 'memory'}, entities: {names}")
    err.print(f"  export FORGE_EGRESS_PROXY_URL={url}")
    err.print("Ctrl-C stops it.")
