"""Writing a manifest changes what has to change and not one byte more."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from forge_orm.errors import ConfigurationError
from forge_orm.manifest import parse_schemas, rewritten
from forge_orm.schema import AttributeType, EntitySchema, IndexSchema

STRING, INTEGER, ANY = AttributeType.STRING, AttributeType.INTEGER, AttributeType.ANY

TASK = EntitySchema(
    "task",
    {"title": STRING, "due": INTEGER},
    {
        "title": IndexSchema("title", range="title", simple=True),
        "by_due": IndexSchema("by_due", range="due", partition=("title",)),
    },
)
NOTE = EntitySchema("note", {"text": STRING})

WRITTEN = """\
# our app
app:
  id: 'ari:cloud:x'   # from forge create
  storage:
    entities:
      # what is to be done
      - name: task
        attributes:
          title:
            type: string  # shown in the list
          due: { type: integer }
        indexes:
          - title
          # soonest first
          - name: by_due
            range:
              - due
            partition: [title]
permissions:
  scopes:
    - "read:jira-work"  # why
    - storage:app
modules: {}
"""


def load(text: str) -> object:
    return YAML(typ="safe", pure=True).load(text)


def test_what_says_the_same_is_not_touched() -> None:
    assert rewritten(WRITTEN, [TASK]) == WRITTEN


@pytest.mark.parametrize(
    ("schema", "old", "new"),
    [
        pytest.param(
            EntitySchema("task", {**TASK.attributes, "note": ANY}, TASK.indexes),
            "          due: { type: integer }\n",
            "          due: { type: integer }\n          note:\n            type: any\n",
            id="an attribute is added",
        ),
        pytest.param(
            EntitySchema("task", {"title": STRING, "due": STRING}, TASK.indexes),
            "due: { type: integer }",
            "due: { type: string }",
            id="a type changes",
        ),
        pytest.param(
            EntitySchema(
                "task", TASK.attributes, {"by_due": IndexSchema("by_due", range="due")}
            ),
            "          - title\n          # soonest first\n          - name: by_due\n"
            "            range:\n              - due\n            partition: [title]\n",
            "          # soonest first\n          - name: by_due\n"
            "            range:\n              - due\n",
            id="an index and a partition are removed",
        ),
        pytest.param(
            EntitySchema(
                "task",
                TASK.attributes,
                {**TASK.indexes, "by_due": IndexSchema("by_due", "due", ("title", "due"))},
            ),
            "partition: [title]",
            "partition: [title, due]",
            id="a list in brackets grows",
        ),
    ],
)
def test_one_change_is_one_edit(schema: EntitySchema, old: str, new: str) -> None:
    assert WRITTEN.count(old) == 1
    assert rewritten(WRITTEN, [schema]) == WRITTEN.replace(old, new)


def test_an_entity_comes_last_and_goes_with_its_lines() -> None:
    both = rewritten(WRITTEN, [NOTE, TASK])
    item = (
        "      - name: note\n        attributes:\n          text:\n            type: string\n"
    )
    assert both == WRITTEN.replace("permissions:", item + "permissions:")
    assert rewritten(both, [TASK]) == WRITTEN


def test_a_manifest_without_storage_gets_the_section_and_the_scope() -> None:
    assert rewritten("app:\n  id: x  # ours\n", [NOTE]) == (
        "app:\n  id: x  # ours\n  storage:\n    entities:\n      - name: note\n"
        "        attributes:\n          text:\n            type: string\n"
        "permissions:\n  scopes:\n    - storage:app\n"
    )


def test_line_ends_and_indentation_are_those_of_the_file() -> None:
    text = "app:\r\n    id: x\r\npermissions:\r\n    scopes:\r\n    - 'a:b'\r\n"
    result = rewritten(text, [NOTE])
    assert result.count("\n") == result.count("\r\n")
    assert "\r\n    storage:\r\n        entities:\r\n        - name: note\r\n" in result
    assert "    - 'a:b'\r\n    - storage:app" in result


@pytest.mark.parametrize(
    "scopes",
    ["[]", "['a:b'] # c", "\n    - a:b", "\n    a:b:\n      allowImpersonation: true"],
)
def test_the_scope_is_added_in_the_form_that_is_there(scopes: str) -> None:
    text = f"app:\n  id: x\npermissions:\n  scopes: {scopes}\n  external: {{}}\n"
    result = rewritten(text, [NOTE])
    found = load(result)
    assert isinstance(found, dict)
    assert "storage:app" in found["permissions"]["scopes"]
    assert found["permissions"]["external"] == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{app: {id: x}}", "cannot be changed in place"),
        (
            "base: &b\n  id: x\napp:\n  <<: *b\n  runtime: {}\n",
            "cannot be changed in place",
        ),
        ("- a\n", "holds no mapping"),
        ("app: [\n", "is not YAML: line"),
        ("app:\n  storage: 3\n", r"app\.storage is 3; expected a mapping"),
        ("app:\n  storage:\n    entities: x\n", "expected a list"),
    ],
)
def test_what_cannot_be_edited_safely_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        rewritten(text, [NOTE])


names = st.sampled_from(["alpha", "beta", "gamma", "delta"])


@st.composite
def schemas(draw: st.DrawFn) -> list[EntitySchema]:
    result = []
    for name in draw(st.lists(names, unique=True, max_size=3)):
        types = st.sampled_from([STRING, INTEGER])
        attributes = draw(st.dictionaries(names, types, min_size=1, max_size=4))
        parts = st.sampled_from(sorted(attributes))
        indexes: dict[str, IndexSchema] = {}
        for index in draw(st.lists(st.sampled_from(["one", "two", "six"]), unique=True)):
            partition = draw(st.lists(parts, unique=True, max_size=2))
            indexes[index] = IndexSchema(index, draw(parts), tuple(partition))
        result.append(EntitySchema(name, attributes, indexes))
    return result


@settings(max_examples=150, deadline=None, phases=set(Phase) - {Phase.shrink, Phase.explain})
@given(schemas(), schemas(), st.sampled_from(["\n", "\r\n"]))
def test_any_schemas_take_the_place_of_any_others(
    before: list[EntitySchema], after: list[EntitySchema], newline: str
) -> None:
    base = "app:\n  id: x # kept\nmodules: {} # kept too\n".replace("\n", newline)
    first = rewritten(base, before)
    second = rewritten(first, after)

    found = load(second)
    assert isinstance(found, dict)
    by_name = {schema.name: schema for schema in parse_schemas(found)}
    assert by_name == {schema.name: schema for schema in after}
    assert rewritten(second, after) == second
    assert second.count(" kept") == 2
