"""Seeds for the global random generators, so that a step's numbers depend on nothing but the trial and the step."""

import random
import sys

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
    """Seeds the global generators of `random`, numpy and, when it is imported, torch."""
    mixed = mix(seed, step)
    random.seed(mixed)
    np.random.seed(mixed & 0xFFFFFFFF)
    if "torch" in sys.modules:
        from .pytorch.randomness import seed_torch  # noqa: PLC0415 torch is only touched where it is imported

        seed_torch(mixed)
