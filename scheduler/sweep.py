"""A sweep: one search, from its spec to its results."""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..search_spaces import Domain, SearchSpace
from ..trainers import Trainer, TrainerLike, load_trainer
from .analysis.plan import plan_sweep
from .analysis.preview import ResumePreview, preview_resume
from .core.controllers.schedule import Plan
from .doctor.cluster import check_nodes
from .errors import InvalidSpecError, SweepError
from .execution.callbacks import Callback
from .execution.interrupts import Interrupts
from .execution.simulated import Curve, SimulatedExecutor, StepCost, one_second
from .execution.snapshot import Observer, StopReason
from .lifecycle.edits import FieldEdit
from .lifecycle.prepared import PreparedSweep, prepare_sweep
from .lifecycle.prior import prior_of, saved_prior
from .lifecycle.proposers import checked_proposer
from .lifecycle.recorded import RecordedSweep
from .lifecycle.resume import followed_fusing, resumed_spec
from .lifecycle.run import RunOptions, run_in_directory
from .lifecycle.simulate import simulated
from .lifecycle.workers import ExecutorName
from .results import Results
from .spec.spec import SweepSpec, read_spec_file
from .storage import STORAGE_TIMEOUT_S, Location, SweepDirectory, given_path, locate


class Sweep:
    """One search: a spec, training code and a directory.

    Args:
        trainer: A generator function, a trainer class, "module:name", "file.py:name", or a command.
        space: The search space, or its domains by name.
        metric: Name of the metric that trials are compared by.
        mode: "min" or "max".
        resource: The resource that a trial may consume: `{"unit": "epoch", "min": 1, "max": 27, "eta": 3}`.
        budget: The limits on what the sweep may spend: any of `trials`, `resource` (steps over all trials) and `hours`.
        constraints: Expressions that every configuration satisfies, such as "lr * batch_size <= 1".
        workers: The resources of each worker and the number of workers: any of `cpu`, `gpu`, `count` and `warm`.
        storage: The folder in which the sweep's directory lies, or a URI such as s3://bucket/sweeps.
        name: The sweep's name; the trainer's with the time when absent.
        seed: From which every random choice follows.
        controller: "coarse_to_fine", "hyperband", "asha", "random" or "grid", or a mapping with its settings.
        proposer: The proposer of configurations from results: "model", "design" for none, or an Optuna sampler such as
            "optuna.samplers.TPESampler"; a mapping with its `name` and arguments. What suits the controller if None.
        warm_start: The directory of an earlier sweep from whose results the proposer learns too; or a mapping with its
            `path` and, under `assume`, values of hyperparameters that it did not have.
        initial: Configurations that are tried first, `[{"lr": 0.1}]`; what one of them leaves out is drawn.
        data: A file or folder that the training code finds as `trial.data`.
        target: The column of the data that is to be predicted, `trial.target`.
        fuse: Number of trials of a lane that are trained as one model: "auto" measures it, "off" is one at a time; or a
            number, or a mapping with any of `size`, `static` and `padded`.
        max_failures: Number of times that a failed trial is started again.
        max_preemptions: Number of times that a trial is started again whose worker's node was lost; no limit if None.
        on_error: The actions after a failure, by the first rule that matches:
            `[{"match": "license", "do": "stop"}]`, where `do` is "retry", "retry_alone", "fail" or "stop".
        timeout: Seconds that a step may take; as long as it takes if None.
        stall_timeout: Seconds that may pass in a step without a sign of life; any number if None.
        checkpoints: Any of `keep` (of how many best trials they are kept, or "all"), `disk` (bytes that they may take,
            such as "20GiB") and `every` (steps after which one is saved between two rungs).
        storage_timeout: Seconds to wait for storage that cannot be written, because the disk is full or gone.

    Raises:
        InvalidSpecError: A field is not what it may be.
        TrainerError: The training code cannot be used.
    """

    def __init__(  # noqa: PLR0913 a sweep has this many independent settings, and all but the trainer go by name
        self,
        trainer: TrainerLike,
        *,
        space: SearchSpace | Mapping[str, Domain | Mapping[str, Any]],
        metric: str,
        mode: str = "min",
        resource: Mapping[str, Any],
        budget: Mapping[str, Any] | None = None,
        constraints: Sequence[str] = (),
        workers: Mapping[str, Any] | None = None,
        storage: str | Location = "sweeps",
        name: str | None = None,
        seed: int = 0,
        controller: str | Mapping[str, Any] = "coarse_to_fine",
        proposer: str | Mapping[str, Any] | None = None,
        warm_start: str | Location | Mapping[str, Any] | None = None,
        initial: Sequence[Mapping[str, Any]] = (),
        max_failures: int = 1,
        max_preemptions: int | None = None,
        on_error: Sequence[Mapping[str, str]] = (),
        timeout: float | None = None,
        stall_timeout: float | None = None,
        data: str | Path | None = None,
        target: str | None = None,
        fuse: str | int | Mapping[str, Any] = "auto",
        checkpoints: Mapping[str, Any] | None = None,
        storage_timeout: float = STORAGE_TIMEOUT_S,
    ) -> None:
        loaded = load_trainer(trainer)
        if isinstance(space, SearchSpace) and isinstance(constraints, list | tuple):
            constraints = (*space.constraints, *constraints)
        spec = SweepSpec.parse(
            {
                "name": _dated_name(loaded.name) if name is None else name,
                "trainer": loaded.reference,
                "metric": metric,
                "mode": mode,
                "space": space,
                "constraints": constraints,
                "resource": resource,
                "budget": {} if budget is None else budget,
                "workers": {} if workers is None else workers,
                "controller": controller,
                "proposer": proposer,
                "warm_start": warm_start,
                "initial": initial,
                "seed": seed,
                "max_failures": max_failures,
                "max_preemptions": max_preemptions,
                "on_error": on_error,
                "timeout": timeout,
                "stall_timeout": stall_timeout,
                "storage": storage,
                "data": data,
                "target": target,
                "fuse": fuse,
                "checkpoints": checkpoints or {},
                "storage_timeout": storage_timeout,
            }
        )
        self._sweep = prepare_sweep(spec, loaded, None)
        self._recorded: RecordedSweep | None = None
        self._stop_reason: StopReason | None = None

    @classmethod
    def from_spec(cls, spec: SweepSpec, directory: Path | None = None) -> "Sweep":
        """The sweep of a spec.

        Args:
            spec: The spec; its trainer has a name.
            directory: Start of relative paths of the trainer and of the data; the working directory if None.

        Raises:
            InvalidSpecError: There are no such data, or trials are to be fused that cannot be.
            TrainerError: The training code cannot be used.
        """
        if spec.trainer is None:
            raise InvalidSpecError("trainer: this field is missing; name the training code, such as train.py:train.")
        trainer = load_trainer(spec.trainer, directory)
        return cls._of(prepare_sweep(spec, trainer, directory))

    @classmethod
    def from_yaml(cls, path: str | Path, **fields: Any) -> "Sweep":
        """The sweep of a spec in YAML.

        Args:
            path: The file; relative paths of the trainer and of the data start in its folder.
            fields: Fields of the spec that replace the file's.

        Raises:
            InvalidSpecError: A field is not what it may be.
            TrainerError: The training code cannot be used.
        """
        path = given_path(path, "the spec's file")
        spec = SweepSpec.parse({**read_spec_file(path), **fields})
        return cls.from_spec(spec, path.parent)

    @classmethod
    def resume(cls, path: str | Location, trainer: TrainerLike | None = None, **fields: Any) -> "Sweep":
        """A sweep that ran before, to go on from where its directory says it was.

        Args:
            path: The sweep's directory, or its URI.
            trainer: The training code, where the directory has no name for it: a function of a notebook.
            fields: Fields of the spec that replace those in sweep.yaml from now on. `run` refuses those that a sweep
                cannot go on with.

        Raises:
            SweepError: There is no sweep.
            InvalidSpecError: A field is not what it may be, or its data are not there any more.
            JournalError: The journal cannot be trusted.
            TrainerError: The training code cannot be used.
        """
        recorded = RecordedSweep(SweepDirectory(locate(path).resolve()))
        spec = resumed_spec(recorded, fields)
        if trainer is None and spec.trainer is None:
            raise SweepError(
                f"{recorded.directory.path}: its training code has no name to find it by; use Sweep.resume(path,"
                " trainer=train)."
            )
        loaded = load_trainer(trainer if trainer is not None else spec.trainer or "")
        proposer = checked_proposer(spec)
        if isinstance(trainer, str | Mapping):
            spec = spec.model_copy(update={"trainer": loaded.reference})
        spec = followed_fusing(spec, recorded.last, loaded)
        return cls._of(PreparedSweep(spec, loaded, proposer), recorded)

    def __repr__(self) -> str:
        spec = self.spec
        return (
            f"Sweep(name={spec.name!r}, metric={spec.metric!r}, mode={spec.mode!r}, directory={str(self.directory)!r})"
        )

    @property
    def spec(self) -> SweepSpec:
        """The spec as resolved."""
        return self._sweep.spec

    @property
    def trainer(self) -> Trainer:
        """The training code."""
        return self._sweep.trainer

    @property
    def directory(self) -> Location:
        """The sweep's directory."""
        return self.spec.directory

    @property
    def stop_reason(self) -> StopReason | None:
        """The reason why the last run ended; None before it has."""
        return self._stop_reason

    def run(
        self,
        observe: Observer | None = None,
        *,
        callbacks: Sequence[Callback] = (),
        preflight: bool = True,
        executor: ExecutorName = "ray",
    ) -> Results:
        """Runs the sweep to its end, on the Ray that is initialised or on this machine's cores.

        Ctrl-C lets the running steps finish, saves checkpoints, writes everything and raises KeyboardInterrupt; a
        second one stops at once. Either way `Sweep.resume` goes on, as it does after a rule of `on_error` stopped it.

        Args:
            observe: Called with a `RunSnapshot` about twice a second.
            callbacks: Each a `Callback`, which is told what the run has made durable, in a thread of its own.
            preflight: Whether to look at the nodes of a cluster before the first trial.

            executor: "ray", or "in_process" to train one trial at a time in this process, without Ray: for a debugger,
                a profiler or a notebook.

        Raises:
            SweepError: The directory holds a sweep already, another process runs it, or workers cannot be started.
            SweepStoppedError: A failure stopped the sweep, as `on_error` says.
        """
        interrupts = Interrupts(SweepDirectory(self.directory).stop)
        options = RunOptions(observe, callbacks, check_nodes if preflight else None, executor)
        end = run_in_directory(self._sweep, interrupts, self._recorded, options)
        self._stop_reason, self._sweep = end.reason, self._sweep.with_spec(end.spec)
        self._recorded = self._recorded or RecordedSweep(SweepDirectory(self.directory))
        interrupts.reraise()
        return self.results

    @property
    def results(self) -> Results:
        """The results so far."""
        return Results.open(self.directory)

    def simulate(self, curve: Curve, workers: int = 1, step_seconds: StepCost = one_second) -> Results:
        """Runs the sweep in virtual time with curves instead of training; nothing is written.

        Args:
            curve: `curve(config, seed)` returns the metric after each step, at least `resource.max` values.
            workers: Number of simulated workers, at least 1.
            step_seconds: `step_seconds(config, seed)` returns the seconds that a step of that trial takes.

        Raises:
            InvalidSpecError: A curve is not a sequence of numbers, a cost is not at least 0, or there is no worker.
        """
        spec = self.spec
        if self._recorded is None:
            found = self._sweep.warm_start
            prior = prior_of(spec, None if found is None else found.trials)
        else:
            prior = saved_prior(self._recorded.directory, spec)
        executor = SimulatedExecutor(curve, spec.metric, workers, step_seconds, self._sweep.proposer())
        results, self._stop_reason = simulated(spec, prior, executor)
        return results

    def plan(self, step_seconds: float | None = None, workers: int | None = None) -> Plan:
        """The plan of what the sweep will run, before any result.

        Args:
            step_seconds: The cost of one step, if known; with it the plan has its expected time, and a budget of hours
                becomes one of resource.
            workers: Number of workers; the spec's if None.

        Raises:
            InvalidSpecError: The budget is one of hours alone and the cost of a step is not known.
        """
        return plan_sweep(self.spec, step_seconds, workers)

    def preview(self) -> ResumePreview:
        """A preview of what a sweep from `Sweep.resume` would do, without training and without changing anything.

        Raises:
            SweepError: The sweep has not run yet.
            InvalidSpecError: A field was changed that cannot change.
            JournalError: The journal cannot be trusted.
        """
        return preview_resume(self._begun(), self.spec)

    @property
    def edits(self) -> list[FieldEdit]:
        """The fields in which a sweep from `Sweep.resume` differs from what its last run had.

        Raises:
            SweepError: The sweep has not run yet.
            InvalidSpecError: A field was changed that cannot change.
        """
        return self._begun().check_edits(self.spec)

    @property
    def earlier_s(self) -> float:
        """Seconds that earlier runs of the sweep took; 0 before the first.

        Raises:
            JournalError: The journal cannot be trusted.
        """
        return 0.0 if self._recorded is None else self._recorded.history.seconds

    def _begun(self) -> RecordedSweep:
        """The sweep as its directory has it now."""
        if self._recorded is None:
            raise SweepError(f"{self.directory}: this sweep has not run yet; plan() says what it will run.")
        self._recorded.advance()
        return self._recorded

    @classmethod
    def _of(cls, prepared: PreparedSweep, recorded: RecordedSweep | None = None) -> "Sweep":
        sweep = cls.__new__(cls)
        sweep._sweep, sweep._recorded, sweep._stop_reason = prepared, recorded, None
        return sweep


def _dated_name(trainer: str) -> str:
    """A name that can be a path, from the trainer's and the time."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", trainer.rpartition(":")[2]).strip("-")[:40]
    return f"{stem or 'sweep'}-{time.strftime('%Y%m%d-%H%M%S')}"
