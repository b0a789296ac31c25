"""The spec: what a person writes, and one sentence for everything that is wrong with it."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from caviar.scheduler import InvalidSpecError
from caviar.scheduler.spec.json_schema import spec_schema
from caviar.scheduler.spec.spec import SweepSpec, read_spec_file
from caviar.search_spaces import Choice, Log, SearchSpace, Uniform
from caviar.search_spaces.errors import InvalidYamlError

EXAMPLE = Path(__file__).parents[2] / "examples/digits.yaml"
FIELDS: dict[str, Any] = {
    "name": "digits",
    "trainer": "train.py:train",
    "metric": "val_loss",
    "space": {"lr": {"log": [1e-4, 1.0]}},
    "resource": {"max": 27},
    "budget": {"trials": 200},
}


def refusal(**changes: Any) -> str:
    """What is said about the spec with some fields changed; a field that is None is left out."""
    fields = {name: value for name, value in {**FIELDS, **changes}.items() if value is not None}
    with pytest.raises(InvalidSpecError) as error:
        SweepSpec.parse(fields)
    return str(error.value)


def test_a_minimal_spec_gets_the_documented_defaults() -> None:
    spec = SweepSpec.parse(FIELDS)
    assert (spec.mode, spec.seed, spec.max_failures, spec.storage) == ("min", 0, 1, "sweeps")
    assert (spec.resource.unit, spec.resource.min, spec.resource.eta) == ("epoch", 1, 3)
    (kind,) = spec.worker_kinds
    assert (kind.cpu, kind.gpu, kind.memory, kind.labels, kind.processes) == (1, 0, None, {}, 1)
    assert (kind.when, kind.count, kind.warm) == ({}, "max", 8)
    assert (spec.checkpoints.keep, spec.checkpoints.disk, spec.checkpoints.every) == (5, None, None)
    assert spec.controller.name == "coarse_to_fine"
    assert spec.directory == Path("sweeps/digits")


@pytest.mark.parametrize(
    ("disk", "size"),
    [
        (7, 7),
        ("7B", 7),
        ("500MB", 500_000_000),
        (" 20 GiB ", 20 * 2**30),
        ("1.5kb", 1500),
        ("2KiB", 2048),
        ("1TB", 10**12),
    ],
)
def test_bytes_may_be_given_as_a_number_or_as_a_text_with_a_unit(disk: int | str, size: int) -> None:
    spec = SweepSpec.parse({**FIELDS, "checkpoints": {"keep": "all", "disk": disk}})
    assert spec.checkpoints.disk == size
    assert SweepSpec.from_yaml(spec.to_yaml()) == spec
    jsonschema.validate({**FIELDS, "checkpoints": {"keep": "all", "disk": disk, "every": 3}}, spec_schema())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"metric": None}, "metric: this field is missing."),
        ({"metric": ""}, "metric: must have at least 1 character, got ''."),
        ({"metrik": "loss"}, "metrik: there is no such field; did you mean metric."),
        ({"budget": {"trial": 5}}, "budget.trial: there is no such field; did you mean trials."),
        ({"mode": "lowest"}, "mode: must be 'min' or 'max', got 'lowest'."),
        ({"resource": {"max": 0}}, "resource.max: must be greater than or equal to 1, got 0."),
        ({"resource": {"max": 2.5}}, "resource.max: must be a valid integer, got 2.5."),
        ({"resource": {"max": True}}, "resource.max: must be a valid integer, got True."),
        ({"resource": {"max": 9, "eta": 1}}, "resource.eta: must be greater than or equal to 2, got 1."),
        ({"budget": {}}, "budget needs at least one of trials, resource and hours."),
        ({"budget": {"trials": 0}}, "budget.trials: must be greater than or equal to 1, got 0."),
        ({"budget": {"hours": -1}}, "budget.hours: must be greater than 0, got -1."),
        ({"budget": {"hours": float("nan")}}, "budget.hours: must be a finite number, got nan."),
        ({"workers": {"cpu": 0}}, "workers.cpu: must be greater than 0, got 0."),
        ({"workers": {"gpu": -1}}, "workers.gpu: must be greater than or equal to 0, got -1."),
        (
            {"workers": {"gpu": 1.5}},
            "workers.gpu: must be at most 1 or a whole number, because a GPU is shared or given as a whole, got 1.5.",
        ),
        (
            {"workers": {"memory": "4 apples"}},
            'workers.memory: must be a number of bytes of at least 1, such as 500000000, "500MB" or "20GiB",'
            " got '4 apples'.",
        ),
        (
            {"workers": {"labels": {"rack": 7}}},
            "workers.labels: rack: the value of a label must be text or a list of texts, got {'rack': 7}.",
        ),
        (
            {"workers": {"gpu": 0.5, "processes": 2}},
            "workers.processes: must be 1 where gpu is 0.5, because each of several processes needs a whole GPU,"
            " got 2.",
        ),
        (
            {"workers": [{"cpu": 1}, {"processes": 4}], "trainer": {"command": "train"}},
            "workers.processes: a command starts its processes itself, as torchrun does, got 4; leave it out, and give"
            " the worker the CPUs and GPUs of all.",
        ),
        (
            {"workers": {"processes": 2}, "fuse": 8},
            "fuse: 8 trials are to be trained as one model, but workers.processes has 2 processes train one trial;"
            " leave one of the two out.",
        ),
        ({"workers": [{"cpu": 0}]}, "workers.0.cpu: must be greater than 0, got 0."),
        ({"workers": [{"cpu": 1}, {"cpus": 4}]}, "workers.1.cpus: there is no such field; did you mean cpu."),
        ({"workers": {"count": 0}}, "workers.count: must be max, or a whole number of at least 1, got 0."),
        ({"checkpoints": {"keep": 0}}, "checkpoints.keep: must be all, or a whole number of at least 1, got 0."),
        (
            {"checkpoints": {"disk": "20 gigs"}},
            "checkpoints.disk: must be a number of bytes of at least 1,"
            """ such as 500000000, "500MB" or "20GiB", got '20 gigs'.""",
        ),
        (
            {"checkpoints": {"disk": 0}},
            'checkpoints.disk: must be a number of bytes of at least 1, such as 500000000, "500MB" or "20GiB", got 0.',
        ),
        ({"checkpoints": {"every": 0}}, "checkpoints.every: must be greater than or equal to 1, got 0."),
        ({"checkpoints": {"keeps": 3}}, "checkpoints.keeps: there is no such field; did you mean keep."),
        (
            {"checkpoints": "all"},
            "checkpoints: must be a mapping with some of the fields keep, disk, every, got 'all'.",
        ),
        ({"seed": -1}, "seed: must be greater than or equal to 0, got -1."),
        ({"resource": 9}, "resource: must be a mapping with some of the fields unit, min, max, eta, got 9."),
        (
            {"proposer": 5},
            "proposer: must be a name, or a mapping with some of the fields name, got 5.",
        ),
        ({"space": ["lr"]}, "space: must be a mapping, got ['lr']."),
        ({"constraints": "lr < 1"}, "constraints: must be a list, got 'lr < 1'."),
        ({"budget": {"hours": "2"}}, "budget.hours: must be a valid number, got '2'."),
        (
            {"budget": {"trials": 10**9}},
            "budget.trials: must be less than or equal to 10000000, got 1000000000.",
        ),
        (
            {"budget": {"resource": 10**14}},
            "budget.resource: 100000000000000 is enough for more than 10,000,000 trials of resource.max, 27;"
            " it must be less.",
        ),
        (
            {"name": "a/b"},
            "name: must be 1 to 64 letters, digits and . _ -, and begin with a letter or a digit, got 'a/b'.",
        ),
        (
            {"trainer": 3},
            "trainer: must be a name such as train.py:train, or a command such as {command: python train.py}, got 3.",
        ),
        ({"trainer": {"cmd": "a"}}, "trainer: a mapping has the key command, and may have directory; it has cmd."),
        (
            {"trainer": {"command": "train {rate} {seed}"}},
            "trainer: the command names {rate}, which is neither a hyperparameter (lr) nor one of seed, step, stop,"
            " checkpoint, config, python.",
        ),
        ({"seed": "7"}, "seed: must be a valid integer, got '7'."),
        ({"max_failures": -1}, "max_failures: must be greater than or equal to 0, got -1."),
        ({"max_preemptions": -1}, "max_preemptions: must be greater than or equal to 0, got -1."),
        ({"timeout": 0}, "timeout: must be greater than 0, got 0."),
        ({"stall_timeout": "1 h"}, "stall_timeout: must be a valid number, got '1 h'."),
        (
            {"on_error": [{"match": "CUDA", "do": "fail"}, {"match": "(", "do": "stop"}]},
            "on_error.1.match: must be a regular expression (missing ), unterminated subpattern at position 0),"
            " got '('.",
        ),
        (
            {"on_error": [{"match": "CUDA", "do": "explode"}]},
            "on_error.0.do: must be 'retry', 'retry_alone', 'fail' or 'stop', got 'explode'.",
        ),
        (
            {"on_error": [{"mach": "CUDA", "match": "x", "do": "fail"}]},
            "on_error.0.mach: there is no such field; did you mean match.",
        ),
        (
            {"on_error": {"match": "CUDA", "do": "fail"}},
            "on_error: must be a list, got {'match': 'CUDA', 'do': 'fail'}.",
        ),
        ({"space": {}}, "space is empty; name at least one hyperparameter."),
        (
            {"storage": "hdfs://node/x"},
            "storage: must be a path, or begin with file://, s3:// or gs://, got 'hdfs://node/x'.",
        ),
        (
            {"storage": "s3://AKIA1:hush@bucket/x"},
            "storage: credentials would be stored with the sweep; leave them out and set AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY, or GOOGLE_APPLICATION_CREDENTIALS, instead, got 's3://…@bucket/x'.",
        ),
        (
            {"warm_start": "s3://bucket/x?access_key=AKIA1&secret_key=hush"},
            "warm_start.path: credentials would be stored with the sweep; leave them out and set AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY, or GOOGLE_APPLICATION_CREDENTIALS, instead,"
            " got 's3://bucket/x?access_key=…&secret_key=…'.",
        ),
        (
            {"storage": "s3://bucket/x?regoin=eu"},
            "storage: there is no option regoin; allowed are region, endpoint_override, scheme,"
            " force_virtual_addressing, tls_ca_file_path, got 's3://bucket/x?regoin=eu'.",
        ),
        (
            {"storage": "file://data/x"},
            "storage: a file of this machine has three slashes, as in file:///data/sweeps, got 'file://data/x'.",
        ),
        (
            {"resource": {"min": 9, "max": 3}},
            "resource: min is 9 and max is 3; min must be at most max, got {'min': 9, 'max': 3}.",
        ),
        (
            {"metric": "step"},
            "metric: this is the name of another column of the results;"
            " report the metric under another name, got 'step'.",
        ),
    ],
)
def test_each_mistake_is_one_sentence_with_the_field_the_value_and_the_rule(
    changes: dict[str, Any], sentence: str
) -> None:
    assert refusal(**changes) == sentence


@pytest.mark.parametrize("name", ["", "a/b", "../up", ".hidden", "a b", "-x", "x" * 65, "é", "a\n"])
def test_a_name_that_is_no_safe_path_is_refused(name: str) -> None:
    assert refusal(name=name).startswith("name: ")


KINDED = {"lr": {"log": [1e-4, 1.0]}, "layers": {"choice": [1, 2, 3]}}


@pytest.mark.parametrize(
    ("workers", "sentence"),
    [
        (
            [{}, {"when": {"depth": [3]}}],
            "workers.1.when.depth: there is no such hyperparameter; the space has lr, layers.",
        ),
        (
            {"when": {"lr": [0.1]}},
            "workers.when.lr: lr is continuous and takes no value twice, got [0.1];"
            " name a choice, an ordinal, an integer or a constant.",
        ),
        ({"when": {"layers": [4]}}, "workers.when.layers: 4 is none of [1, 2, 3]."),
        (
            [{"when": {"layers": [1]}}, {"gpu": 1, "when": {"layers": [3]}}],
            "workers: no kind of worker trains a trial such as {'lr': 0.28360617945779426, 'layers': 2};"
            " leave out one kind's when.",
        ),
    ],
)
def test_workers_that_no_trial_or_not_every_trial_suits_are_refused(workers: Any, sentence: str) -> None:
    assert refusal(space=KINDED, workers=workers) == sentence


def test_several_kinds_of_workers_are_written_as_a_list_and_one_as_a_mapping() -> None:
    kinds = [{"gpu": 1, "memory": "2GiB", "labels": {"accelerator-type": ["H100", "A100"]}}, {"cpu": 4, "count": 8}]
    spec = SweepSpec.parse({**FIELDS, "workers": kinds})
    gpu, cpu = spec.worker_kinds
    assert (gpu.memory, gpu.labels, gpu.number) == (2 * 2**30, {"accelerator-type": ("H100", "A100")}, None)
    assert (cpu.cpu, cpu.number, spec.worker_count) == (4, 8, None)
    assert SweepSpec.from_yaml(spec.to_yaml()) == spec
    one = SweepSpec.parse({**FIELDS, "workers": {"count": 3}})
    assert (one.worker_count, one.to_yaml().count("workers:\n  cpu: 1")) == (3, 1)


def test_an_unknown_field_far_from_all_others_lists_what_is_allowed() -> None:
    assert refusal(workers={"ulimit": 4}) == (
        "workers.ulimit: there is no such field; allowed are cpu, gpu, memory, labels, processes, when, count, warm."
    )


@pytest.mark.parametrize(
    "controller",
    [{"name": "grid", "pipeline": 2}, {"name": "random", "points": 3}, {"name": "hyperband", "pipeline": 1}],
)
def test_a_setting_of_another_controller_is_refused(controller: dict[str, Any]) -> None:
    message = refusal(controller=controller)
    assert f"not of {controller['name']}; leave it out" in message


def test_constraints_that_nothing_satisfies_are_refused_before_anything_runs() -> None:
    assert "constraints: only 0 of " in refusal(constraints=["lr > 2"])


def test_an_unknown_controller_lists_the_controllers() -> None:
    message = refusal(controller="bayes")
    assert message.startswith("controller.name: ")
    assert message.endswith("'coarse_to_fine', 'hyperband', 'asha', 'random' or 'grid', got 'bayes'.")


def test_a_storage_in_the_home_folder_is_found_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert SweepSpec.parse({**FIELDS, "storage": "~/sweeps"}).directory == Path("/home/ada/sweeps/digits")


def test_several_mistakes_are_several_lines() -> None:
    assert len(refusal(mode="x", seed=-1, metric=None).splitlines()) == 3


@pytest.mark.parametrize(
    ("space", "named"),
    [
        ({"lr": {"log": [0, 1]}}, "lr"),
        ({"lr": {"logarithmic": [0.1, 1]}}, "logarithmic"),
        ({"lr": 5}, "lr"),
        ({"lr": {"log": [0.1, 1]}, "decay": {"uniform": [1, 0]}}, "decay"),
    ],
)
def test_what_is_wrong_with_the_space_names_the_hyperparameter(space: dict[str, Any], named: str) -> None:
    message = refusal(space=space)
    assert named in message
    assert len(message.splitlines()) == 1


def test_a_constraint_on_an_unknown_name_is_refused() -> None:
    assert "batch" in refusal(constraints=["lr * batch <= 1"])


def test_grid_needs_no_budget() -> None:
    assert SweepSpec.parse({**FIELDS, "budget": {}, "controller": "grid"}).controller.name == "grid"


def test_a_space_may_be_given_as_objects_or_as_a_mapping_of_them() -> None:
    written = SweepSpec.parse(FIELDS)
    assert SweepSpec.parse({**FIELDS, "space": SearchSpace({"lr": Log(1e-4, 1.0)})}) == written
    mixed = SweepSpec.parse({**FIELDS, "space": {"lr": Log(1e-4, 1.0), "dropout": {"uniform": [0.0, 0.5]}}})
    assert mixed.search_space.domains["dropout"] == Uniform(0.0, 0.5)
    conditional = {"layers": Choice([1, 2]), "skip": Choice([True, False], when={"layers": [2]})}
    assert SweepSpec.parse({**FIELDS, "space": conditional}).search_space == SearchSpace(conditional)


def test_a_spec_comes_back_from_its_yaml_equal() -> None:
    spec = SweepSpec.parse(
        {**FIELDS, "constraints": ["lr <= 0.5"], "budget": {"hours": 1.5}, "versions": {"python": "3.12"}}
    )
    assert SweepSpec.from_yaml(spec.to_yaml()) == spec


def test_yaml_that_is_not_strict_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidYamlError, match="line 2"):
        SweepSpec.from_yaml("name: a\nname: b\n", "mine.yaml")


@pytest.mark.parametrize("text", ["- a\n", "just text\n", ""])
def test_a_document_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpecError, match="a spec is a mapping of fields"):
        SweepSpec.from_yaml(text)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecError, match=r"none\.yaml: this spec cannot be read"):
        read_spec_file(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9\n")
    with pytest.raises(InvalidSpecError, match="this spec cannot be read"):
        read_spec_file(tmp_path / "latin.yaml")


@pytest.mark.checkout
def test_the_example_is_a_spec_and_fits_the_published_schema() -> None:
    fields = read_spec_file(EXAMPLE)
    assert SweepSpec.parse(fields).budget.trials == 200
    jsonschema.Draft202012Validator(spec_schema()).validate(fields)


def test_the_schema_is_one_and_refuses_what_the_spec_refuses() -> None:
    jsonschema.Draft202012Validator.check_schema(spec_schema())
    validator = jsonschema.Draft202012Validator(spec_schema())
    assert validator.is_valid(FIELDS)
    assert validator.is_valid({**FIELDS, "controller": {"name": "hyperband"}})
    for changes in (
        {"mode": "lowest"},
        {"budget": {"trial": 5}},
        {"controller": "bayes"},
        {"space": {"lr": {"lg": [0, 1]}}},
    ):
        assert not validator.is_valid({**FIELDS, **changes})


def test_the_yaml_of_a_spec_fits_the_schema() -> None:
    written = yaml.safe_load(SweepSpec.parse(FIELDS).to_yaml())
    jsonschema.Draft202012Validator(spec_schema()).validate(written)
