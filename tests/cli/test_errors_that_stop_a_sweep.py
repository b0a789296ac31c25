"""A failure that a rule of `on_error` has made the end of a run, and the run that goes on when it is mended."""

from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler import Results
from caviar.scheduler.analysis.status import SweepCondition, sweep_status

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SPEC = """\
name: licensed
trainer: train.py:train
metric: loss
space: {x: {uniform: [0, 1]}}
resource: {max: 9}
budget: {trials: 12}
workers: {count: 1}
on_error:
- {match: "KeyError", do: fail}
- {match: "no (license|seat)", do: stop}
"""

TRAINING = """\
from pathlib import Path

LICENSE = Path(__file__).with_name("license")


def train(trial):
    for step in trial.steps():
        if trial.number == 2:
            raise KeyError("width")
        if trial.number == 4 and not LICENSE.exists():
            print("no license for this machine")
            raise RuntimeError("the simulator did not start")
        yield {"loss": trial.config["x"] + 1 / step}
"""


def test_a_failure_stops_the_sweep_with_its_sentence_and_resume_goes_on_when_it_is_mended(
    running_ray: None, tmp_path: Path, caviar: Any
) -> None:
    (tmp_path / "sweep.yaml").write_text(SPEC)
    (tmp_path / "train.py").write_text(TRAINING)
    stopped = caviar("run", "sweep.yaml", cwd=tmp_path)
    assert (stopped.returncode, stopped.stdout) == (1, "")
    *_, how_to_go_on, sentence = stopped.stderr.splitlines()
    assert sentence == (
        "error: trial 4 failed, and on_error says to stop the sweep then;"
        " it said RuntimeError: the simulator did not start."
    )
    assert how_to_go_on == "stopped; go on with: caviar resume sweeps/licensed"
    directory = tmp_path / "sweeps" / "licensed"
    assert sweep_status(directory).condition is SweepCondition.FAILURE
    (tmp_path / "license").touch()
    assert caviar("resume", "sweeps/licensed", cwd=tmp_path).returncode == 0
    rows = Results.open(directory).trials().to_pylist()
    assert {row["trial"]: row["attempt"] for row in rows if row["state"] == "failed"} == {2: 0}
    assert rows[4]["attempt"] == 0
