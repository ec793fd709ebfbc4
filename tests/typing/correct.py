"""Right user code over the whole public face: no checker may find anything in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Self, assert_type

from pydantic import BaseModel, SecretStr

from forge_orm import (
    AsyncForge,
    AsyncKvs,
    AsyncSecrets,
    AsyncSession,
    AsyncStream,
    Attr,
    Budget,
    BudgetUsage,
    Call,
    Calls,
    CommitEvent,
    CommitOutcome,
    Entity,
    FlushReport,
    Forge,
    HttpBackend,
    ItemFailure,
    Kvs,
    LocalBackend,
    Metadata,
    MetadataField,
    Page,
    PartialCommit,
    Progress,
    Query,
    RangeQuery,
    Ref,
    Registry,
    RetryPolicy,
    Reverse,
    Search,
    Secrets,
    Selection,
    Session,
    Stored,
    Stream,
    Tenant,
    UniqueViolation,
    UnknownKind,
    WriteEvent,
    WritePlan,
    acting_for,
    after,
    attr,
    before,
    capture,
    index,
    ref,
    reverse,
    unique,
)

registry = Registry("typing")


class Status(StrEnum):
    OPEN = "open"
    DONE = "done"


class Address(BaseModel):
    city: str


class Base(Entity, registry=registry):
    """A base for others: it has no name of its own."""

    project: Attr[str] = attr()


class Task(Base, name="task", key="task:{project}:{ulid}"):
    title: Attr[str] = attr(min_length=1, description="what is to be done")
    status: Attr[Status] = attr(default=Status.OPEN)
    priority: Attr[int] = attr(default=0, ge=0)
    due: Attr[datetime] = attr()
    assignee: Attr[str | None] = attr(default=None)
    ticket: Attr[int | None] = attr(default=None, alias="ticketNumber")
    tags: Attr[list[str]] = attr(default_factory=list)
    place: Attr[Address | None] = attr(default=None)

    by_status = index(Base.project, status, range=due)
    by_assignee = index(assignee, range=priority)
    by_title = index(range=title, name="title")
    by_who = index(status, range=assignee)
    by_text = index("project", range="title")


class Summary(BaseModel):
    title: str
    due: datetime


class Member(Base, name="member", key="member:{ulid}"):
    email: Attr[str] = attr(unique=True, min_length=3)
    code: Attr[int | None] = attr(default=None, unique=True)
    handle: Attr[str] = attr()

    one_handle = unique(Base.project, handle)
    one_code = unique("project", "code")


def violated(error: UniqueViolation) -> None:
    assert_type(error.owner, str)
    assert_type(error.attributes, tuple[str, ...])
    assert_type(error.passing, bool)


class Plain(Entity, name="plain", registry=registry):
    """Plain annotations: typed on an entity, without operators on the class."""

    text: str
    number: int = 0
    parts: list[int] = []


class Other(Entity, name="other", registry=registry):
    number: Attr[int] = attr()


class Team(Entity, name="team", registry=registry):
    name: Attr[str] = attr()


class User(Entity, name="user", registry=registry):
    name: Attr[str] = attr()
    team: Attr[Ref[Team]] = attr()


class Ticket(Entity, name="ticket", registry=registry):
    title: Attr[str] = attr()
    owner: Attr[Ref[User]] = attr()
    reviewer: Attr[Ref[User] | None] = attr(default=None)
    parent: Attr[Ref[Ticket] | None] = ref(default=None, on_delete="clear", check=True)
    blob: Attr[Any] = attr(default=None)

    by_owner = index(owner, range=title)
    by_reviewer = index(reviewer, title, range=owner)
    by_parent = index(range=parent)


class Project(Entity, name="project", registry=registry):
    """Its parts are declared after it."""

    name: Attr[str] = attr()

    parts: ClassVar[Reverse[Part, int]] = reverse("Part.by_project")
    untyped = reverse("Part.by_project")


class Part(Entity, name="part", registry=registry):
    size: Attr[int] = attr()
    project: Attr[Ref[Project]] = attr()
    lot: Attr[Ref[Lot]] = attr()

    by_project = index(project, range=size)
    by_lot = index(lot, range=size)


class Box(Entity, name="box", registry=registry):
    part: Attr[Ref[Part]] = ref(on_delete="cascade")

    by_part = index(range=part)


class Lot(Entity, name="lot", registry=registry):
    """Its parts are declared before it."""

    name: Attr[str] = attr()

    parts = reverse(Part.by_lot)


def other_side(session: Session, project: Project, lot: Lot) -> None:
    assert_type(project.parts, RangeQuery[Part, int])
    assert_type(lot.parts, RangeQuery[Part, int])
    assert_type(session.all(lot.parts.after(3)), list[Part])
    assert_type(session.first(project.parts.prefetch(Part.lot)), Part | None)
    assert_type(session.all(project.untyped), list[Any])


def deleting(session: Session, part: Part) -> None:
    Box(part=part)
    session.delete(part, cascade=1000)
    session.delete_keys(Part, part.key, cascade=3)
    assert_type(session.prepare(), WritePlan)


async def deleting_async(session: AsyncSession, part: Part) -> None:
    session.delete(part, cascade=1000)
    assert_type(await session.prepare(), WritePlan)


def references(ticket: Ticket, user: User) -> None:
    assert_type(ticket.owner, Ref[User])
    assert_type(ticket.owner.value, User)
    assert_type(ticket.owner.key, str)
    assert_type(ticket.owner.target, type[User])
    assert_type(ticket.owner.value.team.value, Team)
    assert_type(ticket.reviewer, Ref[User] | None)
    assert_type(ticket.parent, Ref[Ticket] | None)
    assert_type(Ref(User, "u1"), Ref[User])
    assert_type(Ref(User, user), Ref[User])
    print(ticket.owner.loaded or ticket.owner.dangling)
    ticket.owner = user
    ticket.owner = Ref(User, user.key)
    ticket.reviewer = user
    ticket.reviewer = None
    ticket.parent = ticket
    Ticket(title="t", owner=user, blob=3)
    Ticket(title="t", owner=ticket.owner, reviewer=None, parent=ticket)
    Ticket(title="t", owner=Ref(User, "u1"), reviewer=ticket.owner)


def referring(session: Session, ticket: Ticket, user: User) -> None:
    found = Ticket.query(Ticket.owner == user, Ticket.owner == user.key)
    found.where(Ticket.owner != ticket.owner, Ticket.reviewer == None)  # noqa: E711
    found.where(Ticket.owner.in_([user, ticket.owner, "u1"]), Ticket.reviewer.missing())
    assert_type(Ticket.by_owner(user), RangeQuery[Ticket, str])
    assert_type(Ticket.by_owner(user.key).after("a"), RangeQuery[Ticket, str])
    Ticket.by_owner(ticket.owner)
    Ticket.by_reviewer(None, "t").equal_to(user)
    by_title = Ticket.by_owner(user).prefetch(Ticket.owner, Ticket.owner / User.team)
    assert_type(by_title, RangeQuery[Ticket, str])
    assert_type(found.prefetch(Ticket.parent / Ticket.owner / User.team), Search[Ticket])
    assert_type(session.prefetch([ticket], Ticket.owner, Ticket.reviewer), list[Ticket])
    assert_type(session.prefetch(session.all(by_title), Ticket.owner / User.team), list[Ticket])


async def referring_async(session: AsyncSession, ticket: Ticket) -> None:
    assert_type(await session.prefetch([ticket], Ticket.owner / User.team), list[Ticket])


class Event(Entity, name="event", discriminator="kind", registry=registry):
    """Several kinds of one entity."""

    kind: Attr[str] = attr(init=False)
    at: Attr[int] = attr(default=0)
    user: Attr[str] = attr()

    by_user = index(user, range=at)


class Login(Event, kind="login"):
    address: Attr[str | None] = attr(default=None)


def kinds(session: Session, event: Event) -> None:
    login = Login(user="u", address="a")
    assert_type(login.kind, str)
    assert_type(Event.query(Event.user == "u"), Search[Event])
    assert_type(Login.query(Event.user == "u", Login.address == "a"), Search[Login])
    assert_type(session.all(Event.query(Event.at > 3)), list[Event])
    assert_type(session.all(Login.query()), list[Login])
    assert_type(Login.by_user("u").since(3), RangeQuery[Login, int])
    assert_type(session.all(Login.index("by_user")), list[Login])
    assert_type(session.get(Event, "k"), Event | None)
    assert_type(session.get(Login, "k"), Login | None)
    if isinstance(event, UnknownKind):
        assert_type(event.model_extra, dict[str, Any] | None)


class Hooked(Entity, name="hooked", key="hooked:{number}", registry=registry):
    number: Attr[int] = attr()

    @before("insert", "update")
    def check(self, event: WriteEvent[Self]) -> None:
        assert_type(event.entity, Self)
        event.add(Other(number=self.number))

    @after("delete")
    async def tell(self, event: WriteEvent[Any]) -> None:
        print(event.verb, event.previous, self.number)


def listening(forge: Forge, awaiting: AsyncForge) -> None:
    @forge.before("insert", "update", of=Task)
    def check(event: WriteEvent[Task]) -> None:
        assert_type(event.entity.title, str)
        assert_type(event.changed, tuple[str, ...])
        event.delete(event.entity)

    @forge.before("commit")
    def look(event: CommitEvent) -> None:
        assert_type(event.plan, WritePlan)
        assert_type(event.writes[0].entity, Entity)

    @awaiting.after("delete")
    async def tell(event: WriteEvent[Entity]) -> None:
        print(event.key)

    assert_type(check, Callable[[WriteEvent[Task]], None])
    print(look, tell)


def observing(forge: Forge) -> None:
    with capture() as calls:
        forge.kvs.get("k")
    assert_type(calls, Calls)
    assert_type(calls[0], Call)
    assert_type(calls[0].units.read, int)
    calls.assert_count("get", max=1)
    for call in calls.of(entity="task"):
        assert_type(call.attempts, int)


def entities(now: datetime) -> None:
    task = Task(project="P", title="Review", due=now, assignee=None, ticketNumber=3)
    task.priority += 1
    task.tags.append("x")
    assert_type(task.title, str)
    assert_type(task.assignee, str | None)
    assert_type(task.ticket, int | None)
    task.assignee = "u1"
    assert_type(task.key, str)
    assert_type(task.metadata, Metadata)
    assert_type(task.metadata.created_at, datetime | None)
    assert_type(task.with_key(task.key), Task)
    assert_type(Task.key_for(project="P"), str)
    project: object = Task.parse_key(task.key)["project"]
    print(project)
    plain = Plain(text="t", parts=[1])
    plain.number = 3
    assert_type(plain.text, str)


def queries(now: datetime) -> None:
    by_name = Task.index("by_status").where(Task.project == "P", Task.status == Status.OPEN)
    assert_type(by_name, Query[Task])
    typed = Task.by_status("P", Status.OPEN)
    assert_type(typed, RangeQuery[Task, datetime])
    assert_type(typed.before(now), RangeQuery[Task, datetime])
    assert_type(typed.since(now).up_to(now + timedelta(days=1)), RangeQuery[Task, datetime])
    assert_type(typed.after(now).descending().limit(3), RangeQuery[Task, datetime])
    assert_type(typed.between(now, now).ascending(), RangeQuery[Task, datetime])
    assert_type(typed.equal_to(now).page_size(5).cursor(None), RangeQuery[Task, datetime])
    assert_type(Task.by_title().startswith("Re"), RangeQuery[Task, str])
    assert_type(Task.by_who(Status.OPEN).startswith("u"), RangeQuery[Task, str | None])
    assert_type(Task.by_assignee("u1").since(3), RangeQuery[Task, int])
    Task.by_text("P")
    by_name.where(Task.due >= now, Task.due <= now).order(Task.due.desc())
    by_name.where(Task.due.between(now, now)).order(Task.due.asc())
    by_name.filter((Task.priority >= 3) | Task.assignee.missing())
    by_name.filter(~(Task.priority == 3), Task.title.contains("x"), Task.assignee.exists())
    by_name.filter(Task.priority.in_([1, 2])).limit(1)
    by_name.filter(Task.priority == 1, Task.assignee == None)  # noqa: E711
    by_name.filter(Task.title.startswith("R"), Task.assignee.startswith("u"))
    by_name.filter(Task.assignee != "u1", Task.assignee > "a")
    Task.by_title().filter(Task.status.in_([Status.DONE]))
    by_name.metadata().metadata(MetadataField.CREATED_AT)
    Task.index("by-key").where(Task.key.startswith("task:"))
    Task.index("by_status").where(Base.project == "P")


def searches(now: datetime) -> None:
    search = Task.query(Task.project == "P", (Task.priority > 3) | ~Task.title.startswith("x"))
    assert_type(search, Search[Task])
    search.where(Task.priority.not_in([1, 2]), Task.assignee.not_in(["u", None]))
    assert_type(search.order(Task.due.desc()).limit(3).page_size(9).cursor(None), Search[Task])
    assert_type(search.budget(requests=3, units=9, seconds=0.5).allow_scan(), Search[Task])
    assert_type(Task.by_title().budget(units=3), RangeQuery[Task, str])
    open_or_done = Task.by_status.any_of([("P", Status.OPEN), ("P", Status.DONE)])
    assert_type(open_or_done.where(Task.due < now), Search[Task])
    assert_type(Task.by_assignee.any_of(["u1", None]), Search[Task])
    assert_type(search.select(Task.title), Selection[tuple[str]])
    pair = search.select(Task.title, Task.due)
    assert_type(pair, Selection[tuple[str, datetime]])
    assert_type(pair.limit(3).page_size(4).cursor(None), Selection[tuple[str, datetime]])
    triple = Task.by_title().select(Task.key, Task.assignee, Task.status)
    assert_type(triple, Selection[tuple[str, str | None, Status]])
    assert_type(
        search.select(
            Task.key,
            Task.title,
            Task.status,
            Task.priority,
            Task.due,
            Task.assignee,
            Task.ticket,
            Task.tags,
        ),
        Selection[tuple[str, str, Status, int, datetime, str | None, int | None, list[str]]],
    )
    assert_type(search.select(Summary), Selection[Summary])


def answers(session: Session, search: Search[Task], progress: list[Progress]) -> None:
    pair = search.select(Task.title, Task.due)
    assert_type(session.all(pair), list[tuple[str, datetime]])
    assert_type(session.first(search.select(Summary)), Summary | None)
    assert_type(session.one(pair), tuple[str, datetime])
    assert_type(session.page(pair), Page[tuple[str, datetime]])
    assert_type(session.page(search).previous, str | None)
    stream = session.stream(search, ahead=2)
    assert_type(stream, Stream[Task])
    assert_type([task.title for task in stream], list[str])
    assert_type(stream.cursor, str | None)
    assert_type([due for _, due in session.stream(pair)], list[datetime])
    assert_type(session.group_count(search, Task.status), dict[Status, int])
    assert_type(session.group_count(search, Task.assignee), dict[str | None, int])
    assert_type(session.update_all(search, print, progress=progress.append), int)
    assert_type(session.delete_all(Task.by_title(), dry_run=True), int)
    print(session.explain(pair, run=True).to_dict())


def blocking(forge: Forge, query: Query[Task], now: datetime) -> Iterator[Task]:
    with forge.session(atomic="always", tenant=Tenant(installation="i")) as session:
        assert_type(session, Session)
        assert_type(session.get(Task, "k"), Task | None)
        assert_type(session.get_many(Task, ["k"], metadata=MetadataField), dict[str, Task])
        assert_type(session.all(query), list[Task])
        assert_type(session.all(Task.by_title()), list[Task])
        assert_type(session.first(query), Task | None)
        assert_type(session.one(query), Task)
        assert_type(session.exists(query), bool)
        assert_type(session.count(query, at_most=3), int)
        page = session.page(query)
        assert_type(page, Page[Task])
        assert_type(page.cursor, str | None)
        assert_type([task.title for task in page], list[str])
        yield from session.stream(query)
        task = Task(project="P", title="t", due=now)
        session.add(task, ttl=timedelta(days=1), condition=Task.priority == 0)
        session.add(Plain(text="t"), key="plain:1")
        session.insert(task, ttl=timedelta(days=1))
        session.touch(task, ttl=timedelta(days=1))
        session.update(task, ttl=timedelta(days=1))
        session.delete(task, condition=Task.status == Status.OPEN)
        session.delete_keys(Task, "k1", "k2")
        session.require(task, Task.priority == 0, Task.assignee.missing())
        session.refresh(task)
        session.expunge(task)
        assert_type(session.plan(), WritePlan)
        assert_type(session.plan().units, int)
        assert_type(session.flush(), FlushReport)
        try:
            assert_type(session.commit().saved, int)
        except PartialCommit as error:
            assert_type(error.failed, tuple[ItemFailure, ...])
            assert_type(error.unknown, tuple[ItemFailure, ...])
            assert_type(error.outcome, CommitOutcome | None)
            assert_type(session.resolve(), CommitOutcome)
            assert_type(session.retry(), FlushReport)
        session.rollback()


async def awaiting(forge: AsyncForge, query: Query[Task], now: datetime) -> None:
    async with LocalBackend() as store:
        assert_type(store, LocalBackend)
    async with forge, forge.session(atomic="never") as session:
        assert_type(session, AsyncSession)
        assert_type(await session.get(Task, "k"), Task | None)
        assert_type(await session.get_many(Task, ["k"]), dict[str, Task])
        assert_type(await session.all(query), list[Task])
        assert_type(await session.first(query), Task | None)
        assert_type(await session.one(query), Task)
        assert_type(await session.exists(query), bool)
        assert_type(await session.count(query), int)
        assert_type(await session.page(query), Page[Task])
        assert_type([task async for task in session.stream(query)], list[Task])
        stream = session.stream(query.select(Task.title, Task.due), ahead=2)
        assert_type(stream, AsyncStream[tuple[str, datetime]])
        assert_type([title async for title, _ in stream], list[str])
        assert_type(await session.group_count(query, Task.status), dict[Status, int])
        task = Task(project="P", title="t", due=now)
        session.add(task)
        session.require(task, Task.due < now)
        session.delete(task)
        await session.refresh(task)
        assert_type(await session.flush(), FlushReport)
        assert_type(await session.commit(), FlushReport)
        assert_type(await session.resolve(), CommitOutcome)
        assert_type(await session.retry(), FlushReport)
        assert_type(session.kvs.typed("n:", int), AsyncKvs[int])
        assert_type(await session.kvs.typed("n:", int).get("k"), int | None)
        assert_type(await session.kvs.typed("n:", int).all(), dict[str, int])
        assert_type(session.secrets, AsyncSecrets[SecretStr])
        assert_type(await session.secrets.get("k"), SecretStr | None)


def keys(forge: Forge) -> None:
    counts = forge.kvs.typed("count:", int, ttl=timedelta(hours=1))
    assert_type(counts, Kvs[int])
    assert_type(counts.get("a"), int | None)
    assert_type(counts.read("a", MetadataField.CREATED_AT), Stored[int] | None)
    assert_type(counts.set("a", 1, policy="FAIL_IF_EXISTS"), Stored[int] | None)
    assert_type(counts.get_many(["a"]), dict[str, int])
    assert_type(counts.read_many(["a"], MetadataField.EXPIRE_TIME), dict[str, Stored[int]])
    assert_type([stored.value for stored in counts.stream()], list[int])
    assert_type(counts.page(limit=3).cursor, str | None)
    counts.set_many({"a": 1}, ttl=timedelta(days=1))
    counts.delete_many(["a"])
    counts.delete("a")
    forge.kvs.set("theme", {"dark": True}, returns="PREVIOUS", metadata=MetadataField)
    assert_type(forge.secrets, Secrets[SecretStr])
    assert_type(forge.secrets.get("hook"), SecretStr | None)
    forge.secrets.set("hook", SecretStr("s"), ttl=timedelta(days=1))
    assert_type(forge.secrets.typed("a:", Address).get("b"), Address | None)


def opening(backend: LocalBackend) -> None:
    with acting_for(Tenant(invocation="x")), Forge(backend) as forge:
        keys(forge)
    with LocalBackend() as store, HttpBackend("http://localhost:1") as remote:
        assert_type(store, LocalBackend)
        assert_type(remote, HttpBackend)
    Forge(remote, tenant=Tenant(installation="i"), retry=RetryPolicy(attempts=2)).close()
    AsyncForge(backend, retry=None).session(receipts=True)
    budget = Budget(share=0.5)
    AsyncForge(backend, budget=budget).session()
    Forge(backend, budget=budget).session()
    assert_type(budget.usage(Tenant(installation="i")), BudgetUsage)
    assert_type(budget.usage().waited, float)


def running(forge: Forge) -> None:
    def work(session: Session) -> int:
        return session.count(Task.by_title())

    assert_type(forge.run(work, retries=5, atomic="always", receipts=True), int)


async def arunning(forge: AsyncForge) -> None:
    async def work(session: AsyncSession) -> int:
        return await session.count(Task.by_title())

    assert_type(await forge.run(work, retries=5, receipts=True), int)
