"""What kills.py runs of Optuna: kills_optuna.py journal|sqlite run|resume|read FOLDER SEED. One process is one worker.

`journal` is `JournalStorage` with a file, which Optuna recommends for several processes; it has no heartbeat. `sqlite`
is `RDBStorage` with a heartbeat and `RetryHeartbeatStaleTrialCallback`, and the objective saves its state each step and
continues that of the trial it retries: the pattern of Optuna's example pytorch_checkpoint.py.
"""

import json
import sys
import warnings
from functools import partial
from pathlib import Path

import optuna
from kills_training import STEPS, TRIALS, Descent
from optuna.storages import JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState

HEARTBEAT_S, GRACE_S = 1, 2
"""The shortest that there are; the documentation's 60 s and 120 s suit trials of hours."""


def objective(trial: optuna.Trial, folder: Path) -> float:
    """A training that continues that of the trial it retries, as far as it was saved."""
    descent = Descent(trial.suggest_float("x", 0.0, 1.0), folder / "lines.txt")
    retried = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial._get_latest_trial())
    state = folder / f"state-{trial.number if retried is None else retried}.json"
    if retried is not None and state.exists():
        descent.restore(json.loads(state.read_text()))
    while descent.step < STEPS:
        trial.report(descent.advance(), descent.step)
        new = state.with_suffix(f".{trial.number}.new")
        new.write_text(json.dumps(descent.state()))
        new.replace(state)
    return descent.loss


def _study(storage: str, folder: Path, seed: int) -> optuna.Study:
    backend: optuna.storages.BaseStorage
    if storage == "journal":
        backend = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    else:
        backend = RDBStorage(
            f"sqlite:///{folder}/study.db",
            heartbeat_interval=HEARTBEAT_S,
            grace_period=GRACE_S,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(
                max_retry=3, inherit_intermediate_values=True
            ),
        )
    sampler = optuna.samplers.RandomSampler(seed=seed)
    return optuna.create_study(storage=backend, study_name="kills", sampler=sampler, load_if_exists=True)


def main(storage: str, action: str, folder: Path, seed: int) -> None:
    """Runs one worker, or prints what the results hold; to resume is to run again."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = _study(storage, folder, seed)
    if action == "read":
        # A retry inherits the reports of the trials before it, which stay in the study as failed.
        retried = {number for trial in study.trials for number in RetryHeartbeatStaleTrialCallback.retry_history(trial)}
        trials = [trial for trial in study.trials if "x" in trial.params and trial.number not in retried]
        reports = [[trial.params["x"], step] for trial in trials for step in trial.intermediate_values]
        ended = len({trial.params["x"] for trial in trials if trial.state is TrialState.COMPLETE})
        print(json.dumps({"reports": reports, "ended": ended}))
        return
    stop = MaxTrialsCallback(TRIALS, states=(TrialState.COMPLETE,))
    if sum(trial.state is TrialState.COMPLETE for trial in study.trials) < TRIALS:
        study.optimize(partial(objective, folder=folder), callbacks=[stop])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
