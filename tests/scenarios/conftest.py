"""Every scenario runs on every face: two colours, four kinds of store."""

from __future__ import annotations

from pathlib import Path

import pytest

from .faces import COLOURS, STORES, Face


@pytest.fixture(params=[f"{colour}-{store}" for colour in COLOURS for store in STORES])
def face(request: pytest.FixtureRequest, tmp_path: Path) -> Face:
    colour, _, store = request.param.partition("-")
    return Face(colour, store, tmp_path)
