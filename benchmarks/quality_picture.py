"""The picture of quality.py: regret by budget, a panel for each setting and number of workers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from quality_figures import NAMES, Board, Regrets, task_means
from quality_meter import best_at
from quality_report import boards
from quality_runs import FinishedRun

TITLES = {
    "yahpo": "any configuration (YAHPO LCBench)",
    "tables": "tables, mapped to the nearest row",
    "chosen": "tables, chosen among the rows",
    "real": "real training",
}
_POINTS = 48
_CAVIAR = ("caviar", "caviar_asha")
_BASELINES = ("random", "random_2x", "hyperband", "one_epoch")
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6d31")
"""For the peers, told apart by people with any colour vision (Okabe and Ito), and a brown."""


def draw(runs: Sequence[FinishedRun], output: Path) -> None:
    """Draws all panels into a file."""
    panels = boards(runs)
    if not panels:
        return
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(max(8.8, 4.4 * columns), 3.4 * rows + 1.1), layout="constrained")
    for position, ((setting, workers), board) in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, position)
        _panel(axes, board)
        axes.set_title(f"{TITLES[setting]}, {workers} worker{'s' * (workers > 1)}", loc="left", fontsize=9)
    handles = {line.get_label(): line for axes in figure.axes for line in axes.get_lines()}
    order = [name for name in NAMES.values() if name in handles]
    figure.legend([handles[name] for name in order], order, loc="outside lower center", ncols=3, frameon=False)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=150)


def _panel(axes: Axes, board: Board) -> None:
    most = max(board.trainings)
    budgets = np.geomspace(2, most, _POINTS)
    for method in board.methods:
        if method == "one_epoch":
            means = task_means(board, method).mean(axis=0)
            axes.plot(board.trainings, means, label=NAMES[method], **_style(method))
        else:
            axes.plot(budgets, _mean_regrets(board, method, budgets), label=NAMES[method], **_style(method))
    axes.set(xscale="log", xlabel="full trainings", ylabel="mean regret", xlim=(2, most))
    axes.set_xticks([2, *board.trainings], [str(full) for full in (2, *board.trainings)])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="#e8e8e8", linewidth=0.6)


def _mean_regrets(board: Board, method: str, budgets: Regrets) -> Regrets:
    """The mean over tasks of the mean over seeds, at each budget."""
    runs = [run for run in board.runs if run.key.method == method]
    curves = {task: [_curve(run, budgets) for run in runs if run.key.task == task] for task in board.tasks}
    means: Regrets = np.mean([np.mean(curve, axis=0) for curve in curves.values()], axis=0)
    return means


def _curve(run: FinishedRun, budgets: Regrets) -> list[float]:
    assert run.reference is not None
    times = budgets * run.steps / run.key.workers
    return [run.reference.regret(best_at(run.trajectory, time)) for time in times]


def _style(method: str) -> dict[str, Any]:
    if method in _CAVIAR:
        return {"color": "black", "linewidth": 2.4, "linestyle": ("-", "--")[_CAVIAR.index(method)], "zorder": 3}
    if method in _BASELINES:
        dashes = ("-", "--", ":", "None")[_BASELINES.index(method)]
        marker = "x" if method == "one_epoch" else None
        return {"color": "#888888", "linewidth": 1.1, "linestyle": dashes, "marker": marker}
    peers = [name for name in NAMES if name not in (*_BASELINES, *_CAVIAR)]
    return {"color": _COLOURS[peers.index(method)], "linewidth": 1.3}
