"""Training by a command: each report that it prints is the end of a step."""

import json
import shutil
import tempfile
from pathlib import Path

from .command import Command
from .errors import TrainerError
from .metrics import to_metrics
from .process import ReportingProcess
from .trial import Trial

CHECKPOINT_DIRECTORY = "checkpoint"


class CommandTraining:
    """An open trial of a command. It implements `Training`.

    One process trains up to the announced stop. A command with `{checkpoint}` continues from what its last process
    left in that directory; any other runs again from the start, and the reports that it made before are passed over.
    """

    def __init__(self, command: Command, trial: Trial, directory: Path | None) -> None:
        self._command = command
        self._trial = trial
        self._stop = trial.resource_max
        self._ended = False
        self._process: ReportingProcess | None = None
        self._scratch = Path(tempfile.mkdtemp(prefix="caviar-"))
        self._checkpoint = self._scratch / CHECKPOINT_DIRECTORY
        if directory is not None and command.keeps_checkpoint:
            self._restore(directory / CHECKPOINT_DIRECTORY)
        else:
            self._checkpoint.mkdir()

    def begin(self, stop: int) -> None:
        """Sets the `{stop}` of the next process."""
        if self._process is not None and stop != self._stop:
            if self._command.keeps_checkpoint:
                raise TrainerError(
                    f"the command is on its way to step {self._stop} and cannot be sent to step {stop} from the middle"
                )
            self._end_process()
        self._stop = stop

    def step(self) -> dict[str, float] | None:
        """Waits for the next report, starting a process if there is none."""
        if self._ended:
            return None
        process = self._process = self._process or self._start()
        report = process.next_report()
        if report is None:
            self._end_early()
            return None
        metrics = to_metrics(report, "the command")
        self._trial.step += 1
        if self._trial.step >= self._stop:
            self._finish(process)
        return metrics

    @property
    def stateful(self) -> bool:
        """True, but for a command that is in the middle of a run which ends with its checkpoint."""
        return not self._command.keeps_checkpoint or self._process is None

    def save(self, directory: Path) -> bool:
        """Copies what the command wrote into `{checkpoint}`, or notes how many reports there were."""
        if not self._command.keeps_checkpoint:
            (directory / "command.json").write_text(json.dumps({"reports": self._trial.step}), encoding="utf-8")
            return True
        if self._process is not None:
            return False
        if not any(self._checkpoint.iterdir()):
            raise TrainerError(f"the command ended at step {self._trial.step} without a file in its {{checkpoint}}")
        shutil.copytree(self._checkpoint, directory / CHECKPOINT_DIRECTORY)
        return True

    def close(self) -> None:
        """Ends the process and removes its files."""
        self._end_process()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _restore(self, source: Path) -> None:
        try:
            shutil.copytree(source, self._checkpoint)
        except OSError as error:
            self.close()
            raise TrainerError(f"the checkpoint {source.parent} cannot be restored: {error}") from error

    def _start(self) -> ReportingProcess:
        trial, keeps = self._trial, self._command.keeps_checkpoint
        facts = {"seed": trial.seed, "step": trial.step, "stop": self._stop, "checkpoint": str(self._checkpoint)}
        arguments = self._command.fill(trial.config, facts)
        process = ReportingProcess(arguments, self._command.directory, self._scratch / "stderr")
        for number in range(0 if keeps else trial.step):
            if process.next_report() is None:
                raise TrainerError(f"the command ended after {number} reports, where it made {trial.step} before")
        return process

    def _finish(self, process: ReportingProcess) -> None:
        """Lets a command that knows its `{stop}` come to its end; ends any other."""
        if "stop" in self._command.names and process.next_report() is not None:
            self._end_process()
            raise TrainerError(f"the command made more reports than the steps up to its {{stop}}, {self._stop}")
        self._end_process()

    def _end_early(self) -> None:
        self._end_process()
        self._ended = True
        if self._trial.step == 0:
            raise TrainerError(
                'the command ended without a report: it has to print a line such as {"val_loss": 0.3} after each step'
            )

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None
