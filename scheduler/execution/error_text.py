"""What people read about an error in training code."""

import traceback
from pathlib import Path

from ...trainers import TrainerError, open_training

_OWN_FOLDERS = (str(Path(__file__).parent), str(Path(open_training.__code__.co_filename).parent))


def describe(error: BaseException) -> str:
    """The traceback of a person's code without our frames above it; our own message alone where it says it all."""
    if isinstance(error, TrainerError):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and _is_own(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def _is_own(file: str) -> bool:
    return file.startswith(_OWN_FOLDERS)
