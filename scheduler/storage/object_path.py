"""Paths in an object store: the part of `pathlib.Path` that a sweep needs, over a filesystem of pyarrow.

An object store has neither folders nor renames nor appends: an object becomes visible, whole, when its upload ends, and
a folder is there as long as something lies below it.
"""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import SweepError
from .object_store import explained, open_filesystem

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class ObjectPath:
    """A place in an object store. It holds no connection: each process opens its own at the first use.

    Every method that reads or writes raises `ObjectStoreError` where the store does not answer, and `SweepError` where
    there is no such bucket or access is denied.

    Attributes:
        scheme: "s3" or "gs".
        key: The bucket, and what follows it.
        query: Options of the filesystem, as in `region=eu-central-1`.
    """

    scheme: str
    key: str
    query: str = ""

    def __str__(self) -> str:
        """The URI."""
        return f"{self.scheme}://{self.key}" + (f"?{self.query}" if self.query else "")

    def __truediv__(self, name: str) -> "ObjectPath":
        return ObjectPath(self.scheme, f"{self.key}/{name}", self.query)

    @property
    def name(self) -> str:
        """The last part."""
        return PurePosixPath(self.key).name

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return PurePosixPath(self.key).stem

    @property
    def suffix(self) -> str:
        """The last part's ending, with its dot."""
        return PurePosixPath(self.key).suffix

    @property
    def parent(self) -> "ObjectPath":
        """The folder that holds it; of a bucket the bucket itself."""
        folder, slash, _ = self.key.rpartition("/")
        return ObjectPath(self.scheme, folder, self.query) if slash else self

    @property
    def filesystem(self) -> Any:
        """The filesystem of pyarrow that `key` is a path of."""
        return open_filesystem(self.scheme, self.bucket, self.query, os.getpid())

    @property
    def bucket(self) -> str:
        """The bucket."""
        return self.key.partition("/")[0]

    def resolve(self) -> "ObjectPath":
        """The same: a URI is absolute."""
        return self

    def exists(self) -> bool:
        """True where there is an object, or one below it."""
        return self._kind() != "NotFound"

    def is_file(self) -> bool:
        """True where there is an object."""
        return self._kind() == "File"

    def is_dir(self) -> bool:
        """True where there is an object below it."""
        return self._kind() == "Directory"

    def iterdir(self) -> Iterator["ObjectPath"]:
        """The paths directly below it, by name; none where there is no such folder."""
        from pyarrow.fs import FileSelector  # noqa: PLC0415 a sweep on the disk need not wait for it

        # For Google's store pyarrow lists a folder only where an object stands for it, which none does here.
        selector = FileSelector(self.key, allow_not_found=True, recursive=self.scheme == "gs")
        with self._explained():
            found = self.filesystem.get_file_info(selector)
        if not found:
            self.check_bucket()
        names = {info.path[len(self.key) + 1 :].partition("/")[0] for info in found} - {""}
        return iter([self / name for name in sorted(names)])

    def tree(self) -> dict[str, int]:
        """The objects below it, each with its size in bytes, by their paths from here."""
        from pyarrow.fs import FileSelector  # noqa: PLC0415 a sweep on the disk need not wait for it

        with self._explained():
            found = self.filesystem.get_file_info(FileSelector(self.key, allow_not_found=True, recursive=True))
        return {info.path[len(self.key) + 1 :]: info.size for info in found if info.is_file}

    def read_bytes(self) -> bytes:
        """The object's content.

        Raises:
            FileNotFoundError: There is none.
        """
        content: bytes = self.read_buffer().to_pybytes()
        return content

    def read_buffer(self) -> Any:
        """The object's content as a buffer of Arrow's own.

        Arrow's threads may give up a buffer while Python ends, which over Python's bytes would abort the process.

        Raises:
            FileNotFoundError: There is none.
        """
        with self._opened() as stream:
            return stream.read_buffer()

    def read_text(self, encoding: str = "utf-8") -> str:
        """The object's content as text.

        Raises:
            FileNotFoundError: There is none.
        """
        return self.read_bytes().decode(encoding)

    def write_bytes(self, data: bytes | memoryview) -> None:
        """Makes or replaces the object, in one step; it is durable when this returns."""
        # Ctrl-C between opening and closing the stream would upload half of it: it does not reach a thread.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(self._put, data).result()

    def touch(self) -> None:
        """Makes an empty object."""
        self.write_bytes(b"")

    def unlink(self, missing_ok: bool = False) -> None:
        """Deletes the object.

        Raises:
            FileNotFoundError: There is none, and `missing_ok` is false.
        """
        try:
            with self._explained():
                self.filesystem.delete_file(self.key)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def remove_tree(self) -> None:
        """Deletes everything below it, in no particular order; nothing there is no error."""
        try:
            with self._explained():
                self.filesystem.delete_dir(self.key)
        except FileNotFoundError:
            return

    def upload(self, file: Path) -> None:
        """Makes or replaces the object with the content of a local file."""
        with file.open("rb") as source, self._explained():
            stream = self.filesystem.open_output_stream(self.key)
            shutil.copyfileobj(source, stream, _CHUNK)
            stream.close()

    def download(self, file: Path) -> None:
        """Writes the object's content to a local file.

        Raises:
            FileNotFoundError: There is no object.
        """
        with file.open("wb") as target, self._opened() as stream:
            shutil.copyfileobj(stream, target, _CHUNK)

    def check_bucket(self) -> None:
        """Looks for the bucket.

        Raises:
            SweepError: There is none.
        """
        with self._explained():
            kind = self.filesystem.get_file_info(self.bucket).type.name
        if kind == "NotFound":
            raise SweepError(f"{self}: there is no bucket {self.bucket}; make it, or name another one.")

    def _put(self, data: bytes | memoryview) -> None:
        with self._explained():
            stream = self.filesystem.open_output_stream(self.key)
            stream.write(data)
            stream.close()

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            with self._explained(), self.filesystem.open_input_stream(self.key) as stream:
                yield stream
        except FileNotFoundError:
            self.check_bucket()
            raise

    def _kind(self) -> str:
        with self._explained():
            kind: str = self.filesystem.get_file_info(self.key).type.name
        return kind

    def _explained(self) -> Any:
        return explained(str(self), self.bucket)
