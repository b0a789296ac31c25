"""Whole sweeps in processes of their own: killed, interrupted, typed at a prompt, run from a notebook cell."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from caviar.scheduler import Results, ResultsError, Sweep
from caviar.scheduler.storage import read_journal

Table = list[dict[str, Any]]
TableOf = Callable[[Results], Table]
Process = subprocess.Popen[str]
RUN_SWEEP = Path(__file__).with_name("run_sweep.py")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

TRAIN = """
def train(trial):
    state = {"loss": 4.0}
    trial.track(state=state)
    for epoch in trial.steps():
        state["loss"] *= 1 - trial.config["lr"]
        yield {"val_loss": state["loss"]}
"""
SWEEP = """
from caviar.search_spaces import Uniform
from caviar.scheduler import Results, Sweep
sweep = Sweep(
    train, space={"lr": Uniform(0.1, 0.9)}, metric="val_loss", resource={"max": 3}, budget={"trials": 5},
    workers={"count": 1}, storage="sweeps", name="mine",
)
results = sweep.run()
"""


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Starts Python in a session of its own, which ends with the test whatever is left of it."""
    processes: list[Process] = []

    def run(*arguments: object, pace: float = 0.0, **options: Any) -> Process:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "CAVIAR_TEST_PACE": str(pace)},
            **options,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def await_rows(process: Process, directory: Path, rows: int) -> None:
    """Waits until a running sweep's Parquet files hold a number of reports."""
    while count_rows(directory) < rows:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def count_rows(directory: Path) -> int:
    try:
        return len(Results.open(directory).reports())
    except ResultsError:
        return 0


def finished_table(directory: Path, table_of: TableOf, check_reports: Callable[[Results], None]) -> Table:
    """Resumes a sweep, here and now, and looks at its reports."""
    assert read_journal(directory / "journal")[-1].get("reason") != "finished", "the sweep was over before it was hit"
    results = Sweep.resume(directory).run()
    check_reports(results)
    best = results.best
    kept = {path.parent.name: path for path in (directory / "checkpoints").glob("*/*")}
    assert len(kept) == 2, "the two best trials have one checkpoint each"
    assert best.checkpoint == kept[str(best.trial)]
    return table_of(results)


def test_a_sweep_that_was_killed_resumed_and_ended_by_sigterm_gives_the_table_of_one_that_was_not(
    reference: Results,
    start: Callable[..., Process],
    table_of: TableOf,
    check_reports: Callable[[Results], None],
    tmp_path: Path,
) -> None:
    directory = tmp_path / "digits"
    process = start(RUN_SWEEP, "run", directory, pace=0.05)
    await_rows(process, directory, 12)
    process.kill()
    process.wait()
    process = start(RUN_SWEEP, "resume", directory, pace=0.05)
    await_rows(process, directory, 30)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert read_journal(directory / "journal")[-1]["reason"] == "interrupted"
    assert finished_table(directory, table_of, check_reports) == table_of(reference)


def test_ctrl_c_writes_everything_raises_keyboard_interrupt_and_can_be_resumed(
    reference: Results,
    start: Callable[..., Process],
    table_of: TableOf,
    check_reports: Callable[[Results], None],
    tmp_path: Path,
) -> None:
    directory = tmp_path / "digits"
    process = start(RUN_SWEEP, "run", directory, pace=0.05)
    await_rows(process, directory, 20)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert output.rstrip().endswith("KeyboardInterrupt")
    assert read_journal(directory / "journal")[-1]["reason"] == "interrupted"
    stopped = Results.open(directory)
    assert set(stopped.trials()["state"].to_pylist()) <= {"pending", "paused", "stopped", "completed"}
    check_reports(stopped)
    assert finished_table(directory, table_of, check_reports) == table_of(reference)


def test_a_second_ctrl_c_stops_at_once_and_loses_nothing_that_was_recorded(
    reference: Results,
    start: Callable[..., Process],
    table_of: TableOf,
    check_reports: Callable[[Results], None],
    tmp_path: Path,
) -> None:
    directory = tmp_path / "digits"
    process = start(RUN_SWEEP, "run", directory, pace=2.0)
    await_rows(process, directory, 3)
    os.killpg(process.pid, signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "stopping\n"
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    events = [event["type"] for event in read_journal(directory / "journal")]
    assert "ended" in events
    assert "closed" not in events
    assert finished_table(directory, table_of, check_reports) == table_of(reference)


def test_a_training_function_of_a_script_works_with_modules_named_like_ours_and_is_found_again_by_resume(
    start: Callable[..., Process], tmp_path: Path
) -> None:
    """A person's own `scheduler` and `trainers` stay theirs, on the driver and on the workers."""
    (tmp_path / "scheduler.py").write_text("RATE = 0.5\n")
    (tmp_path / "search_spaces.py").write_text("LOW = 0.1\n")
    (tmp_path / "trainers").mkdir()
    (tmp_path / "trainers/__init__.py").write_text("")
    (tmp_path / "trainers/resnet.py").write_text("OFFSET = 1.0\n")
    imports = "import scheduler\nimport search_spaces\nimport trainers.resnet\n"
    train = TRAIN.replace('state["loss"]}', 'state["loss"] * scheduler.RATE + trainers.resnet.OFFSET}')
    sweep = SWEEP.replace("Uniform(0.1, 0.9)", "Uniform(search_spaces.LOW, 0.9)")
    body = indent(f"{sweep}print('best', results.best.value)", "    ")
    (tmp_path / "mine.py").write_text(f"{imports}{train}\nif __name__ == '__main__':\n{body}\n")
    script = start("mine.py", cwd=tmp_path)
    output, _ = script.communicate(timeout=120)
    assert "best " in output, output
    assert min(Results.open(tmp_path / "sweeps/mine").reports()["val_loss"].to_pylist()) > 1.0
    assert (tmp_path / "sweeps/mine/sweep.yaml").read_text().count(f"{tmp_path.resolve()}/mine.py:train") == 1
    again = "from caviar.scheduler import Sweep; print(len(Sweep.resume('sweeps/mine').run().trials()), 'trials')"
    output, _ = start("-c", again, cwd=tmp_path).communicate(timeout=120)
    assert output.endswith("5 trials\n"), output


def test_a_training_function_typed_at_a_prompt_works(start: Callable[..., Process], tmp_path: Path) -> None:
    prompt = start("-i", "-q", cwd=tmp_path, stdin=subprocess.PIPE)
    output, _ = prompt.communicate(f"{TRAIN}\n{SWEEP}\nprint('best', results.best.value)\nexit()\n", timeout=120)
    assert "best " in output, output
    with pytest.raises(Exception, match=r"Sweep\.resume\(path, trainer=train\)"):
        Sweep.resume(tmp_path / "sweeps/mine")


def test_a_training_function_of_a_notebook_cell_works_and_the_results_show_as_html(tmp_path: Path) -> None:
    cells = [TRAIN, SWEEP, "results"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])  # type: ignore[no-untyped-call]
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    shown = notebook.cells[-1].outputs[0]["data"]
    assert "val_loss" in shown["text/html"]
    assert len(Results.open(tmp_path / "sweeps/mine").trials()) == 5
