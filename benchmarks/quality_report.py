"""The tables of quality.py."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from environment import environment, sentence
from quality_figures import NAMES, Board, interval, task_means
from quality_methods import PEERS
from quality_runs import FinishedRun

SETTINGS = {
    "yahpo": "Any configuration can be evaluated: three tasks of YAHPO Gym's surrogate of LCBench",
    "tables": "Tables of real runs, a proposed configuration mapped to its nearest unused row",
    "chosen": "Tables of real runs, methods choose among the unused rows",
    "real": "Real training: digits and breast cancer",
}
_INTRODUCTION = [
    "# Search quality",
    "",
    "Regret: (best seen - best there is) / (median of random full trainings - best there is), cut off at 0 and 1.",
    "One meter counts for every method: a paused trial that goes on costs only its new steps, and what counts is the",
    "best value at any step. Methods propose through their own ask-and-tell interfaces, with their own defaults, a",
    "reduction factor of 3 and rungs from one epoch; each is told every loss, and what it makes of it is its own.",
    "With many workers, steps take unevenly long (the slowest tenth takes three times as long as the fastest), and k",
    "full trainings are the time in which the workers together do k trainings of mean cost. The best of real tasks is",
    "that of all runs.",
    "Made by `python benchmarks/quality.py --data DIR`, which says where the data is from.",
]
_READ_AT = 20
"""Full trainings at which tasks are shown one by one."""


def write_report(runs: Sequence[FinishedRun], output: Path) -> None:
    """Writes all tables into a Markdown file, and prints them."""
    lines = [*_INTRODUCTION, _where(runs), "", f"![Regret by budget]({output.with_suffix('.png').name})"]
    for (setting, workers), board in boards(runs):
        lines += ["", f"## {SETTINGS[setting]}; {workers} worker{'s' * (workers > 1)}", ""]
        lines += [*_summary(board), *_tables(board)]
    text = "\n".join(lines) + "\n"
    print(text)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")


def boards(runs: Iterable[FinishedRun]) -> list[tuple[tuple[str, int], Board]]:
    """The runs of each setting and number of workers, in the report's order."""

    def place(run: FinishedRun) -> tuple[int, int]:
        return list(SETTINGS).index(run.key.setting), run.key.workers

    groups = groupby(sorted(runs, key=place), place)
    return [((list(SETTINGS)[setting], workers), Board(list(group))) for (setting, workers), group in groups]


def _summary(board: Board) -> list[str]:
    """How Caviar's mean regret compares with that of the best peer, which may be another one at each budget."""
    peers = [method for method in board.methods if method in PEERS]
    if not peers or "caviar" not in board.methods:
        return []
    best = np.min([task_means(board, method).mean(axis=0) for method in peers], axis=0)
    ratios = task_means(board, "caviar").mean(axis=0) / best
    shares = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    budgets = ", ".join(f"{full}" for full in board.trainings)
    return [f"Caviar's mean regret is {shares} of the best peer's after {budgets} full trainings.", ""]


def _tables(board: Board) -> list[str]:
    budgets = [f"{full}" for full in board.trainings]
    header = _header(["mean regret after full trainings", "seeds", *budgets, *[f"rank, {full}" for full in budgets]])
    lines = [*header, *(_mean_row(board, method) for method in board.methods)]
    lines += ["", *_header(["interquartile mean, 95 % interval", *budgets])]
    lines += [_row([NAMES[method], *_intervals(board, method)]) for method in board.methods]
    lines += ["", *_header([f"mean regret by task, {_READ_AT}", *board.tasks, "seconds a run"])]
    return lines + [_row([NAMES[method], *_by_task(board, method)]) for method in board.methods]


def _mean_row(board: Board, method: str) -> str:
    means = task_means(board, method).mean(axis=0)
    shown = [f"{mean:.3f}" for mean in means]
    ranks = [f"{rank:.1f}" for rank in board.ranks[method]]
    return _row([NAMES[method], str(board.seeds(method)), *shown, *ranks])


def _intervals(board: Board, method: str) -> list[str]:
    found = [interval(board.by_task(method), column) for column in range(len(board.trainings))]
    return [f"{middle:.3f} ({low:.3f} to {high:.3f})" for low, middle, high in found]


def _by_task(board: Board, method: str) -> list[str]:
    column = board.trainings.index(_READ_AT)
    means = task_means(board, method)[:, column]
    seconds = np.mean([run.seconds for run in board.runs if run.key.method == method])
    return [*(f"{mean:.3f}" for mean in means), f"{seconds:.1f}"]


def _header(cells: Sequence[str]) -> list[str]:
    return [_row(cells), "|---|" + "---:|" * (len(cells) - 1)]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _where(runs: Iterable[FinishedRun]) -> str:
    """The machine, and the versions of everything that ran."""
    found = {name: number for run in runs for name, number in run.versions.items()}
    return sentence({**environment(), **dict(sorted(found.items()))})
