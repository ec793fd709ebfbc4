"""What users hold, blocking: `Forge`, and `Session`, a unit of work over it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from time import monotonic, sleep, time
from types import TracebackType
from typing import Any, Self, TypeVar
from weakref import WeakSet

from pydantic import SecretStr

from .backends.budget import Budget
from .backends.retry import RetryPolicy
from .backends.sender import sender
from .closing import close
from .drivers import Channel, pause
from .errors import CommitOutcome, Conflict, ForgeError, SessionError, is_unknown
from .expressions import Condition, Expr
from .flows import Flow, FlushReport, Page, bulk, deletions, hooked, reads, references
from .flows.bulk import Progress
from .flows.hooked import NOBODY, Listeners
from .flows.keyvalue import KeySpace
from .kvs import Kvs
from .listening import Listening
from .model import Entity
from .paths import Path
from .planner import Explanation
from .query import EntityQuestion, Question
from .secrets import Secrets, secret_space
from .streams import Stream
from .unit import CASCADE, Atomic, UnitOfWork, WritePlan
from .unit.expiry import Now
from .wire import Backend, MetadataField, Request, Tenant, current_tenant

E = TypeVar("E", bound=Entity)
T = TypeVar("T")


class Forge(Listening):
    """A backend and how to speak to it: where sessions come from.

    Args:
        backend: `LocalBackend`, `HttpBackend`, or anything with ``send``.
        tenant: whom to speak for where neither the session nor `acting_for` says.
        retry: when to try again; None never does.
        budget: lets calls wait before the service refuses them; give every forge of the
            process the same one.
        clock: returns the Unix time in seconds, to tell what has expired; by default the
            backend's own, if it has one.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        tenant: Tenant | None = None,
        retry: RetryPolicy | None = RetryPolicy(),  # noqa: B008 - frozen
        budget: Budget | None = None,
        clock: Now | None = None,
    ) -> None:
        """Speak to *backend*."""
        super().__init__(awaiting=False)
        if not callable(getattr(backend, "send", None)) or isinstance(backend, type):
            raise TypeError(
                f"{type(self).__name__} takes a backend, such as LocalBackend('app.db'), "
                f"not {backend!r}"
            )
        self.backend = backend
        self._sender = sender(backend, retry, budget)
        self._tenant = tenant
        own: Now = getattr(backend, "clock", time)
        self._clock = own if clock is None else clock

    def session(
        self,
        *,
        atomic: Atomic = "auto",
        tenant: Tenant | None = None,
        receipts: bool = False,
    ) -> Session:
        """Open a session; leaving its ``with`` block commits, an exception sends nothing.

        *atomic* ``"auto"`` uses a transaction where a condition needs one and batches
        elsewhere; ``"always"`` one transaction for everything; ``"never"`` none.

        With *receipts* each transaction sets a plain key ``forge-orm:receipt:…`` besides,
        that lives for a day, so that `resolve` is exact about transactions: also where
        somebody else wrote the very same, or wrote since.
        """
        return Session(self._channel(tenant), atomic, self._listeners, receipts=receipts)

    def run(
        self,
        work: Callable[[Session], T],
        *,
        retries: int = 3,
        atomic: Atomic = "auto",
        tenant: Tenant | None = None,
        receipts: bool = False,
    ) -> T:
        """Carry out *work* in a session of its own, again where somebody else was faster.

        A `Conflict` (a stale version, a condition that failed, a key that exists) means that
        nothing was written; *work* is repeated up to *retries* times, from reading on, and
        then the conflict is raised. So *work* must have no effects but on its session. A
        `UniqueViolation` is raised at once where the other entity has the value for good.

        Where an answer is lost the error is raised, and its `outcome` names what is unknown.
        With *receipts* (see `session`) that is found out, and *work* done to its end.
        """
        tries = retries if receipts else 0
        for attempt in range(retries):
            session = self.session(atomic=atomic, tenant=tenant, receipts=receipts)
            try:
                return self._once(work, session, tries)
            except Conflict as conflict:
                if not conflict.passing:
                    raise
                sleep(pause(attempt, conflict))
        session = self.session(atomic=atomic, tenant=tenant, receipts=receipts)
        return self._once(work, session, tries)

    def _once(self, work: Callable[[Session], T], session: Session, tries: int) -> T:
        done: list[T] = []
        try:
            with session:
                done.append(work(session))
        except ForgeError as error:
            if not (done and tries and is_unknown(error)):
                raise
            self._complete(session, tries, error)
        return done[0]

    def _complete(self, session: Session, tries: int, error: ForgeError) -> None:
        """Find out what became of a commit, and carry out what was not."""
        for attempt in range(tries):
            sleep(pause(attempt, error))
            try:
                session.retry()
            except ForgeError as again:
                if not is_unknown(again):
                    raise
                error = again
            else:
                session.close()
                return
        raise error

    @property
    def kvs(self) -> Kvs[Any]:
        """The plain key-value store."""
        return Kvs(self._channel(None), KeySpace())

    @property
    def secrets(self) -> Secrets[SecretStr]:
        """The secrets."""
        return Secrets(self._channel(None), secret_space())

    def close(self) -> None:
        """Close the backend, if it has something to close."""
        close(self.backend)

    def __enter__(self) -> Self:
        """Return itself; leaving the block closes the backend."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the backend."""
        self.close()

    def __repr__(self) -> str:
        """Show the backend."""
        return f"{type(self).__name__}({self.backend!r})"

    def _channel(self, tenant: Tenant | None) -> Channel:
        to = tenant or current_tenant() or self._tenant
        return Channel(self._sender, to, self._clock)


class Session:
    """A unit of work: entities read and changed here are written together.

    It keeps one object for each key, notices what changed (nested values included), and
    writes that at `commit`. It does no I/O but in the methods that say so. A session
    belongs to one thread.
    """

    def __init__(
        self,
        channel: Channel,
        atomic: Atomic = "auto",
        listeners: Listeners = NOBODY,
        *,
        receipts: bool = False,
    ) -> None:
        """Start with nothing read; see `Forge.session`."""
        self._channel = channel
        self._atomic: Atomic = atomic
        self._listeners = listeners
        self._unit = UnitOfWork(channel.now, receipts=receipts)
        self._streams: WeakSet[Stream[Any]] = WeakSet()
        self._closed = False

    # --- reading ------------------------------------------------------------------------

    def get(
        self, cls: type[E], key: str, *, metadata: Iterable[MetadataField] = ()
    ) -> E | None:
        """Return the entity stored under *key*, or None (``/entity/get``).

        An entity the session already holds is returned as it is, without a call.
        """
        channel, unit, fields = self._open, self._unit, tuple(metadata)
        found = reads.get(unit, cls, key, fields)
        if isinstance(found, Request):
            return reads.got(unit, cls, fields, found, channel.ask(found))
        return found

    def get_many(
        self, cls: type[E], keys: Iterable[str], *, metadata: Iterable[MetadataField] = ()
    ) -> dict[str, E]:
        """Return the entities found under *keys*, in that order (``/batch/get``, 25 a call).

        Raises `PartialRead` for keys that failed for another reason than being absent.
        """
        return self._open.run(reads.get_many(self._unit, cls, keys, metadata))

    def all(self, query: Question[T]) -> list[T]:
        """Return everything *query* asks for, following every page (``/entity/query``)."""
        return self._open.run(reads.collect(self._unit, query, monotonic))

    def first(self, query: Question[T]) -> T | None:
        """Return the first match, looking past pages that filters emptied; or None."""
        found = self._open.run(reads.collect(self._unit, query, monotonic, 1))
        return found[0] if found else None

    def one(self, query: Question[T]) -> T:
        """Return the only match; raises `QueryError` if there is none or more than one."""
        return self._open.run(reads.one(self._unit, query, monotonic))

    def one_or_none(self, query: Question[T]) -> T | None:
        """Return the only match, or None; raises `QueryError` if there is more than one."""
        return self._open.run(reads.one_or_none(self._unit, query, monotonic))

    def explain(self, query: Question[Any], *, run: bool = False) -> Explanation:
        """Tell how a question is answered: indexes, filters, order, what is done here.

        With *run* it is answered, and calls, rows read and kept, units and time are told too;
        without, no call is made.
        """
        return self._open.run(reads.explain(self._unit, query, monotonic, run=run))

    def exists(self, query: Question[Any]) -> bool:
        """Whether anything matches."""
        return self._open.run(reads.count(self._unit, query, monotonic, 1)) > 0

    def count(self, query: Question[Any], *, at_most: int | None = None) -> int:
        """Count the matches by reading them: the service has no count of its own."""
        return self._open.run(reads.count(self._unit, query, monotonic, at_most))

    def group_count(self, query: EntityQuestion[E], by: Expr[E, T]) -> dict[T, int]:
        """Count the matches by their value of an attribute, by reading them.

        The values are in the order they come up; None stands for absence.
        """
        return self._open.run(reads.group_count(self._unit, query.select(by), monotonic))

    def page(self, query: Question[T]) -> Page[T]:
        """Return one page, and the cursors after and before it, for ``query.cursor(…)``.

        It holds `page_size` entities (100 if not said), or `limit` if that is less; fewer
        only at the end. A `limit` above 100 without a page size makes pages of equal size.
        """
        return self._open.run(reads.page(self._unit, query, monotonic))

    def stream(self, query: Question[T], *, ahead: int = 0) -> Stream[T]:
        """Yield everything *query* asks for, one page in memory at a time.

        Entities that were changed stay with the session until they are written. *ahead* pages
        are asked for in the background while you work on one, and no more before you come to
        them. ``stream.cursor`` goes on after the last item you were given.
        """
        stream = Stream(reads.walk(query, monotonic), self._unit, self._answer, ahead)
        self._streams.add(stream)
        return stream

    def prefetch(self, entities: Iterable[E], *paths: Path[E, Any]) -> list[E]:
        """Load what references of *entities* lead to, and return the entities as a list.

        A path is ``Task.owner``, or ``Task.owner / User.team``. Each target is read once
        (``/batch/get``, 25 a call, the calls of a level together), and not at all if the
        session holds it. After that ``task.owner.value`` is there, or ``.dangling`` is true.
        Raises `PartialRead` for keys that failed for another reason than being absent.
        """
        found = list(entities)
        self._open.run(references.prefetch(self._unit, found, paths))
        return found

    def refresh(self, entity: Entity) -> None:
        """Read *entity* again, dropping its unsaved changes; raises `SessionError` if gone."""
        self._open.run(reads.refresh(self._unit, entity))

    # --- writing ------------------------------------------------------------------------

    def add(
        self,
        *entities: Entity,
        key: str | None = None,
        ttl: timedelta | None = None,
        condition: Condition[Any] | None = None,
    ) -> None:
        """Write *entities* at the next flush, whether or not they exist.

        *key* is for one entity whose class has no key template. *ttl* lets them expire.
        *condition* is about what is stored under the key now, and must hold.
        """
        self._check_open()
        if key is not None:
            for entity in entities:
                entity.with_key(key)
        self._unit.add(*entities, ttl=ttl, condition=condition)

    def insert(self, *entities: Entity, ttl: timedelta | None = None) -> None:
        """Create *entities* at the next flush; the flush raises `KeyConflict` for one whose
        key exists.

        Each is one ``/entity/set`` with the key policy ``FAIL_IF_EXISTS``, which the service
        has neither in a batch nor in a transaction.
        """
        self._check_open()
        self._unit.add(*entities, ttl=ttl, create=True)

    def update(self, *entities: Entity, ttl: timedelta | None = None) -> None:
        """Write *entities* at the next flush if they exist; it raises `KeyAbsent` for one
        that does not.

        Each is set in a transaction, on the condition that an attribute exists which the
        class always stores. Of a class with a version, one that was not read is saved if its
        version is the one in the store, else it raises `VersionConflict`.
        """
        self._check_open()
        self._unit.add(*entities, ttl=ttl, update=True)

    def touch(self, *entities: Entity, ttl: timedelta | None = None) -> None:
        """Save known *entities* as they are at the next flush: it renews their time to live.

        *ttl* is by default the class's. Without one a time to live would end, so then it is a
        `SessionError` if the entity has one, or was read without its expiry.

        It happens only if nobody saved them since (their version; else every attribute the
        service can compare), unless the session is ``atomic="never"``: `ConditionFailed`, or
        `KeyAbsent` where one is gone.
        """
        self._check_open()
        for entity in entities:
            self._unit.touch(entity, ttl=ttl)

    def delete(
        self,
        *entities: Entity,
        condition: Condition[Any] | None = None,
        cascade: int = CASCADE,
    ) -> None:
        """Delete *entities* at the next flush, if *condition* holds for each.

        Where references to them have rules (`ref`), the flush looks up what refers to them;
        each may reach *cascade* other entities, and more raise `CascadeTooLarge`.
        """
        self._check_open()
        for entity in entities:
            self._unit.delete(entity, condition=condition, cascade=cascade)

    def delete_keys(self, cls: type[Entity], *keys: str, cascade: int = CASCADE) -> None:
        """Delete entities by key at the next flush, without reading them; see `delete`."""
        self._check_open()
        for key in keys:
            self._unit.delete_key(cls, key, cascade)

    def require(self, entity: E, *conditions: Condition[E]) -> None:
        """Let the next flush happen only if *conditions* hold for *entity* as stored.

        The flush then is one transaction; it raises `ConditionFailed` where they do not.
        """
        self._check_open()
        self._unit.require(entity, conditions)

    def expunge(self, *entities: Entity) -> None:
        """Stop watching *entities*; what was pending for them is dropped."""
        for entity in entities:
            self._unit.forget(entity)

    def plan(self) -> WritePlan:
        """Return what `flush` would send, call by call; raises `InvalidValue`.

        It makes no call, so it cannot show what deletions reach: its ``lookups`` name those
        that a flush looks up first. `prepare` does so at once.
        """
        return self._unit.plan(self._atomic)

    def prepare(self) -> WritePlan:
        """Look up what deletions reach, make it part of the unit, and return the whole plan.

        Raises `DeleteRestricted` or `CascadeTooLarge`, and then changes nothing. A flush does
        it by itself, for what was not prepared.
        """
        return self._open.run(deletions.prepare(self._unit, self._atomic))

    def flush(self) -> FlushReport:
        """Send everything pending.

        Raises `PartialCommit` where some writes were not confirmed: those stay pending.
        Raises `ConditionFailed` where a condition did not hold, `InvalidValue` for a value
        the service cannot store (nothing is sent then). The `outcome` of an error tells what
        was saved, what failed and what is unknown; see `retry` and `resolve`. Writes that
        are unknown and must not happen twice are looked up before anything is sent.
        """
        return self._open.run(hooked.flush(self._unit, self._atomic, self._listeners))

    def commit(self) -> FlushReport:
        """Send everything pending; as `flush`."""
        return self.flush()

    def retry(self) -> FlushReport:
        """Send again what the last flush did not get done, and nothing else.

        What is unknown is looked up first, as by `resolve`, and sent only if it was not
        saved. Raises as `flush` does, and `PartialCommit` where something stays unknown.
        """
        return self._open.run(hooked.retry(self._unit, self._atomic, self._listeners))

    def resolve(self) -> CommitOutcome:
        """Find out by reading what became of writes whose answer was lost (``/batch/get``).

        What was saved is pending no longer; what was not, still is. A write stays unknown
        where reading cannot tell: somebody else wrote since, or it cannot be read.
        """
        return self._open.run(hooked.resolve(self._unit, self._listeners))

    def rollback(self) -> None:
        """Forget everything pending and everything read; nothing is sent."""
        self._unit.clear()

    def close(self) -> None:
        """End the session; pending writes are dropped, and so are streams."""
        for stream in list(self._streams) if self._streams else ():
            stream.close()
        self._unit.clear()
        self._closed = True

    def update_all(
        self,
        query: EntityQuestion[E],
        change: Callable[[E], object],
        *,
        dry_run: bool = False,
        progress: Callable[[Progress], object] | None = None,
    ) -> int:
        """Apply *change* to everything *query* finds, saved page by page; return the count.

        It is a unit of work of its own beside this session's. *progress* is told the count
        and the cursor to go on from after each page; an error carries a note with it. With
        *dry_run* nothing is sent, and what could not be stored raises `InvalidValue` all the
        same. A change of the attribute that orders the query may bring an entity up twice.
        """
        flow = bulk.change_each(
            self._unit,
            query,
            monotonic,
            lambda _, each: change(each),
            self._atomic,
            progress,
            dry_run=dry_run,
            listeners=self._listeners,
        )
        return self._open.run(flow)

    def delete_all(
        self,
        query: EntityQuestion[E],
        *,
        dry_run: bool = False,
        progress: Callable[[Progress], object] | None = None,
    ) -> int:
        """Delete everything *query* finds, page by page; return the count.

        With *dry_run* nothing is sent. For *progress* and errors see `update_all`.
        """
        flow = bulk.change_each(
            self._unit,
            query,
            monotonic,
            UnitOfWork.delete,
            self._atomic,
            progress,
            dry_run=dry_run,
            listeners=self._listeners,
        )
        return self._open.run(flow)

    # --- the other stores ---------------------------------------------------------------

    @property
    def kvs(self) -> Kvs[Any]:
        """The plain key-value store; its calls are not part of the unit of work."""
        return Kvs(self._channel, KeySpace())

    @property
    def secrets(self) -> Secrets[SecretStr]:
        """The secrets; their calls are not part of the unit of work."""
        return Secrets(self._channel, secret_space())

    def __enter__(self) -> Self:
        """Return itself."""
        self._check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commit, or send nothing if an exception leaves the block.

        After a commit that failed the session stays open: what is pending can be looked at
        and flushed again.
        """
        if error is None:
            self.commit()
        self.close()

    def __repr__(self) -> str:
        """Show how much the session holds."""
        state = "closed" if self._closed else f"{len(self._unit.identity)} entities"
        return f"{type(self).__name__}({state}, atomic={self._atomic!r})"

    @property
    def _open(self) -> Channel:
        if self._closed:
            self._check_open()
        return self._channel

    def _answer(self, flow: Flow[T]) -> T:
        return self._open.run(flow)

    def _check_open(self) -> None:
        if self._closed:
            raise SessionError("this session is closed; open another with forge.session()")
