"""Runs the sweep of these tests on a small disk that fills up twice: run_on_a_full_disk.py DIRECTORY, a mount point.

The first time the sweep is interrupted while it waits for space, the second time there is space again.
"""

# ruff: noqa: T201
import json
import os
import signal
import sys
from pathlib import Path

from caviar.scheduler import Results, RunSnapshot, Sweep
from caviar.scheduler.execution.cluster.connect import ray_running
from caviar.scheduler.execution.cluster.environment import configure_ray_environment
from caviar.search_spaces import InverseLog, Log

CODE = Path(__file__).with_name("plain_code.py")
COLUMNS = ["trial", "bracket", "rung", "step", "state", "value", "best_value", "best_step"]


class Filler:
    """Fills the disk once a sweep has come some way, and acts when it waits for space.

    Args:
        file: A file on the disk, which takes all of it.
        spent: Steps after which it does so.
        interrupt: Whether to send Ctrl-C then; otherwise the file is removed.
    """

    def __init__(self, file: Path, spent: int, *, interrupt: bool) -> None:
        self._file, self._spent, self._interrupt = file, spent, interrupt
        self._full = self._acted = False
        self.waited = 0

    def __call__(self, snapshot: RunSnapshot) -> None:
        """Looks at a moment of the sweep."""
        if not self._full and snapshot.state.spent >= self._spent:
            self._fill()
        if snapshot.waiting is not None and not self._acted:
            print(f"waiting: {snapshot.waiting}", flush=True)
            self.waited += 1
            if self.waited < 3:
                return
            self._acted = True
            if self._interrupt:
                os.kill(os.getpid(), signal.SIGINT)
            else:
                self._file.unlink()

    def _fill(self) -> None:
        self._full = True
        with self._file.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as error:
                print(f"filled: {error.strerror}", flush=True)


def main(disk: Path) -> None:
    """Runs the sweep, is interrupted, resumes it, and prints its table."""
    file = disk / "filler"
    first = Filler(file, 10, interrupt=True)
    try:
        Sweep(
            f"{CODE}:wander",
            space={"lr": Log(1e-4, 1e-1), "momentum": InverseLog(0.9, 0.999)},
            metric="val_loss",
            resource={"unit": "epoch", "min": 1, "max": 9, "eta": 3},
            budget={"trials": 24},
            workers={"cpu": 1, "count": 2},
            checkpoints={"keep": "all"},
            storage=disk,
            name="digits",
            seed=5,
        ).run(first)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    file.unlink()
    results = Sweep.resume(disk / "digits").run(Filler(file, 30, interrupt=False))
    steps = results.reports().select(["trial", "step"]).to_pylist()
    told = sorted((row["trial"], row["step"]) for row in steps)
    print(json.dumps({"trials": results.trials().select(COLUMNS).to_pylist(), "reports": told}))
    assert Results.open(disk / "digits").best.checkpoint is not None


if __name__ == "__main__":
    configure_ray_environment()
    with ray_running(2):
        main(Path(sys.argv[1]))
