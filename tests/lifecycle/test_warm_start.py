"""Warm starts: a sweep learns from the results of an earlier one, in whatever way the space has changed since."""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from math import isinf, isnan
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest

from caviar.scheduler import InvalidSpecError, ResultsError, StopReason, Sweep
from caviar.scheduler.analysis.status import sweep_status
from caviar.scheduler.core.proposers.observations import Observations
from caviar.scheduler.core.proposers.transfer import CONSTRAINTS, Transfer
from caviar.scheduler.execution.simulated import SimulatedExecutor
from caviar.scheduler.lifecycle import run as running
from caviar.scheduler.lifecycle.prepared import PreparedSweep
from caviar.scheduler.lifecycle.prior import prior_of
from caviar.scheduler.lifecycle.validate import validate_spec
from caviar.scheduler.lifecycle.warm_start import earlier_results
from caviar.scheduler.results.prior import read_prior
from caviar.scheduler.results.rungs import trial_results
from caviar.scheduler.spec.json_schema import spec_schema
from caviar.scheduler.spec.spec import SweepSpec
from caviar.scheduler.storage import read_journal
from caviar.search_spaces import Choice, Constant, Domain, Integer, Log, SearchSpace, Uniform

SPACE: dict[str, Domain] = {
    "lr": Log(1e-5, 1.0),
    "optimizer": Choice(["adam", "sgd"]),
    "momentum": Uniform(0.0, 1.0, when={"optimizer": ["sgd"]}),
}


def train(trial: Any) -> Iterator[dict[str, float]]:
    """What a real run would call."""
    raise AssertionError("a simulation trains nothing")
    yield {}


def curve(config: Mapping[str, Any], seed: int) -> list[float]:
    """Best at a learning rate of 0.01, and without dropout; a large learning rate diverges in step 3."""
    loss = (np.log10(config["lr"]) + 2) ** 2 + config.get("momentum", 0.2) + config.get("dropout", 0.0)
    curve = [loss + 1 / step for step in range(1, 28)]
    return [*curve[:2], float("nan")] if config["lr"] > 0.5 else curve


def prior_seen_by(spec: SweepSpec) -> Observations | None:
    """The earlier results that a new sweep's model has."""
    found = earlier_results(spec)
    return prior_of(spec, None if found is None else found.trials)


@pytest.fixture(autouse=True)
def simulated_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps run in their directories as ever, but on two simulated workers."""

    @contextmanager
    def workers(sweep: PreparedSweep, *_: Any) -> Iterator[Callable[[], SimulatedExecutor]]:
        yield cache(lambda: SimulatedExecutor(curve, sweep.spec.metric, 2, proposer=sweep.proposer()))

    monkeypatch.setattr(running, "workers_on_demand", workers)


def sweep(storage: Path, **fields: Any) -> Sweep:
    defaults: dict[str, Any] = {
        "space": SPACE,
        "metric": "loss",
        "resource": {"max": 9},
        "budget": {"trials": 24},
        "name": "later",
        "seed": 7,
    }
    return Sweep(train, storage=storage, **{**defaults, **fields})


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A sweep of 45 trials, some of which diverged."""
    sweep(tmp_path, name="earlier", budget={"trials": 45}, seed=1, controller="hyperband").run()
    return tmp_path / "earlier"


def table(one: Sweep) -> Any:
    return one.results.trials().drop_columns(["elapsed_s"])


def used(one: Sweep) -> tuple[int, Mapping[str, int]]:
    """How many of the earlier trials the sweep uses, and how many it leaves out by which reason."""
    found = earlier_results(one.spec)
    assert found is not None
    return len({trial.trial for trial in found.trials}), found.left_out


def test_the_first_bracket_is_proposed_and_is_better_than_one_that_knows_nothing(earlier: Path) -> None:
    warm, cold = sweep(earlier.parent, warm_start=earlier), sweep(earlier.parent, name="cold")
    query = "select min(best_value) as best, median(best_value) as middle from trials where bracket = 0"
    found, blind = (one.run().sql(query).to_pylist()[0] for one in (warm, cold))
    assert found["best"] <= blind["best"]
    assert found["middle"] < blind["middle"] / 1.5
    numbers = [
        event["proposal"]["number"] for event in read_journal(warm.directory / "journal") if event["type"] == "proposed"
    ]
    assert numbers[0] == 0


@pytest.mark.parametrize("proposer", ["model", "optuna.samplers.TPESampler"])
def test_the_table_is_the_same_for_any_number_of_workers_simulated_or_run(earlier: Path, proposer: str) -> None:
    pytest.importorskip("optuna")
    one = sweep(earlier.parent, warm_start=earlier, proposer=proposer)
    expected = one.simulate(curve).trials().drop_columns(["elapsed_s"])
    for workers in (3, 16):
        assert one.simulate(curve, workers).trials().drop_columns(["elapsed_s"]) == expected
    one.run()
    assert table(one) == expected
    assert one.simulate(curve).trials().drop_columns(["elapsed_s"]) == expected


@pytest.mark.parametrize("controller", [{"name": "coarse_to_fine", "pipeline": 2}, "asha"])
def test_a_sweep_that_was_stopped_goes_on_the_same_without_the_earlier_one(earlier: Path, controller: Any) -> None:
    fields: Any = {"warm_start": earlier, "space": {**SPACE, "dropout": Uniform(0.0, 0.5)}, "controller": controller}
    whole, cut = sweep(earlier.parent, **fields), sweep(earlier.parent, name="cut", **fields)
    whole.run()
    cut.run(lambda moment: (cut.directory / "stop").touch())
    assert cut.stop_reason is StopReason.INTERRUPTED
    shutil.rmtree(earlier)
    assert sweep_status(cut.directory).progress.trials < 24
    again = Sweep.resume(cut.directory, train)
    again.run()
    assert again.stop_reason is StopReason.FINISHED
    if controller != "asha":
        assert table(again) == table(whole), "what asha decides depends on the order of results"
    assert sweep_status(cut.directory).condition.value == "finished"


def test_a_copy_that_was_lost_is_one_sentence(earlier: Path) -> None:
    one = sweep(earlier.parent, warm_start=earlier)
    one.run()
    (one.directory / "prior.parquet").unlink()
    with pytest.raises(ResultsError, match=r"^.*prior\.parquet cannot be read: "):
        sweep_status(one.directory)


def test_what_is_used_is_kept_in_readable_columns_and_comes_back_equal(earlier: Path) -> None:
    one = sweep(
        earlier.parent,
        warm_start={"path": earlier, "assume": {"dropout": 0.3}},
        space={**SPACE, "dropout": Uniform(0.0, 0.5)},
    )
    one.run()
    kept = pq.read_table(one.directory / "prior.parquet")
    names = ["trial", "step", "config_lr", "config_optimizer", "config_momentum", "config_dropout", "loss"]
    assert kept.column_names == names
    assert set(kept["config_dropout"].to_pylist()) == {0.3}
    found = earlier_results(one.spec)
    assert found is not None
    for mine, written in zip(found.trials, read_prior(one.directory / "prior.parquet"), strict=True):
        assert (mine.trial, mine.config) == (written.trial, written.config)
        np.testing.assert_equal(list(mine.values.items()), list(written.values.items()))


def test_results_at_rungs_are_used_and_a_trial_that_diverged_is_infinitely_bad(earlier: Path) -> None:
    trials = {trial.trial: trial for trial in trial_results(sweep_of(earlier).results)}
    rows = sweep_of(earlier).results.trials().to_pylist()
    assert {row["state"] for row in rows} == {"diverged", "stopped", "completed"}
    for row in rows:
        values = trials[row["trial"]].values
        assert trials[row["trial"]].config["lr"] == row["config_lr"]
        if row["state"] == "diverged":
            assert [isnan(value) for value in values.values()] == [step >= 3 for step in values]
        else:
            assert list(values) == [step for step in (1, 3, 9) if step <= row["step"] and step in values]
            assert values[row["best_step"]] == row["best_value"]
    prior = prior_seen_by(sweep(earlier.parent, warm_start=earlier).spec)
    assert prior is not None
    assert len(prior) == sum(len(trial.values) for trial in trials.values())
    assert sum(map(isinf, prior.loss.tolist())) == sum(row["state"] == "diverged" for row in rows)


def sweep_of(path: Path) -> Sweep:
    return Sweep.resume(path, train)


def test_the_results_alone_are_enough(earlier: Path, tmp_path: Path) -> None:
    shutil.copytree(earlier / "results", tmp_path / "copy" / "results")
    assert used(sweep(tmp_path, warm_start=tmp_path / "copy")) == (45, {})


def test_a_larger_value_is_better_where_the_metric_is_maximised(tmp_path: Path) -> None:
    sweep(tmp_path, name="highest", mode="max").run()
    prior = prior_seen_by(sweep(tmp_path, mode="max", warm_start=tmp_path / "highest").spec)
    assert prior is not None
    assert prior.loss[np.isfinite(prior.loss)].max() < 0


def test_a_space_that_is_wider_or_has_lost_a_name_takes_all(earlier: Path) -> None:
    wider = {**SPACE, "lr": Log(1e-6, 10.0), "optimizer": Choice(["sgd", "adam", "lion"])}
    assert used(sweep(earlier.parent, space=wider, warm_start=earlier)) == (45, {})
    fewer = {"lr": SPACE["lr"]}
    assert used(sweep(earlier.parent, space=fewer, warm_start=earlier)) == (45, {})


def test_what_is_outside_of_a_narrower_space_is_left_out_and_a_line_says_so(
    earlier: Path, caplog: pytest.LogCaptureFixture
) -> None:
    configs = sweep_of(earlier).results.trials().to_pylist()
    outside = sum(row["config_lr"] < 1e-4 for row in configs)
    gone = sum(row["config_lr"] >= 1e-4 and row["config_optimizer"] == "sgd" for row in configs)
    assert gone > outside > 0
    narrow = {"lr": Log(1e-4, 1.0), "optimizer": Choice(["adam", "lion"])}
    one = sweep(earlier.parent, space=narrow, warm_start=earlier)
    assert used(one) == (45 - outside - gone, {"lr": outside, "optimizer": gone})
    with caplog.at_level(logging.INFO):
        one.run()
    (line,) = [record.message for record in caplog.records if record.message.startswith("Warm start")]
    assert line.startswith(f"Warm start from {earlier}: ")
    assert line.endswith(
        f" results of {45 - outside - gone} trials; {outside + gone} other trials are left out:"
        f" {gone} for optimizer, {outside} for lr."
    )


def test_results_beyond_the_full_resource_are_left_out(earlier: Path) -> None:
    prior = prior_seen_by(sweep(earlier.parent, warm_start=earlier, resource={"max": 4}).spec)
    assert prior is not None
    assert set(prior.resource.tolist()) == {1, 3}
    longer = prior_seen_by(sweep(earlier.parent, warm_start=earlier, resource={"max": 27}).spec)
    assert longer is not None
    assert set(longer.resource.tolist()) == {1, 3, 9}


def transferred(space: Mapping[str, Domain], config: Any, constraints: Any = (), **assumed: Any) -> Any:
    """The configurations that one of an earlier sweep over `SPACE` becomes, or why it does not fit."""
    (found,) = Transfer(SearchSpace(dict(space), constraints), SPACE, assumed, 3)([config])
    assert bool(found.configs) != bool(found.reason)
    return list(found.configs) or found.reason


ADAM, SGD = {"lr": 0.01, "optimizer": "adam"}, {"lr": 0.01, "optimizer": "sgd", "momentum": 0.9}


def test_conditions_decide_what_an_earlier_configuration_may_hold() -> None:
    always = {**SPACE, "momentum": Uniform(0.0, 1.0)}
    assert transferred(always, SGD) == [SGD]
    assert transferred(always, ADAM) == "momentum", "it has no momentum, and would need one"
    never = {**SPACE, "momentum": Uniform(0.0, 1.0, when={"optimizer": ["adam"]})}
    assert transferred(never, SGD) == "momentum", "it was trained with a momentum, and may not have one"


def test_constants_are_compared_where_they_are_known() -> None:
    fixed = {"lr": Constant(0.01), "optimizer": SPACE["optimizer"], "layers": Constant(3)}
    assert transferred(fixed, ADAM) == [{"lr": 0.01, "optimizer": "adam", "layers": 3}]
    assert transferred(fixed, {**ADAM, "lr": 0.02}) == "lr"


def test_constraints_hold_for_what_is_used() -> None:
    assert transferred(SPACE, ADAM, ["lr <= 0.001"]) == CONSTRAINTS
    assert transferred(SPACE, ADAM, ["lr <= 0.1"]) == [ADAM]


def test_values_come_through_exactly() -> None:
    for value in np.random.default_rng(0).uniform(0.001, 0.9, 50).tolist():
        assert transferred(SPACE, {"lr": value, "optimizer": "adam"}) == [{"lr": value, "optimizer": "adam"}]
    counted = {"lr": SPACE["lr"], "optimizer": SPACE["optimizer"], "hidden": Integer(1, 100, log=True)}
    assert transferred(counted, ADAM, hidden=17) == [{**ADAM, "hidden": 17}]


def test_a_value_that_is_not_known_is_spread_so_that_it_explains_nothing() -> None:
    space = {**SPACE, "dropout": Uniform(0.0, 0.5), "nesterov": Choice([True, False], when={"optimizer": ["sgd"]})}
    copies = transferred(space, SGD)
    assert len(copies) == 4
    assert sorted(int(8 * copy["dropout"]) for copy in copies) == [0, 1, 2, 3], "each quarter of the range has one"
    assert sorted(copy["nesterov"] for copy in copies) == [False, False, True, True]
    assert all({name: copy[name] for name in SGD} == SGD for copy in copies)
    assert transferred(space, SGD) == copies
    assert all("nesterov" not in copy for copy in transferred(space, ADAM))
    inactive = {**SPACE, "nesterov": Choice([True, False], when={"optimizer": ["sgd"]})}
    assert transferred(inactive, ADAM) == [ADAM], "nothing is unknown of it"


def test_an_assumed_value_is_that_of_all_earlier_trials() -> None:
    space = {**SPACE, "dropout": Uniform(0.0, 0.5), "nesterov": Choice([True, False], when={"optimizer": ["sgd"]})}
    assert transferred(space, SGD, dropout=0.3, nesterov=True) == [{**SGD, "dropout": 0.3, "nesterov": True}]
    assert transferred(space, ADAM, dropout=0.3, nesterov=True) == [{**ADAM, "dropout": 0.3}]


def test_a_gained_name_is_explored_and_not_taken_from_the_earlier_trials(earlier: Path) -> None:
    one = sweep(earlier.parent, warm_start=earlier, space={**SPACE, "dropout": Uniform(0.0, 0.5)})
    first = one.simulate(curve).sql("select config_dropout as x from trials where bracket = 0")["x"].to_numpy()
    assert first.min() < 0.15
    assert first.max() > 0.35


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"metric": "error"},
            "warm_start: the sweep in {earlier} has the metric 'loss', and this one 'error'; they must be the same.",
        ),
        (
            {"mode": "max"},
            "warm_start: the sweep in {earlier} has the mode 'min', and this one 'max'; they must be the same.",
        ),
        (
            {"space": {"lr": Log(10.0, 20.0)}},
            "warm_start: no trial in {earlier} fits this sweep (45 for lr); leave it out.",
        ),
        (
            {"assume": {"dropout": 0.1}},
            "warm_start.assume.dropout: there is no such hyperparameter, got 0.1; the space has lr, optimizer,"
            " momentum.",
        ),
        (
            {"assume": {"dropout": 0.9}, "space": {**SPACE, "dropout": Uniform(0.0, 0.5)}},
            "warm_start.assume.dropout: 0.9 is outside the range 0.0 to 0.5.",
        ),
        (
            {"assume": {"lr": 0.1}},
            "warm_start.assume.lr: the sweep in {earlier} has values of lr; leave it out.",
        ),
        (
            {"controller": "random"},
            "warm_start: random learns nothing from results here, so those of {earlier} are of no use; leave it out,"
            " or choose proposer: model.",
        ),
        (
            {"proposer": "design"},
            "warm_start: coarse_to_fine learns nothing from results here, so those of {earlier} are of no use;"
            " leave it out, or choose proposer: model.",
        ),
    ],
)
def test_what_cannot_be_used_is_one_sentence_when_the_sweep_is_made(
    earlier: Path, fields: dict[str, Any], sentence: str
) -> None:
    warm_start = {"path": earlier, "assume": fields.pop("assume", {})}
    with pytest.raises(InvalidSpecError) as refusal:
        sweep(earlier.parent, warm_start=warm_start, **fields)
    assert str(refusal.value) == sentence.format(earlier=earlier)


def test_trials_that_all_diverged_teach_nothing(tmp_path: Path) -> None:
    space = {**SPACE, "lr": Log(0.6, 1.0)}
    sweep(tmp_path, name="hopeless", space=space, resource={"min": 3, "max": 9}, controller="hyperband").run()
    with pytest.raises(InvalidSpecError) as refusal:
        sweep(tmp_path, warm_start=tmp_path / "hopeless")
    assert str(refusal.value) == f"warm_start: no trial in {tmp_path}/hopeless has succeeded; leave it out."


def test_a_path_without_results_and_a_field_that_is_misspelt_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecError, match=rf"^warm_start: {tmp_path}/none holds no results: give the directory"):
        sweep(tmp_path, warm_start=tmp_path / "none")
    with pytest.raises(InvalidSpecError, match=r"^warm_start\.asume: there is no such field; did you mean assume\.$"):
        sweep(tmp_path, warm_start={"path": "a", "asume": {}})
    with pytest.raises(InvalidSpecError, match=r"^warm_start: must be a path, or a mapping with .* path, assume"):
        sweep(tmp_path, warm_start=3)


def test_in_yaml_a_path_starts_in_the_specs_folder_and_is_written_down_whole(earlier: Path) -> None:
    spec = sweep(earlier.parent).spec
    (earlier.parent / "train.py").write_text("def train(trial):\n    yield {'loss': 1.0}\n")
    fields = spec.model_copy(update={"trainer": "train.py:train", "warm_start": None, "versions": {}})
    text = fields.to_yaml().replace("warm_start: null", "warm_start: earlier")
    file = earlier.parent / "later.yaml"
    file.write_text(text)
    checked = validate_spec(file)
    assert checked.warm_start is not None
    assert checked.warm_start.path == "earlier"
    made = Sweep.from_yaml(file).spec
    assert made.warm_start is not None
    assert made.warm_start.path == str(earlier)
    assert SweepSpec.from_yaml(made.to_yaml()) == made
    with pytest.raises(InvalidSpecError, match=r"^warm_start: .*/gone holds no results"):
        validate_spec(file, {"warm_start": "gone"})


@pytest.mark.parametrize("warm_start", ["sweeps/a", {"path": "sweeps/a", "assume": {"dropout": 0.0}}])
def test_the_schema_knows_both_forms(warm_start: Any) -> None:
    schema = spec_schema()["properties"]["warm_start"]
    validator = jsonschema.Draft202012Validator({**schema, "$defs": spec_schema()["$defs"]})
    validator.validate(warm_start)
    assert not validator.is_valid({"assume": {}})


def test_a_plan_is_the_same_with_and_without(earlier: Path) -> None:
    warm, cold = sweep(earlier.parent, warm_start=earlier), sweep(earlier.parent)
    assert warm.plan(1.0, workers=3) == cold.plan(1.0, workers=3)
