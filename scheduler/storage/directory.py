"""The directory that holds everything of a sweep, with every path of it named once."""

import shutil
from dataclasses import dataclass

from ..errors import SweepError
from .durable import make_directory
from .location import Location
from .object_path import ObjectPath


@dataclass(frozen=True, slots=True)
class SweepDirectory:
    """The directory of one sweep; the properties only name paths, `create` makes the folders.

    Attributes:
        path: The sweep's own directory, `<storage>/<name>`; in an object store a prefix.
    """

    path: Location

    @property
    def spec(self) -> Location:
        """The spec as resolved, `sweep.yaml`."""
        return self.path / "sweep.yaml"

    @property
    def lock(self) -> Location:
        """The file that the running process holds locked."""
        return self.path / "lock"

    @property
    def stop(self) -> Location:
        """A file whose appearance asks the running process to stop."""
        return self.path / "stop"

    @property
    def journal(self) -> Location:
        """Folder of the journal's numbered files."""
        return self.path / "journal"

    @property
    def results(self) -> Location:
        """Folder of the report parts; nothing but complete Parquet files ever lies in it."""
        return self.path / "results"

    @property
    def trials(self) -> Location:
        """The table of trials, `trials.parquet`."""
        return self.path / "trials.parquet"

    @property
    def regions(self) -> Location:
        """The file of the insights gained on the way to each proposal, `regions.parquet`."""
        return self.path / "regions.parquet"

    @property
    def prior(self) -> Location:
        """The file of the results used from an earlier sweep, `prior.parquet`, where the sweep starts from one."""
        return self.path / "prior.parquet"

    @property
    def checkpoints(self) -> Location:
        """Folder of the checkpoints, `<trial>/<step>/` below it."""
        return self.path / "checkpoints"

    @property
    def logs(self) -> Location:
        """Folder of what the trials printed."""
        return self.path / "logs"

    @property
    def staging(self) -> Location:
        """Folder of half-written files; all of it may be deleted while no process runs the sweep."""
        return self.path / "staging"

    def log(self, trial: int, rank: int = 0) -> Location:
        """The file that holds what a trial printed, in one of the processes that train it together."""
        return self.logs / (f"{trial}.rank{rank}.log" if rank else f"{trial}.log")

    def spec_text(self) -> str:
        """The text of sweep.yaml.

        Raises:
            SweepError: There is no sweep, or it cannot be read.
        """
        try:
            return self.spec.read_text(encoding="utf-8")
        except OSError:
            raise SweepError(f"{self.path}: there is no sweep here; a sweep's directory holds a sweep.yaml.") from None
        except UnicodeDecodeError as error:
            raise SweepError(f"{self.spec}: this spec cannot be read ({error}).") from None

    def create(self) -> None:
        """Make the folders that do not exist yet, durably; an object store needs only the bucket.

        Raises:
            OSError: They cannot be made.
            SweepError: There is no such bucket.
        """
        if isinstance(self.path, ObjectPath):
            self.path.check_bucket()
        for folder in (self.journal, self.results, self.checkpoints, self.logs, self.staging):
            make_directory(folder)

    def clear_results(self) -> None:
        """Delete journal and results; only for the process that holds the lock, and where no trial was started."""
        for folder in (self.results, self.journal):
            _empty(folder)
        self.trials.unlink(missing_ok=True)
        self.regions.unlink(missing_ok=True)
        self.prior.unlink(missing_ok=True)

    def clear_staging(self) -> None:
        """Delete what a killed run left half-written; only for the process that holds the lock."""
        if isinstance(self.staging, ObjectPath):
            return
        shutil.rmtree(self.staging, ignore_errors=True)
        make_directory(self.staging)


def _empty(folder: Location) -> None:
    if isinstance(folder, ObjectPath):
        folder.remove_tree()
        return
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
