"""`before` and `after` of a forge: functions called around what its sessions write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, overload

from .errors import DeclarationError
from .flows.hooked import Listeners
from .model import Entity
from .model.hooks import VERBS, Verb, When, check_verbs
from .unit import CommitEvent, WriteEvent

E = TypeVar("E", bound=Entity)
R = TypeVar("R")


class Listening:
    """What `Forge` and `AsyncForge` have in common: they can be listened to."""

    def __init__(self, *, awaiting: bool) -> None:
        """Begin with nobody listening."""
        self._listeners = Listeners(awaiting=awaiting)

    @overload
    def before(
        self, occasion: Literal["commit"], /
    ) -> Callable[[Callable[[CommitEvent], R]], Callable[[CommitEvent], R]]: ...
    @overload
    def before(
        self, *verbs: Verb, of: type[E]
    ) -> Callable[[Callable[[WriteEvent[E]], R]], Callable[[WriteEvent[E]], R]]: ...
    @overload
    def before(
        self, *verbs: Verb
    ) -> Callable[[Callable[[WriteEvent[Any]], R]], Callable[[WriteEvent[Any]], R]]: ...
    def before(self, *verbs: Any, of: type[Any] | None = None) -> Any:
        """Call the decorated function before entities *of* a class are inserted, updated or
        deleted, or before a ``commit``; see `forge_orm.before`.

        It is called for sessions opened before too. Raises `DeclarationError` for another
        verb, `SessionError` for an ``async`` function where sessions block.
        """
        return self._listening("before", verbs, of)

    @overload
    def after(
        self, occasion: Literal["commit"], /
    ) -> Callable[[Callable[[CommitEvent], R]], Callable[[CommitEvent], R]]: ...
    @overload
    def after(
        self, *verbs: Verb, of: type[E]
    ) -> Callable[[Callable[[WriteEvent[E]], R]], Callable[[WriteEvent[E]], R]]: ...
    @overload
    def after(
        self, *verbs: Verb
    ) -> Callable[[Callable[[WriteEvent[Any]], R]], Callable[[WriteEvent[Any]], R]]: ...
    def after(self, *verbs: Any, of: type[Any] | None = None) -> Any:
        """Call the decorated function after entities *of* a class were inserted, updated or
        deleted, or after a ``commit`` that went well; see `forge_orm.after`.

        It is called for sessions opened before too. Raises `DeclarationError` for another
        verb, `SessionError` for an ``async`` function where sessions block.
        """
        return self._listening("after", verbs, of)

    def _listening(
        self, when: When, verbs: tuple[Any, ...], of: type[Any] | None
    ) -> Callable[[Any], Any]:
        check_verbs(verbs, (*VERBS, "commit"))
        if of is not None and "commit" in verbs:
            raise DeclarationError("a commit is of no class: leave of= out, or name a verb")

        def listen(function: Any) -> Any:
            for verb in verbs:
                self._listeners.add(when, verb, of or Entity, function)
            return function

        return listen
