"""Names that were public once go on working for a release, and say what they are called now."""

import subprocess
import sys
from importlib import import_module

import pytest

import caviar.scheduler
from caviar.scheduler.analysis.insights import SearchSummary
from caviar.scheduler.analysis.progress import ProgressMeter
from caviar.scheduler.analysis.status import SweepCondition, SweepStatus
from caviar.scheduler.earlier_names import EARLIER_NAMES
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


@pytest.mark.parametrize("earlier", [*EARLIER_NAMES, "jobs.sweeps", "jobs.client", "jobs.remote", "preflight.verdicts"])
def test_a_module_by_its_earlier_place_is_the_one_module_and_warns(earlier: str) -> None:
    sys.modules.pop(f"caviar.scheduler.{earlier}", None)
    with pytest.warns(DeprecationWarning, match=rf"\.{earlier} is called "):
        module = import_module(f"caviar.scheduler.{earlier}")
    assert module is import_module(module.__name__)
    assert module.__name__ not in {f"caviar.scheduler.{name}" for name in (earlier, *EARLIER_NAMES)}
    assert module.__spec__ is not None
    assert module.__spec__.name == module.__name__


def test_what_documents_called_by_earlier_places_still_works() -> None:
    program = """
from caviar.scheduler import importance, jobs, planning, preflight, starter, status, stopping, validation
from caviar.scheduler.doctor import examine, repair
from caviar.scheduler.jobs.following import follow
from caviar.scheduler.jobs.remote import run_remotely
from caviar.scheduler.results import page
print(importance.importance, planning.plan_sweep, starter.write_starter, status.sweep_status, stopping.stop_sweep)
print(validation.validate_spec, preflight.preflight, page.write_page, jobs.remote.run_remotely, examine, repair)
"""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
