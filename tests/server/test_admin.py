"""What tests ask of a served store: faults over real connections, the time, a clean slate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from forge_orm import Forge, HttpBackend, LocalBackend, Tenant
from forge_orm.errors import AnswerLost, RateLimited, ServiceFault
from forge_orm.faults import Capacity, Faults, MovableClock, Stale
from forge_orm.server import Admin, ForgeApp, Served


class Place:
    """A served store with everything governed, and two ways to speak to it."""

    def __init__(self, url: str, clock: MovableClock) -> None:
        self.clock = clock
        self.admin = httpx.Client(base_url=f"{url}/admin")
        self.forge = Forge(HttpBackend(url, tenant=Tenant(installation="i")), retry=None)

    def close(self) -> None:
        self.admin.close()
        self.forge.close()


@pytest.fixture
def place() -> Iterator[Place]:
    clock = MovableClock(1_800_000_000)
    with LocalBackend(schemas=[], clock=clock) as store:
        late = Stale(store, 0, clock=clock)
        limited = Capacity(late, reads=None, writes=None, clock=clock)
        admin = Admin(faults=Faults(), clock=clock, stale=late, capacity=limited)
        with Served(ForgeApp(limited, admin=admin)) as served:
            place = Place(served.url, clock)
            yield place
            place.close()


def test_a_fault_is_added_strikes_and_is_cleared(place: Place) -> None:
    told = place.admin.post("/faults", json={"kind": "throttle", "times": 1})
    assert (told.status_code, told.json()["faults"][0]["kind"]) == (200, "throttle")
    with pytest.raises(RateLimited):
        place.forge.kvs.get("k")
    assert place.forge.kvs.get("k") is None

    place.admin.post("/faults", json={"kind": "fail", "status": 500})
    with pytest.raises(ServiceFault):
        place.forge.kvs.get("k")
    assert place.admin.delete("/faults").json()["faults"] == []
    assert place.forge.kvs.get("k") is None


@pytest.mark.parametrize(("kind", "stored"), [("drop", None), ("lose", 1)])
def test_a_connection_really_ends(place: Place, kind: str, stored: int | None) -> None:
    place.admin.post("/faults", json={"kind": kind, "operations": ["set"]})
    with pytest.raises(AnswerLost):
        place.forge.kvs.set("k", 1)
    assert place.forge.kvs.get("k") == stored


def test_latency_holds_up_nobody_else(place: Place) -> None:
    place.admin.post("/faults", json={"kind": "latency", "seconds": 1, "operations": ["set"]})
    patient = httpx.Client(timeout=0.2)
    with pytest.raises(httpx.ReadTimeout), patient:
        patient.post(
            str(place.admin.base_url).replace("/admin/", "/forge/storage/kvs/v1/set"),
            json={"key": "k", "value": 1},
            headers={"forge-proxy-authorization": "Forge as=app,installationId=i"},
        )
    assert place.forge.kvs.get("k") is None


def test_the_time_is_moved(place: Place) -> None:
    place.forge.kvs.set("k", 1, ttl=timedelta(hours=1))
    told = place.admin.post("/clock", json={"seconds": 4 * 86400})
    assert told.json()["now"] == place.clock.now.isoformat()
    assert place.forge.kvs.get("k") is None


def test_queries_are_late_and_gets_are_not(place: Place) -> None:
    place.forge.kvs.set("a", 1)
    assert place.admin.post("/stale", json={"seconds": 5}).json()["stale"] == 5
    place.forge.kvs.set("b", 2)
    place.forge.kvs.delete("a")

    assert place.forge.kvs.all() == {"a": 1}
    assert (place.forge.kvs.get("a"), place.forge.kvs.get("b")) == (None, 2)
    place.admin.post("/clock", json={"seconds": 5})
    assert place.forge.kvs.all() == {"b": 2}
    place.forge.kvs.set("c", 3)
    place.admin.post("/stale", json={"seconds": 0})
    assert place.forge.kvs.all() == {"b": 2, "c": 3}


def test_late_queries_are_emptied_and_put_back_too(place: Place) -> None:
    place.admin.post("/stale", json={"seconds": 5})
    place.forge.kvs.set("a", 1)
    place.admin.put("/snapshots/one")
    place.admin.post("/clock", json={"seconds": 5})
    assert place.forge.kvs.all() == {"a": 1}
    place.admin.post("/reset")
    assert place.forge.kvs.all() == {}
    place.admin.post("/snapshots/one")
    assert place.forge.kvs.all() == {"a": 1}


def test_units_are_limited_until_they_are_not(place: Place) -> None:
    told = place.admin.post("/capacity", json={"writes": 1}).json()
    assert told["capacity"] == {"reads": None, "writes": 1}
    place.forge.kvs.set("k", 1)
    with pytest.raises(RateLimited, match="REQUEST_THROTTLED"):
        place.forge.kvs.set("k", 2)
    assert place.forge.kvs.get("k") == 1
    place.admin.post("/clock", json={"seconds": 60})
    place.forge.kvs.set("k", 3)
    place.admin.post("/capacity", json={})
    place.forge.kvs.set("k", 4)


def test_a_store_is_emptied_and_put_back(place: Place) -> None:
    place.forge.kvs.set("k", 1)
    assert place.admin.put("/snapshots/one").json()["snapshots"] == ["one"]
    assert place.admin.post("/reset").status_code == 200
    assert place.forge.kvs.get("k") is None
    assert place.admin.post("/snapshots/one").status_code == 200
    assert place.forge.kvs.get("k") == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "/faults", {"kind": "rain"}, 400, "kind: Input should be"),
        ("POST", "/clock", {"days": 1}, 400, "seconds: Field required"),
        ("POST", "/stale", {"seconds": -1}, 400, "greater than or equal to 0"),
        ("POST", "/capacity", {"reads": "many"}, 400, "reads: Input should be"),
        ("POST", "/faults/x", {"kind": "drop"}, 404, "there is no /admin/faults/x"),
        ("GET", "/weather", None, 404, "there is no /admin/weather"),
        ("POST", "/snapshots/none", None, 404, "no snapshot 'none' is kept; there is none"),
        ("PUT", "/snapshots", None, 400, "name the snapshot"),
    ],
)
def test_what_is_asked_wrongly_is_explained(
    place: Place, method: str, path: str, body: object, status: int, said: str
) -> None:
    answer = place.admin.request(method, path, json=body)
    assert answer.status_code == status
    assert said in answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "taken"),
    [
        ("POST", "", "GET"),
        ("GET", "/faults", "POST, DELETE"),
        ("GET", "/clock", "POST"),
        ("DELETE", "/stale", "POST"),
        ("PUT", "/capacity", "POST"),
        ("HEAD", "/reset", "POST"),
        ("DELETE", "/snapshots/one", "PUT, POST"),
    ],
)
def test_a_method_that_is_not_taken_is_told_which_are(
    place: Place, method: str, path: str, taken: str
) -> None:
    answer = place.admin.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, taken)
    assert method == "HEAD" or answer.json()["code"] == "METHOD_NOT_ALLOWED"


def test_without_admin_there_is_no_such_path() -> None:
    with LocalBackend(schemas=[]) as store, Served(ForgeApp(store)) as served:
        answer = httpx.get(f"{served.url}/admin")
    assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_OPERATION")


def test_what_is_not_governed_has_no_path() -> None:
    with LocalBackend(schemas=[]) as store:
        app = ForgeApp(store, admin=Admin())
        with Served(app) as served:
            told = httpx.get(f"{served.url}/admin").json()
            assert told == {"faults": [], "now": None, "snapshots": []}
            assert httpx.post(f"{served.url}/admin/reset").status_code == 404
