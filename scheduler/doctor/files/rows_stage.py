"""Reports and outcomes against each other: reports that stand twice, that nothing covers, and that are not there."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.state import SweepState
from ...finding import Severity
from .diagnosis import Finding
from .inspection import InspectedPart, kept_rows
from .journal_stage import ScannedJournal
from .parts_stage import ScannedParts
from .quarantine import Quarantine

Flags = npt.NDArray[np.bool_]
StateAfter = Callable[[Sequence[Mapping[str, Any]]], SweepState]


def rows_findings(found: ScannedParts, journal: ScannedJournal, state: SweepState, after: StateAfter) -> list[Finding]:
    """Faults of the reports as a whole.

    Args:
        found: The parts.
        journal: The journal.
        state: The state that it leads to.
        after: Makes the state that the beginning of a journal leads to.
    """
    steps = _unbroken_steps(found, {row.trial: row.begin for row in state.rows})
    cut = _first_unsupported(journal.events, steps, after)
    lost = [] if cut is None else [_lost(found, journal, cut, state, after)]
    return [*lost, *_twice(found), *_uncovered(found, state.covered())]


def _lost(found: ScannedParts, journal: ScannedJournal, cut: int, state: SweepState, after: StateAfter) -> Finding:
    """The finding of outcomes whose reports are not there: the journal ends before the first of them."""
    path, line = journal.place(cut)
    kept = {row.trial: row.begin for row in state.rows} | after(journal.events[:cut]).covered()
    gone = [event["outcomes"] for event in journal.events[cut:] if event["type"] == "ended"]
    trials = {outcome["trial"] for outcomes in gone for outcome in outcomes}
    steps = sum(step - kept[trial] for trial, step in state.covered().items())

    def cut_journal(quarantine: Quarantine) -> str:
        return journal.cut(cut, quarantine)

    return Finding(
        Severity.BROKEN,
        path,
        f"the outcomes from here on need reports that are not there{_of_lost_rows(found)}",
        f"{sum(map(len, gone)):,} assignments of {len(trials):,} trials, {steps:,} steps in all, are done again",
        line=line,
        fix=cut_journal,
    )


def _of_lost_rows(found: ScannedParts) -> str:
    return f" ({found.lost_rows:,} reports are lost)" if found.lost_rows else ""


def _twice(found: ScannedParts) -> Iterator[Finding]:
    """Parts with reports that earlier parts have too; a part that the journal does not know gives way."""
    ranked = sorted(found.good.values(), key=lambda part: (part.number not in found.marks, part.number))
    keys = [np.stack([part.trial, part.step], axis=1) for part in ranked]
    _, first = np.unique(np.concatenate([np.empty((0, 2), np.int64), *keys]), axis=0, return_index=True)
    keep = np.zeros(sum(map(len, keys)), np.bool_)
    keep[first] = True
    ends = np.cumsum([len(part.trial) for part in ranked])
    for part, rows in zip(ranked, np.split(keep, ends[:-1]), strict=True) if ranked else ():
        if not rows.all():
            yield _twice_in(part, rows)


def _twice_in(part: InspectedPart, keep: Flags) -> Finding:
    def drop(quarantine: Quarantine) -> str:
        data, mark = kept_rows(part, keep)
        quarantine.replace(part.path, data)
        quarantine.noted([mark])
        return f"dropped {np.count_nonzero(~keep):,} reports from {part.path.name} that stand elsewhere too"

    problem = f"{np.count_nonzero(~keep):,} of its {len(keep):,} reports stand twice"
    return Finding(Severity.BROKEN, part.path, problem, "readers count them twice", fix=drop)


def _uncovered(found: ScannedParts, covered: Mapping[int, int]) -> Iterator[Finding]:
    counts = {part.path: int(np.count_nonzero(~_covered(part, covered))) for part in found.good.values()}
    parts = [path for path, count in counts.items() if count]

    def keep(quarantine: Quarantine) -> str:
        if quarantine.folder is None:
            return ""  # nothing was repaired: a killed run leaves such reports
        for path in parts:
            quarantine.keep(path)
        return f"kept copies of {len(parts)} parts with reports that the next resume drops"

    if parts:
        problem = f"no outcome covers {sum(counts.values()):,} of the reports, in {len(parts)} parts"
        meaning = "work that has not ended, as far as the journal knows: resume drops them and does it again"
        yield Finding(Severity.NOTE, found.results, problem, meaning, "nothing to do", fix=keep)


def _covered(part: InspectedPart, covered: Mapping[int, int]) -> Flags:
    last = np.array([covered.get(trial, -1) for trial in part.trial.tolist()], np.int64)
    return part.step <= last


def _unbroken_steps(found: ScannedParts, begins: Mapping[int, int]) -> dict[int, int]:
    """Each trial's step up to which every report is there; those up to a parent's checkpoint are the parent's."""
    keys = [np.stack([part.trial, part.step], axis=1) for part in found.good.values()]
    unique = np.unique(np.concatenate([np.empty((0, 2), np.int64), *keys]), axis=0)
    trials, starts, counts = np.unique(unique[:, 0], return_index=True, return_counts=True)
    reached = dict(begins)
    for trial, start, count in zip(trials.tolist(), starts.tolist(), counts.tolist(), strict=True):
        begin = begins.get(trial, 0)
        present = unique[start : start + count, 1] == np.arange(begin + 1, begin + count + 1)
        reached[trial] = begin + (count if present.all() else int(np.argmin(present)))
    return reached


def _first_unsupported(events: Sequence[Mapping[str, Any]], steps: Mapping[int, int], after: StateAfter) -> int | None:
    """The place of the first event with an outcome whose reports are not all there; None if there is none."""
    for place, event in enumerate(events):
        if event["type"] != "ended":
            continue
        lacking = [
            outcome["trial"] for outcome in event["outcomes"] if outcome["step"] > steps.get(outcome["trial"], 0)
        ]
        if lacking:
            # An outcome of a superseded attempt covers nothing.
            covered = after(events[: place + 1]).covered()
            if any(covered.get(trial, 0) > steps.get(trial, 0) for trial in lacking):
                return place
    return None
