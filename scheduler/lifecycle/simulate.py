"""A sweep in virtual time and in memory: the same loop and the same decisions, and no directory."""

from math import inf

from ..core.proposers.observations import Observations
from ..execution.executor import Executor
from ..execution.interrupts import Interrupts
from ..execution.loop import StopReason, SweepLoop
from ..execution.record import MemoryRecord
from ..execution.simulated import rare_collections
from ..results import ReportTable, Results, regions_table, trials_table
from ..spec.spec import SweepSpec
from .recorded import new_state


def simulated(spec: SweepSpec, prior: Observations | None, executor: Executor) -> tuple[Results, StopReason]:
    """The results of a sweep that keeps its reports in memory, and the reason for its end.

    Args:
        spec: The spec.
        prior: Results of an earlier sweep, to learn from; none if None.
        executor: The executor, which gives the curves.

    Raises:
        InvalidSpecError: A curve is not a sequence of numbers, or a cost is not at least 0.
    """
    value_types, state = spec.search_space.value_types, new_state(spec, prior)
    table = ReportTable(value_types, spec.metric, spec.mode)
    seconds = inf if spec.budget.hours is None else spec.budget.hours * 3600
    with rare_collections():
        reason = SweepLoop(state, executor, MemoryRecord(table), Interrupts(), seconds).run()
        trials = trials_table(state.rows, value_types)
    regions = regions_table(state.insights)
    return Results.from_tables(trials, table.table, spec.metric, spec.mode, value_types, regions), reason
