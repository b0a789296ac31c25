"""Going on with another search: the controller that goes on, and what ends at once.

Where only the budget changes, the controller stays and its schedule goes on. Anything else makes a new controller,
which follows the old one in a `ControllerChain`.

Brackets are ended at once where finishing them makes no sense: the new budget is not enough for them, the metric or its
mode is another one, or the full resource is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ....search_spaces import Value
from ..trials.trial import TrialRow
from .chain import ControllerChain
from .controller import Controller
from .revision import SearchChange
from .schedule import BracketPlan


@dataclass(frozen=True, slots=True)
class Handover:
    """The consequences of a change.

    Attributes:
        controller: The controller that goes on.
        ended: The brackets that end at once.
        waiting: Trials that may be promoted, although they were stopped if the budget was spent.
        stopped: Trials that waited for a promotion and will have none.
        assumed: By trial, values of hyperparameters that came after it.
    """

    controller: Controller
    ended: frozenset[int] = frozenset()
    waiting: frozenset[int] = frozenset()
    stopped: frozenset[int] = frozenset()
    assumed: Mapping[int, Mapping[str, Value]] = field(default_factory=dict)


def hand_over(controller: Controller, change: SearchChange, rows: Sequence[TrialRow], proposal: int) -> Handover:
    """The controller that goes on after a change.

    A pure function of its arguments, which the controller is used up by.

    Args:
        controller: The controller so far.
        change: The change to the search.
        rows: The table of trials; nothing is being trained.
        proposal: The number of the first proposal that was not made yet.
    """
    if change.nothing:
        return Handover(controller)
    chain = controller if isinstance(controller, ControllerChain) else ControllerChain(controller, change.before)
    ended = _ended(chain, change, rows)
    chain.end(ended)
    if not (change.budget_alone and chain.rebudget(change.after)):
        chain.append(change, rows, proposal)
    waiting, stopped = (frozenset(chain.waiting(finished=finished)) for finished in (False, True))
    assumed = {row.trial: chain.assumed(row.trial) for row in rows}
    return Handover(chain.single or chain, frozenset(ended), waiting, stopped, assumed)


def _ended(chain: ControllerChain, change: SearchChange, rows: Sequence[TrialRow]) -> dict[int, BracketPlan]:
    """The brackets that end at once, and what came of them: in their order, those that the budget is not enough for."""
    plans, unfinished = chain.plans, set(chain.unfinished)
    left = change.after.budget.less(*(plan for number, plan in enumerate(plans) if number not in unfinished))
    ended: dict[int, BracketPlan] = {}
    for number in sorted(unfinished):
        plan = plans[number]
        if change.ends_all or left.less(plan).overdrawn:
            plan = ended[number] = _come_of(plan, [row for row in rows if row.bracket == number])
        left = left.less(plan)
    return ended


def _come_of(plan: BracketPlan, rows: Sequence[TrialRow]) -> BracketPlan:
    """The part of a bracket's plan that was begun."""
    begun = partial(_begun, plan.levels)
    return BracketPlan(plan.levels, tuple(sum(begun(row, rung) for row in rows) for rung in range(len(plan.levels))))


def _begun(levels: Sequence[int], row: TrialRow, rung: int) -> bool:
    below = levels[rung - 1] if rung else 0
    return row.begin < levels[rung] and (below <= row.begin or row.rung >= rung or row.step > below)
