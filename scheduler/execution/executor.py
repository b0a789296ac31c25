"""The seam between the loop and whatever trains: assignments in, reports and outcomes out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..core.proposers.proposal import Proposal, Request
from ..core.trials.assignment import Assignment, Outcome
from ..core.trials.reports import CurveSegment, ReportBatch


class ReportSink(Protocol):
    """Gathers reports."""

    def append(self, batch: ReportBatch) -> None:
        """Add reports in columns; the batch's arrays must not change afterwards."""

    def extend(self, segments: Iterable[CurveSegment]) -> None:
        """Add reports at equal distances in time."""


@dataclass(frozen=True, slots=True)
class Updates:
    """Reports, outcomes and proposals that have arrived since the last `wait`.

    Attributes:
        reports: All reports, including every report of the assignments in `outcomes`.
        outcomes: The assignments that have ended.
        proposals: The proposals that have been made.
        waiting: The thing that a worker waits to write but cannot at present, and why; None while none waits.
    """

    reports: ReportBatch
    outcomes: Sequence[Outcome]
    proposals: Sequence[Proposal] = ()
    waiting: str | None = None

    def add_to(self, reports: ReportSink) -> None:
        """Adds the reports to others, in the form in which they have arrived."""
        if len(self.reports):
            reports.append(self.reports)


IDLE_SHARE = 0.01
"""The share of workers that may have nothing to do before a commit is hurried for them: of a thousand, one always has
just ended something, and a Parquet part for each would make too many."""


class Executor(Protocol):
    """Trains assignments and makes proposals. Every method returns quickly but `wait`."""

    @property
    def workers(self) -> int:
        """Workers that are ready."""

    def now(self) -> float:
        """Seconds on this executor's own clock, which a simulation advances."""

    def capacity(self) -> int:
        """Number of further groups that it takes now."""

    def idle(self) -> bool:
        """True where a worker has nothing to do; where there are many, more than `IDLE_SHARE` of them."""

    def scale(self, demand: Callable[[], int]) -> None:
        """Makes and ends workers as the work asks for them, where it is time to.

        Args:
            demand: Number of groups that could be trained at the same time, now or soon.
        """

    def start(self, assignments: Sequence[Assignment]) -> None:
        """Begins work; each assignment ends in exactly one outcome.

        Args:
            assignments: The work, group by group: a group is one piece of work for one worker, and its outcomes arrive
                together.
        """

    def ask(self, request: Request) -> None:
        """Begins to make a proposal, beside the training."""

    def wait(self, timeout: float) -> Updates:
        """Waits until something arrives, at most `timeout` seconds.

        Raises:
            WorkerError: Workers cannot be started.
        """

    def cancel(self) -> None:
        """Asks all work to end as INTERRUPTED after the step it is in; nothing may be started after this."""

    def close(self) -> None:
        """Ends all workers at once and frees their resources."""


class MeasuringExecutor(Executor, Protocol):
    """An executor that can find out how many trials to train together on its workers' devices."""

    def group_size(self, assignments: Sequence[Assignment]) -> int:
        """Number of trials of a lane to train together; 1 where training them one at a time is faster.

        Args:
            assignments: Trials that can be trained together.

        Raises:
            WorkerError: It cannot be measured.
        """
