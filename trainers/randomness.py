"""Seeds for the global random generators, so that a step's numbers depend on nothing but the trial and the step."""

import random
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

import numpy as np

_MASK = (1 << 64) - 1


def mix(seed: int, step: int) -> int:
    """A 64-bit seed from a trial's seed and a step.

    The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): neighbouring seeds and steps give unrelated numbers.

    Args:
        seed: The trial's seed, below 2**32.
        step: The step about to be trained; 0 stands for the code before the first step.
    """
    z = ((seed << 32) ^ step) * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15 & _MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK
    return z ^ z >> 31


def seed_generators(seed: int, step: int) -> None:
    """Seeds the global generators of `random`, numpy and torch; the last one when it is imported, now or later."""
    mixed = mix(seed, step)
    random.seed(mixed)
    np.random.seed(mixed & 0xFFFFFFFF)
    if "torch" in sys.modules:
        _seed_torch(mixed)
    else:
        _torch_import.expect(mixed)


def _seed_torch(seed: int) -> None:
    from .pytorch.randomness import seed_torch  # noqa: PLC0415 torch is only touched where it is imported

    seed_torch(seed)


class _TorchImport(MetaPathFinder):
    """Seeds torch at the moment when training code imports it.

    Without this, the first trial of a process would draw its weights from torch's own default seed if its code imports
    torch inside the training function, and all later ones would not.
    """

    _seed = 0

    def expect(self, seed: int) -> None:
        """Sets the seed that torch gets."""
        self._seed = seed
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Lets the other finders find torch, and adds the seeding to its loading."""
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_seed(module: ModuleType) -> None:
                load(module)
                _seed_torch(self._seed)

            setattr(spec.loader, "exec_module", load_and_seed)  # noqa: B010 mypy allows no assignment to a method
        return spec


_torch_import = _TorchImport()
