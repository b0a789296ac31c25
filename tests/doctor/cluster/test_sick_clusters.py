"""Real clusters with real faults: what doctor says of them, and that a run does not begin."""

import json
import os
import secrets
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from .conftest import Ground, free_port

ray_version = version("ray")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


KINDS = "[{labels: {accelerator-type: H100}, gpu: 8}, {gpu: 9}, {labels: {accelerator-type: B200}}]"


@pytest.fixture(scope="module")
def examined(sick: Ground) -> dict[str, Any]:
    done = sick.caviar("doctor", "sweep.yaml", "--set", f"workers={KINDS}", "--json")
    assert done.returncode == 1, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def node_at(found: dict[str, Any], place: str) -> str:
    (name,) = (node["name"] for node in found["nodes"] if node["labels"]["place"] == place)
    return str(name)


def said_of(found: dict[str, Any], place: str, check: str) -> str:
    name = node_at(found, place)
    (one,) = (one for one in found["findings"] if one["check"] == check and name in one["nodes"])
    assert one["severity"] == "broken"
    return str(one["sentence"])


def test_nothing_is_said_of_the_node_that_is_well(examined: dict[str, Any]) -> None:
    assert not examined["healthy"]
    assert len(examined["nodes"]) == 3
    head = node_at(examined, "head")
    assert not [one for one in examined["findings"] if head in one["nodes"] and one["check"] != "disk"]


def test_a_disk_of_its_own_in_the_place_of_the_storage_is_found(examined: dict[str, Any], sick: Ground) -> None:
    name, storage = node_at(examined, "elsewhere"), sick.project / "sweeps"
    assert said_of(examined, "elsewhere", "storage").startswith(
        f"node {name}: storage: {storage} is not the driver's: what the driver writes is not seen there; mount"
    )


def test_storage_that_a_node_may_only_read_is_found(examined: dict[str, Any]) -> None:
    assert "sweeps cannot be written there (Read-only file system); mount" in said_of(examined, "bare", "storage")


def test_a_package_that_one_node_lacks_is_named(examined: dict[str, Any]) -> None:
    sentence = said_of(examined, "elsewhere", "trainer")
    assert "cannot import the trainer train.py:train: No module named 'one_of_a_kind'; install it on every" in sentence


def test_a_node_without_caviar_says_so_itself(examined: dict[str, Any]) -> None:
    sentence = said_of(examined, "bare", "caviar")
    assert "Caviar cannot be imported there: No module named 'caviar.scheduler'; install caviar " in sentence


def test_clocks_of_one_machine_agree(examined: dict[str, Any]) -> None:
    assert all(abs(node["clock_ahead_s"]) < 1 for node in examined["nodes"])


def test_the_mark_in_the_storage_is_taken_away_again(examined: dict[str, Any], sick: Ground) -> None:
    assert not list((sick.project / "sweeps").glob(".preflight-*"))


def test_the_autoscaler_on_the_head_is_asked_what_it_could_start(examined: dict[str, Any]) -> None:
    (type_,) = examined["node_types"]
    assert (type_["name"], type_["resources"]["GPU"], type_["most"]) == ("eight_gpus", 8, 2)


def test_what_neither_a_node_nor_a_type_of_node_has_is_impossible(examined: dict[str, Any]) -> None:
    gpus, label = (one["sentence"] for one in examined["findings"] if one["check"] == "resources")
    assert gpus.startswith("workers.1: no node and no type of node has 9 GPUs, the largest has 8 GPUs; add a type of ")
    assert label.startswith("workers.2: no node and no type of node has the labels ray.io/accelerator-type=B200 (there")


def test_a_run_does_not_begin_and_says_why_unless_it_is_told_not_to_look(sick: Ground) -> None:
    refused = sick.caviar("run", "sweep.yaml")
    assert refused.returncode == 1
    assert refused.stdout == ""
    errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 4
    assert any("cannot import the trainer" in line for line in errors)
    assert "starting workers" not in refused.stderr
    assert not list((sick.project / "sweeps" / "small" / "checkpoints").iterdir())
    done = sick.caviar("run", "sweep.yaml", "--no-preflight")
    assert done.returncode == 0, done.stderr


def test_a_wrong_token_is_said_at_once(sick: Ground, tmp_path: Path) -> None:
    (token := tmp_path / "token").write_text(secrets.token_hex(32))
    token.chmod(0o600)
    done = sick.caviar("doctor", "sweep.yaml", RAY_AUTH_TOKEN_PATH=str(token))
    assert done.returncode == 1
    address = sick.variables["RAY_ADDRESS"]
    assert f"error: RAY_ADDRESS: {address} refuses the token in {token}; copy the cluster's token there" in done.stderr
    assert "gcs_client.cc" not in done.stderr


def test_no_token_is_said_at_once(sick: Ground) -> None:
    done = sick.caviar("doctor", RAY_AUTH_MODE="disabled")
    assert done.returncode == 1
    assert "asks for a token; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH to its token.\n" in done.stderr


def test_open_ports_without_a_token_and_little_shared_memory_are_warnings(open_to_all: Ground) -> None:
    done = open_to_all.caviar("doctor", "--json", RAY_AUTH_MODE="disabled")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    said = {one["check"]: one["sentence"] for one in found["findings"] if one["severity"] == "warning"}
    assert said["token"].partition(": ")[2].startswith("Ray asks for no token and listens on all interfaces; see docs")
    assert "Ray's object store lies in " in said["shared memory"]
    port = int(open_to_all.variables["RAY_ADDRESS"].partition(":")[2])
    assert ["gcs_server", port] in found["nodes"][0]["open_ports"]
    assert found["healthy"]


def test_a_cluster_that_asks_for_no_token_is_refused_by_a_process_that_does(open_to_all: Ground) -> None:
    done = open_to_all.caviar("doctor")
    assert done.returncode == 1
    assert "asks for no token, but this process does, and no worker could answer it; start every node " in done.stderr


def test_storage_on_a_full_disk_is_said(open_to_all: Ground) -> None:
    storage = open_to_all.project / "sweeps"
    mounts = f"mount -t tmpfs -o size=64k none '{storage}' && ! head -c 1m /dev/zero > '{storage}/filler' 2>/dev/null"
    done = open_to_all.caviar("doctor", "sweep.yaml", mounts=mounts, RAY_AUTH_MODE="disabled")
    assert done.returncode == 1
    assert f"broken   storage: {storage} cannot be written from here (No space left on device); " in done.stdout


def tell_cluster(ground: Ground, python: str) -> str:
    """Has the cluster say that it runs another Python; what it said before."""
    done = subprocess.run(
        [sys.executable, "-c", TELL, ground.variables["RAY_ADDRESS"], python],
        env={**os.environ, "RAY_AUTH_MODE": "disabled"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


TELL = """
import json, sys
from ray._raylet import GcsClient
client = GcsClient(address=sys.argv[1])
told = json.loads(client.internal_kv_get(b"CLUSTER_METADATA", b"cluster"))
print(told["python_version"])
told["python_version"] = sys.argv[2]
client.internal_kv_put(b"CLUSTER_METADATA", json.dumps(told).encode(), True, b"cluster")
"""


def test_rays_refusal_of_another_python_is_one_sentence_with_both_versions(open_to_all: Ground) -> None:
    here = tell_cluster(open_to_all, "3.10.1")
    done = open_to_all.caviar("doctor", RAY_AUTH_MODE="disabled")
    tell_cluster(open_to_all, here)
    assert done.returncode == 1
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert f"runs Ray {ray_version} with Python 3.10.1, and this process Ray {ray_version} with Python {here}" in error


def test_an_address_where_nothing_answers_is_said_at_once(open_to_all: Ground) -> None:
    done = open_to_all.caviar("run", "sweep.yaml", RAY_ADDRESS=f"127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "(Connection refused); start the cluster, or unset RAY_ADDRESS to run on this machine." in done.stderr
    done = open_to_all.caviar("doctor", RAY_ADDRESS="head-node")
    assert "error: RAY_ADDRESS: it must be host:port, such as 10.0.0.1:6379, or auto, got 'head-node'." in done.stderr
