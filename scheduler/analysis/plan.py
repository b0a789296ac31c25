"""From a budget to brackets, and to the time that they will take."""

from dataclasses import replace

from ...search_spaces.bounds import is_finite, is_number, is_whole
from ...search_spaces.values import show
from ..core.controllers.registry import bracket_schedule
from ..core.controllers.schedule import Budget, Plan
from ..errors import InvalidSpecError
from ..execution.interrupts import Interrupts
from ..execution.loop import SweepLoop
from ..execution.record import MemoryRecord
from ..execution.simulated import SimulatedExecutor
from ..lifecycle.recorded import new_state
from ..results import ReportTable
from ..spec.parts import MOST
from ..spec.spec import SweepSpec

_SHORTEST = 1e-12
"""The shortest step, in seconds; with a shorter one the rest of the arithmetic would be no number."""


def plan_sweep(spec: SweepSpec, step_seconds: float | None = None, workers: int | None = None) -> Plan:
    """The plan of what a spec will run.

    Args:
        spec: The spec.
        step_seconds: Cost of one step, above 0, if known.
        workers: Number of workers, at least 1; the spec's if None, or 1 where that has none.

    Raises:
        InvalidSpecError: The budget is one of hours alone and the cost of a step is not known, or an argument is
            outside its range.
    """
    _check(step_seconds, workers)
    workers = workers or spec.worker_count or 1
    search = replace(spec.search, budget=_limited(spec, step_seconds, workers))
    plan = Plan(tuple(bracket_schedule(search)), search.resource)
    if step_seconds is None:
        return plan
    return plan.lasting(_makespan(spec, search.budget, step_seconds, workers))


def _check(step_seconds: object, workers: object) -> None:
    if workers is not None and not (is_whole(workers) and workers <= MOST):
        raise InvalidSpecError(f"workers: must be a whole number of at most {MOST}, got {show(workers)}.")
    if workers is not None and workers < 1:
        raise InvalidSpecError(f"workers: must be at least 1, got {show(workers)}.")
    if step_seconds is None:
        return
    if not is_number(step_seconds) or not step_seconds > 0:
        raise InvalidSpecError(f"step_seconds: must be above 0, got {show(step_seconds)}.")
    if not (is_finite(step_seconds) and step_seconds >= _SHORTEST):
        raise InvalidSpecError(f"step_seconds: must be finite and at least {_SHORTEST:g}, got {show(step_seconds)}.")


def _limited(spec: SweepSpec, step_seconds: float | None, workers: int) -> Budget:
    """The budget with hours turned into resource."""
    budget = Budget(spec.budget.trials, spec.budget.resource)
    if spec.budget.hours is None or (step_seconds is None and budget != Budget()):
        return budget
    if step_seconds is None:
        raise InvalidSpecError("budget.hours: a plan from hours needs the cost of a step; give it or measure it.")
    resource = int(spec.budget.hours * 3600 * workers / step_seconds)
    return replace(budget, resource=min(resource, budget.resource or resource))


def _makespan(spec: SweepSpec, budget: Budget, step_seconds: float, workers: int) -> float:
    """Seconds that the sweep takes when every step costs the same: the sweep itself, on a virtual clock."""
    limits = spec.budget.model_copy(update={"trials": budget.trials, "resource": budget.resource, "hours": None})
    spec = spec.model_copy(update={"budget": limits})
    curve = [float(step) for step in range(spec.resource.max)]
    # Where points lie changes no cost, so nothing proposes them; brackets wait for their proposals all the same.
    executor = SimulatedExecutor(lambda _, seed: curve, spec.metric, workers, lambda _, seed: step_seconds)
    record = MemoryRecord(ReportTable(spec.search_space.value_types, spec.metric, spec.mode))
    SweepLoop(new_state(spec), executor, record, Interrupts()).run()
    return executor.now()
