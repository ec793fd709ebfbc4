"""What a change of the classes means for an app that is deployed."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_orm.errors import ConfigurationError
from forge_orm.manifest import Change, read_schemas, review
from forge_orm.schema import AttributeType, EntitySchema, IndexSchema

STRING, INTEGER = AttributeType.STRING, AttributeType.INTEGER
TASK = EntitySchema(
    "task", {"title": STRING, "due": INTEGER}, {"by_due": IndexSchema("by_due", "due")}
)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.yml"
    path.write_text("app:\n  id: x\n")
    path.write_bytes(review(path, [TASK]).after.encode())
    return path


def test_what_was_written_is_up_to_date(manifest: Path) -> None:
    found = review(manifest, [TASK])
    assert (found.differences, found.diff(), found.deployable) == ((), "", True)
    assert read_schemas(manifest) == [TASK]


@pytest.mark.parametrize(
    ("schema", "said", "deployable"),
    [
        (EntitySchema("task", {**TASK.attributes, "x": STRING}, TASK.indexes), "added attribute task.x (string)", True),
        (EntitySchema("task", TASK.attributes, {**TASK.indexes, "two": IndexSchema("two", "due", ("title",))}), "added index task.two (title -> due)", True),
        (EntitySchema("task", {"title": INTEGER, "due": INTEGER}, TASK.indexes), "changed attribute task.title (string to integer)", False),
        (EntitySchema("task", {"due": INTEGER}, TASK.indexes), "removed attribute task.title (string)", False),
        (EntitySchema("task", TASK.attributes, {"by_due": IndexSchema("by_due", "title")}), "changed index task.by_due (due to title)", False),
        (EntitySchema("task", TASK.attributes), "removed index task.by_due (due)", False),
    ],
)  # fmt: skip
def test_each_change_is_named_with_what_it_means(
    manifest: Path, schema: EntitySchema, said: str, deployable: bool
) -> None:
    found = review(manifest, [schema])
    (difference,) = found.differences
    assert str(difference).startswith(said + ": ")
    assert found.deployable is deployable
    assert found.diff()


def test_an_entity_is_added_and_removed(manifest: Path) -> None:
    note = EntitySchema("note", {"text": STRING})
    found = review(manifest, [note])
    assert [(d.change, d.name) for d in found.differences] == [
        (Change.ADDED, "note"),
        (Change.REMOVED, "task"),
    ]


def test_what_is_kept_stays_as_it_is_written(manifest: Path) -> None:
    less = EntitySchema("task", {"due": INTEGER}, TASK.indexes)
    assert review(manifest, [less], keep=["task.title"]).differences == ()
    assert review(manifest, [], keep=["task"]).differences == ()


def test_rules_of_the_service_are_checked_all_at_once(manifest: Path) -> None:
    wrong = EntitySchema("t", {"key": STRING}, {"x": IndexSchema("x", "nothing")})
    with pytest.raises(ConfigurationError) as raised:
        review(manifest, [wrong])
    for part in (str(manifest), "'t'", "'key'", "'nothing'"):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no such file"),
        ("app:\n  storage:\n    entities:\n      - name: task\n        attributes:\n          a: {type: text}\n", "known are"),
        ("app:\n  storage:\n    entities:\n      - name: task\n      - name: task\n", "more than once"),
        ("app:\n  storage:\n    entities:\n      - name: task\n        indexes:\n          - {name: two, range: [a, b]}\n", "exactly one"),
        ("app:\n  storage:\n    entities:\n      - name: 3\n", "expected a name in text"),
    ],
)  # fmt: skip
def test_a_manifest_of_another_shape_is_refused_with_the_place(
    tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "manifest.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        read_schemas(path)
