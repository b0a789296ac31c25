"""The share of trials that stays global, counted in two ways."""

import pytest

from caviar.scheduler.core.proposers.exploration import ExplorationPolicy
from caviar.scheduler.core.proposers.observations import Observations


@pytest.mark.parametrize("explore", [0.0, 0.1, 0.2, 0.25, 0.5])
def test_the_global_trials_beside_proposed_ones_are_the_share_of_all_of_them(explore: float) -> None:
    exploration = ExplorationPolicy(explore, Observations.empty(1), enough=1)
    for proposed in range(200):
        beside = exploration.global_beside(proposed)
        assert exploration.global_count(0, proposed + beside) == beside


def test_global_counts_of_consecutive_brackets_add_up_to_that_of_all() -> None:
    exploration = ExplorationPolicy(0.2, Observations.empty(1), enough=1)
    assert sum(exploration.global_count(first, 3) for first in range(0, 99, 3)) == exploration.global_count(0, 99) == 19
