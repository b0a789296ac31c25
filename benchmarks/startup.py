"""The time of small commands beside those of an earlier Caviar, and `--help` beside importing typer and rich.

    .venv/bin/python benchmarks/startup.py [--before COMMIT] [--sweep DIR] [--output FILE]

The sweep is that of `make demo`, which takes half a minute where none is given. Processes are started in turn, one of
each kind after the other, so that a machine that is busy for a while is as slow for all of them.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from environment import environment, sentence

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("scheduler", "search_spaces", "trainers")
FIRST = "d56f6a6"
"""The commit before commands imported what they do when they run."""
CAVIAR = (sys.executable, "-m", "caviar.scheduler.cli")
TYPER = (sys.executable, "-c", "import typer, rich.console, rich.table")


def main() -> None:
    """Measures, prints the table and writes it."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        before = _checkout(options.before, Path(folder))
        sweep = options.sweep or _demo(Path(folder))
        seconds = _measured(before, sweep, options.rounds)
    page = _page(seconds, options.before, options.rounds)
    print(page)
    if options.output is not None:
        options.output.write_text(page, encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default=FIRST, help="the commit to compare with")
    parser.add_argument("--sweep", type=Path, help="the directory of a sweep that has ended")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, help="where the table goes besides standard output")
    return parser.parse_args()


def _checkout(commit: str, folder: Path) -> Path:
    """A folder for PYTHONPATH with the packages of a commit."""
    archive = folder / "packages.tar"
    subprocess.run(["git", "archive", "-o", str(archive), commit, *PACKAGES], cwd=ROOT, check=True)
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "before" / "caviar", filter="data")
    return folder / "before"


def _demo(folder: Path) -> Path:
    """The sweep of `make demo`."""
    spec = ROOT / "examples" / "digits.yaml"
    subprocess.run([*CAVIAR, "run", str(spec)], cwd=folder, env=_environment(_now(folder)), check=True)
    return folder / "sweeps" / "digits"


def _now(folder: Path) -> Path:
    """A folder for PYTHONPATH with the packages as they are."""
    place = folder / "now" / "caviar"
    if not place.exists():
        place.mkdir(parents=True)
        for package in PACKAGES:
            (place / package).symlink_to(ROOT / package)
    return place.parent


def _environment(path: Path) -> Mapping[str, str]:
    # Where Python may not keep its compiled modules, most of what is measured would be the compiler.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(path)}


def _measured(before: Path, sweep: Path, rounds: int) -> dict[tuple[str, str], list[float]]:
    """Seconds of each process of each kind; a first round, which compiles the modules, is left out."""
    now = _environment(_now(before.parent))
    commands = {name: (*CAVIAR, name, str(sweep)) for name in ("status", "best", "trials")}
    kinds: dict[tuple[str, str], tuple[tuple[str, ...], Mapping[str, str]]] = {("typer and rich", "now"): (TYPER, now)}
    for name, command in {"--help": (*CAVIAR, "--help"), **commands}.items():
        kinds[name, "before"] = command, _environment(before)
        kinds[name, "now"] = command, now
    seconds: dict[tuple[str, str], list[float]] = {kind: [] for kind in kinds}
    for number in range(rounds + 1):
        for kind, (command, variables) in kinds.items():
            began = time.perf_counter()
            subprocess.run(command, env=variables, check=True, capture_output=True)
            if number:
                seconds[kind].append(time.perf_counter() - began)
    return seconds


def _page(seconds: Mapping[tuple[str, str], list[float]], commit: str, rounds: int) -> str:
    middle = {kind: statistics.median(values) for kind, values in seconds.items()}
    floor = middle["typer and rich", "now"]
    lines = [
        "# Small commands",
        "",
        f"Medians of {rounds} processes of each kind, started in turn; before is commit {commit}, the sweep is that of"
        f" `make demo`. {sentence(environment('caviar', 'typer', 'numpy', 'pyarrow'))} Made by"
        f" `python benchmarks/startup.py`, under a load average of {os.getloadavg()[1]:.1f}.",
        "",
        "| command | before | now | now / before |",
        "|---|---:|---:|---:|",
    ]
    for name in ("--help", "status", "best", "trials"):
        old, new = middle[name, "before"], middle[name, "now"]
        lines.append(f"| `caviar {name}` | {old:.2f} s | {new:.2f} s | {new / old:.2f} |")
    ratio = middle["--help", "now"] / floor
    lines += [
        "",
        f"Importing typer and rich alone takes {floor:.2f} s: `caviar --help` takes {ratio:.2f} times that.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
