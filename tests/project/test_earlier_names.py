"""Names that were public once go on working for a release, and say what they are called now."""

import pytest

import caviar.scheduler
from caviar.scheduler.analysis.insights import SearchSummary
from caviar.scheduler.analysis.progress import ProgressMeter
from caviar.scheduler.analysis.status import SweepCondition, SweepStatus
from caviar.scheduler.lifecycle.recorded import new_state
from caviar.scheduler.spec.spec import SweepSpec

OLD, NEVER = "Moment", "Monument"

SPEC = """
name: small
trainer: train.py:train
space: {x: {uniform: [0, 1]}}
metric: loss
mode: min
budget: {trials: 1}
resource: {max: 9}
"""


def test_a_moment_is_a_run_snapshot_and_warns() -> None:
    with pytest.warns(DeprecationWarning, match=r"Moment is called RunSnapshot now; .* removed in version 0\.2\.0\."):
        assert getattr(caviar.scheduler, OLD) is caviar.scheduler.RunSnapshot


def test_a_name_that_never_was_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Monument'"):
        getattr(caviar.scheduler, NEVER)


def test_the_lessons_of_a_status_are_its_summary_and_warn() -> None:
    spec, summary = SweepSpec.from_yaml(SPEC), SearchSummary("anywhere")
    progress = ProgressMeter(spec).measure(new_state(spec).rows, 0)
    status = SweepStatus(spec.directory, spec, SweepCondition.NOT_BEGUN, None, 0, 0.0, progress, None, summary, ())
    with pytest.warns(DeprecationWarning, match="lessons is called summary now"):
        assert status.lessons is summary
