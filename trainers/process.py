"""A running command: its reports are read from standard output, and all of its output goes to the log."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any
from weakref import WeakSet

from .errors import TrainerError
from .orphans import adopt, release

GRACE_S = 5.0
"""Seconds between SIGTERM and SIGKILL."""


_running: WeakSet["ReportingProcess"] = WeakSet()


def kill_processes() -> None:
    """Kills all processes of training code at once, with those that they have started."""
    for process in list(_running):
        process.kill()


def quiet_s() -> float:
    """Seconds since one of the processes wrote to its standard error, which is not read before its next report."""
    return min((process.quiet_s() for process in list(_running)), default=inf)


class ReportingProcess:
    """A process in a session of its own that prints reports as lines of JSON objects.

    Its output goes to `sys.stdout` when a report is read: its standard error is kept in a file until then, so that
    a progress bar does not end up in the middle of a report, and no thread has to read it.
    """

    def __init__(self, arguments: Sequence[str], directory: Path, errors: Path) -> None:
        """Starts the process.

        Args:
            arguments: The program and its arguments; there is no shell.
            directory: The working directory.
            errors: A file for its standard error.

        Raises:
            TrainerError: It cannot be started.
        """
        self._name = arguments[0]
        errors.touch()
        self._errors = errors.open("r", encoding="utf-8", errors="replace")
        try:
            with errors.open("w") as sink:
                self._process = subprocess.Popen(
                    arguments,
                    cwd=directory,
                    env={**os.environ, "PYTHONUNBUFFERED": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=sink,
                    encoding="utf-8",
                    errors="replace",
                    start_new_session=True,
                )
        except OSError as error:
            self._errors.close()
            raise TrainerError(f"the command {self._name!r} cannot be started in {directory}: {error}") from error
        adopt(self._process.pid)
        _running.add(self)

    def next_report(self) -> dict[str, Any] | None:
        """Waits for the next report.

        Returns:
            The object, or None when the process has ended.

        Raises:
            TrainerError: It exited with a status other than 0.
        """
        for line in self._process.stdout or ():
            sys.stdout.write(line)
            report = _report(line)
            if report is not None:
                self._copy_errors()
                return report
        status = self._process.wait()
        last = self._copy_errors()
        self.stop()
        if status:
            how = f"exited with status {status}" if status > 0 else f"was killed by signal {-status}"
            raise TrainerError(f"the command {self._name!r} {how}" + (f": {last}" if last else ""))
        return None

    def stop(self) -> None:
        """Ends the process and the processes that it started: SIGTERM, and SIGKILL if that does not help."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        release(self._process.pid)
        _running.discard(self)
        self._errors.close()

    def kill(self) -> None:
        """Kills the process and the processes that it started at once; another thread may be reading what it prints."""
        self._signal(signal.SIGKILL)

    def quiet_s(self) -> float:
        """Seconds since it has written to its standard error; infinite once it was stopped."""
        try:
            return time.time() - os.fstat(self._errors.fileno()).st_mtime
        except ValueError:  # another thread has just stopped it
            return inf

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _copy_errors(self) -> str:
        """Copies new standard error to the log and returns its last line."""
        text = self._errors.read()
        sys.stdout.write(text)
        return (text.strip().splitlines() or [""])[-1]


def _report(line: str) -> dict[str, Any] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        report = json.loads(line)
    except ValueError:
        return None
    return report if isinstance(report, dict) else None
