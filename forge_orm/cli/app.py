"""The commands put together, and how an error is shown."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from ..errors import ForgeError
from . import data, doctor, manifest, serve
from .output import complain

app = typer.Typer(
    name="forge-orm",
    help="Object mapper for Atlassian Forge storage: manifest.yml and a local Forge.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(manifest.app, name="manifest")
app.add_typer(doctor.app, name="doctor")
app.command("serve")(serve.serve)
app.command("dump")(data.dump)
app.command("load")(data.load)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"forge-orm {version('forge-orm')}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options before the command."""


def run() -> None:
    """Run the command line; an error of ours is a sentence and exit status 2."""
    try:
        app()
    except ForgeError as error:
        complain(error)
        sys.exit(2)
