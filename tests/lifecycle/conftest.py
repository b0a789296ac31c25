from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler import Results, Sweep
from caviar.search_spaces import InverseLog, Log

CODE = Path(__file__).parent
COLUMNS = [
    "trial",
    "config_lr",
    "config_momentum",
    "bracket",
    "rung",
    "step",
    "state",
    "value",
    "best_value",
    "best_step",
]


@pytest.fixture(scope="session")
def sweep_of() -> Callable[..., Sweep]:
    """Makes the sweep of these tests: 24 walks, up to 9 epochs; the code and any field can be replaced."""

    def make(storage: str | Path, function: str = "plain_code.py:wander", **fields: Any) -> Sweep:
        space = {"lr": Log(1e-4, 1e-1), "momentum": InverseLog(0.9, 0.999), **fields.pop("space", {})}
        defaults: Mapping[str, Any] = {
            "metric": "val_loss",
            "resource": {"unit": "epoch", "min": 1, "max": 9, "eta": 3},
            "budget": {"trials": 24},
            "workers": {"cpu": 1, "count": 2},
            "name": "digits",
            "seed": 5,
        }
        return Sweep(f"{CODE}/{function}", storage=storage, space=space, **{**defaults, **fields})

    return make


@pytest.fixture(scope="session")
def table_of() -> Callable[[Results], list[dict[str, Any]]]:
    """The columns of the table of trials that are the same in every run of a spec."""
    return lambda results: results.trials().select(COLUMNS).to_pylist()


@pytest.fixture(scope="session")
def check_reports() -> Callable[[Results], None]:
    """Each trial has each step up to its last exactly once."""

    def check(results: Results) -> None:
        steps: dict[int, list[int]] = {trial: [] for trial in results.trials()["trial"].to_pylist()}
        reports = results.reports().select(["trial", "step"]).to_pylist()
        for report in reports:
            steps[report["trial"]].append(report["step"])
        for row in results.trials().to_pylist():
            assert steps[row["trial"]] == list(range(1, row["step"] + 1))

    return check


@pytest.fixture(scope="session")
def reference(shared_ray: Any, sweep_of: Callable[..., Sweep], tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The results of a run that nothing disturbs, on one worker."""
    shared_ray.start()
    return sweep_of(tmp_path_factory.mktemp("reference"), workers={"cpu": 1, "count": 1}).run()


@pytest.fixture(scope="module")
def torch_reference(
    running_ray: None, sweep_of: Callable[..., Sweep], tmp_path_factory: pytest.TempPathFactory
) -> Results:
    """The same of small networks."""
    storage = tmp_path_factory.mktemp("reference")
    return sweep_of(storage, "torch_code.py:regress", workers={"cpu": 1, "count": 1}).run()
