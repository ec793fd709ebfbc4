"""Every write path under every fault ends saved, failed or unknown, and that is the truth.

A retry then completes it and doubles nothing. The page of the documentation shows what each
cell yields; a cell that changes fails here until ``python -m tests.matrix`` rewrites it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from forge_orm import LocalBackend
from forge_orm.faults import Fault, FaultKind, Faults
from forge_orm.server import ForgeApp, Served
from forge_orm.testing import Calls, Recorder
from forge_orm.units import READS
from forge_orm.wire import OPERATIONS

from .faults import FAULTS, WRITES
from .models import registry
from .paths import PATHS
from .play import Place, play
from .table import MODES, TRANSPORTS, Cell, on_the_page

ON_THE_PAGE = on_the_page()


def embedded(stack: ExitStack) -> Place:
    store = stack.enter_context(LocalBackend(schemas=registry))
    return Place(store, Faults(), Calls())


def http(stack: ExitStack) -> Place:
    place = embedded(stack)
    app = ForgeApp(Recorder(place.store, place.calls), faults=place.faults)
    return place._replace(url=stack.enter_context(Served(app)).url)


PLACES: dict[str, Callable[[ExitStack], Place]] = {"embedded": embedded, "http": http}


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, Place]]:
    with ExitStack() as stack:
        yield {name: make(stack) for name, make in PLACES.items()}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_what_is_said_is_the_truth_and_trying_again_doubles_nothing(
    places: dict[str, Place],
    record_property: Callable[[str, object], None],
    colour: str,
    transport: str,
    mode: str,
    path: str,
    fault: str,
) -> None:
    cell = Cell(mode, path, fault, transport)
    said = asyncio.run(play(places[transport], cell, colour))
    record_property("matrix", [*cell, said])
    assert said == ON_THE_PAGE.get(cell)


def test_the_page_shows_every_cell_and_no_other() -> None:
    assert set(ON_THE_PAGE) == {
        Cell(mode, path, fault, transport)
        for mode in MODES
        for path in PATHS
        for fault in FAULTS
        for transport in TRANSPORTS
    }


def test_no_fault_that_the_local_forge_can_make_is_left_out() -> None:
    made = {Fault.parse(rule).kind for rules in FAULTS.values() for rule in rules}
    assert made == set(FaultKind)


def test_no_operation_that_writes_is_spared() -> None:
    assert {*WRITES.split("+")} == {*OPERATIONS} - READS
