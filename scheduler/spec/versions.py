"""The versions that a sweep runs with."""

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("caviar", "numpy", "optuna", "ray", "scipy", "torch")


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on; packages that are absent are left out."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
