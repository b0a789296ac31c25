"""init, validate, plan and schema."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from caviar.scheduler.spec.json_schema import spec_schema

ROOT = Path(__file__).parents[2]


def test_validate_accepts_a_good_spec_without_importing_its_training_code(project: Path, caviar: Any) -> None:
    run = caviar("validate", "sweep.yaml", cwd=project)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == "sweep.yaml is a valid spec of 4 hyperparameters.\n"


def test_validate_as_json_shows_the_spec_as_resolved(project: Path, caviar: Any) -> None:
    run = caviar(
        "validate", "sweep.yaml", "--json", "--set", "budget.trials=5", "--set", "space.x={log: [1, 2]}", cwd=project
    )
    answer = json.loads(run.stdout)
    assert answer["valid"] is True
    assert answer["spec"]["budget"]["trials"] == 5
    assert answer["spec"]["space"]["x"] == {"log": [1, 2]}
    assert answer["spec"]["resource"] == {"unit": "epoch", "min": 1, "max": 9, "eta": 3}


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("budget.trails=5", "budget.trails: there is no such field; did you mean trials."),
        ("budget.trials=no", "budget.trials: must be a valid integer, got 'no'."),
        ("space.x={log: [0, 1]}", "log"),
        ("trainer=missing.py:train", "trainer: there is no file missing.py; its path starts in the spec's folder"),
        (
            "budget={resource: 3}",
            "budget.resource: 3 is too little for one trial; it must be at least resource.max, 9.",
        ),
        ("controller.name.first=1", "controller.name"),
        ("budget.trials", "--set budget.trials: it must be path=value, such as --set budget.trials=50."),
        ("space=[a: {", "the value is YAML, got '[a: {'."),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_2(project: Path, caviar: Any, setting: str, complaint: str) -> None:
    run = caviar("validate", "sweep.yaml", "--set", setting, cwd=project)
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.startswith("error: ")
    assert complaint in run.stderr
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["run", "plan", "validate"])
def test_a_missing_spec_is_bad_input(tmp_path: Path, caviar: Any, command: str) -> None:
    run = caviar(command, "sweep.yaml", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("error: sweep.yaml: this spec cannot be read")


def test_an_unknown_option_is_refused_in_plain_text(project: Path, caviar: Any) -> None:
    run = caviar("run", "sweep.yaml", "--workrs", "2", cwd=project)
    assert run.returncode == 2
    assert "No such option: --workrs" in run.stderr
    assert "Traceback" not in run.stderr
    assert not set("╭│╰") & set(run.stderr)


def test_training_code_that_cannot_be_imported_is_bad_input(project: Path, caviar: Any) -> None:
    (project / "train.py").write_text("import no_such_module\n")
    run = caviar("run", "sweep.yaml", cwd=project)
    assert run.returncode == 2
    assert run.stderr.startswith("error: ")
    assert "no_such_module" in run.stderr
    assert not (project / "sweeps").exists()


def test_plan_shows_brackets_and_what_they_cost(project: Path, caviar: Any) -> None:
    run = caviar("plan", "sweep.yaml", cwd=project)
    assert run.returncode == 0, run.stderr
    assert "12 trials in 2 brackets" in run.stdout


def test_plan_as_json_knows_the_expected_time(project: Path, caviar: Any) -> None:
    run = caviar("plan", "sweep.yaml", "--json", "--step-seconds", "2", "--workers", "1", cwd=project)
    plan = json.loads(run.stdout)
    assert plan["trials"] == 12
    assert plan["resource"] == sum(bracket["resource"] for bracket in plan["brackets"])
    assert plan["seconds"] == 2 * plan["resource"]
    assert plan["finish"]
    assert plan["busy"] == 1.0


@pytest.mark.slow
def test_plan_says_when_workers_would_wait_for_results(project: Path, caviar: Any) -> None:
    arguments = ("plan", "sweep.yaml", "--step-seconds", "2", "--workers", "64")
    waiting = caviar(*arguments, cwd=project).stdout
    assert "wait for results" in waiting
    assert "controller.pipeline above 3" in waiting
    for settings in ("controller=asha", "controller=random"):
        assert "wait for results" not in caviar(*arguments, "--set", settings, cwd=project).stdout


def test_plan_can_measure_the_cost_of_a_step(project: Path, caviar: Any) -> None:
    run = caviar("plan", "sweep.yaml", "--json", "--measure", cwd=project)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["step_seconds"] > 0
    assert "imported by" in run.stderr


def test_a_plan_from_hours_asks_for_the_cost_of_a_step(project: Path, caviar: Any) -> None:
    run = caviar("plan", "sweep.yaml", "--set", "budget={hours: 1}", cwd=project)
    assert run.returncode == 2
    assert "needs the cost of a step" in run.stderr


@pytest.mark.slow
def test_init_writes_a_project_that_is_valid_and_measurable(tmp_path: Path, caviar: Any) -> None:
    run = caviar("init", "new", "--json", cwd=tmp_path)
    assert json.loads(run.stdout) == {"spec": "new/sweep.yaml", "training": "new/train.py"}
    plan = caviar("plan", "new/sweep.yaml", "--measure", "--json", cwd=tmp_path)
    assert plan.returncode == 0, plan.stderr
    assert json.loads(plan.stdout)["trials"] == 60


def test_init_overwrites_nothing(tmp_path: Path, caviar: Any) -> None:
    (tmp_path / "train.py").write_text("mine")
    run = caviar("init", cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.startswith("error: train.py exists already")
    assert (tmp_path / "train.py").read_text() == "mine"
    assert not (tmp_path / "sweep.yaml").exists()


def test_schema_prints_the_schema_that_accepts_the_starter_spec(tmp_path: Path, caviar: Any) -> None:
    schema = json.loads(caviar("schema", cwd=tmp_path).stdout)
    caviar("init", cwd=tmp_path)
    jsonschema.validate(yaml.safe_load((tmp_path / "sweep.yaml").read_text()), schema)


def test_version_and_help(tmp_path: Path, caviar: Any) -> None:
    assert caviar("--version", cwd=tmp_path).stdout.startswith("caviar ")
    assert "Exit codes" in caviar("--help", cwd=tmp_path).stdout


@pytest.mark.checkout
def test_the_published_schema_is_up_to_date() -> None:
    published = json.loads((ROOT / "docs" / "sweep.schema.json").read_text())
    assert published == spec_schema(), "write it anew: caviar schema > docs/sweep.schema.json"


@pytest.mark.checkout
def test_the_example_is_a_valid_spec_and_names_its_schema(caviar: Any) -> None:
    example = ROOT / "examples" / "digits.yaml"
    text = example.read_text()
    assert caviar("validate", example, cwd=ROOT).returncode == 0
    named = re.search(r"^# yaml-language-server: \$schema=(.+)$", text, re.MULTILINE)
    assert named is not None
    jsonschema.validate(yaml.safe_load(text), json.loads((example.parent / named[1]).read_text()))


@pytest.mark.checkout
def test_every_command_is_described(caviar: Any) -> None:
    commands = caviar("--help", cwd=ROOT).stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    assert "..." not in commands, "each command is described in one line"
    listed = re.findall(r"^  (\w+) ", commands, re.MULTILINE)
    text = (ROOT / "docs" / "cli.md").read_text()
    assert len(listed) == 16
    assert sorted(re.findall(r"^## (\w+)$", text, re.MULTILINE)) == sorted(listed)
