"""How many workers of each kind there should be: as many as there is work for, where there is room."""

from hypothesis import given
from hypothesis import strategies as st

from caviar.scheduler.core.placement.autoscaling import (
    Node,
    additions,
    could_fit,
    expected,
    fits,
    has_labels,
    lack_sentence,
    most_on_a_node,
    worker_targets,
    workers_to_evict,
)
from caviar.scheduler.core.placement.kinds import KindIndices, WorkerKind

GPU, CPU = WorkerKind(gpu=1, when={"model": ("big",)}), WorkerKind(cpu=2)


def node(cpus: float, gpus: float = 0, name: str = "n", **labels: str) -> Node:
    have = {"CPU": cpus, "GPU": gpus, "memory": 8 * 2**30}
    return Node(name, have, have, labels)


def test_what_is_not_known_yet_will_be_like_what_was_seen() -> None:
    assert expected({}, 10, {}, 2) == {(0,): 10, (1,): 10}
    assert expected({(0,): 2}, 10, {(0, 1): 24, (1,): 75}, 2) == {(0,): 3, (0, 1): 3, (1,): 8}
    assert expected({(0,): 2}, 0, {(0, 1): 24}, 2) == {(0,): 2}


def test_a_kind_is_wanted_for_what_earlier_kinds_leave() -> None:
    kinds = [WorkerKind(gpu=1, count=2), WorkerKind()]
    assert worker_targets(kinds, {(0, 1): 9}, [0, 0]).wanted == (2, 9)
    assert worker_targets(kinds, {(0, 1): 9}, [2, 0]).wanted == (2, 7)
    assert worker_targets(kinds, {(0, 1): 1}, [2, 7]).wanted == (1, 0)
    assert worker_targets([WorkerKind(gpu=1), WorkerKind()], {(0, 1): 9}, [3, 0]).wanted == (9, 6)


def test_room_is_asked_for_once_for_each_group() -> None:
    assert worker_targets([WorkerKind(gpu=1, count=2), WorkerKind()], {(0, 1): 9}, [0, 0]).asked == (2, 7)
    assert worker_targets([GPU, CPU], {(0, 1): 3, (1,): 6}, [0, 0]).asked == (3, 6)
    assert worker_targets([WorkerKind(count=64)], {(0,): 200}, [0]).asked == (64,)
    assert worker_targets([WorkerKind(count=64)], {(0,): 5}, [64]).asked == (5,)


@given(
    st.dictionaries(st.sampled_from([(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)]), st.integers(1, 50)),
    st.lists(st.integers(0, 20), min_size=3, max_size=3),
    st.lists(st.none() | st.integers(1, 30), min_size=3, max_size=3),
)
def test_no_group_is_without_a_worker_that_could_be_had_and_no_worker_is_without_a_group(
    classes: dict[KindIndices, int], ready: list[int], counts: list[int | None]
) -> None:
    targets = worker_targets([WorkerKind(count=count) for count in counts], classes, ready)
    assert sum(targets.asked) <= sum(classes.values())
    for kind, count in enumerate(counts):
        could = sum(groups for suits, groups in classes.items() if kind in suits)
        assert targets.wanted[kind] <= could
        assert count is None or max(targets.asked[kind], targets.wanted[kind]) <= count
    for suits, groups in classes.items():
        if any(counts[kind] is None for kind in suits):
            assert sum(targets.wanted[kind] for kind in suits) >= groups


def test_workers_are_started_in_turns_as_far_as_there_is_room() -> None:
    assert additions([GPU, CPU], [9, 9], [0, 0], [node(8, 2)]) == [2, 3]
    assert additions([GPU, CPU], [1, 9], [0, 0], [node(8, 2), node(2)]) == [1, 4]
    assert additions([CPU, CPU], [9, 9], [2, 0], [node(4)]) == [0, 2]
    assert additions([CPU], [2], [2], [node(8)]) == [0]
    assert additions([CPU], [9], [0], []) == [0]


def test_a_gpu_is_shared_but_a_worker_does_not_span_nodes_unless_it_has_several_processes() -> None:
    assert additions([WorkerKind(gpu=0.25)], [99], [0], [node(99, 1), node(99, 0.5)]) == [6]
    assert additions([WorkerKind(cpu=3)], [9], [0], [node(2), node(2)]) == [0]
    assert additions([WorkerKind(cpu=2, processes=2)], [9], [0], [node(2), node(2), node(2)]) == [1]
    assert additions([WorkerKind(memory=3 * 2**30)], [9], [0], [node(99)]) == [2]


def test_labels_choose_nodes_as_rays_selectors_do() -> None:
    h100, unlabelled = {"gpu": "H100"}, dict[str, str]()
    assert [has_labels({"gpu": selector}, h100) for selector in ("H100", "!H100", "in(A100, H100)", "!in(A100)")] == [
        True, False, True, True,
    ]  # fmt: skip
    assert [has_labels({"gpu": selector}, unlabelled) for selector in ("H100", "!H100", "in(H100)")] == [
        False, True, False,
    ]  # fmt: skip
    labelled = WorkerKind(labels={"gpu": "H100"})
    assert additions([labelled], [9], [0], [node(4), node(3, gpu="H100")]) == [3]
    assert (fits(labelled, [node(4)]), could_fit(labelled, [node(4, gpu="H100")])) == (False, True)


def test_idle_workers_make_room_the_fewest_on_one_node_and_none_where_it_would_not_help() -> None:
    full = [Node(name, {"CPU": 2, "GPU": 1}, {"CPU": 2, "GPU": 0}, {}) for name in "ab"]
    whole, half = WorkerKind(gpu=1), WorkerKind(gpu=0.5)
    assert workers_to_evict(whole, [("a", half), ("b", whole), ("a", half)], full) == [1]
    assert workers_to_evict(whole, [("a", WorkerKind()), ("a", whole), (None, whole)], full) == [1]
    assert workers_to_evict(whole, [("a", half), (None, whole), ("a", half)], full) == [0, 2]
    assert workers_to_evict(whole, [("a", half), ("b", half)], full) is None
    assert workers_to_evict(WorkerKind(), [("a", half)], full) == []


def test_the_workers_of_a_node_share_what_it_has() -> None:
    assert most_on_a_node(CPU, [node(8), node(5)]) == 4
    assert most_on_a_node(WorkerKind(cpu=2, count=3), [node(8)]) == 3
    assert most_on_a_node(WorkerKind(labels={"gpu": "H100"}), [node(8)]) == 0


def test_what_is_missing_is_said_in_one_sentence() -> None:
    assert lack_sentence(WorkerKind(gpu=1), 0, 5, [node(8)]) == (
        "0 workers: nothing in the cluster has 1 CPU and 1 GPU free (the cluster has 8 CPUs and 0 GPUs);"
        " waiting for nodes"
    )
    big = WorkerKind(cpu=4, memory=2**31, labels={"ray.io/market-type": "spot"}, count=64)
    assert lack_sentence(big, 60, 64, []).startswith(
        "60 of 64 workers: nothing in the cluster has 4 CPUs, 2 GiB of memory and ray.io/market-type spot free (the"
    )
