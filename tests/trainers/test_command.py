import os
import select
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from caviar.trainers import TrainerError, TrainerKind, Training, load_trainer

Start = Callable[..., Training]

COUNT = """
import json, sys
print("starting with", sys.argv[1:])
print("50 %|####", end="", file=sys.stderr)
for step in range(1, 10):
    print(json.dumps({"step": step, "lr": float(sys.argv[1])}))
"""

KEEPS = """
import json, pathlib, sys
step, stop, path = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3]) / "total.json"
total = json.loads(path.read_text()) if step else 0
for step in range(step + 1, stop + 1):
    total += step
    print(json.dumps({"total": total, "step": step}), flush=True)
path.write_text(json.dumps(total))
"""


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """A command that runs a program with some arguments."""

    def write(program: str, *arguments: str) -> dict[str, Any]:
        (tmp_path / "program.py").write_text(program, encoding="utf-8")
        return {"command": [sys.executable, "program.py", *arguments], "directory": str(tmp_path)}

    return write


def steps(training: Training, stop: int, count: int) -> list[float | None]:
    training.begin(stop)
    return [(training.step() or {}).get("step") for _ in range(count)]


def test_each_printed_object_is_a_step_and_all_output_goes_to_the_log(
    start: Start, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    training = start(command(COUNT, "{lr}"), config={"lr": 0.001})
    assert training.step() == {"step": 1.0, "lr": 0.001}
    assert training.step() == {"step": 2.0, "lr": 0.001}
    log = capsys.readouterr().out
    assert "starting with ['0.001']" in log
    assert "50 %|####" in log
    assert '{"step": 2, "lr": 0.001}' in log


def test_a_command_without_a_checkpoint_runs_again_and_passes_over_what_it_reported(
    start: Start, command: Any, tmp_path: Path
) -> None:
    training = start(command(COUNT, "{lr}"), config={"lr": 1})
    assert steps(training, 2, 2) == [1, 2]
    assert steps(training, 4, 2) == [3, 4]
    (tmp_path / "saved").mkdir()
    assert training.save(tmp_path / "saved")
    later = start(command(COUNT, "{lr}"), config={"lr": 1}, directory=tmp_path / "saved", step=4)
    assert steps(later, 6, 2) == [5, 6]


def test_a_command_with_a_checkpoint_continues_from_it(start: Start, command: Any, tmp_path: Path) -> None:
    trainer = command(KEEPS, "{step}", "{stop}", "{checkpoint}")
    training = start(trainer)
    training.begin(2)
    assert [training.step() for _ in range(2)] == [{"total": 1, "step": 1}, {"total": 3, "step": 2}]
    saved = tmp_path / "saved"
    saved.mkdir()
    assert training.save(saved)
    for continued in (training, start(trainer, directory=saved, step=2)):
        continued.begin(4)
        assert [continued.step() for _ in range(2)] == [{"total": 6, "step": 3}, {"total": 10, "step": 4}]


def test_a_command_with_a_checkpoint_has_nothing_to_save_in_the_middle(
    start: Start, command: Any, tmp_path: Path
) -> None:
    training = start(command(KEEPS, "{step}", "{stop}", "{checkpoint}"))
    training.begin(4)
    training.step()
    assert not training.save(tmp_path)
    with pytest.raises(TrainerError, match="on its way to step 4"):
        training.begin(5)


def test_a_command_that_leaves_its_checkpoint_empty_is_refused(start: Start, command: Any, tmp_path: Path) -> None:
    training = start(command("print('{\"x\": 1}')", "{stop}", "{checkpoint}"))
    assert training.step() == {"x": 1.0}
    assert training.step() is None
    with pytest.raises(TrainerError, match=r"without a file in its \{checkpoint\}"):
        training.save(tmp_path)


def test_a_command_that_ends_before_its_stop_has_ended(start: Start, command: Any) -> None:
    assert steps(start(command(COUNT, "1"), resource_max=20), 20, 11)[8:] == [9, None, None]


def test_a_command_that_passes_its_stop_is_refused(start: Start, command: Any) -> None:
    training = start(command(COUNT, "1", "{stop}"))
    training.begin(1)
    with pytest.raises(TrainerError, match=r"more reports than the steps up to its \{stop\}, 1"):
        training.step()


def test_a_command_that_fails_is_refused_with_its_last_words(
    start: Start, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TrainerError, match="exited with status 1: ValueError: too hot"):
        start(command("raise ValueError('too hot')")).step()
    assert "Traceback" in capsys.readouterr().out
    with pytest.raises(TrainerError, match="was killed by signal 9"):
        start(command("import os; os.kill(os.getpid(), 9)")).step()


def test_a_command_that_reports_nothing_is_refused(start: Start, command: Any) -> None:
    with pytest.raises(TrainerError, match="ended without a report: it has to print a line such as"):
        start(command("print('hello'); print('{not json'); print('[1]')")).step()


def test_a_report_is_checked(start: Start, command: Any) -> None:
    with pytest.raises(TrainerError, match="the metric 'loss' as a str"):
        start(command("""print('{"loss": "low"}')""")).step()


def test_a_command_that_cannot_be_started_is_refused(start: Start) -> None:
    with pytest.raises(TrainerError, match="'no-such-program' cannot be started"):
        start(["no-such-program"]).step()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux to wait for a process of another")
def test_closing_ends_the_process_and_what_it_started(start: Start, command: Any) -> None:
    program = """
import json, os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(json.dumps({"child": child.pid, "parent": os.getpid()}), flush=True)
child.wait()
"""
    training = start(command(program))
    report = training.step() or {}
    processes = [os.pidfd_open(int(report[name])) for name in ("parent", "child")]
    training.close()
    for process in processes:
        assert select.select([process], [], [], 30)[0]
        os.close(process)


def test_arguments_are_filled_without_a_shell(start: Start, command: Any) -> None:
    program = "import json, sys; print(json.dumps({a: len(a) for a in sys.argv[1:]}))"
    config = {"rate": 1e-05, "kind": "a b; $(rm)", "flag": True, "sizes": [1, 2]}
    training = start(
        command(program, "{rate}", "--kind={kind}", "{flag}", "{sizes}", "{{x}}", "{seed}", "{config}"), config=config
    )
    assert list(training.step() or {}) == [
        "1e-05",
        "--kind=a b; $(rm)",
        "true",
        "[1, 2]",
        "{x}",
        "7",
        '{"rate": 1e-05, "kind": "a b; $(rm)", "flag": true, "sizes": [1, 2]}',
    ]


def test_a_line_is_split_like_a_shell_would(tmp_path: Path) -> None:
    trainer = load_trainer({"command": "{python} 'my file.py' --lr {lr} --seed {seed}"}, tmp_path)
    assert trainer.kind is TrainerKind.COMMAND
    assert trainer.reference == {
        "command": ["{python}", "my file.py", "--lr", "{lr}", "--seed", "{seed}"],
        "directory": str(tmp_path),
    }
    assert load_trainer(trainer.reference) == trainer
    assert trainer.target.hyperparameters == ("lr",)


def test_a_name_that_the_configuration_lacks_is_refused(start: Start, command: Any) -> None:
    with pytest.raises(TrainerError, match=r"names \{momentum\}, which the configuration does not hold: it holds lr"):
        start(command(COUNT, "{lr}", "{momentum}"), config={"lr": 1}).step()


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ([], "a command is a line or a list of strings"),
        ([1], "a command is a line or a list of strings"),
        ({"command": ""}, "a command is a line"),
        ({"command": "run 'x"}, "cannot be split"),
        ({"line": "x"}, "a mapping has the key command"),
        ({"command": "x", "shell": True}, "it has command, shell"),
        (["x", "{lr"], "unpaired braces"),
        (["x", "{lr:.3f}"], "braces that hold no plain name"),
        (["x", "{0}"], "braces that hold no plain name"),
        (["x", "{step}"], r"\{step\} without \{checkpoint\}"),
    ],
)
def test_a_command_that_cannot_be_is_refused_in_one_sentence(trainer: Any, message: str) -> None:
    with pytest.raises(TrainerError, match=message):
        load_trainer(trainer)
