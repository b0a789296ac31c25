"""Seeds derived from the sweep's seed, so that every random stream has its own and none depends on timing."""

import numpy as np


def derived_seed(sweep_seed: int, number: int) -> int:
    """The seed of one trial or one stretch of a random stream, in [0, 2**32).

    Args:
        sweep_seed: The sweep's seed, at least 0.
        number: The trial's number or the stretch's start, at least 0.
    """
    return int(np.random.SeedSequence([sweep_seed, number]).generate_state(1, np.uint32)[0])
