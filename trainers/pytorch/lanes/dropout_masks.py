"""The dropout masks of stacked models, made for all layers and for several batches at once.

Layer by layer and batch by batch they would cost more time in Python than in arithmetic where lanes are few. The
numbers are those of `dropout.drop`.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..parts.dropout import Dropout
from ..parts.noise import PIECES, uniform16

_MOST_UNITS = 1 << 18
"""Units whose masks are made at a time, over batches, lanes and examples: what stays in a core's cache."""


class DropoutMasks:
    """Masks for the batches of an epoch, in order.

    Args:
        layers: The dropout layers by name, in the order of their numbers; `units` is the width of each.
        buffers: Those of the stacked model: `threshold` and `scale` of each layer, [lanes] each.
        keys: int64 [batches, lanes].
        sizes: Examples of each batch.
        dtype: The type of the values that the masks multiply.
    """

    def __init__(
        self,
        layers: Mapping[str, Dropout],
        buffers: Mapping[str, Tensor],
        keys: Tensor,
        sizes: Sequence[int],
        dtype: torch.dtype,
    ) -> None:
        self._layers, self._keys, self._sizes = layers, keys, sizes
        self._wide = [-(-layer.units // PIECES) * PIECES for layer in layers.values()]
        columns = torch.tensor(self._wide, device=keys.device)
        names = list(layers)
        self._threshold = torch.stack([buffers[f"{name}.threshold"] for name in names], 1).repeat_interleave(columns, 1)
        scale = torch.stack([buffers[f"{name}.scale"] for name in names], 1).to(dtype)
        self._scale = scale.repeat_interleave(columns, 1)
        self._first, self._masks = 0, torch.empty(0)

    def of(self, batch: int) -> dict[str, Tensor]:
        """The masks of a batch by the layer's name, each [lanes, examples, units]."""
        if not 0 <= batch - self._first < len(self._masks):
            self._make(batch)
        masks = self._masks[batch - self._first].split_with_sizes(self._wide, -1)
        return {
            f"{name}.mask": mask[..., : layer.units]
            for (name, layer), mask in zip(self._layers.items(), masks, strict=True)
        }

    def _make(self, first: int) -> None:
        """Makes the masks from a batch on: as many batches of its size as fit."""
        size, lanes = self._sizes[first], self._keys.shape[1]
        most = max(1, _MOST_UNITS // (lanes * size * sum(self._wide)))
        alike = [batch for batch in range(first, min(first + most, len(self._sizes))) if self._sizes[batch] == size]
        bits = uniform16(self._keys[first : first + len(alike)], size, self._wide)
        self._masks = (bits >= self._threshold[:, None]).to(self._scale.dtype).mul_(self._scale[:, None])
        self._first = first
