"""Why a worker died, in the words of what Ray says about it."""

import re

_MEMORY = re.compile(r"NODE_OUT_OF_MEMORY|running low on memory|memory pressure \(OOM\)")
_NODE = re.compile(r"Memory on the node[^\n]*? was ([0-9.]+ ?[kMGT]?i?B) used / ([0-9.]+ ?[kMGT]?i?B)")
_WORKER = re.compile(r"Selected to kill: [^\n]*?actual memory used=([0-9.]+ ?[kMGT]?i?B)")


def death_reason(message: str) -> str:
    """One sentence about a worker's death.

    Args:
        message: What Ray says: its first line, and advice on Ray behind it.
    """
    if _MEMORY.search(message):
        worker, node = _WORKER.search(message), _NODE.search(message)
        held = f", which held {worker[1]}," if worker else ""
        said = f": {node[1]} of {node[2]} were in use" if node else ""
        return f"Out of memory: Ray's memory monitor killed the worker{held} since its node had too little left{said}"
    return f"The worker died: {message.strip().partition(chr(10))[0]}"
