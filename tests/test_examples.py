"""The example application gives the same answers over both backends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from examples.peps import questions
from examples.peps.__main__ import BackendName, opened
from examples.peps.load import load
from examples.peps.models import Pep, Status

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("backend", ["local", "http"])
def test_the_demonstration_runs_from_end_to_end(backend: str) -> None:
    command = [sys.executable, "-m", "examples.peps", "--backend", backend]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    for said in (
        "2251 entities are stored",
        "Name Resolution in Class Namespaces",
        "3 writes in 1 call",
        "PEP 467 is now Deferred, topics ['long-standing']",
        "SecretStr('**********')",
    ):
        assert said in done.stdout
    assert "a-token-of-no-worth" not in done.stdout


def test_every_pep_is_loaded_and_found_by_its_index() -> None:
    with opened(BackendName.LOCAL, None) as forge:
        assert load(forge) == 2251
        with forge.session() as session:
            by_status = {status: session.count(Pep.by_status(status)) for status in Status}
            drafts = session.all(Pep.by_status(Status.DRAFT))
            oldest = questions.supersessions(session, 3)

    assert sum(by_status.values()) == 736
    assert by_status[Status.FINAL] == 374
    assert [pep.created for pep in drafts] == sorted(pep.created for pep in drafts)
    assert oldest.row_count == 3


def test_data_kept_in_a_file_is_there_the_next_time(tmp_path: Path) -> None:
    for _ in range(2):
        with opened(BackendName.LOCAL, tmp_path / "peps.db") as forge:
            load(forge)
            with forge.session() as session:
                assert session.count(Pep.index("by-key")) == 736
