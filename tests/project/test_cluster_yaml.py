"""cluster.yaml is a cluster that Ray's launcher accepts, and one that is not open to the world."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    text = (Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text()
    schema: dict[str, Any] = json.loads(text)
    return schema


@pytest.fixture
def cluster() -> dict[str, Any]:
    cluster: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    return cluster


def workers(cluster: dict[str, Any]) -> dict[str, dict[str, Any]]:
    types = cluster["available_node_types"]
    return {name: node for name, node in types.items() if name != cluster["head_node_type"]}


def test_the_installed_ray_accepts_the_file(cluster: dict[str, Any], schema: dict[str, Any]) -> None:
    jsonschema.validate(cluster, schema)


def test_an_unknown_key_would_be_refused(cluster: dict[str, Any], schema: dict[str, Any]) -> None:
    cluster["worker_nodes"] = {}
    with pytest.raises(jsonschema.ValidationError, match="worker_nodes"):
        jsonschema.validate(cluster, schema)


def test_the_head_trains_nothing(cluster: dict[str, Any]) -> None:
    head = cluster["available_node_types"][cluster["head_node_type"]]
    assert head["resources"] == {"CPU": 0}
    assert head.get("max_workers", 0) == 0


def test_the_file_costs_nothing_but_the_head_until_work_arrives(cluster: dict[str, Any]) -> None:
    assert all(node["min_workers"] == 0 for node in workers(cluster).values())


def test_no_type_of_worker_may_outgrow_the_cluster(cluster: dict[str, Any]) -> None:
    assert all(0 < node["max_workers"] <= cluster["max_workers"] for node in workers(cluster).values())


def test_gpu_workers_are_spot_instances_and_cpu_workers_are_not(cluster: dict[str, Any]) -> None:
    spot = {
        name: node["node_config"].get("InstanceMarketOptions", {}).get("MarketType") == "spot"
        for name, node in workers(cluster).items()
    }
    assert spot == {name: "gpu" in name for name in workers(cluster)}
    assert set(spot.values()) == {True, False}


def test_the_dashboard_listens_on_the_loopback_only(cluster: dict[str, Any]) -> None:
    (start,) = (line for line in cluster["head_start_ray_commands"] if "ray start" in line)
    assert "--dashboard-host=127.0.0.1" in start


def test_every_node_asks_for_the_token(cluster: dict[str, Any]) -> None:
    starts = [*cluster["head_start_ray_commands"], *cluster["worker_start_ray_commands"]]
    assert all("RAY_AUTH_MODE=token" in line for line in starts if "ray start" in line)
    assert "~/.ray/auth_token" in cluster["file_mounts"].values()
