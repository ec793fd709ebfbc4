"""A process that writes: run as a script, by `test_processes`, and killed there.

It loads the store without the mapper, so that fifty of them start in a few seconds. What it
has been told (an answer below 300) it says on its standard output.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

if __name__ == "__main__":
    root = Path(__file__).parents[2]
    sys.path.insert(0, str(root))
    bare = ModuleType("forge_orm")
    bare.__path__ = [str(root / "forge_orm")]
    sys.modules["forge_orm"] = bare

from forge_orm.local import LocalBackend
from forge_orm.schema import AttributeType, EntitySchema, IndexSchema
from forge_orm.wire import Request

PAIR = EntitySchema(
    "pair",
    {"number": AttributeType.INTEGER},
    {"number": IndexSchema("number", "number", simple=True)},
)


def call(backend: LocalBackend, operation: str, body: Any) -> tuple[int, Any]:
    response = backend.send(Request(operation, json.dumps(body).encode()))
    return response.status, json.loads(response.body) if response.body else None


def pair(key: str, number: int, **more: Any) -> dict[str, Any]:
    return {"entityName": "pair", "key": key, "value": {"number": number}, **more}


def stream(path: str, name: str) -> None:
    """Write pairs for ever, each in one transaction; say each number once it is there."""
    backend = LocalBackend(path, schemas=[PAIR])
    number = 0
    while True:
        plain = {"key": f"plain:{name}:{number}", "value": number}
        both = [pair(f"{name}:{number}", number), plain, pair("last", number)]
        status, answer = call(backend, "transaction", {"set": both})
        assert status == 204, answer
        print(number, flush=True)
        number += 1


def count(path: str, times: int) -> None:
    """Add one to the number under ``sum``, *times*, where nobody was faster."""
    with LocalBackend(path, schemas=[PAIR]) as backend:
        add(backend, times)


def add(backend: LocalBackend, times: int) -> None:
    while times:
        _, answer = call(backend, "entity/get", {"entityName": "pair", "key": "sum"})
        seen = answer["value"]["number"]
        same = {"property": "number", "condition": "EQUAL_TO", "values": [seen]}
        change = pair("sum", seen + 1, conditions={"and": [same]})
        status, answer = call(backend, "transaction", {"set": [change]})
        assert status == 204 or answer["code"] == "CONDITIONAL_CHECK_FAILED", answer
        times -= status == 204


def race(name: str) -> None:
    """For each path read: open it, insert the key all want and a secret; say what was told."""
    print("ready", flush=True)
    for line in sys.stdin:
        with LocalBackend(line.strip(), schemas=[PAIR]) as backend:
            policy = {"keyPolicy": "FAIL_IF_EXISTS"}
            won, _ = call(backend, "entity/set", pair("wanted", 1, options=policy))
            told, _ = call(backend, "secret/set", {"key": name, "value": name})
        print(won, told, flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["stream", path, name]:
            stream(path, name)
        case ["count", path, times]:
            count(path, int(times))
        case ["race", name]:
            race(name)
        case _:
            raise SystemExit(f"unknown: {sys.argv}")
