"""Uses the installed wheel without any extra, the way a first-time user does."""

import subprocess
import sys
from pathlib import Path

import forge_orm

# What importing the package must not import: each edge loads its own.
LOADED_WHEN_NEEDED = {"httpx", "sqlite3", "asyncio", "ruamel", "typer", "rich", "uvicorn"}

home = Path(forge_orm.__file__).parent
if "site-packages" not in home.parts:
    sys.exit(f"this is not the installed package but {home}")
if loaded := LOADED_WHEN_NEEDED & set(sys.modules):
    sys.exit(f"import forge_orm also imports {', '.join(sorted(loaded))}")

from forge_orm import Attr, Entity, Forge, LocalBackend, attr  # noqa: E402  (after the check)


class Note(Entity, name="note", key="note:{ulid}"):
    """The least an application declares."""

    text: Attr[str] = attr()


with Forge(LocalBackend()).session() as session:
    note = Note(text="it works")
    session.add(note)
    session.commit()
    if session.get(Note, note.key) is not note:
        sys.exit("a saved entity was not found again")

# Without its extra the command explains itself instead of failing.
command = Path(sys.executable).with_name("forge-orm")
answer = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
if answer.returncode != 2 or "forge-orm[cli]" not in answer.stderr:
    sys.exit(f"forge-orm without its extra: {answer.returncode}, {answer.stderr!r}")
