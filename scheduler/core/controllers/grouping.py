"""The trials that are trained together: a partition that depends on nothing but their configurations."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ....search_spaces import Value

Config = Mapping[str, Value]
Group = tuple[int, ...]
"""Trials that are trained together, ascending; the lowest number is the group's name."""
_Placed = tuple[tuple[float, ...], int]


@dataclass(frozen=True, slots=True)
class Grouping:
    """The conditions for trials to be trained together, and the number of them that are.

    Attributes:
        size: The most trials of a group, at least 1; 1 trains every trial alone.
        static: Hyperparameters whose values are equal in a group.
        padded: Hyperparameters with numbers for values that are similar in a group.
    """

    size: int = 1
    static: tuple[str, ...] = ()
    padded: tuple[str, ...] = ()

    def groups(self, trials: Sequence[int], configs: Sequence[Config]) -> list[Group]:
        """Partitions trials of one bracket that stand at one rung.

        Trials of one group have the same active hyperparameters and the same static values. Where there are more than
        `size` of these, they are cut into groups of nearly one size, in the order of their padded values.

        Args:
            trials: Numbers of the trials, each once, in any order.
            configs: The configuration of each.

        Returns:
            The groups, in the order of their lowest trials.
        """
        if self.size == 1:
            return [(trial,) for trial in sorted(trials)]
        alike: dict[object, list[_Placed]] = defaultdict(list)
        for trial, config in zip(trials, configs, strict=True):
            widths = tuple(_width(config[name]) for name in self.padded if name in config)
            alike[self._key(config)].append((widths, trial))
        return sorted(
            tuple(sorted(trial for _, trial in chunk))
            for members in alike.values()
            for chunk in _chunks(sorted(members), self.size)
        )

    def _key(self, config: Config) -> object:
        # As text, because a value may be a list, and because 1 and True are different values.
        return frozenset(config), tuple(repr(config[name]) for name in self.static if name in config)


ALONE = Grouping()
"""Every trial is trained alone."""


def _width(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _chunks(members: Sequence[_Placed], size: int) -> Iterator[Sequence[_Placed]]:
    """The fewest chunks of at most `size`, whose lengths differ by at most one."""
    count = -(-len(members) // size)
    bounds = [len(members) * place // count for place in range(count + 1)]
    return (members[start:stop] for start, stop in pairwise(bounds))
