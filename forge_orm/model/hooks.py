"""`before` and `after`: methods of an entity class that are called around its writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from types import FunctionType
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args

from ..errors import DeclarationError

Verb: TypeAlias = Literal["insert", "update", "delete"]
When: TypeAlias = Literal["before", "after"]
Moment: TypeAlias = tuple[When, Verb]
H = TypeVar("H", bound="Callable[[Any, Any], object]")

VERBS: Final[tuple[Verb, ...]] = get_args(Verb)
_MARK: Final = "__forge_moments__"


@dataclass(frozen=True, slots=True)
class Hook:
    """A method to be called: its name, when, and whether it is to be awaited."""

    name: str
    moments: frozenset[Moment]
    awaited: bool


def before(*verbs: Verb) -> Callable[[H], H]:
    """Call the method before its entity is inserted, updated or deleted.

    It takes a `WriteEvent` and may change the entity: what is written is what it is then. If
    it raises, nothing of the commit is sent. It may be ``async`` if sessions are.

    Raises `DeclarationError` for another verb than those three.
    """
    return _marking("before", verbs)


def after(*verbs: Verb) -> Callable[[H], H]:
    """Call the method after the service confirmed that its entity was written.

    It takes a `WriteEvent`. What it raises is raised as `HookFailed` once every hook was
    called, since the entity is saved by then. It may be ``async`` if sessions are.

    Raises `DeclarationError` for another verb than insert, update and delete.
    """
    return _marking("after", verbs)


def check_verbs(verbs: Iterable[str], known: Iterable[str] = VERBS) -> None:
    """Refuse what is no verb, and nothing at all; raises `DeclarationError`."""
    chosen, possible = tuple(verbs), tuple(known)
    wrong = next((verb for verb in chosen if verb not in possible), None)
    if wrong is not None or not chosen:
        said = "no verb" if wrong is None else repr(wrong)
        raise DeclarationError(
            f"a hook with {said}: say when it is called, with any of {', '.join(possible)}"
        )


def _marking(when: When, verbs: tuple[Verb, ...]) -> Callable[[H], H]:
    check_verbs(verbs)

    def mark(method: H) -> H:
        known: frozenset[Moment] = getattr(method, _MARK, frozenset())
        setattr(method, _MARK, known | {(when, verb) for verb in verbs})
        return method

    return mark


def declare_hooks(cls: Any) -> None:
    """Note the hooks of a new entity *cls*: those of its bases first, each method once.

    A method that overrides a hook is one; with a decorator of its own, at its own moments.
    """
    moments: dict[str, frozenset[Moment]] = {}
    bases: list[type[Any]] = [*reversed(cls.__mro__)]
    for base in bases:
        for name, member in vars(base).items():
            if isinstance(member, FunctionType) and hasattr(member, _MARK):
                moments[name] = getattr(member, _MARK)
    hooks = tuple(_hook(cls, name, each) for name, each in moments.items())
    type.__setattr__(cls, "__forge_hooks__", hooks)
    type.__setattr__(cls, "__forge_hooked__", bool(hooks))
    if hooks:  # sessions know an entity of several kinds by the base of them all
        type.__setattr__(cls.__forge_root__, "__forge_hooked__", True)


def _hook(cls: Any, name: str, moments: frozenset[Moment]) -> Hook:
    method = getattr(cls, name, None)
    if not callable(method):
        raise DeclarationError(f"{cls.__name__}.{name} takes the place of a hook: call it so")
    return Hook(name, moments, iscoroutinefunction(method))
