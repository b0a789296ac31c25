"""One GPU filled: a worker that has it alone, four that share it, and fused trials, with the GPU's utilisation.

    .venv/bin/python benchmarks/gpu.py

The sweep is that of the README, with more trials, on an MLP and on a CNN. `--pretend` runs a small form of it on a
machine without a GPU, with a GPU that Ray only counts: it shows that the script works, and its figures mean nothing.
"""

import argparse
import logging
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from environment import environment, sentence

from caviar.scheduler import Sweep

NETWORKS: dict[str, dict[str, Any]] = {
    "MLP": {"hidden": {"integer": [32, 128], "log": True}, "layers": {"choice": [1, 2, 3]}},
    "CNN": {"model": {"constant": "cnn"}, "channels": {"integer": [8, 32], "log": True}},
}
WORKERS = {"one worker": {"gpu": 1.0, "count": 1}, "four workers": {"gpu": 0.25, "count": 4}}
FUSE = ("off", "auto")
TRIALS, EPOCHS = 600, 9
_QUERY = ("nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "-lms", "500")


@dataclass
class Load:
    """What the GPU said of itself, twice a second.

    Attributes:
        utilisation: Percent of the time in which something was computed.
        memory_mib: Memory in use.
    """

    utilisation: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)

    def words(self) -> str:
        """The mean utilisation and the most memory, as cells of a table."""
        if not self.utilisation:
            return "- | -"
        return f"{sum(self.utilisation) / len(self.utilisation):.0f} % | {max(self.memory_mib) / 1024:.1f} GiB"


@contextmanager
def watched() -> Iterator[Load]:
    """Asks the GPU meanwhile; nothing is asked where there is none."""
    load = Load()
    if shutil.which(_QUERY[0]) is None:
        yield load
        return
    with subprocess.Popen(_QUERY, stdout=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(target=_read, args=(process, load))
        reader.start()
        yield load
        process.terminate()
        reader.join()


def _read(process: "subprocess.Popen[str]", load: Load) -> None:
    for line in process.stdout or ():
        utilisation, memory = line.split(",")
        load.utilisation.append(float(utilisation))
        load.memory_mib.append(float(memory))


def row(network: str, workers: str, fuse: str, trials: int) -> str:
    """One sweep, as a row of the table."""
    with tempfile.TemporaryDirectory(prefix="gpu-") as folder, watched() as load:
        sweep = Sweep(
            "caviar.trainers.pytorch.digits:train",
            space={"lr": {"log": [1e-4, 1.0]}, "momentum": {"inverse_log": [0.9, 0.999]}, **NETWORKS[network]},
            metric="val_loss",
            resource={"min": 1, "max": EPOCHS, "eta": 3},
            budget={"trials": trials},
            workers={"cpu": 1, **WORKERS[workers]},
            controller="hyperband",
            fuse=fuse,
            storage=folder,
            name="gpu",
        )
        began = time.perf_counter()
        results = sweep.run()
        seconds = time.perf_counter() - began
        epochs = results.sql("select count(*) from reports").column(0)[0].as_py()
        size = sweep.spec.fuse.size
    return (
        f"| {network} | {workers} | {fuse}, {size} | {epochs:,} | {seconds:.1f} | {epochs / seconds:,.0f}"
        f" | {load.words()} |"
    )


def main() -> None:
    """Measures, prints the table, and writes it beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "gpu.md")
    parser.add_argument("--pretend", action="store_true", help="a small form without a GPU; nothing is written")
    arguments = parser.parse_args()
    if shutil.which(_QUERY[0]) is None and not arguments.pretend:
        parser.exit(1, "There is no GPU here (no nvidia-smi); --pretend shows that the script works.\n")
    trials = 12 if arguments.pretend else TRIALS
    gpus = 1 if arguments.pretend else None
    ray.init(num_cpus=4, num_gpus=gpus, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    rows = [
        row(network, workers, fuse, trials)
        for network in list(NETWORKS)[: 1 if arguments.pretend else None]
        for workers in WORKERS
        for fuse in FUSE
    ]
    ray.shutdown()
    lines = [
        "# One GPU",
        "",
        f"{sentence(environment('caviar', 'ray', 'torch'))} Made by `python benchmarks/gpu.py`.",
        f"{trials} trials of up to {EPOCHS} epochs, with the start of the workers and the measurement of the group"
        " size.",
        "",
        "| network | workers | fuse, group | trials x epochs | seconds | a second | utilisation | most memory |",
        "|---|---|---|---:|---:|---:|---:|---:|",
        *rows,
    ]
    print("\n".join(lines))
    if not arguments.pretend:
        arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
