"""A whole sweep in an object store: killed, resumed, stopped and read as on a disk."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler import Results, ResultsError, Sweep
from caviar.scheduler.analysis.importance import importance
from caviar.scheduler.analysis.page.page import write_page
from caviar.scheduler.analysis.status import SweepCondition, sweep_status
from caviar.scheduler.storage import SweepDirectory, holder, locate

RUN_SWEEP = Path(__file__).with_name("run_sweep.py")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module", autouse=True)
def ray_that_knows_the_bucket(shared_ray: Any, bucket: str) -> None:
    """Workers know the object store by the environment in which their Ray has started."""
    shared_ray.end()
    shared_ray.start()


def rows(uri: str) -> int:
    try:
        return len(Results.open(uri).reports())
    except ResultsError:
        return 0


def test_a_sweep_that_was_killed_in_an_object_store_and_resumed_gives_the_table_of_one_on_a_disk(
    reference: Results,
    prefix: str,
    sweep_of: Callable[..., Sweep],
    table_of: Callable[[Results], list[dict[str, Any]]],
    check_reports: Callable[[Results], None],
) -> None:
    uri = f"{prefix}/digits"
    process = subprocess.Popen(
        [sys.executable, str(RUN_SWEEP), "run", uri],
        env={**os.environ, "CAVIAR_TEST_PACE": "0.05"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while rows(uri) < 20:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.2)
    assert sweep_status(uri).condition is SweepCondition.RUNNING
    process.kill()
    process.communicate()

    assert sweep_status(uri).condition is SweepCondition.KILLED
    results = Sweep.resume(uri).run()

    check_reports(results)
    assert table_of(results) == table_of(reference)
    status, directory = sweep_status(uri), SweepDirectory(locate(uri))
    assert (status.condition, status.runs, holder(directory.lock)) == (SweepCondition.FINISHED, 2, None)
    assert [path.name for path in directory.journal.iterdir()] == ["000001.jsonl", "000002.jsonl"]
    best = results.best
    assert best.value == reference.best.value
    assert best.checkpoint == directory.checkpoints / str(best.trial) / str(best.step)
    assert results.sql("select count(*) as n from reports join trials using (trial)")["n"][0].as_py() == rows(uri)
    assert importance(uri).keys() == {"lr", "momentum"}
    write_page(results, locate(uri) / "report.html")
    assert (locate(uri) / "report.html").is_file()

    learner = sweep_of(prefix, name="learner", warm_start=uri, budget={"trials": 6})
    assert len(learner.run().trials()) == 6
