"""The examples of docs/callbacks.md run."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler import Callback
from caviar.scheduler.core.controllers.registry import SearchConfig, make_controller
from caviar.scheduler.core.controllers.schedule import Budget, Resource
from caviar.scheduler.core.state import SweepState
from caviar.scheduler.execution.callbacks import Callbacks
from caviar.scheduler.execution.interrupts import Interrupts
from caviar.scheduler.execution.loop import SweepLoop
from caviar.scheduler.execution.record import DurableRecord
from caviar.scheduler.execution.simulated import Config, SimulatedExecutor
from caviar.scheduler.results import ReportWriter
from caviar.scheduler.storage import Journal, SweepDirectory
from caviar.search_spaces import SearchSpace, Uniform

GUIDE = (Path(__file__).parents[2] / "docs" / "callbacks.md").read_text(encoding="utf-8")
SPACE = SearchSpace({"x": Uniform(0.0, 1.0)})


@pytest.fixture
def names() -> dict[str, Any]:
    """The names that the first code of the guide defines."""
    blocks: list[str] = re.findall(r"^```python\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(blocks[0], names)
    return names


def curve(config: Config, seed: int) -> list[float]:
    return [float(str(config["x"])) / step for step in range(1, 10)]


def test_the_guides_callback_writes_the_best_values(names: dict[str, Any], tmp_path: Path) -> None:
    directory, file = SweepDirectory(tmp_path / "sweep"), tmp_path / "best.csv"
    directory.create()
    search = SearchConfig(SPACE, Resource(1, 9, 3), Budget(trials=12), 0, "hyperband")
    state, types = SweepState(make_controller(search), "min", 0), SPACE.value_types
    callbacks = Callbacks([names["BestValues"](file)])
    writer = ReportWriter(directory, types, "loss")
    record = DurableRecord(directory, Journal.open(directory.journal), writer, types, callbacks=callbacks)
    SweepLoop(state, SimulatedExecutor(curve, "loss", 2), record, Interrupts()).run()
    record.release()
    with file.open(newline="") as lines:
        values = [float(value) for _, _, value in csv.reader(lines)]
    assert values == sorted(set(values), reverse=True)
    assert state.best is not None
    assert values[-1] == state.best.best_value


def test_the_table_has_the_methods_that_there_are() -> None:
    methods = [name for name in vars(Callback) if name.startswith("on_")]
    assert re.findall(r"^\| `(on_\w+)", GUIDE, flags=re.MULTILINE) == methods
