"""Designs: how points are laid in the unit cube."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from math import prod

import numpy as np

from .errors import InvalidSpaceError
from .options import Choice
from .sobol import scrambled_sobol
from .space import SearchSpace
from .values import Units

_LARGEST_GRID = 1_000_000
_RAREST = 1000
_FEWEST_DRAWN = 16_384
_LARGEST_DRAW = 65_536
_SOBOL_BLOCK = 4096


def uniform(n: int, dimensions: int, seed: int, start: int = 0) -> Units:
    """Independent uniform points start, start + 1, ..., start + n - 1 of the sequence that `seed` begins; (n, d)."""
    bits = np.random.PCG64(seed)
    bits.advance(start * dimensions)
    return np.random.Generator(bits).random((n, dimensions))


def sobol(n: int, dimensions: int, seed: int, start: int = 0) -> Units:
    """Points start, start + 1, ..., start + n - 1 of the scrambled Sobol sequence of `seed`; shape (n, dimensions).

    The scrambling is Owen's by random linear matrices (Matousek 1998), as in `scipy.stats.qmc.Sobol`. Consecutive calls
    continue one sequence. There are 2**30 points.
    """
    if n == 0 or dimensions == 0:
        return np.empty((n, dimensions))
    begins = range(start - start % _SOBOL_BLOCK, start + n, _SOBOL_BLOCK)
    blocks = [_sobol_block(dimensions, seed, begin)[max(0, start - begin) : start + n - begin] for begin in begins]
    return np.concatenate(blocks)


@lru_cache(maxsize=4)
def _sobol_block(dimensions: int, seed: int, begin: int) -> Units:
    """A stretch of the sequence, kept because brackets take a few points each."""
    with suppress(LookupError):
        return scrambled_sobol(_SOBOL_BLOCK, dimensions, seed, begin)
    from scipy.stats import qmc  # noqa: PLC0415 it takes half a second, and is rarely needed

    engine = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    if begin:
        engine.fast_forward(begin)
    return np.asarray(engine.random(_SOBOL_BLOCK))


def grid(space: SearchSpace, points: int | Mapping[str, int]) -> Units:
    """Every combination of evenly spread values of each domain; shape (n, dimensions), the last name varying fastest.

    Choices contribute every option. Combinations that differ only in inactive names stand once, and those that break
    a constraint are left out.

    Args:
        space: The search space.
        points: Number of values of every domain, or of each by name. Choices need none.

    Raises:
        InvalidSpaceError: A number of points is missing, below 1 or of an unknown name, or the grid has more than a
            million points or no feasible one.
    """
    axes = [space.domains[name].grid(count) for name, count in _points_of(space, points).items()]
    size = prod(len(axis) for axis in axes)
    if size > _LARGEST_GRID:
        raise InvalidSpaceError(
            f"the grid has {size} points; at most {_LARGEST_GRID} are allowed, so take fewer values"
        )
    unit = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1) if axes else np.empty((1, 0))
    unit = _distinct(space, unit[space.feasible(unit)])
    if not len(unit):
        raise InvalidSpaceError(f"constraints: none of the {size} points of the grid satisfies {_listed(space)}")
    return unit


def feasible_points(space: SearchSpace, n: int, draw: Callable[[int, int], Units], start: int) -> tuple[Units, int]:
    """The first n points from number `start` of a sequence that satisfy the constraints, and the number after the last.

    Args:
        space: The search space.
        n: The number of points to take.
        draw: `draw(count, start)` gives `count` points of the sequence from number `start`.
        start: Number of the first point to look at.

    Raises:
        InvalidSpaceError: Fewer than one in a thousand points satisfy the constraints.
    """
    if not space.constraints:
        return draw(n, start), start + n
    found: list[Units] = []
    missing, position = n, start
    while missing:
        count = min(max(missing, position - start, 256), _LARGEST_DRAW)
        unit = draw(count, position)
        kept = np.flatnonzero(space.feasible(unit))[:missing]
        found.append(unit[kept])
        missing -= len(kept)
        position += count if missing else int(kept[-1]) + 1
        _check_rarity(space, n - missing, position - start)
    return np.concatenate(found) if found else np.empty((0, space.dimensions)), position


def _check_rarity(space: SearchSpace, found: int, drawn: int) -> None:
    if drawn >= _FEWEST_DRAWN and found * _RAREST < drawn:
        raise InvalidSpaceError(
            f"constraints: only {found} of {drawn} points satisfy {_listed(space)}; "
            "loosen the constraints or narrow the domains towards them"
        )


def _listed(space: SearchSpace) -> str:
    return " and ".join(space.constraints)


def _points_of(space: SearchSpace, points: int | Mapping[str, int]) -> dict[str, int]:
    varying = space.varying
    named = points if isinstance(points, Mapping) else dict.fromkeys(varying, points)
    for name, count in named.items():
        if name not in space.domains:
            raise InvalidSpaceError(f"points.{name}: unknown hyperparameter; known are {', '.join(space.names)}")
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InvalidSpaceError(f"points.{name}: needs a whole number of at least 1, got {count!r}")
    lacking = [name for name, domain in varying.items() if name not in named and not isinstance(domain, Choice)]
    if lacking:
        raise InvalidSpaceError(f"points: needs a number for {lacking[0]!r}, got {dict(named)!r}")
    return {name: named.get(name, 1) for name in varying}


def _distinct(space: SearchSpace, unit: Units) -> Units:
    active = space.active(unit)
    columns = list(space.varying)
    masked = np.where(np.stack([active[name] for name in columns], axis=1), unit, -1.0) if columns else unit
    return unit[np.sort(np.unique(masked, axis=0, return_index=True)[1])] if columns else unit
