"""Checkpoints: a trial's saved state at a step, with a manifest that proves it is what was written.

`<trial>/<step>/` holds the files that the trainer wrote and `manifest.json`: their sizes and SHA-256, the trial, the
step and what else the caller wants to know about it. A checkpoint appears in one piece, and one that does not verify
is passed over. In an object store the manifest is uploaded last, and without it there is no checkpoint. Nothing is
unpickled here: what the files mean is the trainer's affair.
"""

import errno
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from ..errors import SweepError
from .directory import SweepDirectory
from .durable import list_folder, make_directory, publish, staged_path, sync
from .location import Location
from .object_path import ObjectPath
from .outages import is_full, is_outage

_logger = logging.getLogger(__name__)

_MANIFEST = "manifest.json"
_CHUNK = 1 << 20
_AT_ONCE = 4
"""Checkpoints that are flushed at a time; more do not make a disk faster."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that verified.

    Attributes:
        trial: The trial's number.
        step: Steps trained.
        path: The directory to restore from.
        meta: Notes that the writer stored with it.
        is_copy: Whether `path` is a copy on this machine, which `release` deletes.
    """

    trial: int
    step: int
    path: Path
    meta: Mapping[str, Any]
    is_copy: bool = False

    def release(self) -> None:
        """Deletes what was only copied to be restored from; nothing where that is the checkpoint itself."""
        if self.is_copy:
            shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class StagedCheckpoint:
    """A checkpoint on its way: its files are written, and it does not exist yet.

    Attributes:
        trial: The trial's number.
        step: Steps trained.
        folder: The folder of its files.
        meta: JSON values to keep with it.
    """

    trial: int
    step: int
    folder: Path
    meta: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of a sweep; workers on any machine that sees the directory may write and read them.

    Attributes:
        directory: Their folder.
        staging: A folder on the same filesystem; checkpoints for an object store are staged on this machine.
    """

    directory: Location
    staging: Location

    @classmethod
    def of(cls, directory: SweepDirectory) -> "Checkpoints":
        """Those of the sweep in a directory."""
        return cls(directory.checkpoints, directory.staging)

    def path(self, trial: int, step: int) -> Location:
        """The path of a trial's checkpoint at a step, whether or not it exists."""
        return self.directory / str(trial) / str(step)

    def exists(self, trial: int, step: int) -> bool:
        """True where a trial has a checkpoint at a step, verified or not."""
        return (self.path(trial, step) / _MANIFEST).is_file()

    def steps(self, trial: int) -> list[int]:
        """The steps at which the trial has a checkpoint, ascending, verified or not."""
        return _numbers(self.directory / str(trial))

    def trials(self) -> list[int]:
        """The trials that have, or had, a checkpoint, ascending."""
        return _numbers(self.directory)

    def size(self, trial: int, step: int) -> int:
        """Bytes of a trial's checkpoint at a step; 0 when there is none."""
        folder = self.path(trial, step)
        if isinstance(folder, ObjectPath):
            return sum(folder.tree().values())
        try:
            return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        except FileNotFoundError:  # it is being replaced
            return 0

    def write(self, trial: int, step: int, save: Callable[[Path], bool], meta: Mapping[str, Any]) -> bool:
        """Save a trial's state durably.

        One that verifies at the same step stays as it is: it belongs to the reports that were made first, and there is
        no moment without it. One that does not verify is replaced.

        Args:
            trial: The trial's number.
            step: Steps trained.
            save: Writes the state into the empty directory it is given; false when there is nothing to save.
            meta: JSON values to keep with it.

        Returns:
            Whether a checkpoint was written. When `save` raises, its error passes through and nothing is left.
        """
        staged = self.stage(trial, step, save, meta)
        if staged is None:
            return False
        self._publish(staged)
        return True

    def stage(
        self, trial: int, step: int, save: Callable[[Path], bool], meta: Mapping[str, Any]
    ) -> StagedCheckpoint | None:
        """The first half of `write`: have the state written where nobody looks for it, and not yet durably.

        Args:
            trial: The trial's number.
            step: Steps trained.
            save: Writes the state into the empty directory it is given; false when there is nothing to save.
            meta: JSON values to keep with it.

        Returns:
            What `publish` takes; None when there is nothing to save. When `save` raises, its error passes through and
            nothing is left.
        """
        folder = self._stage(f"checkpoint-{trial}-{step}")
        saved = False
        try:
            saved = save(folder)
        except Exception as error:
            if is_full(folder.parent) and not is_outage(error, folder.parent):  # torch says it without an error number
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
            raise
        finally:
            if not saved:
                shutil.rmtree(folder, ignore_errors=True)
        return StagedCheckpoint(trial, step, folder, meta) if saved else None

    def publish(self, staged: Sequence[StagedCheckpoint]) -> list[Exception | None]:
        """The second half of `write`, for several trials: some at a time, since most of it is waiting for the disk.

        Returns:
            For each what went wrong; None where the checkpoint is durable.
        """
        if len(staged) < 2:
            return [self._attempt(one) for one in staged]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(self._attempt, staged))

    def newest(self, trial: int, at_most: int | None = None) -> Checkpoint | None:
        """The trial's checkpoint of the highest step that verifies; None when there is none.

        Args:
            trial: The trial's number.
            at_most: Ignore checkpoints of later steps.

        Raises:
            ObjectStoreError: The object store does not answer.
            OSError: This machine has no room for a copy.
        """
        for step in reversed(self.steps(trial)):
            if at_most is not None and step > at_most:
                continue
            try:
                return self.verified(trial, step)
            except (OSError, ValueError) as error:
                if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
                    raise  # there is no room for a copy
                _logger.warning("%s does not verify (%s): an older one is used.", self.path(trial, step), error)
        return None

    def verified(self, trial: int, step: int) -> Checkpoint:
        """The trial's checkpoint at a step, to be released after use.

        Raises:
            OSError: It is not there, or a file of it is not.
            ValueError: Something in it is not as it was written.
            StorageError: The object store does not answer.
        """
        path = self.path(trial, step)
        try:
            if isinstance(path, Path):
                return Checkpoint(trial, step, path, _verify(path, trial, step))
            return self._copied(path, trial, step)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{_MANIFEST} is none of Caviar's ({type(error).__name__}: {error})") from None

    @staticmethod
    def _copied(path: ObjectPath, trial: int, step: int) -> Checkpoint:
        copy = Path(tempfile.mkdtemp(prefix="caviar-"))
        try:
            _download(path, copy)
            return Checkpoint(trial, step, copy, _verify(copy, trial, step), is_copy=True)
        except BaseException:
            shutil.rmtree(copy, ignore_errors=True)
            raise

    def _stage(self, name: str) -> Path:
        if isinstance(self.staging, ObjectPath):
            return Path(tempfile.mkdtemp(prefix="caviar-"))
        folder = staged_path(self.staging, name)
        folder.mkdir()
        return folder

    def _attempt(self, staged: StagedCheckpoint) -> Exception | None:
        try:
            self._publish(staged)
        except Exception as error:
            return error
        return None

    def _publish(self, staged: StagedCheckpoint) -> None:
        try:
            if self._verifies(staged.trial, staged.step):
                return
            _seal(staged.folder, {"trial": staged.trial, "step": staged.step, "meta": dict(staged.meta)})
            self.delete(staged.trial, staged.step)
            target = self.path(staged.trial, staged.step)
            if isinstance(target, ObjectPath):
                _upload(staged.folder, target)
                return
            make_directory(target.parent)
            publish(staged.folder, target)
        finally:
            shutil.rmtree(staged.folder, ignore_errors=True)

    def _verifies(self, trial: int, step: int) -> bool:
        try:
            self.verified(trial, step).release()
        except (OSError, ValueError):
            return False
        return True

    def delete(self, trial: int, step: int) -> None:
        """Delete a checkpoint in one step; none at that step is no error."""
        path = self.path(trial, step)
        if isinstance(path, ObjectPath):
            (path / _MANIFEST).unlink(missing_ok=True)
            path.remove_tree()
            return
        assert isinstance(self.staging, Path), "both are of one filesystem"
        doomed = staged_path(self.staging, f"deleted-{trial}-{step}")
        try:
            path.replace(doomed)
        except FileNotFoundError:
            return
        shutil.rmtree(doomed, ignore_errors=True)


def _numbers(folder: Location) -> list[int]:
    return sorted(int(path.name) for path in list_folder(folder) if path.name.isdecimal())


def _upload(folder: Path, target: ObjectPath) -> None:
    """Uploads a sealed checkpoint, the manifest last."""
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    for name in sorted(names, key=lambda name: name == _MANIFEST):
        (target / name).upload(folder / name)


def _download(source: ObjectPath, folder: Path) -> None:
    """Downloads the files that a checkpoint's manifest names; ValueError where others are in it, or it names others."""
    (source / _MANIFEST).download(folder / _MANIFEST)
    names = set(_read_manifest(folder)["files"])
    _compare(names, source.tree().keys() - {_MANIFEST})
    for name in sorted(names):
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{_MANIFEST} names {name}, which is not in it")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).download(folder / name)


def _seal(folder: Path, content: dict[str, Any]) -> None:
    """Write the manifest of a staged checkpoint and flush all of it to the disk."""
    if (folder / _MANIFEST).exists():
        raise SweepError(
            f"Trial {content['trial']} saved a file named {_MANIFEST}, which is Caviar's own name in a checkpoint: "
            f"save it under another name."
        )
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    content["files"] = {path.relative_to(folder).as_posix(): _fingerprint(path) for path in files}
    manifest = folder / _MANIFEST
    manifest.write_bytes(orjson.dumps({"sha256": _digest(content), **content}))
    for path in (*files, manifest, *(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync(path)


def _verify(folder: Path, trial: int, step: int) -> dict[str, Any]:
    """The `meta` of a checkpoint; ValueError or OSError when anything in it is not as it was written."""
    content = _read_manifest(folder)
    if (content["trial"], content["step"]) != (trial, step):
        raise ValueError(f"it was written for trial {content['trial']}, step {content['step']}")
    _check_names(folder, set(content["files"]))
    for name, fingerprint in content["files"].items():
        if _fingerprint(folder / name) != fingerprint:
            raise ValueError(f"{name} was changed")
    meta = content["meta"]
    if not isinstance(meta, dict):
        raise TypeError("its notes are no mapping")
    return meta


def _check_names(folder: Path, names: set[str]) -> None:
    """Refuses files that nobody wrote down, and names and links that lead elsewhere: a checkpoint is its own files."""
    found = {path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}
    if links := sorted(path.name for path in (folder, *found) if path.is_symlink()):
        raise ValueError(f"{links[0]} is a link")
    _compare(names, {path.relative_to(folder).as_posix() for path in found if path != folder / _MANIFEST})


def _compare(names: set[str], found: set[str]) -> None:
    if others := names ^ found:
        raise ValueError(f"{min(others)!r} is not both in the folder and in its {_MANIFEST}")


def _read_manifest(folder: Path) -> dict[str, Any]:
    content = orjson.loads((folder / _MANIFEST).read_bytes())
    if not isinstance(content, dict) or content.pop("sha256", None) != _digest(content):
        raise ValueError(f"{_MANIFEST} was changed")
    return content


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _fingerprint(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return {"size": path.stat().st_size, "sha256": digest.hexdigest()}
