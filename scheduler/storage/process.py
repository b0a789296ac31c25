"""The process that runs a sweep, as others see it."""

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..errors import SweepLockedError
from .location import Location


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that runs a sweep.

    Attributes:
        pid: Its process number on `host`.
        host: The machine's name.
        since: When it took the lock, UTC.
    """

    pid: int
    host: str
    since: datetime

    @classmethod
    def this(cls) -> "Holder":
        """This process, from now on."""
        return cls(os.getpid(), socket.gethostname(), datetime.now(timezone.utc).replace(microsecond=0))

    @classmethod
    def from_json(cls, content: Any) -> "Holder":
        """Reads what `to_json` gave.

        Raises:
            ValueError: It is something else.
        """
        try:
            return cls(int(content["pid"]), str(content["host"]), datetime.fromisoformat(content["since"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no holder: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """The holder as JSON values."""
        return {"pid": self.pid, "host": self.host, "since": self.since.isoformat(timespec="seconds")}

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since:%Y-%m-%d %H:%M:%S} UTC"


def refusal(lock: Location, other: Holder | None) -> SweepLockedError:
    """The error for a process that cannot have the lock because another one has it."""
    return SweepLockedError(
        f"The sweep in {lock.parent} is being run by {other or 'another process'}: "
        f"wait for it, stop it, or give this sweep another name."
    )


def this_machine() -> str:
    """Text that tells this machine, and in a container its own processes, from all others; a host's name need not."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return socket.gethostname()


def is_running(pid: int) -> bool:
    """True where this machine has a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
