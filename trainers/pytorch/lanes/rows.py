"""Tensors by name as rows of a matrix: one row a lane, so that an update of all lanes is a few operations."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]


class RowLayout:
    """The place of each named tensor of each lane in its row.

    Narrower tensors stand at the beginning of the place that the widest one needs, with zeros behind them.

    Args:
        lanes: The tensors of each lane; the same names for all, in the same order.
    """

    def __init__(self, lanes: Sequence[Tensors]) -> None:
        self._own = [{name: tensor.shape for name, tensor in tensors.items()} for tensors in lanes]
        self.shapes = {name: _cover([shapes[name] for shapes in self._own]) for name in self._own[0]}
        sizes = [shape.numel() for shape in self.shapes.values()]
        self._starts = dict(zip(self.shapes, accumulate([0, *sizes]), strict=False))
        self.width = sum(sizes)

    def join(self, lanes: Sequence[Tensors], like: Tensor) -> Tensor:
        """The rows of some tensors that have the layout's names and shapes; zeros for those that are missing.

        Args:
            lanes: The tensors of each lane.
            like: Has the type and the device of the result.

        Returns:
            [lanes, width].
        """
        rows = like.new_zeros(len(lanes), self.width)
        for name, place in self.views(rows).items():
            _fill(place, [tensors.get(name) for tensors in lanes])
        return rows

    def views(self, rows: Tensor) -> dict[str, Tensor]:
        """The named tensors of all lanes, each [lanes, ...], sharing the memory of the rows."""
        return {
            name: rows[:, self._starts[name] : self._starts[name] + shape.numel()].view(len(rows), *shape)
            for name, shape in self.shapes.items()
        }

    def lane(self, views: Tensors, lane: int) -> dict[str, Tensor]:
        """The tensors of one lane, without the padding, sharing the memory of the views."""
        return {name: _corner(views[name][lane], shape) for name, shape in self._own[lane].items()}

    def padding(self, like: Tensor) -> Tensor | None:
        """The places without a lane's own numbers: bool [lanes, width]; None where all lanes are of one width."""
        if all(shapes == self.shapes for shapes in self._own):
            return None
        ones = [{name: like.new_ones(shape) for name, shape in shapes.items()} for shapes in self._own]
        return self.join(ones, like) == 0

    def select(self, lanes: Sequence[int]) -> None:
        """Keeps some lanes."""
        self._own = [self._own[lane] for lane in lanes]


def stack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors of one type as [lanes, ...], the smaller ones padded with zeros."""
    stacked = tensors[0].new_zeros(len(tensors), *_cover([tensor.shape for tensor in tensors]))
    _fill(stacked, tensors)
    return stacked


def _fill(places: Tensor, tensors: Sequence[Tensor | None]) -> None:
    """Writes each lane's tensor into the corner of its place [...] of [lanes, ...]; nothing where it has none."""
    present = [tensor.detach() for tensor in tensors if tensor is not None]
    if len(present) == len(tensors) and all(tensor.shape == places.shape[1:] for tensor in present):
        places.copy_(torch.stack(present))
        return
    for place, tensor in zip(places, tensors, strict=True):
        if tensor is not None:
            _corner(place, tensor.shape).copy_(tensor.detach())


def _cover(shapes: Sequence[torch.Size]) -> torch.Size:
    """The smallest shape that all of the shapes fit into."""
    return torch.Size(max(sizes) for sizes in zip(*shapes, strict=True))


def _corner(tensor: Tensor, shape: torch.Size) -> Tensor:
    return tensor if tensor.shape == shape else tensor[tuple(slice(size) for size in shape)]
