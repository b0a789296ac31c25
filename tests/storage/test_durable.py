"""Files of a sweep are whole or absent."""

import os
from pathlib import Path

import pytest

from caviar.scheduler.storage import Location, SweepDirectory, write_file


@pytest.fixture
def anywhere(place: Location) -> SweepDirectory:
    directory = SweepDirectory(place / "digits")
    directory.create()
    return directory


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    directory = SweepDirectory(tmp_path / "sweeps" / "digits")
    directory.create()
    return directory


def test_the_directory_has_the_documented_layout(directory: SweepDirectory) -> None:
    folders = sorted(path.name for path in directory.path.iterdir())

    assert folders == ["checkpoints", "journal", "logs", "results", "staging"]
    assert directory.spec == directory.path / "sweep.yaml"
    assert directory.trials == directory.path / "trials.parquet"
    assert directory.log(17) == directory.path / "logs" / "17.log"


def test_creating_it_again_changes_nothing(anywhere: SweepDirectory) -> None:
    directory = anywhere
    directory.log(3).write_bytes(b"epoch 1")

    directory.create()

    assert directory.log(3).read_text() == "epoch 1"


def test_a_written_file_replaces_the_old_one_and_leaves_nothing_in_staging(anywhere: SweepDirectory) -> None:
    directory = anywhere
    write_file(directory.spec, b"old", directory.staging)
    write_file(directory.spec, memoryview(b"new"), directory.staging)

    assert directory.spec.read_bytes() == b"new"
    assert not list(directory.staging.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_in_staging(
    directory: SweepDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file(directory.spec, b"old", directory.staging)

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_file(directory.spec, b"new", directory.staging)

    assert directory.spec.read_bytes() == b"old"
    assert not list(directory.staging.iterdir())


def test_content_is_on_the_disk_before_its_name_and_the_name_before_it_returns(
    directory: SweepDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def recorded_fsync(descriptor: int) -> None:
        steps.append("fsync")
        fsync(descriptor)

    def recorded_replace(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    write_file(directory.spec, b"name: digits", directory.staging)

    assert steps == ["fsync", "rename", "fsync"]


def test_staging_can_be_cleared_of_what_a_killed_run_left(directory: SweepDirectory) -> None:
    assert isinstance(directory.staging, Path)
    (directory.staging / "checkpoint-3-9.half").mkdir()
    (directory.staging / "part-000004.parquet.half").write_bytes(b"PAR1")

    directory.clear_staging()

    assert directory.staging.is_dir()
    assert not list(directory.staging.iterdir())
