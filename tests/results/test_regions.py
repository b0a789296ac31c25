"""The table of regions: its columns, in the directory, in memory and in SQL."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from caviar.scheduler import Results, Sweep
from caviar.scheduler.core.proposers.proposal import Insight
from caviar.scheduler.core.proposers.region import Region, Span
from caviar.scheduler.results import ReportWriter, regions_table, write_regions
from caviar.scheduler.storage import SweepDirectory
from caviar.search_spaces import Constant, Domain, Integer, Log, Uniform

SPANS = {
    "lr": Span(0.25, 0.001, 0.01),
    "width": Span(0.5, 32, 64),
    "size": Span(0.5, "s", "m"),
    "kind": Span(0.5, options=("a", "<b>")),
    "nesterov": Span(0.5, False, False),
}
SHARES = {"lr": 0.5, "width": 0.25, "size": 0.15, "kind": 0.1, "nesterov": 0.0}
INSIGHTS = {
    2: Insight(Region(SPANS), "zoomed lr: the likely optima by 40 results", SHARES),
    3: Insight(Region({"lr": Span(0.0, 0.005, 0.005)}), "zoomed lr: the likely optima by 60 results", {"lr": 1.0}),
}


def test_a_row_is_one_hyperparameter_of_one_proposal() -> None:
    table = regions_table(INSIGHTS)
    assert table["proposal"].to_pylist() == [2] * 5 + [3]
    assert table["hyperparameter"].to_pylist() == [*SPANS, "lr"]
    assert table["share"].to_pylist() == [0.25, 0.5, 0.5, 0.5, 0.5, 0.0]
    assert table["importance"].to_pylist() == [0.5, 0.25, 0.15, 0.1, 0.0, 1.0]
    assert set(table["change"].to_pylist()) == {insight.change for insight in INSIGHTS.values()}


def test_numbers_have_ends_and_everything_else_is_json() -> None:
    table = regions_table(INSIGHTS)
    assert table["low"].to_pylist() == [0.001, 32.0, None, None, None, 0.005]
    assert table["high"].to_pylist() == [0.01, 64.0, None, None, None, 0.005]
    assert table["options"].to_pylist() == [None, None, '["s","m"]', '["a","<b>"]', "[false,false]", None]


def test_with_and_without_rows_the_columns_are_the_documented_ones(directory: SweepDirectory) -> None:
    write_regions(directory.regions, {}, directory.staging)
    empty = pq.read_table(directory.regions)
    write_regions(directory.regions, INSIGHTS, directory.staging)
    full = pq.read_table(directory.regions)
    assert empty.num_rows == 0
    assert empty.schema.equals(full.schema)
    assert {field.name: str(field.type) for field in full.schema} == {
        "proposal": "int64",
        "hyperparameter": "string",
        "low": "double",
        "high": "double",
        "options": "string",
        "share": "double",
        "importance": "double",
        "change": "string",
    }


@pytest.fixture(scope="module")
def path(recorded: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep that has ended and had some proposals."""
    return recorded(tmp_path_factory.mktemp("regions"))


def test_a_sweep_leaves_its_regions_in_its_directory(path: Path) -> None:
    regions = Results.open(path).regions()
    assert regions.equals(pq.read_table(path / "regions.parquet"))
    assert regions["hyperparameter"].to_pylist()[:4] == ["lr", "beta", "width", "kind"]
    brackets = set(Results.open(path).trials()["bracket"].to_pylist())
    assert set(regions["proposal"].to_pylist()) <= brackets


def test_sql_sees_the_regions(path: Path) -> None:
    query = "select max(proposal) as last, sum(importance) as all_of_them from regions group by proposal order by 1"
    answer = Results.open(path).sql(query).to_pylist()
    assert len(answer) >= 2
    assert all(row["all_of_them"] == pytest.approx(1.0) for row in answer)


def test_regions_are_a_data_frame_like_the_other_tables(path: Path) -> None:
    results = Results.open(path)
    assert results.to_polars("regions")["low"].to_list() == results.regions()["low"].to_pylist()


def test_a_copy_of_the_results_alone_has_none(path: Path, tmp_path: Path) -> None:
    shutil.copytree(path / "results", tmp_path / "copy" / "results")
    copy = Results.open(tmp_path / "copy")
    assert copy.regions().num_rows == 0
    assert copy.sql("select count(*) as n from regions").to_pylist() == [{"n": 0}]
    assert copy.best == Results.open(path).best


def test_a_sweep_without_a_model_has_a_table_without_rows(recorded: Callable[..., Path], tmp_path: Path) -> None:
    path = recorded(tmp_path, controller="random", budget={"trials": 3})
    assert pq.read_table(path / "regions.parquet").num_rows == 0


def simulated(curve: Callable[[Any, int], Any], space: dict[str, Domain], **fields: Any) -> Results:
    def train(trial: Any) -> Any:
        yield {}

    common: dict[str, Any] = {"metric": "loss", "resource": {"max": 27}, "budget": {"trials": 60}}
    return Sweep(train, **{"space": space, **common, **fields}).simulate(curve)


def test_a_region_holds_the_optimum_about_as_often_as_it_claims_though_few_trials_were_trained_in_full() -> None:
    held = []
    for seed in range(5):
        optimum = dict(zip(("x", "y"), np.random.default_rng(seed).uniform(0.05, 0.95, 2).tolist(), strict=True))

        def curve(config: Any, seed: int, optimum: dict[str, float] = optimum) -> Any:
            far = (config["x"] - optimum["x"]) ** 2 + 0.5 * (config["y"] - optimum["y"]) ** 2
            return far + 1 / np.arange(1, 28) + 0.05 * np.random.default_rng(seed).standard_normal(27)

        regions = simulated(curve, {"x": Uniform(0.0, 1.0), "y": Uniform(0.0, 1.0)}, seed=seed).regions()
        held += [row["low"] <= optimum[row["hyperparameter"]] <= row["high"] for row in regions.to_pylist()]
    assert len(held) >= 20
    assert np.mean(held) >= 0.7, "it claims four fifths"


def test_where_all_results_are_the_same_the_region_is_everything() -> None:
    regions = simulated(lambda config, seed: [1.0] * 27, {"x": Uniform(0.0, 1.0)}).regions()
    assert min(regions["share"].to_pylist()) > 0.75
    assert set(regions["importance"].to_pylist()) == {0.0}


def test_where_all_configurations_have_been_tried_the_region_is_the_best_of_them() -> None:
    regions = simulated(lambda config, seed: [config["x"] + 1 / step for step in range(1, 28)], {"x": Integer(1, 3)})
    assert regions.regions().to_pylist()[-1]["high"] == 1.0


def test_where_nothing_varies_no_model_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    results = simulated(lambda config, seed: [config["x"]] * 27, {"x": Constant(3)})
    assert results.regions().num_rows == 0
    assert results.best.value == 3.0
    assert caplog.messages == []


def test_a_simulation_has_its_regions_in_memory() -> None:
    results = simulated(lambda config, seed: [float(str(config["x"]))] * 27, {"x": Log(1e-4, 1.0)})
    assert set(results.regions()["hyperparameter"].to_pylist()) == {"x"}
    assert results.sql("select * from regions").to_pylist() == results.regions().to_pylist()


def test_the_table_of_regions_begins_anew_where_a_sweep_is_started_again(directory: SweepDirectory) -> None:
    write_regions(directory.regions, INSIGHTS, directory.staging)
    ReportWriter(directory, {}, "loss")
    directory.clear_results()
    assert not directory.regions.exists()


def test_importance_may_be_unknown() -> None:
    table = regions_table({0: Insight(Region({"x": Span(1.0, 0.0, 1.0)}), "kept", {})})
    assert table["importance"].type == pa.float64()
    assert table["importance"].to_pylist() == [None]
