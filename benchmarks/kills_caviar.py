"""What kills.py runs of Caviar: kills_caviar.py CONTROLLER run|resume|read FOLDER SEED."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kills_training import STEPS, TRIALS, WORKERS, Descent

from caviar.scheduler import Results, Sweep
from caviar.search_spaces import Uniform
from caviar.trainers import Trial


def train(trial: Trial) -> Iterator[dict[str, float]]:
    """A generator; its state is saved after each step, as the other tuners save it."""
    assert trial.data is not None
    descent = Descent(float(trial.config["x"]), trial.data)
    state: dict[str, Any] = descent.state()
    trial.track(state=state)
    descent.restore(state)
    for _ in trial.steps():
        loss = descent.advance()
        state.update(descent.state())
        yield {"loss": loss}


def main(controller: str, action: str, folder: Path, seed: int) -> None:
    """Runs, resumes, or prints what the results hold."""
    if action == "read":
        results = Results.open(folder / "sweep")
        rows = results.reports().select(["config_x", "step"]).to_pylist()
        states = results.trials()["state"].to_pylist()
        ended = sum(state in {"completed", "stopped"} for state in states)
        print(json.dumps({"reports": [[row["config_x"], row["step"]] for row in rows], "ended": ended}))
    elif action == "resume":
        Sweep.resume(folder / "sweep").run()
    else:
        Sweep(
            f"{Path(__file__).resolve()}:train",
            space={"x": Uniform(0.0, 1.0)},
            metric="loss",
            resource={"min": 2, "max": STEPS, "eta": 3},
            budget={"trials": TRIALS},
            workers={"cpu": 1, "count": WORKERS},
            controller=controller,
            checkpoints={"every": 1},
            max_failures=3,
            seed=seed,
            data=folder / "lines.txt",
            storage=folder,
            name="sweep",
        ).run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
