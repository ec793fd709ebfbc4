"""A manifest beside the classes: what differs, and the text that would end it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from ..errors import ConfigurationError
from ..schema import EntitySchema
from .compare import Difference, compare, keeping, scope_missing
from .document import check, has_scope, parse_schemas
from .reading import load, read_text
from .splice import rewritten


@dataclass(frozen=True, slots=True)
class Review:
    """What writing the declared schemas into a manifest changes.

    Attributes:
        path: the manifest.
        differences: what it lacks, has too much, or has otherwise.
        before: its text as it is.
        after: its text as it should be; the same if there is no difference.
    """

    path: str
    differences: tuple[Difference, ...]
    before: str = field(repr=False)
    after: str = field(repr=False)

    @property
    def deployable(self) -> bool:
        """Whether an app deployed with the manifest as it is can be deployed with the new."""
        return all(difference.deployable for difference in self.differences)

    def diff(self) -> str:
        """Return the change as a unified diff, empty if there is none."""
        lines = difflib.unified_diff(
            self.before.splitlines(),
            self.after.splitlines(),
            f"{self.path} (written)",
            f"{self.path} (declared)",
            lineterm="",
        )
        return "\n".join(lines)


def review(
    path: str | os.PathLike[str],
    schemas: Iterable[EntitySchema],
    *,
    keep: Collection[str] = (),
) -> Review:
    """Compare the manifest at *path* with the declared *schemas*; nothing is written.

    *keep* names entities, attributes (``task.due``) and indexes that stay in the manifest
    though no class declares them: what was deployed can never be deleted.

    Raises:
        ConfigurationError: the manifest is missing, no YAML or of another shape; or the
            service would refuse the result, with every rule it breaks.
    """
    name = os.fspath(path)
    try:
        before = read_text(path)
        manifest = load(before)
        written = parse_schemas(manifest)
        declared = keeping(schemas, written, keep)
        check(declared)
        differences = compare(declared, written)
        if not has_scope(manifest):
            differences.append(scope_missing())
        after = rewritten(before, declared) if differences else before
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from error
    return Review(name, tuple(differences), before, after)
