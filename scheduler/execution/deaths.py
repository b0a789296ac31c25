"""Why a worker died, in the words of what Ray says about it."""

import re

_MEMORY = re.compile(r"NODE_OUT_OF_MEMORY|running low on memory|memory pressure \(OOM\)")
_FIGURES = re.compile(r"Memory on the node[^\n]*? was ([0-9.]+ ?[kMGT]?i?B / [0-9.]+ ?[kMGT]?i?B)")


def death_reason(message: str) -> str:
    """One sentence about a worker's death.

    Args:
        message: What Ray says: its first line, and advice on Ray behind it.
    """
    if _MEMORY.search(message):
        figures = _FIGURES.search(message)
        said = f": {figures[1]} were in use" if figures else ""
        return f"Out of memory: Ray's memory monitor killed the worker because its node had too little left{said}"
    return f"The worker died: {message.strip().partition(chr(10))[0]}"
