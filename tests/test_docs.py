"""Every Python example in the documentation runs, and prints what it says it prints."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

from forge_orm import registry

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """Put back the levels of loggers that a page sets."""
    yield
    for name in ("forge_orm", "forge_orm.calls"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def _examples(page: Path) -> list[CodeExample]:
    return [
        example for example in find_examples(str(page)) if example.prefix.startswith("python")
    ]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if _examples(page)], ids=lambda page: page.stem
)
def test_the_examples_of_a_page_run_and_print_what_it_says(
    page: Path,
    eval_example: EvalExample,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The blocks of a page go on from each other; ``#>`` is what the line above prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_classes", {})  # two pages may declare the same entity
    eval_example.set_config(line_length=96)
    names: dict[str, object] = {}
    for example in _examples(page):
        try:
            names |= eval_example.run_print_check(example, module_globals=names)
        except Exception as error:
            pytest.fail(f"{page.name}:{example.start_line}: {error!r}", pytrace=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_link_leads_to_a_page(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
