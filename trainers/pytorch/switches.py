"""Switches that torch keeps for each thread, such as `torch.no_grad`, and that trials of one worker must not share."""

import torch

from ..errors import TrainerError


def suspend_switches() -> bool:
    """Turns gradients on again after a training function has yielded or ended.

    Returns:
        True where gradients were on at the point where the function waits.
    """
    were_on = torch.is_grad_enabled()
    if not were_on:
        torch.set_grad_enabled(True)
    return were_on


def resume_switches() -> None:
    """Turns gradients off again, as they were where the training function waits."""
    torch.set_grad_enabled(False)


def check_switches(name: str) -> None:
    """Refuses a `yield` inside a mode that cannot be left and entered from outside.

    Args:
        name: The training function, for messages.

    Raises:
        TrainerError: The function waits inside `torch.inference_mode()` or `torch.autocast()`.
    """
    modes = {
        "torch.inference_mode()": torch.is_inference_mode_enabled(),
        "torch.autocast()": torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"),
    }
    for mode, is_on in modes.items():
        if is_on:
            raise TrainerError(
                f"{name} yields inside {mode}, which would stay on for other trials: yield after the with block"
            )
