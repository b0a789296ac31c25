"""A sweep directory from somebody else: nothing in it is run, and nothing is written through its links."""

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import torch

from caviar.scheduler import Results
from caviar.scheduler.analysis.page.page import write_page
from caviar.scheduler.core.trials.assignment import Assignment, OutcomeStatus
from caviar.scheduler.errors import SweepError
from caviar.scheduler.execution.worker.engine import Engine
from caviar.scheduler.execution.worker.report_queue import ReportQueue
from caviar.scheduler.execution.worker.settings import TrainingSettings
from caviar.scheduler.storage import Checkpoints, SweepDirectory, SweepLock


class Hostile:
    """A pickle that would create a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def poison(checkpoint: Path, trace: Path, file: str) -> None:
    """Puts a pickle in the place of a file of a checkpoint, as torch and numpy would write it, or bare."""
    if file == "tensors.pt":
        torch.save({"0": Hostile(trace)}, checkpoint / file)
    elif file == "arrays.npz":
        arrays: dict[str, Any] = {"0": np.array([Hostile(trace)], dtype=object)}
        np.savez(checkpoint / file, **arrays)
    else:
        (checkpoint / file).write_bytes(pickle.dumps(Hostile(trace)))
    state = checkpoint / "state.json"
    if file == "tensors.pt":
        state.write_text('{"state": {"$tensor": "0"}}')
    elif file == "arrays.npz":
        state.write_text('{"state": {"$array": "0"}}')


def seal_again(checkpoint: Path) -> None:
    """Makes the manifest fit the files, as somebody who knows the format would."""
    manifest = checkpoint / "manifest.json"
    content = orjson.loads(manifest.read_bytes())
    del content["sha256"]
    content["files"] = {
        path.name: {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in checkpoint.iterdir()
        if path != manifest
    }
    digest = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
    manifest.write_bytes(orjson.dumps({"sha256": digest, **content}))


@pytest.mark.parametrize("file", ["tensors.pt", "arrays.npz", "state.json"])
def test_a_pickle_in_a_checkpoint_is_never_run(
    settings: Callable[..., TrainingSettings],
    work: Callable[..., Assignment],
    directory: SweepDirectory,
    tmp_path: Path,
    file: str,
) -> None:
    first, trace = Engine(settings("walk"), ReportQueue()), tmp_path / "trace"
    first.run([work(stop=1)])
    first.run([work(start=1, stop=3, rung=1)])
    (undisturbed,) = first.run([work(start=3, stop=9, rung=2)])
    checkpoints = Checkpoints(directory.checkpoints, directory.staging)
    checkpoints.delete(0, 9)
    poison(Path(str(checkpoints.path(0, 3))), trace, file)

    # Its manifest tells: the trial goes on from the checkpoint before it, and comes to the same.
    (outcome,) = Engine(settings("walk"), ReportQueue()).run([work(start=3, stop=9, rung=2)])
    assert (outcome.status, outcome.value) == (OutcomeStatus.COMPLETED, undisturbed.value)
    assert not trace.exists()

    # With a manifest that was forged as well the trial fails, in one sentence.
    checkpoints.delete(0, 9)
    seal_again(Path(str(checkpoints.path(0, 3))))
    (outcome,) = Engine(settings("walk"), ReportQueue()).run([work(start=3, stop=9, rung=2)])
    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.error is not None
    assert "cannot be restored" in outcome.error
    assert len(outcome.error.splitlines()) == 1
    assert not trace.exists()


def test_nothing_is_written_through_a_link(
    settings: Callable[..., TrainingSettings],
    work: Callable[..., Assignment],
    directory: SweepDirectory,
    recorded: Callable[..., Path],
    tmp_path: Path,
) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    Path(str(directory.log(0))).symlink_to(mine)
    (outcome,) = Engine(settings("fated"), ReportQueue()).run([work(config={"fate": "fails"})])
    assert outcome.status is OutcomeStatus.FAILED

    Path(str(directory.lock)).symlink_to(mine)
    with (
        pytest.raises(SweepError, match="lock is a link, and the lock has to be a file: remove it"),
        SweepLock(directory.lock),
    ):
        pass

    page = tmp_path / "page.html"
    page.with_name(".page.html.draft").symlink_to(mine)
    page.symlink_to(mine)
    write_page(Results.open(recorded(tmp_path)), page)
    assert page.read_text().startswith("<!doctype html>")
    assert not page.is_symlink()
    assert mine.read_text() == "mine"
