"""Zip archives of code that are the same bytes for the same files."""

import hashlib
import io
import zipfile
from collections.abc import Mapping

from .client import Package

_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip archive can say."""


def zip_files(files: Mapping[str, bytes]) -> bytes:
    """An archive of files by their names in it; equal files make equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def package_of(files: Mapping[str, bytes]) -> Package:
    """A package for the cluster, named after its content."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return Package(f"_ray_pkg_caviar_{digest.hexdigest()[:32]}.zip", zip_files(files))
