"""The `forge-orm` command: the manifest, and the local Forge. Needs the extra ``cli``."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command line; exits 2 with advice where the extra is not installed."""
    missing = [name for name in ("typer", "rich", "ruamel.yaml") if not _installed(name)]
    if missing:
        sys.stderr.write(
            f"forge-orm needs {', '.join(missing)}: pip install 'forge-orm[cli]'\n"
        )
        sys.exit(2)
    from .app import run

    run()


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False
