"""The number of trials to train as one model on this device, measured on a few batches."""

import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice

import psutil
import torch
from torch.autograd.graph import saved_tensors_hooks

from ...protocol import Training
from ...tracking import TrackedObjects
from ...trial import Trial
from .data import Data
from .fused import FusedLanes
from .lane import Lane
from .lane_training import LaneTraining

_SIZES = (8, 32, 128, 512, 2048)
_BATCHES = 8
_GAIN = 1.2
"""By how much the smallest group has to be faster a trial than training alone."""
_LOSS = 1.05
"""By how much a larger group may be slower a trial: the groups of a sweep are not always full."""
_REPEATS, _REPEATS_S = 10, 0.3
_ENOUGH_S = 5.0


def measure(trainings: Sequence[Training], share: float) -> int:
    """The number of trials of a lane to train together; see `measure_group_size`.

    The size grows fourfold from 8 as long as a trial takes no more time, and the memory lasts.
    """
    lanes = [training for training in trainings if isinstance(training, LaneTraining)]
    few, batch = _excerpts(lanes, _BATCHES), _excerpts(lanes, 1)
    most = _allowance(lanes[0].device, share) / _lane_bytes([next(batch), next(batch)])
    best, limit = 1, _seconds(next(few)) / _GAIN
    for size in _SIZES:
        if size > most:
            break
        began = time.perf_counter()
        taken = _seconds(FusedLanes(list(islice(few, size)))) / size
        if taken > limit:
            break
        best, limit = size, taken * _LOSS
        if time.perf_counter() - began > _ENOUGH_S:
            break
    return best


def _excerpts(trainings: Sequence[LaneTraining], batches: int) -> Iterator[LaneTraining]:
    """New trials like those given, over and over, that train on an excerpt of the data."""
    first = trainings[0]
    examples = batches * first.recipe.batch_size
    train, dev = (tuple(tensor[:examples] for tensor in part) for part in (first.data.train, first.data.dev))
    lane = type("Excerpt", (type(first.lane),), {"load_data": lambda self, trial: Data(train, dev)})
    return (_copy(training, lane) for training in cycle(trainings))


def _copy(training: LaneTraining, lane: type[Lane]) -> LaneTraining:
    given = training.trial
    trial = Trial(given.config, number=given.number, seed=given.seed, resource_max=given.resource_max)
    return LaneTraining(lane, trial, TrackedObjects())


def _seconds(training: LaneTraining | FusedLanes) -> float:
    """The time of a step: the shortest of a few, because other work on the machine only makes steps longer."""
    training.step()
    taken: list[float] = []
    while len(taken) < _REPEATS and sum(taken) < _REPEATS_S:
        began = time.perf_counter()
        training.step()
        taken.append(time.perf_counter() - began)
    return min(taken)


def _lane_bytes(lanes: list[LaneTraining]) -> float:
    """The bytes of a lane: its state, its share of the batched model, and what the backward pass needs of a batch.

    The state is parameters, gradients and up to two slots of the optimizer. Trials of two more groups stay in memory.
    """
    saved: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        FusedLanes(lanes).step()
    parameters = sum(p.numel() * p.element_size() for p in lanes[0].model.parameters())
    return 4 * (1 + 3) * parameters + 2 * sum(saved.values()) / len(lanes)


def _allowance(device: torch.device, share: float) -> float:
    """The bytes that one of the workers on a device may take."""
    if device.type == "cuda":
        return gpu_allowance(*torch.cuda.mem_get_info(device), share)
    return share * psutil.virtual_memory().available


def gpu_allowance(free: float, total: float, share: float) -> float:
    """The bytes that a worker may take of a GPU, whatever the others on it have taken so far.

    The others' bytes are part of their own shares: a share of the rest would be too little for the last to come.

    Args:
        free: Bytes that are free.
        total: Bytes that the GPU has.
        share: The worker's share, above 0 and at most 1.
    """
    return min(share * total, free)
