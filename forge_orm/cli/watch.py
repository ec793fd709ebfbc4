"""A manifest that is read again when it changes, while a store goes on with its data."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ConfigurationError
from ..manifest import Change, Difference, compare, read_schemas
from ..schema import EntitySchema

_SECONDS: float = 0.5


class ManifestSource:
    """What a manifest declares, as of the last look at it; for ``LocalBackend(schemas=…)``."""

    def __init__(
        self,
        path: Path,
        report: Callable[[str], object],
        *,
        refuse_redefined: bool = True,
    ) -> None:
        """Read the manifest at *path*; *report* is told what became of it later.

        With *refuse_redefined* no attribute takes another type later, and no index another
        partition or range; see `forge_orm.local.Readings`.

        Raises:
            ConfigurationError: the manifest cannot be read.
        """
        self.path, self._report = path, report
        self._refuse_redefined = refuse_redefined
        self._seen = _version(path)
        self._schemas = read_schemas(path)

    def schemas(self) -> list[EntitySchema]:
        """Return what is declared; the same list until that changes."""
        return self._schemas

    def look(self) -> bool:
        """Read the file again if it changed; return whether something else is declared now.

        What was declared stays so while the file is broken.
        """
        # Looked at before it is read: what is written meanwhile is another version.
        version = _version(self.path)
        if version == self._seen:
            return False
        self._seen = version
        try:
            fresh = read_schemas(self.path)
        except ConfigurationError as error:
            self._report(f"{error}; what was declared before stays in force")
            return False
        differences = compare(fresh, self._schemas)
        if not differences or self._is_refused(differences):
            return False
        self._schemas = fresh
        self._tell(differences)
        return True

    def _is_refused(self, differences: list[Difference]) -> bool:
        """Whether something is defined otherwise under its name; says so."""
        redefined = [one for one in differences if one.change is Change.CHANGED]
        if not redefined or not self._refuse_redefined:
            return False
        for one in redefined:
            self._report(f"{self.path}: {one}; what was declared before stays in force")
        self._report("start anew, or with --reading refuse_redefined=off, to have it changed")
        return True

    def _tell(self, differences: list[Difference]) -> None:
        what = "; ".join(f"{one.change} {one.what} {one.name}" for one in differences)
        self._report(f"{self.path} is read again: {what}")
        for one in differences:
            if not one.deployable:
                self._report(f"a deployed app could not be changed so: {one}")


def _version(path: Path) -> tuple[int, int, int] | None:
    """Return what tells one version of a file from another; None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@contextmanager
def watching(
    source: ManifestSource, changed: Callable[[], object], *, seconds: float = _SECONDS
) -> Generator[None]:
    """Look at *source* every so often while the block runs, and call *changed* if it did."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(seconds):
            if source.look():
                changed()

    thread = threading.Thread(target=watch, name="forge-orm-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
