"""``forge-orm manifest``: write the classes into manifest.yml, or check it against them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.text import Text

from ..manifest import Review, review
from .models import ModelsOption, declared_schemas
from .output import err, out, show_diff

app = typer.Typer(
    no_args_is_help=True,
    help="Keep the storage section of manifest.yml in step with the entity classes.",
)

PathArgument: TypeAlias = Annotated[
    Path, typer.Argument(help="The app's manifest.", show_default=True)
]
KeepOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="NAME",
        help="An entity, or entity.attribute or entity.index, that stays though no class "
        "declares it: what was deployed can never be deleted. Repeat it for more.",
    ),
]


@app.command()
def write(
    path: PathArgument = Path("manifest.yml"),
    models: ModelsOption = None,
    keep: KeepOption = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also write what a deployed app could not be changed to."),
    ] = False,
) -> None:
    """Put entities, indexes and the storage:app scope into a manifest.

    Nothing else in the file changes: comments, order and layout stay. A change that the
    service refuses for an app that is deployed (a type, a removal) needs --force.
    """
    found = review(path, declared_schemas(models), keep=keep or ())
    if not found.differences:
        out.print(f"{path} is up to date")
        return
    _explain(found)
    if not found.deployable and not force:
        err.print(
            "Nothing is written: an app that was deployed with this manifest could not be "
            "deployed again. Keep what was deployed with --keep NAME, or, if it never was, "
            "write it with --force."
        )
        raise typer.Exit(1)
    path.write_bytes(found.after.encode())
    out.print(f"{path} is written")


@app.command()
def check(
    path: PathArgument = Path("manifest.yml"),
    models: ModelsOption = None,
    keep: KeepOption = None,
) -> None:
    """Compare a manifest with the classes; exit 1 and show the difference if there is one."""
    found = review(path, declared_schemas(models), keep=keep or ())
    if not found.differences:
        out.print(f"{path} is up to date")
        return
    show_diff(found.diff())
    _explain(found)
    raise typer.Exit(1)


def _explain(found: Review) -> None:
    for difference in found.differences:
        style = "" if difference.deployable else "red"
        err.print(Text(str(difference), style=style))
