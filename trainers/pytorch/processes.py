"""The processes that train a trial together, as `torch.distributed` sees them."""

import os

import torch
from torch import distributed


def join_processes() -> tuple[int, int]:
    """Makes this process one of those that train the trial together; call it first in the training code.

    The default process group is initialised once a process, and all later trials use it: by gloo, and where each
    process has a GPU by NCCL for tensors on GPUs; the process's own is then the current device, `"cuda"`. Where there
    is one process, nothing happens.

    Returns:
        The rank of this process and the number of processes: 0 and 1 where it is alone.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return 0, 1
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", size))
    gpus = torch.cuda.device_count() // beside
    if gpus:
        torch.cuda.set_device(gpus * int(os.environ.get("LOCAL_RANK", "0")))
    if not distributed.is_initialized():
        distributed.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo")
    return distributed.get_rank(), distributed.get_world_size()
