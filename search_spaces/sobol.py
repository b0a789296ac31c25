"""Sobol's sequence, scrambled: the points of `scipy.stats.qmc.Sobol` to the last bit, from SciPy's direction numbers.

To import `scipy.stats` takes more time than all else that looks at a sweep: a replay of the journal draws its points
here. Where SciPy keeps its numbers elsewhere, `designs.sobol` asks SciPy itself.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .values import Units

_BITS = 30
_PLACES = np.arange(_BITS - 1, -1, -1, dtype=np.uint32)
"""The bits of a number, the highest first."""

_Bits = npt.NDArray[np.uint32]


def scrambled_sobol(n: int, dimensions: int, seed: int, start: int) -> Units:
    """Points start, start + 1, ..., start + n - 1 of the scrambled sequence of `seed`; shape (n, dimensions).

    Args:
        n: How many points.
        dimensions: At most 21201.
        seed: From which the scrambling follows.
        start: Number of the first point; numbers are below 2**30.

    Raises:
        LookupError: This SciPy has no file of direction numbers, or none for so many dimensions.
    """
    directions, first = _scrambled(dimensions, seed)
    number = np.arange(start, start + n, dtype=np.uint32)
    gray = number ^ (number >> 1)
    points = np.repeat(first[np.newaxis], n, axis=0)
    for bit in range(int(gray.max(initial=0)).bit_length()):
        points ^= np.where((gray >> np.uint32(bit) & 1)[:, np.newaxis] == 1, directions[:, bit], np.uint32(0))
    return np.ldexp(points.astype(np.float64), -_BITS)


@lru_cache(maxsize=4)
def _scrambled(dimensions: int, seed: int) -> tuple[_Bits, _Bits]:
    """Scrambled direction numbers, shape (dimensions, 30), and the first point; kept, as brackets take a few points.

    Each output bit is a random sum of the bits above it and the bit itself (Matousek 1998), then all are shifted.
    """
    (rng,) = np.random.default_rng(seed).spawn(1)  # as SciPy does
    shift = rng.integers(2, size=(dimensions, _BITS), dtype=np.uint32)
    first = shift @ (np.uint32(1) << np.arange(_BITS, dtype=np.uint32))
    lower = np.tril(rng.integers(2, size=(dimensions, _BITS, _BITS), dtype=np.uint32), -1)
    matrix = lower + np.eye(_BITS, dtype=np.uint32)
    numbers = np.stack([_directions(dimension) for dimension in range(dimensions)])
    bits = numbers[:, np.newaxis, :] >> _PLACES[:, np.newaxis] & 1
    directions: _Bits = (np.uint32(1) << _PLACES) @ (matrix @ bits & 1)
    return directions, first


def _directions(dimension: int) -> _Bits:
    """The direction numbers of one dimension, each with its point to the left of its highest bit."""
    polynomials, initial = direction_numbers()
    polynomial = int(polynomials[dimension])
    degree = polynomial.bit_length() - 1
    numbers = [1] * _BITS if dimension == 0 else _continued(polynomial, initial[dimension, :degree].tolist())
    return np.left_shift(np.array(numbers, np.uint32), _PLACES)


def _continued(polynomial: int, initial: Sequence[int]) -> list[int]:
    """The initial direction numbers and those that the recurrence of the polynomial adds."""
    degree, numbers = len(initial), list(initial)
    for place in range(degree, _BITS):
        number = numbers[place - degree]
        for back in range(1, degree + 1):
            if polynomial >> (degree - back) & 1:
                number ^= numbers[place - back] << back
        numbers.append(number)
    return numbers


@lru_cache(maxsize=1)
def direction_numbers() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """SciPy's file of Joe and Kuo's direction numbers: a polynomial and its initial numbers for each dimension.

    S. Joe and F. Y. Kuo, SIAM J. Sci. Comput. 30 (2008).

    Raises:
        LookupError: This SciPy has no such file.
    """
    found = find_spec("scipy")
    folders = [] if found is None else list(found.submodule_search_locations or ())
    files = [file for folder in folders if (file := Path(folder, "stats", "_sobol_direction_numbers.npz")).is_file()]
    if not files:
        raise LookupError("This SciPy has no file of direction numbers.")
    with np.load(files[0], allow_pickle=False) as numbers:
        return numbers["poly"], numbers["vinit"]
