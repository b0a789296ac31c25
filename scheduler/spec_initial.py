"""The configurations that a sweep begins with, checked against its search space."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..search_spaces import InvalidSpaceError, SearchSpace, Value
from ..search_spaces.values import checked_value, identity, show
from .core.design import uniform_design
from .core.initial import complete
from .errors import InvalidSpecError
from .spec_parts import check_assumed


def json_configs(value: object) -> object:
    """Configurations with JSON's values in the place of numpy's; what is none stays, for later checks to refuse."""
    try:
        return checked_value(value)
    except InvalidSpaceError:
        return value


def check_initial(initial: Sequence[Mapping[str, Value]], space: SearchSpace, seed: int) -> None:
    """Refuses configurations that a search space does not have.

    Raises:
        InvalidSpecError: A name is unknown or inactive, a value is not one that it may take, a configuration stands
            there twice, or one breaks a constraint whatever is drawn for what it leaves out.
    """
    places: dict[object, int] = {}
    for place, config in enumerate(initial):
        field = f"initial[{place}]"
        check_assumed(field, config, space)
        for name in config:
            _check_active(field, name, config, space)
        same = places.setdefault(identity({name: config[name] for name in space.varying if name in config}), place)
        if same != place:
            raise InvalidSpecError(f"{field}: is the same as initial[{same}], got {show(dict(config))}; leave one out.")
    if space.constraints:
        complete(space, initial, uniform_design(space, seed))


def _check_active(field: str, name: str, config: Mapping[str, Value], space: SearchSpace) -> None:
    """Refuses a value of a hyperparameter that its configuration does not have, or may not have."""
    above = [name]
    for child in above:
        for parent, allowed in (space.domains[child].when or {}).items():
            domain, words = space.domains[parent], " or ".join(map(show, allowed))
            above.append(parent)
            if parent not in config and not domain.is_constant:
                raise InvalidSpecError(
                    f"{field}.{name}: exists only where {parent} is {words}, got {show(config[name])} without {parent};"
                    " give both."
                )
            if parent in config and not np.isin(domain.encode([config[parent]]), domain.encode(allowed)).all():
                raise InvalidSpecError(
                    f"{field}.{name}: exists only where {parent} is {words}, got {show(config[name])} with {parent}"
                    f" {show(config[parent])}; leave it out."
                )
