"""Hooks around a write: what is called before it, and after what was confirmed of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, Final, Literal, TypeAlias, TypeVar

from ..errors import CommitOutcome, HookFailed, SessionError
from ..model import Entity
from ..model.hooks import Hook, Moment, Verb, When
from ..unit import Atomic, CommitEvent, UnitOfWork, WriteEvent, WritePlan
from ..unit.events import Hooking
from ..unit.plan import NOTHING
from . import doubts, writes
from .core import Errand, Flow, HookedFlow
from .deletions import expand
from .writes import FlushReport

T = TypeVar("T")
Occasion: TypeAlias = Verb | Literal["commit"]
Listener: TypeAlias = Callable[[Any], object]
Plan: TypeAlias = Callable[[], Flow[WritePlan]]
"""What is about to be sent; finding out may take calls of its own."""

ROUNDS: Final = 10
"""How often before-hooks may bring up writes that were not there, in one commit."""


@dataclass(frozen=True, slots=True)
class _Listening:
    when: When
    occasion: Occasion
    of: type[Any]
    listener: Listener


class Listeners:
    """What a forge calls around the writes of its sessions.

    *awaiting* tells whether those sessions can await a hook.
    """

    def __init__(self, *, awaiting: bool = False) -> None:
        """Begin with nobody listening."""
        self.awaiting = awaiting
        self._known: list[_Listening] = []

    def add(self, when: When, occasion: Occasion, of: type[Any], listener: Listener) -> None:
        """Call *listener* from now on; raises `SessionError` if it could not be awaited."""
        if iscoroutinefunction(listener):
            self.refuse_awaited(_named(listener))
        self._known.append(_Listening(when, occasion, of, listener))

    def __bool__(self) -> bool:
        """Whether anybody listens."""
        return bool(self._known)

    def refuse_awaited(self, name: str) -> None:
        """Refuse a hook that is to be awaited, where nobody can."""
        if not self.awaiting:
            raise SessionError(
                f"the hook {name} is async, and a blocking session cannot await it: write it "
                "without async, or use AsyncForge"
            )

    def errands(self, when: When, event: WriteEvent[Any] | CommitEvent) -> Iterator[Errand]:
        """Yield what is to be called: the entity's own hooks first, then listeners."""
        if isinstance(event, CommitEvent):
            yield from self._listening(when, "commit", None, event)
            return
        entity: Entity = event.entity
        for hook in type(entity).__forge_hooks__:
            if (when, event.verb) in hook.moments:
                yield Errand(_title(entity, hook), getattr(entity, hook.name), event)
        yield from self._listening(when, event.verb, entity, event)

    def before(self, event: WriteEvent[Any]) -> Iterator[Errand]:
        """Yield what is to be called before; raises `SessionError` if that, or what is to be
        called after, could not be awaited.
        """
        entity: Entity = event.entity
        moments: set[Moment] = {("before", event.verb), ("after", event.verb)}
        for hook in type(entity).__forge_hooks__:
            if hook.awaited and moments & hook.moments:
                self.refuse_awaited(_title(entity, hook))
        yield from self.errands("before", event)

    def _listening(
        self, when: When, occasion: Occasion, subject: object, event: object
    ) -> Iterator[Errand]:
        for each in tuple(self._known):
            fits = subject is None or isinstance(subject, each.of)
            if fits and (each.when, each.occasion) == (when, occasion):
                yield Errand(_named(each.listener), each.listener, event)


NOBODY: Final = Listeners()


def flush(
    unit: UnitOfWork, atomic: Atomic, listeners: Listeners = NOBODY
) -> HookedFlow[FlushReport]:
    """Send everything pending, as `writes.flush` does, with hooks around it."""
    return hooked(unit, listeners, writes.flush(unit, atomic), lambda: _all(unit, atomic))


def retry(
    unit: UnitOfWork, atomic: Atomic, listeners: Listeners = NOBODY
) -> HookedFlow[FlushReport]:
    """Send again what failed, as `writes.retry` does, with hooks around it."""
    return hooked(unit, listeners, writes.retry(unit, atomic), lambda: _left(unit, atomic))


def resolve(unit: UnitOfWork, listeners: Listeners = NOBODY) -> HookedFlow[CommitOutcome]:
    """Find out what is unknown, with hooks after what turns out to be saved."""
    return hooked(unit, listeners, doubts.resolve(unit))


def _all(unit: UnitOfWork, atomic: Atomic) -> Flow[WritePlan]:
    yield from expand(unit, atomic)
    return unit.plan(atomic)


def _left(unit: UnitOfWork, atomic: Atomic) -> Flow[WritePlan]:
    yield from ()
    names = frozenset(unit.unsettled.failed)
    return unit.plan(atomic, names) if names else NOTHING


def hooked(
    unit: UnitOfWork,
    listeners: Listeners,
    inner: Flow[T],
    plan: Plan | None = None,
) -> HookedFlow[T]:
    """Carry out *inner*, which writes, with hooks around it where there are any.

    *plan* says what it is about to send; without it, nothing is called before.
    """
    if unit.hooking is not None and unit.hooking.busy:
        raise SessionError(
            "a hook cannot flush or commit its own session: event.add() and event.delete() "
            "write with the commit that is under way"
        )
    if listeners or _concerned(unit):
        return _hooked(unit, listeners, inner, plan)
    return inner


def _concerned(unit: UnitOfWork) -> bool:
    for cls in unit.classes():  # noqa: SIM110 - most flushes come by here
        if cls.__forge_hooked__:
            return True
    return False


def _hooked(
    unit: UnitOfWork,
    listeners: Listeners,
    inner: Flow[T],
    plan: Plan | None,
) -> HookedFlow[T]:
    unit.hooking = hooking = unit.hooking or Hooking()
    hooking.busy = True
    try:
        sent = None if plan is None else (yield from _before(unit, hooking, listeners, plan))
        return (yield from _and_after(hooking, listeners, inner, sent))
    finally:
        hooking.busy = False


def _before(
    unit: UnitOfWork, hooking: Hooking, listeners: Listeners, make: Plan
) -> HookedFlow[WritePlan]:
    """Call everybody, until nothing is about to be written that nobody was told of."""
    told: set[tuple[type[Any], str, Verb]] = set()
    due: list[WriteEvent[Entity]] = []
    announced = False
    for _ in range(ROUNDS):
        plan = yield from make()
        fresh = [event for event in hooking.due(unit, plan) if _identity(event) not in told]
        told.update(map(_identity, fresh))
        due = fresh or due
        errands = [errand for event in fresh for errand in listeners.before(event)]
        if not errands and plan and not announced:
            announced = True
            errands = [
                *listeners.errands("before", _commit(plan, hooking.all(unit, plan), unit))
            ]
        if not errands:
            hooking.let_pass(plan)
            return plan
        for errand in errands:  # noqa: UP028 - a list takes neither send nor throw
            yield errand
    raise SessionError(
        f"the hooks of this commit go on making writes: after {ROUNDS} rounds some were still "
        f"new, such as {due[0].verb} of {type(due[0].entity).__name__} {due[0].key!r}. Let a "
        "before-hook not add what makes itself be called again"
    )


def _and_after(
    hooking: Hooking, listeners: Listeners, inner: Flow[T], plan: WritePlan | None
) -> HookedFlow[T]:
    """Carry out *inner*; then call everybody about what was confirmed, however it ended."""
    try:
        result = yield from inner
    except Exception as error:
        for failure in (yield from _after(listeners, hooking.confirmed())):
            error.add_note(f"Besides, an after-hook raised {failure!r}")
        raise
    confirmed = hooking.confirmed()
    events: list[WriteEvent[Any] | CommitEvent] = [*confirmed]
    if plan:
        events.append(_commit(plan, confirmed, None))
    if failures := (yield from _after(listeners, events)):
        raise HookFailed(result, failures) from failures[0]
    return result


def _after(
    listeners: Listeners, events: Iterable[WriteEvent[Any] | CommitEvent]
) -> HookedFlow[list[Exception]]:
    """Call everybody, whoever of them fails; return the failures."""
    failures: list[Exception] = []
    for errand in [errand for event in events for errand in listeners.errands("after", event)]:
        try:
            yield errand
        except Exception as error:
            error.add_note(f"in the after-hook {errand.name}")
            failures.append(error)
    return failures


def _commit(
    plan: WritePlan, writes: Iterable[WriteEvent[Entity]], unit: UnitOfWork | None
) -> CommitEvent:
    return CommitEvent(plan=plan, _unit=unit, writes=tuple(writes))


def _identity(event: WriteEvent[Entity]) -> tuple[type[Any], str, Verb]:
    return type(event.entity), event.key, event.verb


def _title(entity: Entity, hook: Hook) -> str:
    return f"{type(entity).__name__}.{hook.name}"


def _named(listener: Listener) -> str:
    return getattr(listener, "__qualname__", repr(listener))
