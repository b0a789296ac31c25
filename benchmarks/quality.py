"""How good the configurations are that Caviar and its peers find with the same budget, on the same tasks and seeds.

    .venv/bin/pip install -c constraints.txt -e '.[bench]'
    python3 -m venv .venv-peers && .venv-peers/bin/pip install -r benchmarks/peers-requirements.txt
    python3 -m venv .venv-peers-dehb && .venv-peers-dehb/bin/pip install -r benchmarks/peers-dehb-requirements.txt
    .venv/bin/python benchmarks/quality.py --data DIR

DIR holds `taskset_adam8p/*.parquet` (TaskSet: Metz et al. 2020, Apache-2.0), `lcbench_real/*.parquet` (LCBench: Zimmer
et al. 2021, Apache-2.0) and `yahpo_lcbench/` (YAHPO Gym's surrogate of LCBench: Pfisterer et al. 2022, Apache-2.0).
Finished runs are kept and not made again, so that the whole can be made in pieces. The figure is regret:
(best seen - best there is) / (median of random full trainings - best there is), between 0 and 1.
"""

import argparse
import os
from collections.abc import Iterator
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import orjson
from quality_methods import CHOOSE_ROWS, FULL_TRAININGS, METHODS, Places, RunKey, measure, tasks
from quality_peer_process import PeerError
from quality_picture import draw
from quality_report import write_report
from quality_runs import read_runs

HERE = Path(__file__).parent


def wanted(arguments: argparse.Namespace, places: Places) -> Iterator[RunKey]:
    """The runs that were asked for, seed by seed, so that an early end leaves whole seeds."""
    for setting, workers in product(arguments.settings, arguments.workers):
        names = [task.name for task in tasks(setting, places)]
        methods = [method for method in arguments.methods if setting != "chosen" or method in CHOOSE_ROWS]
        for seed, method, name in product(arguments.seeds, methods, names):
            yield RunKey(method, setting, name, seed, workers)


def attempt(job: tuple[RunKey, Places]) -> tuple[RunKey, bytes | str]:
    """Makes one run; a peer that ended is told about and left out."""
    key, places = job
    try:
        return key, orjson.dumps(measure(key, places))
    except PeerError as error:
        return key, str(error)


def measure_all(keys: list[RunKey], places: Places, jobs: int) -> None:
    """Makes runs and appends each to the file of its method."""
    with get_context("forkserver").Pool(jobs) as pool:
        for key, line in pool.imap_unordered(attempt, [(key, places) for key in keys]):
            if isinstance(line, str):
                print(f"{key} failed:\n{line}", flush=True)
                continue
            with (places.runs / f"{key.method}.jsonl").open("ab") as file:
                file.write(line + b"\n")
            print(sentence_of(key, line), flush=True)


def sentence_of(key: RunKey, line: bytes) -> str:
    """What is said about a finished run: its seconds, and its regrets, or its losses where regret is not known yet."""
    run = orjson.loads(line)
    figures = " ".join("-" if figure is None else f"{figure:.3f}" for figure in run["regrets"] or run["values"])
    where = f"{key.method:16} {key.setting} {key.task:40} seed {key.seed} workers {key.workers}"
    return f"{where} {run['seconds']:7.1f} s  {figures}"


def numbers(text: str) -> list[int]:
    """Numbers such as "0-4,7"."""
    ranges = [part.partition("-") for part in text.split(",")]
    return [number for low, _, high in ranges for number in range(int(low), int(high or low) + 1)]


def parse() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the tasks' data; not needed for --report")
    parser.add_argument("--runs", type=Path, default=HERE / ".quality-runs", help="where finished runs are kept")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD")
    parser.add_argument("--settings", nargs="+", choices=list(FULL_TRAININGS), default=list(FULL_TRAININGS))
    parser.add_argument("--seeds", type=numbers, default=list(range(20)), help='such as "0-19"')
    parser.add_argument("--workers", type=numbers, default=[1], help='such as "1,8"')
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--peers", type=Path, default=HERE.parent / ".venv-peers/bin/python")
    parser.add_argument("--peers-dehb", type=Path, default=HERE.parent / ".venv-peers-dehb/bin/python")
    parser.add_argument("--report", action="store_true", help="only write the report of the runs there are")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "quality.md")
    arguments = parser.parse_args()
    if arguments.data is None and not arguments.report:
        parser.error("--data: the folder with the tasks' data is missing")
    return arguments


def main() -> None:
    """Makes the runs that are missing, and writes the report of all runs."""
    arguments = parse()
    if not arguments.report:
        arguments.runs.mkdir(parents=True, exist_ok=True)
        places = Places(arguments.data, arguments.runs, arguments.peers, arguments.peers_dehb)
        done = {run.key for run in read_runs(arguments.runs)}
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        measure_all([key for key in wanted(arguments, places) if key not in done], places, arguments.jobs)
    runs = read_runs(arguments.runs)
    draw(runs, arguments.output.with_suffix(".png"))
    write_report(runs, arguments.output)


if __name__ == "__main__":
    main()
