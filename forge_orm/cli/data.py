"""``forge-orm dump`` and ``forge-orm load``: a store's data as JSON lines, and back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer
from pydantic_core import from_json, to_json
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..errors import ConfigurationError
from ..local import LocalBackend
from ..local.state import KINDS
from ..manifest import read_schemas
from .output import err

_PLURAL: Final = {"entity": "entities", "key": "keys", "secret": "secrets"}


def dump(
    data: Annotated[Path, typer.Option(help="The file that holds the data.")],
    installation: Annotated[
        str | None, typer.Option(help="Only this installation's rows; by default all.")
    ] = None,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="Secrets too, in plain text.")
    ] = False,
) -> None:
    """Write the data of a local store to standard output, as JSON lines.

    A line is an entity, a plain key or a secret, with its value and when it was created and
    updated and expires. A store may be served meanwhile: the dump is of one moment.
    """
    if not data.is_file():
        raise ConfigurationError(f"there is no file {data}")
    counts: dict[str, int] = dict.fromkeys(KINDS, 0)
    with LocalBackend(data, schemas=[]) as backend, _progress() as progress:
        _check_installation(backend, installation, data)
        total = backend.count(installation=installation, secrets=with_secrets)
        task = progress.add_task("rows", total=total)
        for row in backend.dump(installation=installation, secrets=with_secrets):
            sys.stdout.buffer.write(to_json(row) + b"\n")
            counts[row["kind"]] += 1
            progress.advance(task)
        sys.stdout.buffer.flush()
    err.print(f"{_told(counts)} dumped from {data}")


def load(
    file: Annotated[
        Path, typer.Argument(help="JSON lines of `forge-orm dump`; - is standard input.")
    ],
    data: Annotated[Path, typer.Option(help="The file that holds the data, or will.")],
    manifest: Annotated[
        Path | None, typer.Option(help="Check every entity against this manifest.yml.")
    ] = None,
    installation: Annotated[
        str | None, typer.Option(help="Make every row this installation's.")
    ] = None,
) -> None:
    """Write the rows of a dump into a local store: all of them, or none if one is wrong.

    A row takes the place of what is under its key.
    """
    schemas = [] if manifest is None else read_schemas(manifest)
    with (
        _opened(file) as source,
        LocalBackend(data, schemas=schemas) as backend,
        _progress() as progress,
    ):
        rows = _rows(source, progress, None if source is sys.stdin.buffer else file)
        counts = backend.load(rows, installation=installation)
    err.print(f"{_told(counts)} loaded into {data}")


def _check_installation(backend: LocalBackend, installation: str | None, data: Path) -> None:
    known = backend.installations()
    if installation is not None and installation not in known:
        listed = ", ".join(known) or "none"
        raise ConfigurationError(
            f"{data} holds nothing of installation {installation!r}; there are: {listed}"
        )


def _opened(file: Path) -> BinaryIO:
    if str(file) == "-":
        return sys.stdin.buffer
    try:
        return file.open("rb")
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror or error}") from error


def _rows(source: BinaryIO, progress: Progress, file: Path | None) -> Iterator[Any]:
    """Yield what the lines hold, while the bar follows."""
    task = progress.add_task("bytes", total=None if file is None else file.stat().st_size)
    for number, line in enumerate(source, 1):
        progress.advance(task, len(line))
        if not line.strip():
            continue
        try:
            yield from_json(line, allow_inf_nan=False)
        except ValueError as error:
            raise ConfigurationError(
                f"line {number} is not JSON ({error}); nothing is loaded"
            ) from error


def _progress() -> Progress:
    """Return a bar on standard error, which is gone when all is done."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def _told(counts: dict[str, int]) -> str:
    told = [
        f"{number} {kind if number == 1 else _PLURAL[kind]}"
        for kind, number in counts.items()
        if number or kind != "secret"
    ]
    return ", ".join(told)
