"""Where everything of a sweep lies: one directory, every path of it named once."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from .durable import make_directory


@dataclass(frozen=True, slots=True)
class SweepDirectory:
    """The directory of one sweep; the properties only name paths, `create` makes the folders.

    Attributes:
        path: The sweep's own directory, `<storage>/<name>`.
    """

    path: Path

    @property
    def spec(self) -> Path:
        """The spec as resolved, `sweep.yaml`."""
        return self.path / "sweep.yaml"

    @property
    def lock(self) -> Path:
        """The file that the running process holds locked."""
        return self.path / "lock"

    @property
    def stop(self) -> Path:
        """A file whose appearance asks the running process to stop."""
        return self.path / "stop"

    @property
    def journal(self) -> Path:
        """Folder of the journal's numbered files."""
        return self.path / "journal"

    @property
    def results(self) -> Path:
        """Folder of the report parts; nothing but complete Parquet files ever lies in it."""
        return self.path / "results"

    @property
    def trials(self) -> Path:
        """The table of trials, `trials.parquet`."""
        return self.path / "trials.parquet"

    @property
    def regions(self) -> Path:
        """What was learnt on the way to each proposal, `regions.parquet`."""
        return self.path / "regions.parquet"

    @property
    def prior(self) -> Path:
        """What the sweep uses of an earlier one's results, `prior.parquet`, where it starts from one."""
        return self.path / "prior.parquet"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints, `<trial>/<step>/` below it."""
        return self.path / "checkpoints"

    @property
    def logs(self) -> Path:
        """Folder of what the trials printed."""
        return self.path / "logs"

    @property
    def staging(self) -> Path:
        """Folder of half-written files; all of it may be deleted while no process runs the sweep."""
        return self.path / "staging"

    def log(self, trial: int) -> Path:
        """The file that holds what a trial printed."""
        return self.logs / f"{trial}.log"

    def create(self) -> None:
        """Make the folders that do not exist yet, durably."""
        for folder in (self.journal, self.results, self.checkpoints, self.logs, self.staging):
            make_directory(folder)

    def clear_results(self) -> None:
        """Delete journal and results; only for the process that holds the lock, and where no trial was started."""
        for folder in (self.results, self.journal):
            for path in folder.iterdir():
                path.unlink()
        self.trials.unlink(missing_ok=True)
        self.regions.unlink(missing_ok=True)
        self.prior.unlink(missing_ok=True)

    def clear_staging(self) -> None:
        """Delete what a killed run left half-written; only for the process that holds the lock."""
        shutil.rmtree(self.staging, ignore_errors=True)
        make_directory(self.staging)
