"""A named set of entity classes: what one app declares to the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import limits
from ..errors import DeclarationError
from ..schema import EntitySchema, set_violations
from .uniques import RESERVATIONS


class Registry:
    """The entity classes of one app, by entity name.

    Classes join ``registry`` (the default one) when they are declared; a base class
    declared with ``registry=`` sends itself and its subclasses elsewhere, which keeps
    tests and plug-ins apart.
    """

    def __init__(self, name: str = "default") -> None:
        """Start empty."""
        self.name = name
        self._classes: dict[str, type[Any]] = {}
        self._schemas: tuple[EntitySchema, ...] | None = None
        self._rules: dict[type[Any], tuple[Any, ...]] = {}

    def add(self, name: str, cls: type[Any]) -> None:
        """Add the class of entity *name*.

        Raises `DeclarationError` if the name is taken, or if an app could not have so many.

        The same class declared again (a reloaded module, a notebook cell) takes the place
        of the earlier one.
        """
        known = self._classes.get(name)
        if known is not None and _identity(known) != _identity(cls):
            raise DeclarationError(
                f"{cls.__qualname__}: entity {name!r} is already declared by "
                f"{known.__module__}.{known.__qualname__} in registry {self.name!r}; "
                "give it another name=, or a registry= of its own"
            )
        if known is None and len(self._classes) == limits.ENTITIES_MAX:
            raise DeclarationError(
                f"{cls.__qualname__}: registry {self.name!r} has {limits.ENTITIES_MAX} "
                "entities, the limit for one app. Several classes can share an entity "
                "(discriminator=); what is not of this app gets a registry= of its own"
            )
        self._classes[name] = cls
        self.changed()

    def changed(self) -> None:
        """Note that a class joined an entity: its schema is asked for again."""
        self._schemas = None
        self._rules.clear()

    def schemas(self) -> tuple[EntitySchema, ...]:
        """Return what the classes declare to the service, in order of declaration.

        Where a class has unique values, the entity of their reservations comes last. Raises
        `DeclarationError` if they break a rule taken together (20 entities an app).
        """
        if self._schemas is not None:
            return self._schemas
        schemas = tuple(cls.__forge__.declared_schema() for cls in self._classes.values())
        if any(cls.__forge__.uniques for cls in self._classes.values()):
            schemas = (*schemas, RESERVATIONS)
        if problems := list(set_violations(schemas)):
            raise DeclarationError(f"registry {self.name!r}: " + "; ".join(problems))
        self._schemas = schemas
        return schemas

    def rules_about(self, cls: type[Any]) -> tuple[Any, ...]:
        """Return the `DeleteRule` of each reference that leads to *cls*.

        Raises `DeclarationError` while a class names a type that is not defined.
        """
        if cls not in self._rules:
            declared = [rule for known in self for rule in known.__forge__.delete_rules]
            self._rules[cls] = tuple(rule for rule in declared if rule.of(cls))
        return self._rules[cls]

    def __getitem__(self, name: str) -> type[Any]:
        """Return the class of the entity *name*."""
        return self._classes[name]

    def __iter__(self) -> Iterator[type[Any]]:
        """Iterate over the classes, in order of declaration."""
        return iter(self._classes.values())

    def __len__(self) -> int:
        """Count the classes."""
        return len(self._classes)

    def __contains__(self, name: object) -> bool:
        """Whether the entity *name* is declared."""
        return name in self._classes

    def __repr__(self) -> str:
        """Show the entities."""
        return f"Registry({self.name!r}: {', '.join(self._classes) or 'empty'})"


def _identity(cls: type[Any]) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


default_registry = Registry()
"""Where entity classes go unless told otherwise; `forge_orm.registry`."""
