"""Consoles: answers go to standard output, everything else to standard error."""

from __future__ import annotations

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def complain(error: Exception) -> None:
    """Show an error with the notes it carries, without its traceback."""
    err.print(Text.assemble(("error: ", "bold red"), str(error)))
    for note in getattr(error, "__notes__", ()):
        err.print(Text(f"  {note}"))


def show_diff(diff: str) -> None:
    """Show a unified diff, coloured on a terminal and plain in a pipe."""
    if out.is_terminal:
        out.print(Syntax(diff, "diff", background_color="default"))
    else:
        out.print(Text(diff))
