"""Wrong user code: each marked line must be an error, and no other line may be one.

The mark ends the line and names the checkers that have to see it.
"""

from __future__ import annotations

from datetime import datetime

from forge_orm import (
    AsyncSession,
    Attr,
    CommitEvent,
    Entity,
    Forge,
    Query,
    Ref,
    Session,
    WriteEvent,
    after,
    attr,
    before,
    capture,
    index,
    ref,
    unique,
)

from .correct import (
    Box,
    Event,
    Login,
    Lot,
    Member,
    Other,
    Plain,
    Status,
    Task,
    Team,
    Ticket,
    User,
)

by_status = Task.index("by_status")


def indexes() -> None:
    Task.by_status("P", "open")  # E: mypy pyright
    Task.by_status("P")  # E: mypy pyright
    Task.by_status("P", Status.OPEN, 3)  # E: mypy pyright
    Task.by_status(Status.OPEN, 3)  # E: mypy pyright
    Task.by_statuss("P", Status.OPEN)  # E: mypy pyright
    Task.by_status("P", Status.OPEN).before(3)  # E: mypy pyright
    Task.by_status("P", Status.OPEN).between("a", "b")  # E: mypy pyright
    Task.by_status("P", Status.OPEN).startswith("2026")  # E: mypy pyright
    Task.by_assignee("u1").startswith("3")  # E: mypy pyright
    Task.by_title().since(3)  # E: mypy pyright
    Task.index(3)  # E: mypy pyright


def uniques() -> None:
    attr(unique="yes")  # E: mypy pyright
    unique(3)  # E: mypy pyright
    print(Member.one_handel)  # E: mypy pyright


def names() -> None:
    by_status.where(Task.titel == "x")  # E: mypy pyright
    by_status.filter(Task.priorty > 3)  # E: mypy pyright
    by_status.order(Task.dew.desc())  # E: mypy pyright
    by_status.where(Task.titel == "x", Task.due == 3)  # E: mypy pyright


def operands() -> None:
    by_status.where(Task.priority > "x")  # E: mypy pyright
    by_status.where(Task.due < 3)  # E: mypy pyright
    by_status.where(Task.status == "open")  # E: mypy pyright
    by_status.where(Task.priority == "x")  # E: mypy pyright
    by_status.filter(Task.title != 3)  # E: mypy pyright
    by_status.filter(Task.priority == None)  # noqa: E711  # E: mypy pyright
    by_status.filter(Task.priority.in_(["x"]))  # E: mypy pyright
    by_status.filter(Task.priority.between(1, "x"))  # E: mypy pyright
    by_status.filter(Task.priority.startswith("x"))  # E: mypy pyright
    by_status.filter(Task.priority.contains("x"))  # E: mypy pyright
    by_status.filter(Task.title.contains(3))  # E: mypy pyright
    by_status.filter(Task.key > 3)  # E: mypy pyright


def conditions(task: Task) -> None:
    by_status.where(Other.number > 3)  # E: mypy pyright
    by_status.filter((Task.priority > 3) | (Other.number > 3))  # E: mypy pyright
    by_status.filter(Other.number.missing())  # E: mypy pyright
    by_status.order(Other.number.desc())  # E: mypy pyright
    by_status.where(Task.priority != 3)  # E: mypy pyright
    by_status.where(Task.title.contains("x"))  # E: mypy pyright
    by_status.where(Task.assignee.exists())  # E: mypy pyright
    by_status.where((Task.priority > 3) | (Task.priority < 1))  # E: mypy pyright
    by_status.where(~(Task.priority > 3))  # E: mypy pyright
    by_status.where(task.priority > 3)  # E: mypy pyright
    by_status.filter(task.title == "x")  # E: mypy pyright
    by_status.filter(True)  # E: mypy pyright
    by_status.filter(Task.assignee)  # E: mypy pyright
    by_status.filter((Task.priority > 3) & (Other.number > 3))  # E: mypy pyright
    Plain.index("by-key").filter(Plain.number > 3)  # E: mypy pyright
    by_status.filter((Task.priority > 3) & True)  # E: mypy pyright


def searches() -> None:
    search = Task.query(Task.priority > 3)
    search.where(Task.titel == "x")  # E: mypy pyright
    search.where(Other.number > 3)  # E: mypy pyright
    search.where(Task.priority.not_in(["x"]))  # E: mypy pyright
    search.budget(calls=3)  # E: mypy pyright
    search.select(Task.titel)  # E: mypy pyright
    search.select(Other.number)  # E: mypy pyright
    search.select("title")  # E: mypy pyright
    search.select(str)  # E: mypy pyright
    Task.by_status.any_of([("P", "open")])  # E: mypy pyright
    Task.by_status.any_of(["P"])  # E: mypy pyright
    Task.by_assignee.any_of([3])  # E: mypy pyright


def answers(session: Session, query: Query[Task]) -> None:
    title: str = session.one(query.select(Task.title))  # E: mypy pyright
    pair: tuple[str, str] = session.one(query.select(Task.title, Task.due))  # E: mypy pyright
    print(title, pair, session.group_count(query, Other.number))  # E: mypy pyright
    session.update_all(query.select(Task.title), print)  # E: mypy pyright
    session.stream(query, ahead="all")  # E: mypy pyright


def kinds(session: Session, event: Event) -> None:
    Login(kind="login", user="u")  # E: mypy pyright
    Login(address="a")  # E: mypy pyright
    Event.query(Login.address == "a")  # E: mypy pyright
    logins: list[Login] = session.all(Event.by_user("u"))  # E: mypy pyright
    print(logins, event.address)  # E: mypy pyright


def truth() -> None:
    if Task.priority == 1:  # E: pyright
        print("never")
    if not Task.priority == 1:  # noqa: SIM201  # E: pyright
        print("never")
    if Task.assignee:  # E: pyright
        print("never")
    print(1 if Task.priority > 1 else 0)  # E: pyright


def lost_conditions() -> None:
    by_status.filter(not Task.assignee)  # E: mypy pyright


def lost_part() -> None:
    by_status.filter("a" in Task.title)  # E: mypy pyright


def declarations() -> None:
    class Wrong(Entity, name="wrong"):
        plain: Attr[int] = 3  # E: mypy pyright
        default: Attr[int] = attr(default="x")  # E: mypy pyright
        made: Attr[list[int]] = attr(default_factory=dict)  # E: mypy pyright
        option: Attr[int] = attr(minimum=3)  # E: mypy pyright
        right: Attr[int] = attr()
        no_range = index(right)  # E: mypy pyright

    print(Wrong)


def entities(task: Task, now: datetime) -> None:
    Task(project="P", due=now)  # E: mypy pyright
    Task(project="P", title="t", due=now, priorty=3)  # E: mypy pyright
    Task(project="P", title="t", due="now")  # E: mypy pyright
    Task(project="P", title="t", due=now, assignee=3)  # E: mypy pyright
    Task(project="P", title="t", due=now, by_status=3)  # E: mypy pyright
    Plain(text=3)  # E: mypy pyright
    task.priority = "high"  # E: mypy pyright
    task.titel = "x"  # E: mypy pyright
    print(task.title + 3)  # E: mypy pyright
    print(task.assignee.upper())  # E: mypy pyright
    task.with_key(3)  # E: mypy pyright


def references(ticket: Ticket, user: User, team: Team) -> None:
    ticket.owner = team  # E: mypy pyright
    ticket.owner = None  # E: mypy pyright
    ticket.owner = 3  # E: mypy pyright
    ticket.owner = Ref(Team, team)  # E: mypy pyright
    ticket.reviewer = team  # E: mypy pyright
    Ticket(title="t")  # E: mypy pyright
    Ticket(title="t", owner=team)  # E: mypy pyright
    Ticket(title="t", owner=3)  # E: mypy pyright
    Ref(User, 3)  # E: mypy pyright
    Ref(int, "k")  # E: mypy pyright
    print(ticket.owner.name)  # E: mypy pyright
    print(ticket.owner.value.title)  # E: mypy pyright
    print(ticket.reviewer.key)  # E: mypy pyright
    ticket.owner.key = "k"  # E: mypy pyright
    ticket.title = user  # E: mypy pyright


def referring(session: Session, ticket: Ticket, user: User, team: Team) -> None:
    found = Ticket.query(Ticket.owner == user)
    found.where(Ticket.owner == 5)  # E: mypy pyright
    found.where(Ticket.owner == team)  # E: mypy pyright
    found.where(Ticket.owner == None)  # noqa: E711  # E: mypy pyright
    found.where(Ticket.owner != team)  # E: mypy pyright
    found.where(Ticket.owner.in_([team]))  # E: mypy pyright
    found.where(User.team == team)  # E: mypy pyright
    Ticket.by_owner(team)  # E: mypy pyright
    Ticket.by_owner(3)  # E: mypy pyright
    Ticket.by_reviewer(team, "t")  # E: mypy pyright
    found.prefetch(User.team)  # E: mypy pyright
    found.prefetch(Ticket.title)  # E: mypy pyright
    session.prefetch([ticket], User.team)  # E: mypy pyright
    session.prefetch([user], Ticket.owner)  # E: mypy pyright
    session.prefetch(user, User.team)  # E: mypy pyright
    print(Ticket.owner / Ticket.parent)  # E: mypy pyright


def rules(session: Session, ticket: Ticket) -> None:
    class Rule(Entity, name="rule"):
        user: Attr[Ref[User]] = ref(on_delete="forget")  # E: mypy pyright
        checked: Attr[Ref[User]] = ref(check="yes")  # E: mypy pyright
        number: Attr[int] = ref(default="x")  # E: mypy pyright

    Box()  # E: mypy pyright
    session.delete(ticket, cascade="all")  # E: mypy pyright
    print(Rule)


def other_side(session: Session, lot: Lot) -> None:
    others: list[Other] = session.all(lot.parts)  # E: mypy pyright
    lot.parts.after("x")  # E: mypy pyright
    lot.parts = others  # E: mypy pyright
    print(lot.parts.size)  # E: mypy pyright


def blocking(session: Session, query: Query[Task], other: Other) -> None:
    found: list[Other] = session.all(query)  # E: mypy pyright
    one: Other = session.one(query)  # E: mypy pyright
    print(found, one, session.first(query).title)  # E: mypy pyright
    print(session.get(Task, "k").title)  # E: mypy pyright
    session.get(str, "k")  # E: mypy pyright
    session.all("by_status")  # E: mypy pyright
    session.add("task")  # E: mypy pyright
    session.add(other, ttl=3)  # E: mypy pyright
    session.touch(other, ttl=3)  # E: mypy pyright
    session.touch("other")  # E: mypy pyright
    session.require(other, Task.priority == 3)  # E: mypy pyright
    session.refersh(other)  # E: mypy pyright


async def awaiting(session: AsyncSession, query: Query[Task]) -> None:
    tasks: list[Task] = session.all(query)  # E: mypy pyright
    others: list[Other] = await session.all(query)  # E: mypy pyright
    print(tasks, others, list(session.stream(query)))  # E: mypy pyright
    with session:  # E: mypy pyright
        await session.flush()


def keys(forge: Forge) -> None:
    forge.session(atomic="sometimes")  # E: mypy pyright
    forge.kvs.typed("n:", int).set("k", "x")  # E: mypy pyright
    number: int = forge.kvs.typed("n:", int).get("k")  # E: mypy pyright
    forge.kvs.set("k", number, policy="KEEP")  # E: mypy pyright
    forge.kvs.set("k", number, ttl=3)  # E: mypy pyright
    forge.secrets.set("k", "open text")  # E: mypy pyright
    Forge("http://localhost")  # E: mypy pyright


class Hooked(Entity, name="hooked"):
    number: Attr[int] = attr()

    @before("save")  # E: mypy pyright
    def check(self, event: WriteEvent[Entity]) -> None:
        print(event)

    @after("insert")  # E: mypy pyright
    def tell(self) -> None:
        print(self)


def listen(event: WriteEvent[Other]) -> None:
    print(event.entity.titel)  # E: mypy pyright
    event.verb = "delete"  # E: mypy pyright
    event.add("task")  # E: mypy pyright


def look(event: CommitEvent) -> None:
    print(event)


def listening(forge: Forge) -> None:
    forge.before("insert", of=Task)(listen)  # E: mypy pyright
    forge.before("commit")(listen)  # E: mypy pyright
    forge.before("insert")(look)  # E: mypy pyright
    forge.after("saved")(look)  # E: mypy pyright
    forge.before("commit", of=Task)  # E: mypy pyright
    with capture() as calls:
        calls.assert_count(most=3)  # E: mypy pyright
