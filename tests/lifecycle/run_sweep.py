"""Runs or resumes the sweep of these tests in a process of its own: run_sweep.py run|resume DIRECTORY."""

# ruff: noqa: T201
import sys
from pathlib import Path

from caviar.scheduler import RunSnapshot, Sweep
from caviar.scheduler.storage import Location, locate
from caviar.search_spaces import InverseLog, Log

CODE = Path(__file__).with_name("plain_code.py")


def say_when_stopping(snapshot: RunSnapshot) -> None:
    """Prints a line when the sweep has been asked to stop."""
    if snapshot.stopping:
        print("stopping", flush=True)


def main(action: str, directory: Location) -> None:
    """Runs the sweep of these tests in a directory."""
    if action == "resume":
        Sweep.resume(directory).run(say_when_stopping)
        return
    Sweep(
        f"{CODE}:wander",
        space={"lr": Log(1e-4, 1e-1), "momentum": InverseLog(0.9, 0.999)},
        metric="val_loss",
        resource={"unit": "epoch", "min": 1, "max": 9, "eta": 3},
        budget={"trials": 24},
        workers={"cpu": 1, "count": 2},
        checkpoints={"keep": 2, "every": 2},
        storage=directory.parent,
        name=directory.name,
        seed=5,
    ).run(say_when_stopping)


if __name__ == "__main__":
    main(sys.argv[1], locate(sys.argv[2]))
