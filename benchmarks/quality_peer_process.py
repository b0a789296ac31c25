"""The side of quality.py that talks to a peer: a process of another environment, JSON lines over its pipes."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import orjson
from quality_meter import Cluster, Job
from quality_tasks import Task

from caviar.search_spaces import (
    Choice,
    Constant,
    Domain,
    Integer,
    InverseLog,
    Log,
    Ordinal,
    SearchSpace,
    Uniform,
    Value,
)

SCRIPT = Path(__file__).parent / "quality_peers.py"
_WORST_OF_ALL = 1e3
"""What a diverged training is said to have lost before any finite loss was seen."""


class PeerError(Exception):
    """A peer's process ended."""


class PeerSpace:
    """A search space as peers are told about it, and their configurations back in ours.

    Args:
        space: Without conditions and constraints.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self.domains = [_written(name, domain) for name, domain in space.varying.items()]
        self._constants = {name: domain.value for name, domain in space.domains.items() if isinstance(domain, Constant)}

    def read(self, config: Mapping[str, Any]) -> dict[str, Value]:
        """A peer's configuration; rounding may have put it outside the bounds."""
        return {name: self._value(name, config) for name in self._space.names}

    def write(self, config: Mapping[str, Any]) -> dict[str, Value]:
        """A configuration for a peer."""
        return {facts["name"]: self._own(facts["name"], config) for facts in self.domains}

    def _value(self, name: str, config: Mapping[str, Any]) -> Any:
        domain = self._space.domains[name]
        if name in self._constants:
            return self._constants[name]
        if not isinstance(domain, Uniform | Log | InverseLog | Integer):
            return config[name]
        value = 1.0 - config[name] if isinstance(domain, InverseLog) else config[name]
        return min(max(value, domain.low), domain.high)

    def _own(self, name: str, config: Mapping[str, Any]) -> Any:
        inverse = isinstance(self._space.domains[name], InverseLog)
        return 1.0 - config[name] if inverse else config[name]


class PeerMethod:
    """A peer that proposes; its process lives until `close`.

    Args:
        python: The interpreter of the peer's environment.
        name: The peer's name, as `quality_peers.py` knows it.
        task: The task.
        seed: Of the peer's random choices.
        cluster: Where it runs.
    """

    def __init__(self, python: Path, name: str, task: Task, seed: int, cluster: Cluster) -> None:
        self._space, self._worst = PeerSpace(task.space), -float("inf")
        self._folder = tempfile.TemporaryDirectory(prefix="quality-", ignore_cleanup_errors=True)
        self._errors = Path(self._folder.name) / "errors.log"
        self._process = self._start(python)
        candidates = task.candidates and [self._space.write(config) for config in task.candidates]
        self.versions: dict[str, str] = self._call(
            peer=name,
            space=self._space.domains,
            steps=task.steps,
            seed=seed,
            workers=cluster.workers,
            trainings=round(cluster.limit / task.steps),
            candidates=candidates,
        )["versions"]

    def ask(self) -> Job | None:
        """The next job."""
        job = self._call(op="ask")["job"]
        return job and Job(job["trial"], self._space.read(job["config"]), job["stop"])

    def tell(self, trial: int, step: int, loss: float, *, last: bool) -> bool:
        """Tells the peer; a diverged training has the worst finite loss so far, which every peer can work with."""
        if isfinite(loss):
            self._worst = max(self._worst, loss)
        told = loss if isfinite(loss) else self._worst if isfinite(self._worst) else _WORST_OF_ALL
        return bool(self._call(op="tell", trial=trial, step=step, loss=told, last=last)["go"])

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def _start(self, python: Path) -> "subprocess.Popen[bytes]":
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        # Sets of strings and configurations are gone through in the order of their hashes.
        environment = {**os.environ, **one_thread, "PYTHONHASHSEED": "0"}
        with self._errors.open("wb") as errors:
            return subprocess.Popen(
                [python.absolute(), SCRIPT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self._folder.name,
                env=environment,
            )

    def _call(self, **message: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(orjson.dumps(message) + b"\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = orjson.loads(self._process.stdout.readline())
        except (BrokenPipeError, orjson.JSONDecodeError):
            raise PeerError(self._errors.read_text(errors="replace")[-3000:]) from None
        return answer


def _written(name: str, domain: Domain) -> dict[str, Any]:
    """A domain in the form that `quality_peers.py` reads."""
    if isinstance(domain, Choice | Ordinal):
        return {"name": name, "kind": "choice", "options": list(domain.options)}
    if isinstance(domain, InverseLog):
        return {"name": name, "kind": "float", "low": 1 - domain.high, "high": 1 - domain.low, "log": True}
    assert isinstance(domain, Uniform | Log | Integer), name
    kind = "int" if isinstance(domain, Integer) else "float"
    log = isinstance(domain, Log) or (isinstance(domain, Integer) and domain.log)
    return {"name": name, "kind": kind, "low": domain.low, "high": domain.high, "log": log}
