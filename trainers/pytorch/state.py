"""Tensors in a checkpoint: written by `torch.save`, read with `weights_only=True`."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch


def save_tensors(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Writes tensors, without their graphs and without the rest of a storage that a view shows a part of."""
    torch.save({name: _compact(tensor.detach()) for name, tensor in tensors.items()}, path)


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Reads tensors onto the CPU; the object that they are restored into moves them where it lives.

    Raises:
        ValueError: The file is damaged, or holds anything but tensors. Nothing in it is run.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path.name} is no file of tensors")
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"{path.name} is no file of tensors ({str(error).splitlines()[0]})") from error
    if not isinstance(tensors, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise ValueError(f"{path.name} holds something other than tensors")
    return tensors


def _compact(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.layout is not torch.strided:
        return tensor
    return tensor.clone() if tensor.untyped_storage().nbytes() > tensor.numel() * tensor.element_size() else tensor
