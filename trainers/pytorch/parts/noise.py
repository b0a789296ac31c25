"""Random numbers that depend on a key and a place alone: the same in any batch, in any group and on any device.

Generators give numbers by the order of the calls, so a trial that is trained beside others, or whose group was
compacted, would see other numbers than alone. Here a number is a hash of (key, row, column), and the key one of (trial
seed, epoch, batch): the counter-based generators of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC
2011), with the finaliser of SplitMix64 (Steele, Lea and Flood, 2014) as the hash.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_FIRST = 0xBF58476D1CE4E5B9 - (1 << 64)
_SECOND = 0x94D049BB133111EB - (1 << 64)
PIECES = 4
"""Numbers of 16 bits in one hash of 64."""
_MADE_MOST = 64


def batch_keys(seeds: Tensor, epoch: int, batches: int) -> Tensor:
    """The keys of an epoch's batches.

    Args:
        seeds: int64 [...], the trials' seeds.
        epoch: From 1.
        batches: In the epoch, below 2**32.

    Returns:
        int64 [batches, ...].
    """
    places = torch.arange(batches, device=seeds.device).view(-1, *[1] * seeds.dim())
    return _hash(_hash(seeds * _GOLDEN) + (epoch << 32) + places)


def stream_keys(keys: Tensor, stream: int) -> Tensor:
    """The keys of one use of random numbers among several in a batch; int64 like `keys`."""
    return keys ^ (stream * _SECOND + _FIRST) % (1 << 63)


def uniform16(keys: Tensor, rows: int, columns: Sequence[int], first: int = 0) -> Tensor:
    """Uniform integers of 16 bits for several blocks of columns, such as the layers of a network.

    Args:
        keys: int64 [...].
        rows: The number of rows, such as the examples of a batch.
        columns: The columns of each block; the numbers of one do not depend on how many there are.
        first: The number of the first block, below 256.

    Returns:
        int16 [..., rows, all columns], from -32768 to 32767. A block takes a multiple of `PIECES` columns.
    """
    blocks = [_places(rows, -(-wide // PIECES), first + block, keys.device) for block, wide in enumerate(columns)]
    places = blocks[0] if len(blocks) == 1 else torch.cat(blocks, 1)
    return _hash(places + keys[..., None, None]).view(torch.int16)


def uniforms(keys: Tensor, rows: int, columns: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Uniform floats in [0, 1), multiples of 2**-24.

    Args:
        keys: int64 [...].
        rows: The number of rows, such as the examples of a batch.
        columns: Numbers for each of them.
        dtype: The type of the result.

    Returns:
        [..., rows, columns].
    """
    hashes = _hash(_places(rows, columns, 0, keys.device) + keys[..., None, None])
    return _shifted(hashes, 40).to(dtype) * 2.0**-24


_made: dict[tuple[int, int, int, torch.device], Tensor] = {}
"""The last results of `_places`: a plain dict, since `torch.compile` looks past the caches of functools."""


def _places(rows: int, columns: int, block: int, device: torch.device) -> Tensor:
    """int64 [rows, columns], a different number for each place of each block, far apart."""
    key = (rows, columns, block, device)
    if key not in _made:
        if len(_made) >= _MADE_MOST:
            _made.clear()
        row, column = torch.arange(rows, device=device)[:, None], torch.arange(columns, device=device)
        _made[key] = ((row << 32) + (block << 24) + column) * _GOLDEN
    return _made[key]


def _hash(z: Tensor) -> Tensor:
    """The finaliser of SplitMix64, in place where it can be: memory is what it costs."""
    z = (z ^ _shifted(z, 30)).mul_(_FIRST)
    z = z.bitwise_xor_(_shifted(z, 27)).mul_(_SECOND)
    return z.bitwise_xor_(_shifted(z, 31))


def _shifted(z: Tensor, places: int) -> Tensor:
    """A logical shift to the right: the one of torch repeats the sign."""
    return (z >> places).bitwise_and_((1 << 64 - places) - 1)
