"""Progress of a run on standard error: a live display on a terminal, a line now and then elsewhere."""

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from ...analysis.insights import summarize_search
from ...analysis.progress import Progress, ProgressMeter
from ...core.trials.trial import TrialRow
from ...execution.snapshot import RunSnapshot
from ...execution.throttle import Throttle
from ...spec.spec import SweepSpec
from .brackets import bracket_view
from .console import plural, progress_console, show_config, show_count, show_duration, show_value
from .summary import search_summary_view

_LINE_EVERY_S = 5.0
_SHOW_EVERY_S, _SHOW_SHARE = 0.5, 0.05
"""The display counts over all trials: for a large sweep it changes seldom enough not to hold it up."""
_BRACKETS_SHOWN = 8
_MOST_NAMED = 4


class RunProgress:
    """Observes a run and shows how it gets on; a context manager around the run.

    Args:
        spec: The sweep's spec.
        earlier_s: Seconds that earlier runs of the sweep took; None before the first.
    """

    def __init__(self, spec: SweepSpec, earlier_s: float | None = None) -> None:
        self._spec, self._earlier_s = spec, earlier_s
        self._meter: ProgressMeter | None = None
        """Made when there is a state: the brackets of an edited sweep follow from more than its spec."""
        self._console = progress_console()
        self._live: Live | None = None
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._throttle = Throttle(_SHOW_EVERY_S, _SHOW_SHARE)
        self._last_line_s: float | None = None
        self._last: tuple[RunSnapshot, Progress] | None = None
        self._stopping = False
        self._waiting: str | None = None
        self._proposal: int | None = None
        """The proposal that was told of last."""

    def __enter__(self) -> "RunProgress":
        self._shown().__enter__()
        self._show(Text(f"{self._spec.name}: {self._planned()}starting …", "dim"))
        return self

    def __exit__(self, *error: object) -> None:
        self._shown().__exit__(None, None, None)

    def __call__(self, snapshot: RunSnapshot) -> None:
        """Shows a snapshot of the run, unless it is too soon after the last one for a sweep of this size."""
        changed = snapshot.stopping != self._stopping or (snapshot.waiting is None) != (self._waiting is None)
        if not (changed or self._throttle.due(snapshot.elapsed_s)) and snapshot.state.outstanding:
            return
        began = time.perf_counter()
        self._show_snapshot(snapshot, changed=changed)
        self._stopping, self._waiting = snapshot.stopping, snapshot.waiting
        self._throttle.done(snapshot.elapsed_s, time.perf_counter() - began)

    def _show_snapshot(self, snapshot: RunSnapshot, *, changed: bool) -> None:
        if self._meter is None:
            self._meter = ProgressMeter(self._spec, self._earlier_s or 0.0, snapshot.state.schedule())
        progress = self._meter.measure(snapshot.state.rows, snapshot.state.spent)
        left = self._meter.seconds_left(snapshot, progress)
        self._last = snapshot, progress
        if self._live is not None:
            self._show(live_view(self._spec, snapshot, progress, left))
            return
        due = self._last_line_s is None or snapshot.elapsed_s - self._last_line_s >= _LINE_EVERY_S
        if due or changed:
            self._show(line_view(self._spec, snapshot, progress, left))
            self._show_new_summary(snapshot)
            self._last_line_s = snapshot.elapsed_s

    def tell_end(self) -> None:
        """Says in one line what the run did, once it has ended."""
        if self._last is not None:
            snapshot, progress = self._last
            words = _counts(self._spec, replace(snapshot, stopping=False), progress, None)
            self._console.print(Text(f"{self._spec.name}: ended · " + " · ".join(words)))

    def _planned(self) -> str:
        if self._earlier_s is not None:
            return ""
        plan = ProgressMeter(self._spec).measure((), 0)
        if plan.planned_trials is None or plan.planned_brackets is None or plan.planned_resource is None:
            return ""
        unit = plural(plan.planned_resource, self._spec.resource.unit)
        return f"{plural(plan.planned_trials, 'trial')} in {plural(plan.planned_brackets, 'bracket')}, {unit}; "

    def _show_new_summary(self, snapshot: RunSnapshot) -> None:
        summary = summarize_search(self._spec, snapshot.state)
        if summary.proposal != self._proposal:
            self._show(Text(show_value(f"{summary.why}; looking: {summary.looking}")))
            self._proposal = summary.proposal

    def _shown(self) -> AbstractContextManager[object]:
        return nullcontext() if self._live is None else self._live

    def _show(self, view: RenderableType) -> None:
        if self._live is None:
            self._console.print(view)
        else:
            self._live.update(view, refresh=True)


def line_view(spec: SweepSpec, snapshot: RunSnapshot, progress: Progress, left: float | None) -> Text:
    """A snapshot in one line."""
    return Text(" · ".join([*_counts(spec, snapshot, progress, left), *_best_words(spec, snapshot.state.best)]))


def live_view(spec: SweepSpec, snapshot: RunSnapshot, progress: Progress, left: float | None) -> RenderableType:
    """A snapshot on some lines: what is spent, the brackets that are open with their rungs, the incumbent."""
    title = Text.assemble((spec.name, "bold"), (f"  {_stopping(snapshot)}" if snapshot.stopping else "", "yellow"))
    if snapshot.waiting is not None:
        title.append(f"  paused: {snapshot.waiting}", "yellow")
    parts: list[RenderableType] = [title, Text(" · ".join(_counts(spec, snapshot, progress, left)))]
    if progress.brackets:
        parts += ["", bracket_view(progress, spec.resource.unit, _BRACKETS_SHOWN)]
    if snapshot.state.best is not None:
        parts += ["", Text(" ".join(_best_words(spec, snapshot.state.best))), show_config(snapshot.state.best.config)]
    parts += ["", search_summary_view(replace(summarize_search(spec, snapshot.state), why=None))]
    return Group(*parts)


def _counts(spec: SweepSpec, snapshot: RunSnapshot, progress: Progress, left: float | None) -> list[str]:
    unit, bad = spec.resource.unit, {state: progress.states.get(state, 0) for state in ("failed", "diverged")}
    words = [
        f"trials {show_count(progress.trials, progress.planned_trials)}",
        *(f"{count:,} {state}" for state, count in bad.items() if count),
        f"{unit}s {show_count(progress.resource, progress.planned_resource)}",
        plural(snapshot.workers, "worker") if snapshot.workers else "starting workers",
        f"{show_duration(snapshot.elapsed_s)} elapsed",
    ]
    if snapshot.stopping:
        return [*words, _stopping(snapshot)]
    if snapshot.waiting is not None:
        return [*words, f"paused: {snapshot.waiting}"]
    return words if left is None else [*words, f"about {show_duration(left)} left"]


def _stopping(snapshot: RunSnapshot) -> str:
    """The line about a stop that waits for steps; it names their trials, since a step may never end."""
    # The trials given out first are training: where steps are short, others wait behind them at each worker.
    running = [work.trial for work in snapshot.state.outstanding][: snapshot.workers]
    named = ", ".join(str(trial) for trial in running[:_MOST_NAMED]) + (", …" if len(running) > _MOST_NAMED else "")
    trials = f" of trial {named}" if len(running) == 1 else f" of trials {named}" if running else ""
    return f"stopping after the running steps{trials} … (Ctrl-C again stops at once)"


def _best_words(spec: SweepSpec, best: TrialRow | None) -> list[str]:
    if best is None or best.best_value is None:
        return []
    where = f"{spec.resource.unit} {best.best_step} of trial {best.trial}"
    return [f"best {spec.metric} {show_value(best.best_value)} at {where}"]
