"""What the search has learnt, as status and Python tell it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from caviar.scheduler import Results
from caviar.scheduler.analysis.insights import results_warnings
from caviar.scheduler.analysis.status import SweepCondition, sweep_status
from caviar.scheduler.lifecycle.recorded import load_spec
from caviar.scheduler.results.rows import trial_rows

Recorded = Callable[..., Path]


@pytest.fixture(scope="module")
def directory(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of coarse to fine that has ended."""
    return recorded(tmp_path_factory.mktemp("lessons"))


def test_after_a_proposal_it_is_said_where_the_search_looks_why_and_what_matters(directory: Path) -> None:
    summary = sweep_status(directory).summary
    assert summary.proposal is not None
    assert summary.insight is not None
    assert re.match(r"lr (0\.\d+ to )?1 · ", summary.looking)
    assert summary.why == f"bracket {summary.proposal}: {summary.insight.change}"
    assert summary.matters is not None
    assert summary.matters.startswith("lr ")


def test_the_best_trials_at_an_end_are_a_warning_in_the_status_and_of_the_results(directory: Path) -> None:
    warnings = sweep_status(directory).warnings
    assert re.fullmatch(r"lr: the best 5 .* the upper end 1: consider a wider range", warnings[0])
    results = Results.open(directory)
    regions = results.regions().to_pylist()
    assert results_warnings(load_spec(directory).search_space, trial_rows(results), regions) == warnings


def test_before_the_first_proposal_it_is_said_how_many_results_a_model_needs(
    recorded: Recorded, tmp_path: Path
) -> None:
    status = sweep_status(recorded(tmp_path, seconds=4.0))
    assert status.condition is SweepCondition.OUT_OF_TIME
    assert status.progress.trials == 2
    expected = "points are laid evenly over the whole space; a model takes over after 8 more results"
    assert status.summary.looking == expected
    assert (status.summary.why, status.summary.matters, status.summary.insight) == (None, None, None)
    assert status.warnings == ()


def test_between_enough_results_and_the_first_proposal_the_next_points_are_the_models(
    recorded: Recorded, tmp_path: Path
) -> None:
    looking = sweep_status(recorded(tmp_path, seconds=27.0, budget={"trials": 80})).summary.looking
    assert looking == "points are laid evenly over the whole space; a model chooses the next ones"


@pytest.mark.parametrize(
    ("controller", "says"),
    [
        ("random", "points are drawn at random; results do not change them"),
        ("grid", "points are those of a grid; results do not change them"),
        ("hyperband", "points are laid evenly over the whole space; results do not change them"),
    ],
)
def test_a_controller_without_a_model_says_where_its_points_lie(
    recorded: Recorded, tmp_path: Path, controller: str, says: str
) -> None:
    status = sweep_status(recorded(tmp_path, controller=controller, budget={"trials": 9}))
    assert status.summary.looking == says
    assert status.summary.insight is None


def test_the_batches_of_asha_are_called_proposals(recorded: Recorded, tmp_path: Path) -> None:
    why = sweep_status(recorded(tmp_path, controller="asha", budget={"trials": 30})).summary.why
    assert why is not None
    assert why.startswith("proposal ")


def test_a_sweep_that_was_too_small_for_a_model_says_so(recorded: Recorded, tmp_path: Path) -> None:
    looking = sweep_status(recorded(tmp_path, budget={"trials": 9})).summary.looking
    assert looking == "points were laid evenly over the whole space: no model chose any"
