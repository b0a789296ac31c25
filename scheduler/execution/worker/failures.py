"""Failures of training code: their texts, and running out of memory."""

import errno
import gc
import re
import resource
import sys
import traceback
from pathlib import Path

from ....trainers import TrainerError, open_training

_TEXT = re.compile(
    r"(CUDA|HIP|MPS backend|XPU) out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED"
    r"|DefaultCPUAllocator: (can't allocate|not enough) memory|RESOURCE_EXHAUSTED: Out of memory|OutOfMemoryError"
    r"|MemoryError|Cannot allocate memory|std::bad_alloc",
    re.IGNORECASE,
)
_ASKED = re.compile(r"(?:tried to allocate|unable to allocate|can't allocate memory: you tried to allocate)"
                    r" ([0-9.]+) ?([KMGTPE]i?B|bytes)", re.IGNORECASE)  # fmt: skip
_KIB = 1024
_RSS_UNIT = 1 if sys.platform == "darwin" else _KIB
"""Bytes in the unit in which the system counts the peak resident memory."""


def is_out_of_memory(error: BaseException) -> bool:
    """True where an error, or its cause, says that memory was missing on the host or on a device."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or any(kind.__name__ == "OutOfMemoryError" for kind in type(seen).__mro__):
            return True
        if isinstance(seen, OSError) and seen.errno == errno.ENOMEM:
            return True
        if isinstance(seen, RuntimeError | TrainerError) and _TEXT.search(str(seen)):
            return True
        seen = seen.__cause__
    return False


def memory_sentence(error: BaseException) -> str:
    """Sentence on the memory asked for, as far as the error says, and the memory in use."""
    asked = _ASKED.search(str(error))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
    parts = [f"{_asked(asked)} more were asked for"] if asked else []
    parts.append(f"the process has held {_shown(peak)} at most")
    return f"Out of memory: {', '.join([*parts, *_on_cuda()])}."


def free_memory() -> None:
    """Collects garbage, and gives back the memory of CUDA that torch keeps for later."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _on_cuda() -> list[str]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return []
    _, total = torch.cuda.mem_get_info()
    held = torch.cuda.memory_allocated()
    return [f"torch has allocated {_shown(held)} of CUDA's {_shown(total)}"]


def _asked(found: re.Match[str]) -> str:
    return _shown(int(float(found[1]))) if found[2].lower() == "bytes" else f"{found[1]} {found[2]}"


def _shown(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < _KIB:
            return f"{size:.3g} {unit}" if size < 1000 else f"{size:.0f} {unit}"
        size /= _KIB
    return f"{size:.3g} TiB"


_OWN_FOLDERS = (str(Path(__file__).parents[1]), str(Path(open_training.__code__.co_filename).parent))


def describe(error: BaseException) -> str:
    """The traceback of a person's code without our frames above it; our own message alone where that says it all."""
    if isinstance(error, TrainerError):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and _is_own(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def _is_own(file: str) -> bool:
    return file.startswith(_OWN_FOLDERS)
