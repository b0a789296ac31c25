"""The checkpoints that may go: all that no trial goes on from and that are not among the best, the worst first."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from math import inf

from .goal import Mode, sign_of
from .trial import Parent, TrialRow

KEEP = 5
"""Number of trials whose checkpoints are kept where nobody says another number."""


@dataclass(frozen=True, slots=True)
class Retention:
    """The checkpoints that a person wants to keep.

    Attributes:
        keep: The checkpoints of this many best trials are kept for good, at least 1; those of all trials if None.
        disk: Bytes that the checkpoints of a sweep may take, at least 1, which goes before `keep`; without a limit if
            None.
    """

    keep: int | None = KEEP
    disk: int | None = None

    @property
    def everything(self) -> bool:
        """True where nothing ever goes."""
        return self.keep is None and self.disk is None


@dataclass(frozen=True, slots=True, order=True)
class Stored:
    """A checkpoint on the disk.

    Attributes:
        trial: The trial's number.
        step: Steps trained.
        size: Its bytes.
    """

    trial: int
    step: int
    size: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a sweep, as far as it says what is still needed.

    Attributes:
        rows: The table of trials; checkpoints of others are left alone.
        mode: Whether the metric is minimised or maximised.
        needed: Trials that are trained further, or may be.
        durable: The step up to which a needed trial's reports are on the disk, where that is beyond its row's step.
        parents: Checkpoints that trials begin from which are still to be started.
    """

    rows: Sequence[TrialRow]
    mode: Mode
    needed: Set[int]
    durable: Mapping[int, int] = field(default_factory=dict)
    parents: Set[Parent] = frozenset()


@dataclass(frozen=True, slots=True)
class Expendable:
    """The checkpoints that may go.

    Attributes:
        checkpoints: The checkpoints to delete, in order.
        excess: Bytes by which what has to stay exceeds the limit.
    """

    checkpoints: tuple[Stored, ...] = ()
    excess: int = 0


def expendable(retention: Retention, stored: Sequence[Stored], standing: Standing) -> Expendable:
    """The checkpoints that may be deleted.

    What a trial that goes on starts from stays always, and so does the checkpoint of the best trial's best value. Of
    the rest, those of the `keep` best trials stay as long as the limit allows.

    Args:
        retention: The checkpoints that a person wants to keep.
        stored: The checkpoints on the disk.
        standing: The state of the sweep.
    """
    rows = {row.trial: row for row in standing.rows}
    ranks = {row.trial: rank for rank, row in enumerate(_best_first(standing))}
    needed = _starting_points(stored, rows, standing)
    kept = inf if retention.keep is None else retention.keep
    going: list[Stored] = []
    optional: list[Stored] = []
    used = 0
    for one in stored:
        row = rows.get(one.trial)
        rank = ranks.get(one.trial, inf)
        at_best = row is not None and one.step == row.best_step
        if row is None or one in needed or (at_best and rank == 0):
            used += one.size
        elif kept == inf or (at_best and rank < kept):
            used += one.size
            optional.append(one)
        else:
            going.append(one)
    optional.sort(key=lambda one: (-ranks.get(one.trial, inf), one.step == rows[one.trial].best_step, one))
    going.sort(key=lambda one: (-ranks.get(one.trial, inf), one))
    limit = inf if retention.disk is None else retention.disk
    for one in optional:
        if used <= limit:
            break
        going.append(one)
        used -= one.size
    return Expendable(tuple(going), int(max(0, used - limit)))


def _best_first(standing: Standing) -> list[TrialRow]:
    """The rows with a value, the best first; ties go to the lower number."""
    sign = sign_of(standing.mode)
    valued = [(sign * row.best_value, row.trial, row) for row in standing.rows if row.best_value is not None]
    return [row for _, _, row in sorted(valued, key=lambda one: one[:2])]


def _starting_points(stored: Sequence[Stored], rows: Mapping[int, TrialRow], standing: Standing) -> set[Stored]:
    """The checkpoints that the needed trials may have to start from.

    A trial is restored at its row's step. Between two rungs it is restored at the newest checkpoint up to which its
    reports are on the disk, and a later one becomes that when its reports are. While it has none at its row's step or
    before, it is restored at its parent's.
    """
    needed: set[Stored] = set()
    newest: dict[tuple[int, bool], Stored] = {}
    for one in sorted(stored):
        row = rows.get(one.trial)
        if row is None or one.trial not in standing.needed:
            continue
        if one.step > max(row.step, standing.durable.get(one.trial, 0)):
            needed.add(one)
        else:
            newest[one.trial, one.step > row.step] = one
    orphans = [rows[trial].parent for trial in standing.needed & rows.keys() if (trial, False) not in newest]
    parents = {*standing.parents, *orphans}
    return needed.union(newest.values(), (one for one in stored if Parent(one.trial, one.step) in parents))
