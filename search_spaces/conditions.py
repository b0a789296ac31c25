"""Conditions between hyperparameters: checked, ordered and evaluated in columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np
import numpy.typing as npt

from .domain import Domain
from .errors import InvalidSpaceError
from .values import Units, Value, show


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a space, parents before children.

    Attributes:
        order: Every name of the space, each after the names that its condition mentions.
        allowed: For a name with a condition, the positions of each parent at which the name is active.
    """

    order: tuple[str, ...]
    allowed: Mapping[str, Mapping[str, npt.NDArray[np.int64]]]

    @classmethod
    def of(cls, domains: Mapping[str, Domain]) -> "Conditions":
        """The conditions of `domains`.

        Raises:
            InvalidSpaceError: A condition mentions an unknown name, a continuous domain or a value that its parent
                cannot take, or conditions close a loop.
        """
        allowed = {
            name: {parent: _positions(name, parent, values, domains) for parent, values in domain.when.items()}
            for name, domain in domains.items()
            if domain.when
        }
        return cls(_parents_first({name: list(allowed.get(name, ())) for name in domains}), allowed)

    def active(self, domains: Mapping[str, Domain], units: Mapping[str, Units]) -> dict[str, npt.NDArray[np.bool_]]:
        """A mask for each name, True where it is active, from each name's column of the unit cube.

        A child of an inactive name is inactive.
        """
        active: dict[str, npt.NDArray[np.bool_]] = {}
        for name in self.order:
            mask = np.ones(len(units[name]), dtype=np.bool_)
            for parent, positions in self.allowed.get(name, {}).items():
                mask &= active[parent] & np.isin(domains[parent].position(units[parent]), positions)
            active[name] = mask
        return {name: active[name] for name in domains}


def _positions(name: str, parent: str, values: Sequence[Value], domains: Mapping[str, Domain]) -> npt.NDArray[np.int64]:
    if parent not in domains:
        raise InvalidSpaceError(
            f"space.{name}.when: unknown hyperparameter {show(parent)}; known are {', '.join(domains)}"
        )
    domain = domains[parent]
    if domain.size is None:
        raise InvalidSpaceError(
            f"space.{name}.when: {parent!r} is continuous and takes no value twice; "
            "a condition needs a choice, ordinal, integer or constant, or a uniform with a step"
        )
    try:
        return domain.position(domain.encode(values))
    except InvalidSpaceError as error:
        raise InvalidSpaceError(f"space.{name}.when.{parent}: {error}") from None


def _parents_first(parents: Mapping[str, list[str]]) -> tuple[str, ...]:
    try:
        return tuple(TopologicalSorter(parents).static_order())
    except CycleError as error:
        loop = " -> ".join(error.args[1])
        raise InvalidSpaceError(
            f"space.{error.args[1][0]}.when: conditions close the loop {loop}; remove one of them"
        ) from None
