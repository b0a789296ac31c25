"""What the preflight makes of what the nodes say: each fault as one sentence with the node, the value and a way out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from caviar.scheduler.core.placement.kinds import WorkerKind
from caviar.scheduler.doctor.cluster.facts import ClusterFacts, Disk, NodeFacts, NodeType
from caviar.scheduler.doctor.cluster.needs import Needs
from caviar.scheduler.doctor.cluster.verdicts import findings_of
from caviar.trainers import Trainer, TrainerKind

VERSIONS = {"python": "3.11.7", "ray": "2.60.0", "caviar": "0.1.0", "torch": "2.13.0+cpu"}
ROOMY = Disk("storage", "/data/sweeps", 500 << 30, 1000 << 30)
WELL = NodeFacts(
    "10.0.0.2",
    resources={"CPU": 8, "memory": 32 << 30},
    versions=VERSIONS,
    data_found=True,
    disks=(ROOMY,),
    object_store="/dev/shm",
    token_file=("/root/.ray/auth_token", 0o600),
)
GPU_NODE = replace(
    WELL,
    name="10.0.0.3",
    resources={"CPU": 16, "GPU": 1, "memory": 64 << 30},
    labels={"ray.io/accelerator-type": "A100"},
    versions={**VERSIONS, "torch": "2.13.0+cu126"},
)
TRAINER = Trainer(TrainerKind.GENERATOR, None, "train.py:train", "/home/me/train.py:train")
NEEDS = Needs((("workers", WorkerKind()),), TRAINER, Path("/data/sweeps"), Path("/data/images"))


def said(*nodes: NodeFacts, needs: Needs = NEEDS, **cluster: Any) -> list[str]:
    found = findings_of(ClusterFacts(VERSIONS, nodes, **cluster), needs)
    return [f"{finding.severity.value}: {finding}" for finding in found]


def said_of(**facts: Any) -> str:
    """What is said of a node with these facts, beside one that is well."""
    (sentence,) = said(WELL, replace(GPU_NODE, **facts))
    return sentence


def asking(**kind: Any) -> Needs:
    return Needs((("workers.0", WorkerKind(**kind)),))


def test_a_cluster_that_is_well_is_given_no_sentence_even_where_builds_of_torch_differ() -> None:
    assert said(WELL, GPU_NODE) == []


def test_the_clusters_own_needs_are_none() -> None:
    assert said(WELL, needs=Needs()) == []


def test_a_node_that_does_not_answer_is_a_warning_and_broken_where_none_does() -> None:
    silent = NodeFacts("10.0.0.3", resources=GPU_NODE.resources, silence="no answer within 20 s")
    assert said(silent)[0].startswith("broken: node 10.0.0.3: says nothing: no answer within 20 s; ")
    (sentence,) = said(WELL, silent)
    assert sentence == (
        "warning: node 10.0.0.3: says nothing: no answer within 20 s; look at its raylet's log, or take it out of the"
        " cluster."
    )


def test_storage_that_is_not_shared_is_named_with_the_node_and_the_folder() -> None:
    assert said_of(storage_problem="is not the driver's: what the driver writes is not seen there") == (
        "broken: node 10.0.0.3: storage: /data/sweeps is not the driver's: what the driver writes is not seen there;"
        " mount the shared folder there, or name storage that every node reaches, such as s3://bucket/sweeps."
    )


def test_what_is_the_same_on_many_nodes_is_said_once() -> None:
    sick = [replace(WELL, name=f"10.0.0.{number}", data_found=False) for number in range(3, 8)]
    (sentence,) = said(WELL, *sick)
    assert sentence.startswith("broken: nodes 10.0.0.3, 10.0.0.4, 10.0.0.5 and 2 more: data: there is no /data/images")
    (sentence,) = said(WELL, *sick[:3])
    assert sentence.startswith("broken: nodes 10.0.0.3, 10.0.0.4 and 10.0.0.5: data:")


def test_a_node_without_caviar_is_told_which_version_to_have() -> None:
    assert said_of(
        versions={"python": "3.11.7", "ray": "2.60.0", "torch": "2.13.0"}, caviar_error="No module named x"
    ) == (
        "broken: node 10.0.0.3: Caviar cannot be imported there: No module named x; install caviar 0.1.0 on every node."
    )


@pytest.mark.parametrize(
    ("package", "version", "begins"),
    [
        ("caviar", "0.0.9", "broken: node 10.0.0.3: has Caviar 0.0.9, and the driver 0.1.0; "),
        ("ray", "2.59.0", "broken: node 10.0.0.3: has Ray 2.59.0, and the driver 2.60.0; "),
        ("python", "3.10.4", "broken: node 10.0.0.3: has Python 3.10.4, and the driver 3.11.7; "),
        ("torch", "2.12.0+cu126", "warning: node 10.0.0.3: has torch 2.12.0+cu126, and the driver torch 2.13.0+cpu; "),
    ],
)
def test_another_version_than_the_drivers_is_named_with_both(package: str, version: str, begins: str) -> None:
    assert said_of(versions={**VERSIONS, package: version}).startswith(begins)


def test_another_patch_of_python_is_none_to_speak_of() -> None:
    assert said(replace(WELL, versions={**VERSIONS, "python": "3.11.9"})) == []


def test_a_package_that_the_trainer_needs_is_named_with_the_node() -> None:
    assert said_of(trainer_error="No module named 'timm'") == (
        "broken: node 10.0.0.3: cannot import the trainer train.py:train: No module named 'timm'; install it on every"
        " node, or put it into the image."
    )


def test_a_trainer_that_is_not_on_the_node_is_to_be_shared() -> None:
    sentence = said_of(trainer_error="the trainer's file /home/me/train.py does not exist")
    assert "/home/me/train.py does not exist; let it be importable on every node" in sentence


@pytest.mark.parametrize(("ahead", "words"), [(42.4, "42 s ahead of"), (-7.0, "7 s behind")])
def test_a_clock_that_is_off_by_seconds_is_a_warning(ahead: float, words: str) -> None:
    assert said_of(clock_ahead_s=ahead).startswith(f"warning: node 10.0.0.3: its clock is {words} the driver's; ")
    assert said(replace(WELL, clock_ahead_s=ahead / abs(ahead))) == []


@pytest.mark.parametrize(
    ("free", "total", "sentence"),
    [
        (
            900 << 20,
            10 << 30,
            "warning: node 10.0.0.3: only 944 MB (9%) are free on the disk of storage, /data/sweeps; ",
        ),
        (4 << 30, 1000 << 30, "warning: node 10.0.0.3: only 4,295 MB (0%) are free on the disk of storage, "),
        (0, 1000 << 30, "broken: node 10.0.0.3: the disk of storage, /data/sweeps, is full; make room."),
    ],
)
def test_little_room_is_a_warning_and_none_is_broken(free: int, total: int, sentence: str) -> None:
    assert said_of(disks=(Disk("storage", "/data/sweeps", free, total),)).startswith(sentence)


def test_shared_memory_that_is_too_small_is_a_warning() -> None:
    sentence = said_of(object_store="/tmp")
    assert sentence.startswith("warning: node 10.0.0.3: Ray's object store lies in /tmp, because /dev/shm is too small")


def test_a_token_that_others_can_read_is_a_warning_with_the_command_that_mends_it() -> None:
    sentence = said_of(token_file=("/home/ray/.ray/auth_token", 0o644))
    assert sentence == (
        "warning: node 10.0.0.3: others can read the token of Ray in /home/ray/.ray/auth_token (mode 644); chmod 600"
        " /home/ray/.ray/auth_token."
    )


def test_ports_that_are_open_to_all_are_a_warning_only_where_no_token_is_asked_for() -> None:
    ports = (("gcs_server", 6379), ("raylet", 40001))
    assert said(replace(WELL, open_ports=ports)) == []
    open_one = replace(WELL, open_ports=ports, asks_for_token=False)
    other = replace(open_one, name="10.0.0.3", open_ports=(("raylet", 40002),))
    assert said(open_one, other) == [
        "warning: nodes 10.0.0.2 and 10.0.0.3: Ray asks for no token and listens on all interfaces;"
        " see docs/cluster.md#without-a-token."
    ]


def test_more_gpus_than_any_node_has_are_impossible_and_the_most_is_said() -> None:
    assert said(WELL, GPU_NODE, needs=asking(gpu=2)) == [
        "broken: workers.0: no node has 2 GPUs, the largest has 1 GPU; add such a node, or ask for at most 1 GPU."
    ]


def test_a_label_that_no_node_has_is_impossible_and_those_that_are_there_are_said() -> None:
    kind = asking(labels={"ray.io/accelerator-type": "H100"}, gpu=1)
    assert said(WELL, GPU_NODE, needs=kind) == [
        "broken: workers.0: no node has the labels ray.io/accelerator-type=H100 (there are"
        " ray.io/accelerator-type=A100); add such a node, or ask for other labels."
    ]


def test_resources_that_are_only_on_different_nodes_are_impossible_together() -> None:
    cpus = replace(WELL, resources={"CPU": 64})
    (sentence,) = said(cpus, GPU_NODE, needs=asking(cpu=32, gpu=1))
    assert sentence.startswith("broken: workers.0: no node has 32 CPUs and 1 GPU together; ")


def test_memory_is_said_in_gib() -> None:
    (sentence,) = said(WELL, needs=asking(memory=48 << 30))
    assert "no node has 48 GiB of memory, the largest has 32 GiB of memory" in sentence


@pytest.mark.parametrize(
    ("selector", "possible"),
    [("A100", True), ("!A100", False), ("in(H100,A100)", True), ("!in(H100, A100)", False), ("!H100", True)],
)
def test_labels_are_matched_as_ray_matches_them(selector: str, possible: bool) -> None:
    labelled = asking(gpu=1, labels={"ray.io/accelerator-type": selector})
    assert (said(GPU_NODE, needs=labelled) == []) is possible


def test_the_processes_of_a_worker_may_lie_on_several_nodes() -> None:
    nodes = [replace(GPU_NODE, name=f"10.0.0.{number}") for number in (3, 4)]
    assert said(*nodes, needs=asking(gpu=1, processes=2)) == []
    assert said(*nodes, needs=asking(gpu=1, processes=3)) == [
        "broken: workers.0: the 3 processes of a worker need room at the same time, and there is room for 2; add such a"
        " node, or ask for at most 2 processes."
    ]


def test_a_type_of_node_that_the_autoscaler_can_start_is_room() -> None:
    types = [NodeType("gpu_worker", {"CPU": 32, "GPU": 8}, most=2)]
    assert said(WELL, needs=asking(gpu=8, processes=2), node_types=types) == []
    (sentence,) = said(WELL, needs=asking(gpu=9), node_types=types)
    assert sentence == (
        "broken: workers.0: no node and no type of node has 9 GPUs, the largest has 8 GPUs; add a type of node that has"
        " it to the cluster's file, or ask for at most 8 GPUs."
    )


def test_where_the_autoscaler_cannot_be_read_what_is_missing_is_only_a_warning() -> None:
    (sentence,) = said(WELL, needs=asking(gpu=1), hidden_autoscaler=True)
    assert sentence.startswith("warning: workers.0: no node has 1 GPU, the largest has 0 GPUs; see that the autoscaler")


def test_what_is_broken_is_said_before_warnings() -> None:
    sick = replace(WELL, clock_ahead_s=60.0, data_found=False)
    assert [sentence.partition(":")[0] for sentence in said(sick)] == ["broken", "warning"]
