"""The device of a trial's tensors, and the precision of matrix products there."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ...errors import TrainerError
from .recipe import Recipe


def device_of(recipe: Recipe) -> torch.device:
    """The device that a recipe names.

    Raises:
        TrainerError: It names a GPU and there is none.
    """
    available = torch.cuda.is_available()
    if recipe.device == "cuda" and not available:
        raise TrainerError(
            "device is 'cuda', and this worker sees no GPU: give it one (workers.gpu), or use auto or cpu"
        )
    return torch.device("cuda" if available and recipe.device != "cpu" else "cpu")


@contextmanager
def computing(precision: str, device: torch.device) -> Iterator[None]:
    """Computes matrix products in a precision meanwhile.

    Args:
        precision: "float32"; "tf32", which rounds the factors of a product to 10 bits (Ampere and later); or
            "bfloat16", which computes under `torch.autocast`.
        device: The device that computes.
    """
    before = torch.get_float32_matmul_precision()
    if precision == "tf32":
        torch.set_float32_matmul_precision("high")
    try:
        # Without its cache: it would keep what it made of the weights for as long as the mode lasts, over all updates.
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
