"""From a budget to brackets, and to the time that they will take."""

from dataclasses import replace

from .core.controllers import bracket_schedule
from .core.schedule import Budget, Plan
from .errors import InvalidSpecError
from .execution.interrupts import Interrupts
from .execution.loop import SweepLoop
from .execution.record import MemoryRecord
from .execution.simulated import SimulatedExecutor
from .results import ReportTable
from .run import new_state
from .spec import SweepSpec


def plan_sweep(spec: SweepSpec, step_seconds: float | None = None, workers: int | None = None) -> Plan:
    """What a spec will run.

    Args:
        spec: The spec.
        step_seconds: What one step costs, above 0, if known.
        workers: Number of workers, at least 1; the spec's if None, or 1 where that has none.

    Raises:
        InvalidSpecError: The budget is one of hours alone and the cost of a step is not known, or an argument is
            outside its range.
    """
    if workers is not None and workers < 1:
        raise InvalidSpecError(f"workers: must be at least 1, got {workers!r}.")
    if step_seconds is not None and not step_seconds > 0:
        raise InvalidSpecError(f"step_seconds: must be above 0, got {step_seconds!r}.")
    workers = workers or spec.workers.count or 1
    search = replace(spec.search, budget=_limited(spec, step_seconds, workers))
    plan = Plan(tuple(bracket_schedule(search)), search.resource)
    if step_seconds is None:
        return plan
    return plan.lasting(_makespan(spec, search.budget, step_seconds, workers))


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
