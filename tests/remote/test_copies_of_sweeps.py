"""A sweep's directory packed and unpacked, and what a copy may take the place of."""

import hashlib
import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler.analysis.status import sweep_status
from caviar.scheduler.errors import SweepError
from caviar.scheduler.remote.copies import CopyNote, check_replaceable, journal_digest, read_note, write_note
from caviar.scheduler.remote.kept_code import keep_code, kept_package, package_here
from caviar.scheduler.remote.relocate import relocated_fields
from caviar.scheduler.remote.sweep_archive import HashedWriter, copy_files, read_archive, write_archive
from caviar.scheduler.remote.working_directory import package_of
from caviar.scheduler.results import Results
from caviar.scheduler.storage import Journal, Location, SweepDirectory, locate


@pytest.fixture(scope="module")
def sweep(recorded: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = recorded(tmp_path_factory.mktemp("storage"), name="small", budget={"trials": 6}, controller="random")
    best = Results.open(directory).best
    for trial, step in ((best.trial, best.step), (best.trial + 1, 1)):
        folder = directory / "checkpoints" / str(trial) / str(step)
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    (directory / "staging" / "half").write_text("")
    (directory / "lock").write_text("")
    (directory / "link").symlink_to("/etc/passwd")
    return directory


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def archive_of(sweep: Location, checkpoints: Any) -> io.BytesIO:
    buffer = io.BytesIO()
    write_archive(buffer, sweep, checkpoints)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize(("checkpoints", "count"), [("best", 1), ("all", 2), ("none", 0)])
def test_a_copy_is_the_sweep_without_what_is_of_the_moment(
    checkpoints: Any, count: int, sweep: Path, tmp_path: Path
) -> None:
    packed, copied = tmp_path / "packed", tmp_path / "copied"
    for folder in (packed, copied):
        folder.mkdir()
    read_archive(archive_of(sweep, checkpoints), packed)
    copy_files(sweep, checkpoints, copied)
    assert files_of(packed) == files_of(copied)
    assert len(list(packed.glob("checkpoints/*/*"))) == count
    assert not {"lock", "link", "staging/half"} & files_of(packed)
    assert {"sweep.yaml", "trials.parquet"} <= files_of(packed)
    assert all((packed / name).read_bytes() == (sweep / name).read_bytes() for name in files_of(packed))
    assert sweep_status(packed).progress == sweep_status(sweep).progress


def test_an_archive_is_hashed_while_it_is_written(sweep: Path, tmp_path: Path) -> None:
    with HashedWriter(tmp_path / "sweep.tar") as file:
        write_archive(file, sweep, "all")
    written = (tmp_path / "sweep.tar").read_bytes()
    assert written == archive_of(sweep, "all").getvalue()
    assert file.sha256 == hashlib.sha256(written).hexdigest()


def test_the_journal_is_read_first_so_that_the_parts_it_knows_are_there(sweep: Path) -> None:
    with tarfile.open(fileobj=archive_of(sweep, "none")) as archive:
        names = archive.getnames()
    journal = [name.startswith("journal/") for name in names]
    assert journal == sorted(journal, reverse=True)
    assert journal[0]


def hostile(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname, entry.size = kind, link, 1 if kind == tarfile.REGTYPE else 0
        archive.addfile(entry, io.BytesIO(b"x"))
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../outside", tarfile.REGTYPE, ""),
        ("/tmp/outside", tarfile.REGTYPE, ""),
        ("a/../../outside", tarfile.REGTYPE, ""),
        ("a//b", tarfile.REGTYPE, ""),
        ("./a", tarfile.REGTYPE, ""),
        ("link", tarfile.SYMTYPE, "/etc/passwd"),
        ("link", tarfile.LNKTYPE, "/etc/passwd"),
        ("pipe", tarfile.FIFOTYPE, ""),
        ("device", tarfile.CHRTYPE, ""),
    ],
)
def test_an_archive_with_anything_but_files_below_is_refused(name: str, kind: bytes, link: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(SweepError, match=r"^What the cluster sent holds '.*', which is no file of a sweep\.$"):
        read_archive(hostile(name, kind, link), folder)
    assert files_of(tmp_path) == set()


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="no archive of a sweep"):
        read_archive(io.BytesIO(b"<html>" * 200), tmp_path)


@pytest.fixture
def copy(sweep: Path, tmp_path: Path) -> Path:
    return copied(sweep, tmp_path / "copy")


def copied(sweep: Path, folder: Path) -> Path:
    folder.mkdir()
    copy_files(sweep, "none", folder)
    write_note(
        folder, CopyNote("http://head:8265", "small", "/x/small", "2026-11-26T14:00:00+00:00", journal_digest(folder))
    )
    return folder


def test_a_copy_remembers_where_it_is_from(copy: Path, sweep: Path) -> None:
    assert str(read_note(copy)) == "a copy of small on http://head:8265, fetched 2026-11-26T14:00:00+00:00"
    assert read_note(sweep) is None
    (copy / "fetched.json").write_text("[]")
    assert read_note(copy) is None


def test_a_newer_copy_of_the_same_sweep_takes_the_place_of_an_older_one(
    copy: Path, sweep: Path, tmp_path: Path
) -> None:
    check_replaceable(copy, copied(sweep, tmp_path / "newer"))
    check_replaceable(tmp_path / "nothing", copy)
    (tmp_path / "empty").mkdir()
    check_replaceable(tmp_path / "empty", copy)


def test_nothing_else_is_replaced(copy: Path, sweep: Path, recorded: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="is there already and no copy of this sweep: name another folder with --to"):
        check_replaceable(sweep, copy)
    other = copied(recorded(tmp_path, name="other", budget={"trials": 3}, controller="random"), tmp_path / "other copy")
    shutil.rmtree(other / "journal")
    with Journal.open(SweepDirectory(other).journal) as journal:
        journal.append({"type": "opened", "time": 1.0, "versions": {}})
    with pytest.raises(SweepError, match=r"fetched .*, and has gone on here since: name another folder with --to\.$"):
        check_replaceable(other, copy)
    note = read_note(other)
    assert note is not None
    write_note(other, CopyNote(note.address, note.sweep, note.directory, note.time, journal_digest(other)))
    with pytest.raises(SweepError, match="another sweep of this name: name another folder with --to"):
        check_replaceable(other, copy)


def test_another_job_finds_code_and_data_in_its_own_folder(recorded: Callable[..., Path], tmp_path: Path) -> None:
    there = "/tmp/ray/session_1/runtime_resources/working_dir_files/_ray_pkg_1"
    directory = recorded(
        tmp_path,
        name="moved",
        trainer=f"{there}/code/train.py:train",
        data=f"{there}/data",
        budget={"trials": 2},
        controller="random",
    )
    folder = Path("/tmp/ray/session_2/runtime_resources/working_dir_files/_ray_pkg_2")
    assert relocated_fields(directory, folder) == [
        "--set",
        f'trainer="{folder}/code/train.py:train"',
        "--set",
        f'data="{folder}/data"',
    ]
    assert relocated_fields(directory, Path("/root")) == []
    directory = recorded(
        tmp_path, name="kept", trainer="package.module:train", data="/data", budget={"trials": 2}, controller="random"
    )
    assert relocated_fields(directory, folder) == []


def test_the_training_code_is_kept_beside_the_results_as_it_was(sweep: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "working_dir_files" / "_ray_pkg_1"
    (unpacked / "__pycache__").mkdir(parents=True)
    (unpacked / "__pycache__" / "train.pyc").write_text("")
    (unpacked / "train.py").write_text("1")
    assert package_here(tmp_path) is None
    kept, copy = shutil.copytree(sweep, tmp_path / "kept", symlinks=True), tmp_path / "copy"
    for content in ("1", "2"):
        (unpacked / "train.py").write_text(content)
        package = package_here(unpacked)
        assert package is not None
        keep_code(kept, package)
    copy.mkdir()
    read_archive(archive_of(kept, "code"), copy)
    assert kept_package(copy) == package == package_of({"train.py": b"2"})
    assert files_of(copy) == {f"code/{package.name}"}
    (copy / "code" / package.name).write_bytes(package_of({"train.py": b"3"}).data)
    with pytest.raises(SweepError, match="the sweep's training code is another than its name says"):
        kept_package(copy)
    (copy / "code" / package.name).write_bytes(b"x")
    with pytest.raises(SweepError, match="the sweep's training code cannot be read"):
        kept_package(copy)
    assert kept_package(tmp_path) is None


def test_an_object_store_gives_the_same_copy_as_a_disk(sweep: Path, prefix: str, tmp_path: Path) -> None:
    stored = locate(f"{prefix}/small")
    for name in files_of(sweep) - {"link"}:
        object_path = stored
        for part in name.split("/"):
            object_path = object_path / part
        object_path.write_bytes((sweep / name).read_bytes())
    copy, packed = tmp_path / "copy", tmp_path / "packed"
    for folder in (copy, packed):
        folder.mkdir()
    copy_files(stored, "best", copy)
    read_archive(archive_of(stored, "best"), packed)
    assert files_of(copy) == files_of(packed)
    assert len(list(copy.glob("checkpoints/*/*"))) == 1
    assert sweep_status(copy).progress == sweep_status(sweep).progress
