"""``forge-orm doctor unique``: unique values and their reservations, examined and repaired."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from ..backends.retry import Retrying
from ..drivers import Channel
from ..errors import ConfigurationError
from ..flows.doctor import Doctor, Finding
from ..schema import EntitySchema
from ..wire import Tenant
from .models import ModelsOption, declared_registries, declared_schemas
from .output import err, out

app = typer.Typer(no_args_is_help=True, help="Find what is wrong with the data, and repair it.")


@app.command()
def unique(
    models: ModelsOption = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="The file of a local store; by default the service is asked, through the "
            "sidecar at FORGE_EGRESS_PROXY_URL."
        ),
    ] = None,
    installation: Annotated[
        str | None,
        typer.Option(help="Whose data; of a local store by default everybody's."),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what is found; else it is only told.")
    ] = False,
    older_than: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Leave reservations alone that are younger: somebody may be saving.",
        ),
    ] = 60.0,
) -> None:
    """Compare unique values with their reservations; exit 1 if something is wrong.

    An [b]orphan[/b] is a reservation of a value its owner does not have: a process died, or a
    row expired. It is removed. An [b]unreserved[/b] value was saved before its attribute
    became unique, or by other code. It is reserved. A [b]double[/b] value is two rows': only
    you can decide which keeps it. Without --repair nothing is written.
    """
    schemas = declared_schemas(models)
    classes = [cls for registry in declared_registries(models)[1] for cls in registry]
    before = datetime.now(UTC) - timedelta(seconds=older_than)
    found: list[Finding] = []
    with ExitStack() as stack:
        progress = stack.enter_context(_progress())
        task = progress.add_task("rows looked at", total=None)
        for patient in _patients(stack, schemas, data, installation):
            doctor = Doctor(
                classes,
                repair=repair,
                before=before,
                progress=lambda count: progress.advance(task, count),
            )
            found += _told(patient.channel.run(doctor.examine()), patient)
    _conclude(found, repair=repair)


@dataclass(frozen=True, slots=True)
class _Patient:
    """The data of one installation."""

    channel: Channel
    name: str | None = None


def _patients(
    stack: ExitStack,
    schemas: list[EntitySchema],
    data: Path | None,
    installation: str | None,
) -> Iterator[_Patient]:
    if data is None:
        from ..backends import HttpBackend

        tenant = None if installation is None else Tenant(installation=installation)
        service = HttpBackend()
        stack.callback(service.close)
        yield _Patient(Channel(Retrying(service), tenant))
        return
    from ..local import LocalBackend

    if not data.is_file():
        raise ConfigurationError(f"there is no file {data}")
    store = stack.enter_context(LocalBackend(data, schemas=schemas))
    for name in store.installations():
        if installation in (None, name):
            yield _Patient(Channel(store, Tenant(installation=name)), name)


def _told(found: list[Finding], patient: _Patient) -> list[Finding]:
    where = "" if patient.name is None else f" [{patient.name}]"
    for finding in found:
        style = "" if finding.repaired else "red"
        out.print(Text(f"{finding}{where}", style=style))
    return found


def _conclude(found: list[Finding], *, repair: bool) -> None:
    if not found:
        err.print("Every unique value has its reservation, and nothing else is reserved.")
        return
    repaired = sum(finding.repaired for finding in found)
    advice = f"{repaired} repaired" if repair else "nothing is written; --repair does that"
    err.print(f"{len(found)} found, {advice}.")
    raise typer.Exit(1)


def _progress() -> Progress:
    columns: list[Any] = [
        TextColumn("{task.completed:.0f} {task.description}"),
        TimeElapsedColumn(),
    ]
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
