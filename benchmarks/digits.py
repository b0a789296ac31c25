"""The sweep of the README, from start to end: how long it takes and what it finds.

    .venv/bin/python benchmarks/digits.py

Runs examples/digits.yaml (200 networks on scikit-learn's handwritten digits, up to 27 epochs, 2 workers) in a fresh
folder, with the start of Ray and of the workers in the time.
"""

import argparse
import tempfile
import time
from pathlib import Path

from environment import environment, sentence

from caviar.scheduler import Sweep

SPEC = Path(__file__).parents[1] / "examples" / "digits.yaml"


def main() -> None:
    """Measures, prints the table, and writes it beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "digits.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sweep = Sweep.from_yaml(SPEC, storage=folder)
        began = time.perf_counter()
        results = sweep.run()
        seconds = time.perf_counter() - began
        best = results.best
        accuracy = results.sql(f"select val_acc from reports where trial = {best.trial} and step = {best.step}")
        trained = results.sql("select count(*) as epochs, count(distinct trial) as trials from reports").to_pylist()[0]
    table = f"""# examples/digits.yaml

{sentence(environment("caviar", "ray", "torch"))} Made by `python benchmarks/digits.py`.

| trials | epochs | seconds | best val_loss | its dev accuracy |
|---:|---:|---:|---:|---:|
| {trained["trials"]} | {trained["epochs"]} | {seconds:.1f} | {best.value:.4f} | {accuracy.column(0)[0].as_py():.4f} |
"""
    print(table)
    arguments.output.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
