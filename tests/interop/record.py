"""Records what the official client sends for each call: python -m tests.interop.record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from forge_orm import LocalBackend
from forge_orm.server import ForgeApp, Served

from .calls import CALLS, Call
from .models import registry
from .node import HERE, Driver, JsError, OfficialClient

GOLDEN: Final = HERE / "golden"


def golden_file(group: str) -> Path:
    """Return where the requests of a group of calls are kept."""
    return GOLDEN / f"{group}.json"


def recorded(official: OfficialClient, call: Call) -> dict[str, Any]:
    """Return *call* with the requests the official client makes for it."""
    try:
        official(call.theirs)
    except JsError as error:  # a cursor is not one, a condition fails: what counts was sent
        if not error.is_kvs_error:
            raise
    requests = [request._asdict() for request in official.sent]
    return {"name": call.name, "call": call.theirs, "requests": requests}


def main() -> None:
    """Write every golden file anew."""
    credential = "Forge as=app,installationId=golden"
    with (
        LocalBackend(schemas=registry) as local,
        Served(ForgeApp(local)) as served,
        Driver() as driver,
    ):
        official = OfficialClient(driver, served.url, credential)
        for group, calls in CALLS.items():
            entries = [recorded(official, call) for call in calls]
            text = json.dumps(entries, indent=2, ensure_ascii=False)
            golden_file(group).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
