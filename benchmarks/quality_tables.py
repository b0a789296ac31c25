"""Tasks of real training runs in finite tables: a proposed configuration is that of the nearest unused row.

TaskSet (Metz et al. 2020, Apache-2.0) and LCBench (Zimmer et al. 2021, Apache-2.0). Distances are taken in the unit
cube, with the axes of the search space. A row is used once in a run. Diverged rows count as worst.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from quality_tasks import Config, Curve, Opener, Reference, read_meta, space_of

from caviar.search_spaces import Integer, Log, SearchSpace, Uniform, Value

EPOCHS = 50
FAMILIES = ("taskset_adam8p", "lcbench_real")


class TableTask:
    """One table.

    Args:
        file: `<family>/<task>.parquet`, beside its `meta.json`.
        chosen: Whether methods choose among the rows instead of proposing any configuration.
    """

    steps = EPOCHS

    def __init__(self, file: Path, *, chosen: bool) -> None:
        table = pd.read_parquet(file)
        self.name, self.space = file.stem, space_of(read_meta(file.parent))
        self._losses = _losses(table)
        rows = _rows(table, self.space)
        self._points = self.space.encode(rows)
        self.candidates = rows if chosen else None
        self.reference = Reference(float(self._losses.min()), float(np.median(self._losses[:, -1])))

    def opener(self, seed: int) -> Opener:
        """A table has every row once: the seed changes nothing."""
        return NearestRows(self.space, self._points, self._losses).open


class NearestRows:
    """The rows that a run has not used yet.

    Args:
        space: The search space.
        points: The rows in the unit cube, float64 [rows, d].
        losses: float64 [rows, steps].
    """

    def __init__(self, space: SearchSpace, points: npt.NDArray[np.float64], losses: npt.NDArray[np.float64]) -> None:
        self._space, self._points, self._losses = space, points, losses
        self._used = np.zeros(len(points), dtype=np.bool_)

    def open(self, config: Config) -> Curve:
        """The curve of the nearest unused row; of the nearest one when all are used."""
        distances = ((self._points - self._space.encode([config])) ** 2).sum(axis=1)
        if not self._used.all():
            distances[self._used] = np.inf
        row = int(distances.argmin())
        self._used[row] = True
        return lambda step: float(self._losses[row, step - 1])


def _losses(table: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Losses [rows, steps] in the order of the rows' numbers; diverged ones are infinite."""
    metric = "val_loss" if "val_loss" in table else "val_cross_entropy"
    curves = table.pivot(index="config_id", columns="epoch", values=metric).sort_index(axis=1)
    losses = curves.to_numpy(np.float64)[:, -EPOCHS:]
    return np.where(np.isfinite(losses), losses, np.inf)


def _rows(table: pd.DataFrame, space: SearchSpace) -> list[dict[str, Value]]:
    """The rows' configurations in the order of their numbers, inside the bounds, which rounding may have left."""
    first = table.drop_duplicates("config_id").set_index("config_id").sort_index()
    columns = {name: first[name].to_numpy() for name in space.names}
    for name, domain in space.domains.items():
        assert isinstance(domain, Uniform | Log | Integer), name
        columns[name] = np.clip(columns[name], domain.low, domain.high)
    types = {name: int if kind == "integer" else float for name, kind in space.value_types.items()}
    return [{name: types[name](columns[name][row]) for name in space.names} for row in range(len(first))]


def table_tasks(data: Path, *, chosen: bool) -> list[TableTask]:
    """The tables of both families."""
    files = [file for family in FAMILIES for file in sorted((data / family).glob("*.parquet"))]
    return [TableTask(file, chosen=chosen) for file in files]
