"""Configurations of an earlier sweep in another search space."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ....search_spaces import InvalidSpaceError, SearchSpace, Value
from ....search_spaces.designs import sobol
from ..trials.seeds import derived_seed

CONSTRAINTS = "the constraints"
"""The reason where no hyperparameter is one."""
_COPIES = 4
"""Configurations that one with unknown values becomes. On a sum of squares with such a name, over 32 sweeps, the regret
after the first bracket was .80 with one, .50 with two, .31 with four and .51 with eight; 1.07 with nothing to learn
from."""
_STREAM = 2**40
"""Far from every trial's number, which seeds are derived from too."""

_Configs = Sequence[Mapping[str, Value]]


@dataclass(frozen=True, slots=True)
class Transferred:
    """An earlier configuration in a search space.

    Attributes:
        configs: The configurations that it is there; several where values are not known, none where it does not fit.
        reason: The hyperparameter that is the reason where it does not fit, or `CONSTRAINTS`.
    """

    configs: Sequence[Mapping[str, Value]]
    reason: str


class Transfer:
    """Reads earlier configurations in a space, which may be narrower, wider, or have other names.

    - A name that the space lacks is ignored.
    - A value outside its domain, a name that is active in only one of the two, another constant, or a constraint that
      does not hold leaves the configuration out.
    - A name that the earlier sweep lacked has the value that is assumed for it. Where nothing is, each configuration
      becomes a few, by the points of a Sobol sequence over such names. Their results are the same, so a model finds
      that the name explains nothing: it neither believes nor disbelieves in any value. With one point for each
      configuration the value that the best one happened to get would look good.

    Args:
        space: The space.
        known: The names that the earlier sweep had.
        assumed: Values of names that it lacked.
        seed: The new sweep's seed.
    """

    def __init__(self, space: SearchSpace, known: Collection[str], assumed: Mapping[str, Value], seed: int) -> None:
        self._space, self._known, self._assumed, self._seed = space, known, assumed, seed
        varying = list(space.varying)
        self._columns = {name: column for column, name in enumerate(varying)}
        self._free = [name for name in varying if name not in known and name not in assumed]

    def __call__(self, configs: _Configs) -> list[Transferred]:
        """Each configuration in the space."""
        copies = _COPIES if self._free else 1
        placed = self._placed([config for config in configs for _ in range(copies)])
        return [_joined(placed[first : first + copies]) for first in range(0, len(placed), copies)]

    def _placed(self, configs: _Configs) -> list[tuple[dict[str, Value], str]]:
        """Each configuration once, with the reason why it does not fit, "" where it does."""
        unit, reasons = self._spread(len(configs)), [""] * len(configs)
        known = [name for name in self._space.names if name in self._known]
        for name in known:
            self._encode(name, configs, unit, reasons)
        active = self._space.active(unit)
        for name in known:
            _note(reasons, name, np.array([name in config for config in configs]) != active[name])
        for name, column in self._columns.items():
            unit[~active[name], column] = np.nan
        _note(reasons, CONSTRAINTS, ~self._space.feasible(unit))
        given = [{**self._assumed, **config} for config in configs]
        exact = map(self._space.exact, self._space.decode(unit), given)
        return list(zip(exact, reasons, strict=True))

    def _spread(self, n: int) -> npt.NDArray[np.float64]:
        """Points of the unit cube with the columns of names that the earlier sweep lacked; the others are 0."""
        unit = np.zeros((n, len(self._columns)))
        points = sobol(n, len(self._free), derived_seed(self._seed, _STREAM))
        unit[:, [self._columns[name] for name in self._free]] = points
        for name in self._assumed:
            if name in self._columns:
                unit[:, self._columns[name]] = self._space.domains[name].encode([self._assumed[name]])[0]
        return unit

    def _encode(self, name: str, configs: _Configs, unit: npt.NDArray[np.float64], reasons: list[str]) -> None:
        """Puts the values of a name into its column, and notes those that are outside its domain."""
        domain = self._space.domains[name]
        for row, config in enumerate(configs):
            if name not in config:
                continue
            try:
                encoded = domain.encode([config[name]])
            except InvalidSpaceError:
                reasons[row] = reasons[row] or name
                continue
            if name in self._columns:
                unit[row, self._columns[name]] = encoded[0]


def _note(reasons: list[str], reason: str, where: npt.NDArray[np.bool_]) -> None:
    for row in np.flatnonzero(where):
        reasons[row] = reasons[row] or reason


def _joined(copies: Sequence[tuple[dict[str, Value], str]]) -> Transferred:
    """The copies that fit and differ: they are the same where the unknown names are inactive."""
    fitting = [config for config, reason in copies if not reason]
    distinct = [config for place, config in enumerate(fitting) if config not in fitting[:place]]
    return Transferred(distinct, "" if distinct else copies[0][1])
