"""Modules of this package by the names that they had before it got folders, which warn and go with the next release."""

import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_FOLDERS = {
    "classification": ("architecture", "arrays", "columns", "datasets", "loading", "tables", "targets"),
    "lanes": ("data", "device", "fused", "group_size", "lane", "lane_training", "optimizers", "recipe"),
    "models": ("blocks", "cnn", "layers", "mlp", "resnet", "transformer"),
    "parts": (
        "activations",
        "augmentation",
        "averages",
        "dropout",
        "early_stopping",
        "gradient_check",
        "initialisation",
        "losses",
        "minibatches",
        "mixup",
        "noise",
        "schedules",
        "splits",
        "standardise",
    ),
}
OLD_NAMES = {name: f"{folder}.{name}" for folder, names in _FOLDERS.items() for name in names}
"""The place of each module now, below this package."""


class OldNames(MetaPathFinder, Loader):
    """Finds the modules of a package by old names: an import gives the one module, whichever name it is asked by.

    Args:
        package: The package.
        names: The new names of modules by their old ones, both below the package.
    """

    def __init__(self, package: str, names: Mapping[str, str]) -> None:
        self._package, self._names = package, names
        self._own: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for an old name; None for any other."""
        package, _, name = fullname.rpartition(".")
        return ModuleSpec(fullname, self) if package == self._package and name in self._names else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself, under its new name."""
        new = self._names[spec.name.rpartition(".")[2]]
        message = f"{spec.name} is called {self._package}.{new} now; the earlier name will be removed in version 0.2.0."
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        module = import_module(f".{new}", self._package)
        self._own[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Gives the module its own spec back, which the import has replaced; it has run already."""
        assert module.__spec__ is not None
        module.__spec__ = self._own.pop(module.__spec__.name)


def find_old_names(package: str) -> None:
    """Lets a package's modules be imported by their old names too; calls after the first change nothing."""
    if not any(isinstance(finder, OldNames) for finder in sys.meta_path):
        sys.meta_path.append(OldNames(package, OLD_NAMES))
