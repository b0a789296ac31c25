"""The sweep of the README, from start to end, with fused trials and without: how long it takes and what it finds.

    .venv/bin/python benchmarks/digits.py

Runs examples/digits.yaml (200 networks on scikit-learn's handwritten digits, up to 27 epochs, 2 workers) in a fresh
folder, once as it is and once with `fuse: off`, each in a process of its own, with the start of Ray and of the workers
in the time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from environment import environment, sentence

from caviar.scheduler import Sweep

SPEC = Path(__file__).parents[1] / "examples" / "digits.yaml"


def run(fuse: str) -> dict[str, Any]:
    """One sweep: what it took and what it found."""
    with tempfile.TemporaryDirectory() as folder:
        sweep = Sweep.from_yaml(SPEC, storage=folder, fuse=fuse)
        began = time.perf_counter()
        results = sweep.run()
        seconds = time.perf_counter() - began
        best = results.best
        found = results.sql(
            f"""select count(*) as epochs, count(distinct trial) as trials,
            max(val_acc) filter (trial = {best.trial} and step = {best.step}) as accuracy from reports"""
        ).to_pylist()[0]
        training = results.sql("select sum(elapsed_s) as training from trials").to_pylist()[0]
    return {**found, **training, "seconds": seconds, "trial": best.trial, "value": best.value}


def measured(fuse: str) -> dict[str, Any]:
    """The same in a fresh process."""
    command = [sys.executable, str(Path(__file__)), "--fuse", fuse]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def main() -> None:
    """Measures, prints the table, and writes it beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "digits.md")
    parser.add_argument("--fuse", choices=("auto", "off"), help="Run one sweep and print its figures as JSON.")
    arguments = parser.parse_args()
    if arguments.fuse:
        print(json.dumps(run(arguments.fuse)))
        return
    runs = {fuse: measured(fuse) for fuse in ("auto", "off")}
    rows = "\n".join(
        f"| `{fuse}` | {found['trials']} | {found['epochs']} | {found['seconds']:.1f} | {found['training']:.1f} |"
        f" {found['value']:.4f} | {found['accuracy']:.4f} | {found['trial']} |"
        for fuse, found in runs.items()
    )
    gain = runs["off"]["training"] / runs["auto"]["training"]
    table = f"""# examples/digits.yaml

{sentence(environment("caviar", "ray", "torch"))} Made by `python benchmarks/digits.py`.

| fuse | trials | epochs | seconds | of training, over both workers | best val_loss | its dev accuracy | its trial |
|---|---:|---:|---:|---:|---:|---:|---:|
{rows}

The seconds are from the call to the results, with the start of Ray and of two workers, and, with `auto`, the
measurement of the group size. Training is the sum of the trials' `elapsed_s`, with the making of models and the
writing of checkpoints in it. Fused it took 1/{gain:.1f} of the time.
"""
    print(table)
    arguments.output.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
