"""Calls of the server: some in order, some with a method, path or header that is not."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from forge_orm.faults import FaultKind
from forge_orm.wire import OPERATIONS
from tests.server.asgi import JSON, PREFIX

from .bodies import ANYTHING, bodies, written

Headers = tuple[tuple[bytes, bytes], ...]
PROXY = b"forge-proxy-authorization"
ONE = (PROXY, b"Forge as=app,installationId=one")
TWO = (PROXY, b"Forge as=app,installationId=two")
TOKEN_CHARACTERS = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Call:
    """One call; *operation* is what it is for, where path and method say so."""

    operation: str | None
    body: bytes
    headers: Headers = (JSON, ONE)
    method: str = "POST"
    path: str = ""

    @property
    def credible(self) -> bool:
        """Whether only the body can be a reason to refuse it."""
        return self.operation is not None and self.headers in ((JSON, ONE), (JSON, TWO))


# What can stand in a header over HTTP, in a name (lower-case) and in a value.
HEADER_NAMES = st.lists(st.sampled_from(TOKEN_CHARACTERS), min_size=1, max_size=12).map(bytes)
HEADER_VALUES = st.lists(
    st.sampled_from([9, *range(32, 127), *range(128, 256)]), max_size=20
).map(bytes)
CREDENTIALS = st.sampled_from(
    [
        *(
            b"",
            b"Forge",
            b"Forge as=app",
            b"Forge as=user,id=x",
            b"Forge as=app,id=x",
            b"Basic x",
        ),
        *(
            b"Forge installationId=" + b"x" * 3000,
            b"Forge installationId=one,id=x",
            b"Bearer x",
        ),
        *(
            b"Forge id=\xe9",
            b"forge installationId=one",
            b"Forge as=app,,id=x",
            b"Forge id=a=b",
        ),
    ]
)
TYPES = st.sampled_from(
    [b"", b"text/plain", b"application/json; charset=utf-16", b"APPLICATION/JSON", b"a" * 5000]
)
ODD_HEADERS = st.one_of(
    st.tuples(HEADER_NAMES, HEADER_VALUES),
    st.tuples(st.sampled_from([PROXY, b"authorization"]), CREDENTIALS | HEADER_VALUES),
    st.tuples(st.just(b"content-type"), TYPES | HEADER_VALUES),
    st.sampled_from(
        [
            *((b"accept", b"text/html"), (b"accept-encoding", b"gzip"), (b"cookie", b"a=b")),
            *((b"content-encoding", b"gzip"), (b"x-forwarded-for", b"\xff"), (b"range", b"x")),
        ]
    ),
)
# What HTTP itself gives a meaning would make another call of it.
FRAMING = {b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade"}
METHODS = st.sampled_from(["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"])
PATHS = st.sampled_from(
    [
        *(
            "/",
            "//",
            "/health",
            "/openapi.json",
            "/health/",
            "/metrics",
            "/admin",
            "/admin/reset",
        ),
        *(PREFIX, PREFIX + "Get", PREFIX + "get/", PREFIX + "secret", PREFIX + "entity/get/x"),
        *(
            PREFIX + "../v1/get",
            "/forge/storage/kvs/v2/get",
            PREFIX + "get%20",
            "/" + "x" * 9000,
        ),
    ]
) | st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#%")).map(
    "/".__add__
)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """Draw any call: mostly one whose only oddity is its body."""
    operation = draw(st.sampled_from([*OPERATIONS, "entity/query", "transaction"]))
    call = Call(operation, draw(bodies(operation)), (JSON, draw(st.sampled_from([ONE, TWO]))))
    call = replace(call, path=PREFIX + operation)
    match draw(st.sampled_from("................hhmp")):
        case "h":
            return replace(call, headers=draw(odd_headers(call.headers)))
        case "m":
            return replace(call, method=draw(METHODS), operation=None)
        case "p":
            path = draw(PATHS)
            method = draw(st.just("POST") | METHODS)
            known = path.removeprefix(PREFIX) if path.startswith(PREFIX) else ""
            fits = known in OPERATIONS and method == "POST"
            return replace(call, method=method, path=path, operation=known if fits else None)
        case _:
            return call


@st.composite
def odd_headers(draw: st.DrawFn, headers: Headers) -> Headers:
    """Draw headers beside, or instead of, those in order."""
    kept = [header for header in headers if draw(st.integers(0, 3))]
    more = [header for header in draw(st.lists(ODD_HEADERS)) if header[0] not in FRAMING]
    return tuple(draw(st.permutations([*kept, *more])))


HISTORIES = st.lists(calls(), min_size=1, max_size=12)


# --- what tests ask of it, below /admin -------------------------------------------------

SECONDS = st.floats() | st.integers() | st.sampled_from(["1", "NaN", 1e12, 10**400])
FAULTS = st.fixed_dictionaries(
    {"kind": st.sampled_from([*FaultKind, "none"])},
    optional={
        "operations": st.lists(st.sampled_from([*OPERATIONS, "none"]), max_size=2),
        "rate": st.floats(0, 1) | SECONDS,
        "times": st.integers(-1, 3) | SECONDS,
        "seconds": st.floats(0) | SECONDS,
        "status": st.integers(500, 600),
        "retry_after": st.integers(0, 3) | SECONDS,
    },
)
ADMIN_BODIES = {
    ("GET", "/admin"): st.none(),
    ("POST", "/admin/faults"): FAULTS,
    ("DELETE", "/admin/faults"): st.none(),
    ("POST", "/admin/clock"): st.fixed_dictionaries({"seconds": SECONDS}),
    ("POST", "/admin/stale"): st.fixed_dictionaries({"seconds": SECONDS}),
    ("POST", "/admin/capacity"): st.dictionaries(st.sampled_from(["reads", "writes"]), SECONDS),
    ("POST", "/admin/reset"): st.none(),
    ("PUT", "/admin/snapshots/x"): st.none(),
    ("POST", "/admin/snapshots/x"): st.none(),
    ("POST", "/admin/snapshots/%00/"): ANYTHING,
}


@st.composite
def admin_calls(draw: st.DrawFn) -> Call:
    """Draw a call below ``/admin``, or almost."""
    method, path = draw(st.sampled_from(list(ADMIN_BODIES)))
    body = draw(written(draw(ADMIN_BODIES[method, path] | ANYTHING)))
    if not draw(st.integers(0, 9)):
        body = draw(st.binary(max_size=9))
    if not draw(st.integers(0, 9)):
        method = draw(METHODS)
    return Call(None, body, method=method, path=path)
