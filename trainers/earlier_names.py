"""Modules by the names that they had in an earlier release: they warn, and are found for one release more."""

import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class EarlierNames(MetaPathFinder, Loader):
    """Finds the modules of a package by earlier names: an import gives the one module, whichever name it is asked by.

    Args:
        package: The package.
        names: The names of modules by their earlier ones, both below the package. What is below an earlier name is
            looked for below the one that it has now.
    """

    def __init__(self, package: str, names: Mapping[str, str]) -> None:
        self.package, self._names = package, names
        self._own: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for an earlier name; None for any other."""
        if not fullname.startswith(f"{self.package}.") or self._name_of(fullname) is None:
            return None
        return ModuleSpec(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself, under the name that it has now."""
        name = f"{self.package}.{self._name_of(spec.name)}"
        message = f"{spec.name} is called {name} now; the earlier name will be removed in version 0.2.0."
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        module = import_module(name)
        self._own[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Gives the module its own spec back, which the import has replaced; it has run already."""
        assert module.__spec__ is not None
        module.__spec__ = self._own.pop(module.__spec__.name)

    def _name_of(self, fullname: str) -> str | None:
        """The name below the package that the module has now."""
        name, rest = fullname.removeprefix(f"{self.package}."), ""
        while name not in self._names:
            name, dot, last = name.rpartition(".")
            if not dot:
                return None
            rest = f".{last}{rest}"
        return self._names[name] + rest


def find_earlier_names(package: str, names: Mapping[str, str]) -> None:
    """Lets the modules of a package be imported by earlier names too; calls after the first change nothing.

    Args:
        package: The package.
        names: As in `EarlierNames`.
    """
    if package not in {finder.package for finder in sys.meta_path if isinstance(finder, EarlierNames)}:
        # Before the finder of files, which would find the modules below an earlier name a second time.
        sys.meta_path.insert(0, EarlierNames(package, names))
