"""Which worker gets which group: one that suits it, without one waiting idle for what another could do."""

from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from caviar.scheduler.core.placement.dispatch_queue import DispatchQueue, Group, WorkerLoad, parted
from caviar.scheduler.core.placement.kinds import KindIndices, WorkerKind, eligible_kinds
from caviar.scheduler.core.trials.assignment import Assignment

KINDS = (WorkerKind(gpu=1, when={"model": ("big",)}), WorkerKind(cpu=4), WorkerKind(when={"model": ("small", "tiny")}))
MODELS = st.sampled_from(["big", "medium", "small", "tiny"])


def group_of(trials: list[int], model: str = "small", start: int = 0) -> list[Assignment]:
    return [Assignment(trial, {"model": model}, 0, 0, 0, start, start + 1, trials[0]) for trial in trials]


@dataclass
class Worker:
    number: int
    kind: int
    queue: list[Group] = field(default_factory=list)

    def load(self, ahead: int) -> WorkerLoad:
        return WorkerLoad(self.number, self.kind, len(self.queue), max(0, ahead - len(self.queue)))


@given(
    models=st.lists(MODELS, max_size=400),
    kinds=st.lists(st.integers(0, 2), min_size=1, max_size=6),
    ahead=st.integers(1, 3),
    order=st.randoms(use_true_random=False),
)
def test_every_group_gets_a_worker_that_suits_it_none_idles_beside_work_it_could_do_and_few_wait(
    models: list[str], kinds: list[int], ahead: int, order: object
) -> None:
    workers = [Worker(number, kind) for number, kind in enumerate([0, 1, *kinds])]
    waiting_groups, coming, done = DispatchQueue(), [group_of([n], model) for n, model in enumerate(models)], set[int]()
    while len(done) < len(models):
        loads = [worker.load(ahead) for worker in workers]
        while (room := waiting_groups.room(loads)) and coming:
            taken, coming = coming[:room], coming[room:]
            for group in taken:
                waiting_groups.add(group, eligible_kinds(KINDS, [work.config for work in group]))
            for placement in waiting_groups.place(loads):
                workers[placement.worker].queue.append(placement.group)
            loads = [worker.load(ahead) for worker in workers]
        assert len(waiting_groups) <= 64 + 4 * len(workers)
        free = {worker.kind for worker in workers if len(worker.queue) < ahead}
        assert not any(free & set(waits) for waits in waiting_groups.waiting)
        busy = [worker for worker in workers if worker.queue]
        worker = order.choice(busy)  # type: ignore[attr-defined]
        ended = worker.queue.pop(0)
        assert worker.kind in eligible_kinds(KINDS, [work.config for work in ended])
        done.update(work.trial for work in ended)
        for placement in waiting_groups.place([one.load(ahead) for one in workers]):
            workers[placement.worker].queue.append(placement.group)
    assert not len(waiting_groups)


def place(waiting_groups: DispatchQueue, group: Group, loads: list[WorkerLoad], kinds: KindIndices = (0, 1)) -> int:
    waiting_groups.add(group, kinds)
    (placement,) = waiting_groups.place(loads)
    return placement.worker


def test_an_earlier_kind_is_preferred_and_the_worker_that_holds_the_trial_more_than_that() -> None:
    waiting_groups, loads = DispatchQueue(), [WorkerLoad(0, 1, 0, 1), WorkerLoad(1, 0, 0, 1)]
    assert place(waiting_groups, group_of([7]), loads) == 1
    assert place(waiting_groups, group_of([8]), loads[:1]) == 0
    assert place(waiting_groups, group_of([8], start=1), loads) == 0
    assert place(waiting_groups, group_of([7, 9, 10], start=1), [*loads, WorkerLoad(2, 0, 0, 1)]) == 1
    waiting_groups.home.update({7: 1, 8: 0, 9: 0})
    assert place(waiting_groups, group_of([7, 8, 9], start=2), [*loads, WorkerLoad(2, 0, 0, 1)]) == 0


def test_a_home_without_room_a_home_that_does_not_suit_and_one_that_is_gone_are_passed_over() -> None:
    waiting_groups, loads = DispatchQueue(), [WorkerLoad(0, 1, 0, 1), WorkerLoad(1, 0, 0, 1)]
    assert place(waiting_groups, group_of([7]), loads) == 1
    assert place(waiting_groups, group_of([7], start=1), [loads[0], WorkerLoad(1, 0, 1, 0)]) == 0
    assert place(waiting_groups, group_of([7], start=2), loads, kinds=(0,)) == 1
    waiting_groups.forget(1)
    assert waiting_groups.home == {}


def test_the_oldest_group_goes_first_and_passes_none_that_waits_for_another_kind() -> None:
    waiting_groups = DispatchQueue()
    for trial, kinds in enumerate([(0,), (1,), (0, 1), (1,)]):
        waiting_groups.add(group_of([trial]), kinds)
    assert [(one.worker, one.group[0].trial) for one in waiting_groups.place([WorkerLoad(5, 1, 0, 2)])] == [
        (5, 1),
        (5, 2),
    ]
    assert waiting_groups.waiting == {(0,): 1, (1,): 1}
    assert [work.trial for work in waiting_groups.clear()] == [0, 3]
    assert not len(waiting_groups)


def test_a_group_of_which_no_kind_takes_all_is_parted_and_what_none_takes_is_told_apart() -> None:
    kinds = (WorkerKind(when={"model": ("big",)}), WorkerKind(when={"model": ("small",)}))
    mixed = [work for n, model in enumerate(["small", "big", "medium", "small"]) for work in group_of([n], model)]
    parts: dict[KindIndices, list[tuple[int, int]]] = defaultdict(list)
    for suits, part in parted(kinds, mixed):
        parts[suits] += [(work.trial, work.group) for work in part]
    assert parts == {(1,): [(0, 0), (3, 0)], (0,): [(1, 1)], (): [(2, 2)]}
    assert parted(kinds, group_of([4, 5])) == [((1,), group_of([4, 5]))]
