"""Every backend has two colours that do the same."""

from __future__ import annotations

import pytest

from .colours import COLOURS


@pytest.fixture(params=COLOURS)
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)
