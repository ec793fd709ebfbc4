"""Which classes a command speaks about: modules are imported, their registry is read."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast

import typer

from ..errors import ConfigurationError
from ..model import Registry, default_registry
from ..schema import EntitySchema

ModelsOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--models",
        "-m",
        metavar="MODULE",
        help="A module that declares entity classes, e.g. [b]app.models[/b]; or "
        "[b]app.models:registry[/b] for a registry of its own. Repeat it for more. "
        "Default: tool.forge_orm.models in pyproject.toml.",
    ),
]


def declared_schemas(models: Sequence[str] | None, *, instead: str = "") -> list[EntitySchema]:
    """Import *models* and return what their entity classes declare.

    Where none is named, *instead* ends the sentence that says what to do.

    Raises:
        ConfigurationError: no module is named, one cannot be imported, or none of them
            declares an entity.
    """
    names, registries = declared_registries(models, instead=instead)
    schemas = [schema for registry in registries for schema in registry.schemas()]
    if not schemas:
        raise ConfigurationError(
            f"{', '.join(names)}: no entity class is declared there; one needs a name, "
            'class Task(Entity, name="task")'
        )
    return schemas


def declared_registries(
    models: Sequence[str] | None, *, instead: str = ""
) -> tuple[Sequence[str], list[Registry]]:
    """Import *models*; return their names and the registries their classes are in."""
    names = models or _configured()
    if not names:
        raise ConfigurationError(
            "which classes? Name their module with --models app.models, or put "
            f'[tool.forge_orm] models = ["app.models"] into pyproject.toml{instead}'
        )
    # As python -m does: what stands in the current folder can be imported.
    if "" not in sys.path:
        sys.path.insert(0, "")
    return names, list(dict.fromkeys(_registry(name) for name in names))


def _configured() -> list[str]:
    try:
        project: dict[str, Any] = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))
    except FileNotFoundError:
        return []
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"pyproject.toml: {error}") from error
    models: Any = project.get("tool", {}).get("forge_orm", {}).get("models", [])
    if not isinstance(models, list):
        raise ConfigurationError("pyproject.toml: tool.forge_orm.models is a list of modules")
    return [str(name) for name in cast("list[object]", models)]


def _registry(name: str) -> Registry:
    module_name, _, attribute = name.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(
            f"there is no module {module_name!r} here; name it as in an import, and run "
            "the command from the folder that holds it"
        ) from error
    if not attribute:
        return default_registry
    registry = getattr(module, attribute, None)
    if not isinstance(registry, Registry):
        raise ConfigurationError(f"{name} is not a Registry")
    return registry
