"""The public face: what can be imported, what that costs, and that both colours agree."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import forge_orm
from forge_orm import (
    AsyncForge,
    AsyncKvs,
    AsyncSecrets,
    AsyncSession,
    AsyncStream,
    Forge,
    Kvs,
    Secrets,
    Session,
    Stream,
)

PUBLIC = [name for name in dir(forge_orm) if not name.startswith("_")]
_PROMISED = """
    AsyncForge AsyncKvs AsyncSecrets AsyncSession Forge Kvs Secrets Session
    HttpBackend LocalBackend RetryPolicy Tenant acting_for
    Attr Entity Metadata Ref Registry Reverse attr index ref registry reverse unique version
    Query Question RangeQuery Search Selection Explanation CursorError ScanRefused SortTooLarge
    VersionConflict UniqueViolation BudgetExceeded UnknownIndex StaleIndex NotLoaded
    DanglingReference DeleteRestricted CascadeTooLarge TargetMissing
    MetadataField Page KvsPage Stored Stream AsyncStream Progress
    FlushReport WritePlan ItemFailure CommitOutcome Call Calls capture
    CommitEvent WriteEvent after before HookFailed Budget BudgetUsage
    AnswerLost ConditionFailed ConfigurationError Conflict CorruptValue DeclarationError
    ForgeError InvalidValue KeyAbsent KeyConflict KeyNotFound NotSent PartialCommit PartialRead
    QueryError RateLimited ServiceError SessionError TransportError
    UnknownKind WrongKind
    errors
"""
PROMISED = _PROMISED.split()

# --- Names ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROMISED)
def test_a_promised_name_is_listed_and_importable(name: str) -> None:
    assert name in PUBLIC
    found: dict[str, object] = {}
    exec(f"from forge_orm import {name}", found)
    assert found[name] is getattr(forge_orm, name)


def test_nothing_is_listed_that_was_not_promised() -> None:
    listed = {name for name in PUBLIC if not _is_submodule(name)}
    assert listed - {*PROMISED} == set()


def test_dir_lists_nothing_twice_and_only_what_is_there() -> None:
    listed = dir(forge_orm)
    assert listed == sorted(set(listed))
    assert [name for name in listed if not hasattr(forge_orm, name)] == []


@pytest.mark.parametrize("name", [name for name in PROMISED if name != "registry"])
def test_a_public_name_is_of_this_library_and_documented(name: str) -> None:
    member = getattr(forge_orm, name)
    home = member.__name__ if isinstance(member, ModuleType) else member.__module__
    assert home.startswith("forge_orm.")
    assert inspect.getdoc(member)


def test_an_unknown_name_is_an_ordinary_error() -> None:
    with pytest.raises(AttributeError, match=r"'forge_orm' has no attribute 'Sesion'"):
        getattr(forge_orm, "Sesion")  # noqa: B009


def _is_submodule(name: str) -> bool:
    return name != "errors" and isinstance(getattr(forge_orm, name), ModuleType)


# --- What an import costs -------------------------------------------------------------------

_HEAVY = """
    httpx httpcore anyio sqlite3 asyncio ssl cryptography typer click rich ruamel yaml uvicorn
    starlette httptools
"""
HEAVY = frozenset(_HEAVY.split())


def _loaded_by(statement: str) -> set[str]:
    code = f"import json, sys; {statement}; print(json.dumps([*sys.modules]))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(run.stdout)}


@pytest.mark.parametrize(
    ("statement", "needed", "excused"),
    [
        ("import forge_orm", "", ""),
        ("from forge_orm import LocalBackend", "sqlite3", ""),
        # What httpx itself loads is its own affair.
        ("from forge_orm import HttpBackend", "httpx", "httpcore anyio asyncio ssl click rich"),
    ],
)
def test_an_import_loads_no_more_than_it_needs(
    statement: str, needed: str, excused: str
) -> None:
    loaded = _loaded_by(statement)
    assert "forge_orm" in loaded
    assert (loaded & HEAVY) - {*excused.split()} == {*needed.split()}


# --- Two colours ----------------------------------------------------------------------------

TWINS: list[tuple[type[Any], type[Any]]] = [
    (Forge, AsyncForge),
    (Session, AsyncSession),
    (Kvs, AsyncKvs),
    (Secrets, AsyncSecrets),
    (Stream, AsyncStream),
]


def _members(cls: type[Any]) -> dict[str, Any]:
    """Return what *cls* itself defines for users, context methods by one name."""
    own = {name.replace("__a", "__"): member for name, member in vars(cls).items()}
    contexts = ("__init__", "__enter__", "__exit__", "__repr__")
    return {
        name: member
        for name, member in own.items()
        if not name.startswith("_") or name in contexts
    }


def _blocking(text: object) -> str:
    """Take the colour off an annotation or a docstring."""
    plain = re.sub(r"\bAsync(?=[A-Z])|\basync |\ba(?=send\b)", "", str(text))
    plain = re.sub(r"Awaitable\[(\w+)\]", r"\1", plain)
    return re.sub(r"\b(one|in a) task\b", r"\1 thread", plain)


def _pairs() -> Iterator[Any]:
    for blocking, awaiting in TWINS:
        ours, theirs = _members(blocking), _members(awaiting)
        for name in sorted({*ours, *theirs}):
            pair = ours.get(name), theirs.get(name)
            yield pytest.param(*pair, id=f"{blocking.__name__}.{name}")


@pytest.mark.parametrize(("ours", "theirs"), [*_pairs()])
def test_a_method_has_a_twin_of_the_same_parameters_and_words(ours: Any, theirs: Any) -> None:
    assert ours is not None
    assert theirs is not None
    assert isinstance(ours, property) is isinstance(theirs, property)
    if isinstance(ours, property):
        ours, theirs = ours.fget, theirs.fget
    ours_says, theirs_says = inspect.signature(ours), inspect.signature(theirs)
    assert [_parameter(each) for each in ours_says.parameters.values()] == [
        _parameter(each) for each in theirs_says.parameters.values()
    ]
    assert ours_says.return_annotation == _blocking(theirs_says.return_annotation)
    assert _blocking(ours.__doc__) == _blocking(theirs.__doc__)


def _parameter(parameter: inspect.Parameter) -> tuple[Any, ...]:
    annotation = _blocking(parameter.annotation)
    return parameter.name, parameter.kind, parameter.default, annotation


@pytest.mark.parametrize(("blocking", "awaiting"), TWINS)
def test_twins_are_described_alike(blocking: type[Any], awaiting: type[Any]) -> None:
    assert _blocking(blocking.__doc__) == _blocking(awaiting.__doc__)
