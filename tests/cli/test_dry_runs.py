"""`caviar resume --dry-run`: what would follow from an edit, on standard output, and nothing else."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Finished = tuple[Path, subprocess.CompletedProcess[str]]
Caviar = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.slow
def test_a_dry_run_says_what_would_follow_and_refuses_what_cannot_change(finished: Finished, caviar: Caviar) -> None:
    folder, sweep = finished[0], Path("sweeps", "small")
    before = {path: path.read_bytes() for path in (folder / sweep).rglob("*") if path.is_file()}
    edited = ("--set", "budget.trials=30", "--workers", "3")
    shown = caviar("resume", sweep, *edited, "--dry-run", cwd=folder)
    assert shown.returncode == 0
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["edited", "budget.trials", "12", "->", "30"] in lines
    assert ["edited", "workers.count", "1", "->", "3"] in lines
    assert "trials    12 done, 0 pending, 18 to come" in shown.stdout

    told = json.loads(caviar("resume", sweep, *edited, "--dry-run", "--json", cwd=folder).stdout)
    assert (told["done"], told["pending"], told["to_come"]) == (12, 0, 18)
    assert told["resource"] == sum(bracket["resource"] for bracket in told["brackets"])

    refused = caviar("resume", sweep, "--set", "seed=1", "--dry-run", cwd=folder)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "error: seed: the sweep has 0 and cannot go on with 1; run a new sweep with warm_start: " in refused.stderr
    assert {path: path.read_bytes() for path in (folder / sweep).rglob("*") if path.is_file()} == before
