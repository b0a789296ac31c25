"""Seeing to it that the processes of training code die with the process that started them, even where that is killed.

They are in sessions of their own, so that they and what they start can be ended together; nobody would end them once
this process is gone. A small watching process knows them, and kills what is left when its pipe from here closes.
"""

import os
import sys
from contextlib import suppress
from functools import cache

_WATCHING = """
import os, signal, sys
left = set()
for line in sys.stdin:
    (left.add if line[0] == "+" else left.discard)(int(line[1:]))
for group in left:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


def adopt(process: int) -> None:
    """Has a process, the first of its group, killed with its group when this process is gone."""
    _tell(f"+{process}\n")


def release(process: int) -> None:
    """Forgets a process that has ended."""
    _tell(f"-{process}\n")


def _tell(line: str) -> None:
    with suppress(BrokenPipeError):  # somebody has killed the watching process: the training goes on without it
        os.write(_pipe(), line.encode())


@cache
def _pipe() -> int:
    """Starts the watching process and returns the end of its pipe, which closes when this process ends in any way."""
    read, write = os.pipe()
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    actions = [(os.POSIX_SPAWN_DUP2, read, 0), *quiet]
    arguments = [sys.executable, "-I", "-S", "-c", _WATCHING]
    os.posix_spawn(sys.executable, arguments, os.environ, file_actions=actions, setpgroup=0)
    os.close(read)
    return write
