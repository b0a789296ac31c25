"""The cluster files are ones that Ray's launcher and KubeRay accept, and clusters that are not open to the world."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml
from packaging.specifiers import SpecifierSet
from ray.autoscaler._private.util import prepare_config, validate_config

from caviar.scheduler.core.placement.autoscaling import has_labels
from caviar.scheduler.core.placement.kinds import WorkerKind

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[2]
AWS, LOCAL, KUBERAY = "cluster.yaml", "examples/cluster/local.yaml", "examples/cluster/kuberay-rayjob.yaml"
LAUNCHED = (AWS, LOCAL)
IMAGE = re.compile(
    r"^(rayproject/ray:|registry\.example\.com/caviar:ray)(?P<ray>\d+\.\d+\.\d+)-py(?P<python>3\d+)(-cpu|-gpu)?$"
)

RAYJOB = {"entrypoint", "submissionMode", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished"}
RAYCLUSTER = {"rayVersion", "enableInTreeAutoscaling", "authOptions", "headGroupSpec", "workerGroupSpecs"}
HEAD_GROUP = {"serviceType", "rayStartParams", "template"}
WORKER_GROUP = {"groupName", "minReplicas", "maxReplicas", "labels", "rayStartParams", "template"}
POD = {"nodeSelector", "containers", "volumes"}
"""Fields of KubeRay's and Kubernetes' own that the file uses; a misspelt one would be dropped in silence."""


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    text = (Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text()
    schema: dict[str, Any] = json.loads(text)
    return schema


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / name).read_text()))


@pytest.fixture
def cluster() -> dict[str, Any]:
    return documents(AWS)[0]


@pytest.fixture(params=LAUNCHED)
def launched(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A file for Ray's launcher."""
    return documents(request.param)[0]


@pytest.fixture
def job() -> dict[str, Any]:
    return documents(KUBERAY)[0]


@pytest.fixture
def groups(job: dict[str, Any]) -> list[dict[str, Any]]:
    """The head's group, and those of the workers."""
    spec = job["spec"]["rayClusterSpec"]
    return [spec["headGroupSpec"], *spec["workerGroupSpecs"]]


def workers(cluster: dict[str, Any]) -> dict[str, dict[str, Any]]:
    types = cluster["available_node_types"]
    return {name: node for name, node in types.items() if name != cluster["head_node_type"]}


def images(value: Any) -> list[str]:
    """Every image that a file names."""
    if isinstance(value, list):
        return [image for one in value for image in images(one)]
    if not isinstance(value, dict):
        return []
    here = [one for key, one in value.items() if key in {"image", "head_image", "worker_image"}]
    return [*here, *(image for one in value.values() for image in images(one))]


def starts(cluster: dict[str, Any]) -> list[str]:
    lines = [*cluster["head_start_ray_commands"], *cluster["worker_start_ray_commands"]]
    return [line for line in lines if "ray start" in line]


def pinned_ray() -> str:
    (found,) = re.findall(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return str(found)


def supported_pythons() -> SpecifierSet:
    (found,) = re.findall(r'^requires-python = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    return SpecifierSet(found)


@pytest.mark.parametrize("name", [AWS, LOCAL, KUBERAY])
def test_every_image_has_the_pinned_ray_and_a_python_that_caviar_supports(name: str) -> None:
    found = [IMAGE.match(image) for one in documents(name) for image in images(one)]
    assert found
    for image in found:
        assert image is not None, images(documents(name))
        assert image["ray"] == pinned_ray()
        assert f"3.{image['python'][1:]}" in supported_pythons()
    assert len({image["python"] for image in found if image}) == 1, "code is pickled from one Python to the other"


def test_the_installed_ray_accepts_the_file(launched: dict[str, Any], schema: dict[str, Any]) -> None:
    jsonschema.validate(launched, schema)


def test_the_launcher_itself_prepares_the_file(launched: dict[str, Any]) -> None:
    prepared = prepare_config(copy.deepcopy(launched))
    validate_config(prepared)
    assert prepared["head_node_type"] in prepared["available_node_types"]


def test_an_unknown_key_would_be_refused(launched: dict[str, Any], schema: dict[str, Any]) -> None:
    launched["worker_nodes"] = {}
    with pytest.raises(jsonschema.ValidationError, match="worker_nodes"):
        jsonschema.validate(launched, schema)


def test_the_head_trains_nothing(cluster: dict[str, Any], groups: list[dict[str, Any]]) -> None:
    head = cluster["available_node_types"][cluster["head_node_type"]]
    assert head["resources"] == {"CPU": 0}
    assert head.get("max_workers", 0) == 0
    (start,) = (line for line in documents(LOCAL)[0]["head_start_ray_commands"] if "ray start" in line)
    assert "--num-cpus=0 --num-gpus=0" in start
    assert groups[0]["rayStartParams"]["num-cpus"] == "0"


def test_the_file_costs_nothing_but_the_head_until_work_arrives(
    cluster: dict[str, Any], groups: list[dict[str, Any]]
) -> None:
    assert all(node["min_workers"] == 0 for node in workers(cluster).values())
    assert all(group["minReplicas"] == 0 < group["maxReplicas"] for group in groups[1:])


def test_no_type_of_worker_may_outgrow_the_cluster(cluster: dict[str, Any]) -> None:
    assert all(0 < node["max_workers"] <= cluster["max_workers"] for node in workers(cluster).values())


def test_gpu_workers_are_spot_instances_and_labelled_so_and_all_else_is_on_demand(
    cluster: dict[str, Any], groups: list[dict[str, Any]]
) -> None:
    spot = {
        name: node["node_config"].get("InstanceMarketOptions", {}).get("MarketType") == "spot"
        for name, node in cluster["available_node_types"].items()
    }
    assert spot == {"head": False, "cpu_worker": False, "gpu_worker": True}
    on_spot = WorkerKind(gpu=1, labels={"ray.io/market-type": "spot"})
    labels = {name: node["labels"] for name, node in cluster["available_node_types"].items()}
    assert {name: has_labels(on_spot.labels, ones) for name, ones in labels.items()} == spot
    capacity = [one["template"]["spec"]["nodeSelector"]["eks.amazonaws.com/capacityType"] for one in groups]
    assert capacity == ["ON_DEMAND", "ON_DEMAND", "SPOT"]
    assert [has_labels(on_spot.labels, group["labels"]) for group in groups[1:]] == [False, True]


def test_the_dashboard_listens_on_the_loopback_only(launched: dict[str, Any]) -> None:
    (start,) = (line for line in launched["head_start_ray_commands"] if "ray start" in line)
    assert "--dashboard-host=127.0.0.1" in start


def test_no_port_is_open_to_the_world_but_that_of_ssh(cluster: dict[str, Any]) -> None:
    group = cluster["provider"]["security_group"]
    assert group["GroupName"]
    assert not group.get("IpPermissions"), "the launcher itself opens SSH, and all ports among the nodes"


def test_every_node_asks_for_the_token_and_keeps_it_to_itself(launched: dict[str, Any]) -> None:
    assert starts(launched)
    assert all("RAY_AUTH_MODE=token ray start" in line for line in starts(launched))
    assert launched["file_mounts"]["/home/ray/.ray/auth_token"] == "~/.ray/auth_token"
    assert "chmod 600 ~/.ray/auth_token" in launched["setup_commands"]


def test_every_node_installs_the_wheel_with_the_pinned_versions(launched: dict[str, Any]) -> None:
    mounts = {target: ROOT / source for target, source in launched["file_mounts"].items() if "caviar" in target}
    assert mounts == {
        "/home/ray/caviar/dist": ROOT / "dist",
        "/home/ray/caviar/constraints.txt": ROOT / "constraints.txt",
    }
    (install,) = (line for line in launched["setup_commands"] if line.startswith("pip install"))
    assert "--constraint ~/caviar/constraints.txt ~/caviar/dist/caviar-*.whl" in install


def test_every_node_knows_the_shared_storage(launched: dict[str, Any], groups: list[dict[str, Any]]) -> None:
    assert any(re.match(r"--env CAVIAR_STORAGE=(s3://|/)\S+", option) for option in launched["docker"]["run_options"])
    for group in groups:
        (container,) = group["template"]["spec"]["containers"]
        (storage,) = (one["value"] for one in container["env"] if one["name"] == "CAVIAR_STORAGE")
        assert storage in [mount["mountPath"] for mount in container["volumeMounts"]]


def test_the_job_for_kuberay_has_the_fields_that_kuberay_knows(
    job: dict[str, Any], groups: list[dict[str, Any]]
) -> None:
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert set(job["spec"]) == {*RAYJOB, "rayClusterSpec"}
    assert set(job["spec"]["rayClusterSpec"]) == RAYCLUSTER
    assert set(groups[0]) == HEAD_GROUP
    assert all(set(group) == WORKER_GROUP for group in groups[1:])
    assert all(set(group["template"]["spec"]) == POD for group in groups)
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == pinned_ray()
    assert job["spec"]["submissionMode"] in {"K8sJobMode", "HTTPMode", "SidecarMode", "InteractiveMode"}


def test_every_volume_that_a_pod_mounts_is_one_of_its_volumes(groups: list[dict[str, Any]]) -> None:
    for group in groups:
        pod = group["template"]["spec"]
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_the_pods_ask_for_the_operators_token_and_are_reached_by_each_other_and_the_operator_alone(
    job: dict[str, Any], groups: list[dict[str, Any]]
) -> None:
    assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    assert groups[0]["serviceType"] == "ClusterIP"
    policy = documents(KUBERAY)[1]
    (chosen,) = policy["spec"]["podSelector"]["matchLabels"].items()
    assert all(chosen in group["template"]["metadata"]["labels"].items() for group in groups)
    among, operator = policy["spec"]["ingress"]
    assert among == {"from": [{"podSelector": {"matchLabels": dict([chosen])}}]}
    assert operator["ports"] == [{"port": 8265, "protocol": "TCP"}]
