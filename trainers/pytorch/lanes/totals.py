"""Means over an epoch from means over its batches."""

from collections.abc import Mapping

from torch import Tensor


class Totals:
    """Sums of metrics over examples, without waiting for the device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._examples = 0

    def add(self, means: Mapping[str, Tensor], examples: int) -> None:
        """Takes the means of a batch.

        Args:
            means: By metric, [] or [lanes].
            examples: In the batch.
        """
        self._examples += examples
        for name, mean in means.items():
            total = mean.detach() * examples
            self._sums[name] = self._sums[name] + total if name in self._sums else total

    def means(self, prefix: str) -> dict[str, Tensor]:
        """The mean of each metric over all examples, [] or [lanes], with a prefix to its name."""
        return {f"{prefix}{name}": total / self._examples for name, total in self._sums.items()}
