"""Data files of any format that Caviar reads, as data for classification."""

import difflib
from collections.abc import Collection
from glob import escape
from pathlib import Path

from ...errors import TrainerError
from ..lanes.data import Data, DataDescription
from ..parts.splits import SplitSettings
from .arrays import Channels, load_arrays
from .tables import load_table

CSV_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
PARQUET_SUFFIXES = (".parquet", ".pq")
ARRAY_SUFFIXES = (".npz",)

_GLOB = frozenset("*?[")


def load_data(
    path: str | Path,
    target: str | None = None,
    split: SplitSettings | None = None,
    *,
    ignore: str | Collection[str] = (),
    channels: Channels | None = None,
) -> tuple[Data, DataDescription]:
    """Reads a file of examples, chosen by its suffix, splits it and makes it ready for a network.

    All that is fitted to data (means, medians, categories) is fitted to the training part alone.

    Args:
        path: A .csv, .tsv, .parquet or .npz file; a folder of Parquet files, or a glob pattern of them. `~` is the home
            folder.
        target: The column of a table that holds the classes; an .npz file has it under a name of `arrays.NAMES`.
        split: The sizes of the parts; None for 60 % training, 20 % dev and 20 % test, stratified.
        ignore: A column of a table that is no input, or several, such as a number that only names the row.
        channels: Their place in images of an .npz file that could be read in two ways.

    Raises:
        TrainerError: The file is missing or of another format, or what it holds cannot be classified.
    """
    settings = split or SplitSettings()
    source = Path(path).expanduser()
    if source.name.endswith(ARRAY_SUFFIXES):
        if target is not None:
            raise TrainerError(f"target is {target!r}: the arrays of {source} have fixed names, so leave it out")
        return load_arrays(_existing(source), settings, channels)
    return load_table(_table_source(source), target, settings, (ignore,) if isinstance(ignore, str) else ignore)


def _table_source(source: Path) -> str:
    """The path or glob pattern of a table's files."""
    if source.is_dir():
        if not any(source.rglob("*.parquet")):
            raise TrainerError(f"the folder {source} has no .parquet files")
        return f"{escape(str(source))}/**/*.parquet"
    if not source.name.endswith((*CSV_SUFFIXES, *PARQUET_SUFFIXES)):
        known = ", ".join((*CSV_SUFFIXES, *PARQUET_SUFFIXES, *ARRAY_SUFFIXES))
        raise TrainerError(f"{source} is of no known format: it should end in {known}, or be a folder of Parquet files")
    if _GLOB & set(str(source)) and not source.is_file():
        return str(source)
    return escape(str(_existing(source)))


def _existing(source: Path) -> Path:
    if source.is_file():
        return source
    neighbours = [file.name for file in source.parent.iterdir()] if source.parent.is_dir() else []
    close = difflib.get_close_matches(source.name, neighbours, n=1)
    raise TrainerError(f"there is no file {source}" + (f"; did you mean {close[0]}?" if close else ""))
