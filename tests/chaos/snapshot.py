"""What a sweep's directory shows at one moment, through everything that people read it with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from caviar.scheduler import Results
from caviar.scheduler.analysis.status import sweep_status
from caviar.scheduler.storage import read_journal

Event = dict[str, Any]
Step = tuple[int, int]
"""A trial and a step."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a sweep's directory shows at one moment.

    Attributes:
        dead: Whether no process of the sweep runs.
        events: The journal.
        rows: The reports by trial and step: the metric's value. A step that stands there twice has both values.
        trials: The table of trials.
        condition: What `caviar status` says of the sweep; None where there is none yet.
        trained: The steps that were trained so far, in order, outside of the directory.
        errors: What could not be read, and why.
    """

    dead: bool
    events: Sequence[Event]
    rows: Mapping[Step, tuple[float, ...]]
    trials: Sequence[dict[str, Any]]
    condition: str | None
    trained: Sequence[Step]
    errors: Sequence[str]

    def outcomes(self) -> list[Event]:
        """All outcomes in the journal."""
        return [outcome for event in self.events if event["type"] == "ended" for outcome in event["outcomes"]]

    def covered(self) -> dict[int, int]:
        """The step up to which each trial's reports are acknowledged."""
        last: dict[int, int] = {}
        for outcome in self.outcomes():
            last[outcome["trial"]] = max(last.get(outcome["trial"], 0), outcome["step"])
        return last

    def reached(self) -> dict[int, int]:
        """The step of each trial's last completed assignment."""
        return {outcome["trial"]: outcome["step"] for outcome in self.outcomes() if outcome["status"] == "completed"}


class _Reader:
    """Reads, and keeps what went wrong."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def attempt(self, what: str, read: Callable[[], T], otherwise: T) -> T:
        """What `read` returns; `otherwise` where it raises, which is noted."""
        try:
            return read()
        except Exception as error:
            self.errors.append(f"{what} cannot be read: {type(error).__name__}: {error}")
            return otherwise


def look(directory: Path, steps: Path, *, dead: bool) -> Snapshot:
    """Reads everything; the sweep may run meanwhile.

    The journal comes first and the trained steps last: what the journal has was trained before.
    """
    reader = _Reader()
    none: list[Event] = []
    events = reader.attempt("the journal", lambda: read_journal(directory / "journal"), none)
    started = (directory / "sweep.yaml").exists()
    status = reader.attempt("caviar status", lambda: _condition(directory), None) if started else None
    rows: dict[Step, tuple[float, ...]] = {}
    trials: list[dict[str, Any]] = []
    if any((directory / "results").glob("*.parquet")):
        rows = reader.attempt("Results", lambda: _rows(directory), rows)
        trials = reader.attempt("the table of trials", lambda: Results.open(directory).trials().to_pylist(), trials)
        glob = reader.attempt("DuckDB's glob", lambda: _glob(directory), -1)
        if dead and glob not in {-1, sum(map(len, rows.values()))}:
            reader.errors.append(f"DuckDB's glob has {glob} rows, Results has {sum(map(len, rows.values()))}")
    return Snapshot(dead, events, rows, trials, status, trained_steps(steps), reader.errors)


def trained_steps(file: Path) -> list[Step]:
    """The steps that were trained, in order; whole lines only."""
    lines = file.read_text(encoding="ascii").split("\n")[:-1]
    return [(int(trial), int(step)) for trial, step, _ in map(str.split, lines)]


def _condition(directory: Path) -> str:
    return sweep_status(directory).condition.value


def _rows(directory: Path) -> dict[Step, tuple[float, ...]]:
    results = Results.open(directory)
    rows: dict[Step, tuple[float, ...]] = {}
    for row in results.reports().select(["trial", "step", results.metric]).to_pylist():
        key = row["trial"], row["step"]
        rows[key] = (*rows.get(key, ()), row[results.metric])
    return rows


def _glob(directory: Path) -> int:
    pattern = str(directory / "results" / "*.parquet")
    with duckdb.connect() as connection:
        counted = connection.execute("SELECT count(*) FROM read_parquet(?)", [pattern]).fetchone()
    assert counted is not None
    return int(counted[0])
