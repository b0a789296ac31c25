"""Carries a campaign out: runs the sweep by the command line, kills, resumes, and looks at the directory in between."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from caviar.scheduler.storage import read_journal

from .campaign import Kill, Target
from .grounds import WORKER, Ground, descendants, kill, title
from .subjects import Subject

PROGRAM = Path(sys.executable).with_name("caviar")
_FAULTS = Path(__file__).with_name("faults")
_ROOT = Path(__file__).parents[2]
_LOOK_S = 0.01
_RUN_S = 120.0
"""A run that takes longer hangs: alone it takes a few seconds."""
_LEFT_S = 15.0


@dataclass(frozen=True, slots=True)
class Strike:
    """One kill that came to pass.

    Attributes:
        target: What was killed.
        point: The fault point, for a kill inside a write.
    """

    target: Target
    point: str | None = None


def chaos_variables(folder: Path) -> dict[str, str]:
    """Environment variables of every process that faults may happen in."""
    paths = [str(_FAULTS), str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"CAVIAR_CHAOS": str(folder / "armed.json"), "PYTHONPATH": os.pathsep.join(paths)}


class Arena:
    """One sweep and the processes that run it.

    Args:
        folder: Empty, for this sweep alone.
        subject: The sweep.
        ground: Where it runs.
        chaos: The folder that `chaos_variables` was called with.
    """

    def __init__(self, folder: Path, subject: Subject, ground: Ground, chaos: Path) -> None:
        self.directory, self.steps = folder / subject.name, folder / "steps.txt"
        self._ground, self._variables, self._chaos = ground, chaos_variables(chaos), chaos
        self._process: subprocess.Popen[str] | None = None
        self._family: dict[int, psutil.Process] = {}
        self.steps.touch()
        self._spec, self._output = folder / "sweep.yaml", folder / "output.txt"
        fields = {**subject.fields, "storage": str(folder), "data": str(self.steps)}
        self._spec.write_text(yaml.safe_dump(fields), encoding="utf-8")

    @property
    def finished(self) -> bool:
        """Whether the journal says so."""
        events = read_journal(self.directory / "journal")
        return bool(events) and events[-1].get("reason") == "finished"

    @property
    def running(self) -> bool:
        """Whether the driver lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        """The end of what the last run said."""
        return self._output.read_text(encoding="utf-8", errors="replace")[-2000:]

    def start(self) -> bool:
        """Starts the sweep, or resumes it where there is one; true where it is resumed."""
        resumed = (self.directory / "sweep.yaml").exists()
        command = ["resume", self.directory] if resumed else ["run", self._spec]
        environment = {**os.environ, **self._ground.variables(), **self._variables}
        with self._output.open("w", encoding="utf-8") as output:
            self._process = subprocess.Popen(
                [str(PROGRAM), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
                text=True,
            )
        self._family = {}
        return resumed

    def strike(self, planned: Kill, lines: int) -> Strike | None:
        """Waits for the moment and kills; None where the run ended before."""
        if not self._wait(lambda: count_lines(self.steps) >= lines):
            return None
        if planned.target.inside is not None:
            return self._arm(planned, planned.target.inside)
        struck = self._wait(lambda: self._hit(planned))
        return Strike(planned.target) if struck else None

    def end(self, *, killed: bool) -> tuple[int | None, list[str]]:
        """Waits for the driver's end and for that of all that it started.

        Args:
            killed: Whether it ends because of a kill.

        Returns:
            Its exit status, None where it had to be ended, and complaints.
        """
        assert self._process is not None
        complaints = []
        self._wait(lambda: False)
        status = self._process.poll()
        if status is None:
            complaints.append(f"the run {'hangs after the kill' if killed else 'hangs'}: {self.output}")
            kill(psutil.Process(self._process.pid))
        self._process.wait()
        family = {process: title(process) for process in self._family.values()}
        trains = [process for process, name in family.items() if name.startswith(WORKER)]
        _, left = psutil.wait_procs(trains, timeout=_LEFT_S)
        # A worker that trains on would write beside its successor. Ray's own agents only take a while to notice.
        complaints += [f"worker {process.pid} outlived its driver by {_LEFT_S:g} s" for process in left]
        for process in family:
            kill(process)
        return status, complaints

    def _wait(self, happened: Callable[[], bool]) -> bool:
        """Waits for something to happen; false where the driver ends before, or hangs."""
        limit, met = time.monotonic() + _RUN_S, 0.0
        while self.running and time.monotonic() < limit:
            if happened():
                return True
            if time.monotonic() - met > 1.0:
                self._meet()
                met = time.monotonic()
            time.sleep(_LOOK_S)
        return False

    def _meet(self) -> None:
        """Notes the processes that should end with the driver."""
        with suppress(psutil.NoSuchProcess, AssertionError):
            assert self._process is not None
            driver = psutil.Process(self._process.pid)
            for process in (*descendants(driver), *self._ground.workers(driver)):
                self._family.setdefault(process.pid, process)

    def _hit(self, planned: Kill) -> bool:
        """Kills from outside; false where there is nothing to be killed yet."""
        assert self._process is not None
        with suppress(psutil.NoSuchProcess):
            driver = psutil.Process(self._process.pid)
            self._meet()
            match planned.target:
                case Target.DRIVER:
                    return kill(driver)
                case Target.RAYLET:
                    return self._ground.kill_raylet(driver, planned.choice)
                case Target.WORKER:
                    workers = sorted(self._ground.workers(driver), key=lambda process: process.pid)
                    return bool(workers) and kill(workers[planned.choice % len(workers)])
        return False

    def _arm(self, planned: Kill, role: str) -> Strike | None:
        """Lets the process that comes to an event first kill itself; None where none did before the run ended."""
        armed, hit = self._chaos / "armed.json", self._chaos / f"hit-{uuid.uuid4().hex}"
        fault = {
            "nonce": uuid.uuid4().hex,
            "directory": str(self.directory),
            "role": role,
            "event": planned.event,
            "hit": str(hit),
        }
        new = self._chaos / "arming"
        new.write_text(json.dumps(fault), encoding="utf-8")
        new.replace(armed)
        self._wait(hit.exists)
        armed.unlink()
        if not hit.exists():
            return None
        while not (point := hit.read_text(encoding="utf-8")):
            time.sleep(_LOOK_S)
        return Strike(planned.target, point)


def count_lines(file: Path) -> int:
    """How many steps were trained so far."""
    return file.read_bytes().count(b"\n")
