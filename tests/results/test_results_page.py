"""The code in docs/results.md runs."""

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from caviar.scheduler.core.proposers.proposal import Insight
from caviar.scheduler.core.proposers.region import Region, Span
from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.results import ReportWriter, write_regions, write_trials
from caviar.scheduler.storage import SweepDirectory

pytestmark = pytest.mark.checkout

PAGE = Path(__file__).parents[2] / "docs" / "results.md"
TEXT = PAGE.read_text() if PAGE.exists() else ""
BLOCKS = re.findall(r"^```(sql|python)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def in_a_folder_with_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_of: Callable[..., ReportBatch]
) -> None:
    directory = SweepDirectory(tmp_path / "sweeps" / "digits")
    directory.create()
    writer = ReportWriter(directory, {"lr": "float"}, "val_loss")
    writer.register(0, {"lr": 0.1})
    writer.append(batch_of([(0, 1), (0, 2)], val_loss=[0.5, 0.25]))
    writer.flush()
    write_trials(directory.trials, [], {"lr": "float"}, directory.staging)
    insight = Insight(Region({"lr": Span(0.25, 0.01, 0.1)}), "zoomed lr", {"lr": 1.0})
    write_regions(directory.regions, {1: insight}, directory.staging)
    monkeypatch.chdir(tmp_path)


def test_the_page_has_code() -> None:
    assert {language for language, _ in BLOCKS} == {"sql", "python"}


@pytest.mark.usefixtures("in_a_folder_with_a_sweep")
@pytest.mark.parametrize(("language", "code"), BLOCKS)
def test_a_block_of_code_runs(language: str, code: str) -> None:
    if language == "sql":
        answer = duckdb.sql(code)
        assert answer is not None
        assert answer.to_arrow_table().num_rows > 0
    else:
        exec(compile(code, str(PAGE), "exec"), {})
