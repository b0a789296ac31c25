"""What people read from a sweep."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from caviar.scheduler.core.trials.reports import ReportBatch
from caviar.scheduler.core.trials.trial import Parent, TrialRow, TrialState
from caviar.scheduler.errors import ResultsError
from caviar.scheduler.results import ReportTable, ReportWriter, Results, trials_table, write_trials
from caviar.scheduler.storage import Checkpoints, SweepDirectory
from caviar.search_spaces import Value

BatchOf = Callable[..., ReportBatch]

VALUE_TYPES = {"lr": "float", "hidden": "integer", "nesterov": "boolean", "optimizer": "string", "layers": "json"}
CONFIGS: list[dict[str, Value]] = [
    {"lr": 0.5, "hidden": 32, "optimizer": "adam", "layers": None},
    {"lr": 0.25, "hidden": 64, "nesterov": False, "optimizer": "sgd", "layers": [64, 32]},
    {"lr": 0.125, "hidden": 96, "optimizer": "<adam & co>", "layers": {"<b>": 1}},
]
REPORTS = {"val_loss": [3.0, 2.0, 2.5, 1.0, 4.0], "accuracy": [0.1, 0.2, 0.3, 0.4, 0.5]}
KEYS = [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1)]


def trial(number: int, value: float | None, step: int | None = None, **changes: object) -> TrialRow:
    fields = {"state": TrialState.STOPPED, "bracket": 0, "rung": 1, "step": 3, "elapsed_s": 1.5, **changes}
    return TrialRow(number, CONFIGS[number], 2**32 - 1, best_value=value, best_step=step, value=value, **fields)  # type: ignore[arg-type]


ROWS = [trial(0, 2.0, 2), trial(1, 1.0, 2, state=TrialState.COMPLETED), trial(2, 4.0, 1)]


@pytest.fixture
def writer(directory: SweepDirectory) -> ReportWriter:
    writer = ReportWriter(directory, VALUE_TYPES, "val_loss")
    write_trials(directory.trials, [], VALUE_TYPES, directory.staging)
    for number, config in enumerate(CONFIGS):
        writer.register(number, config)
    return writer


@pytest.fixture
def results(directory: SweepDirectory, writer: ReportWriter, batch_of: BatchOf) -> Results:
    writer.append(batch_of(KEYS, **REPORTS))
    writer.flush()
    write_trials(directory.trials, ROWS, VALUE_TYPES, directory.staging)
    return Results.open(directory.path)


def test_trials_have_the_documented_columns_with_and_without_rows(directory: SweepDirectory) -> None:
    write_trials(directory.trials, [], VALUE_TYPES, directory.staging)
    empty = pa.parquet.read_table(directory.trials)
    write_trials(directory.trials, ROWS, VALUE_TYPES, directory.staging)
    full = pa.parquet.read_table(directory.trials)

    assert empty.schema.equals(full.schema, check_metadata=True)
    assert empty.num_rows == 0
    assert full.column_names == [
        *("trial", "state", "bracket", "rung", "step", "seed", "parent", "parent_step", "attempt", "value"),
        *("best_value", "best_step", "elapsed_s", "error", *(f"config_{name}" for name in VALUE_TYPES)),
    ]
    assert full["config_layers"].to_pylist() == ["null", "[64,32]", '{"<b>":1}']


def test_a_trial_that_began_from_anothers_checkpoint_names_it(directory: SweepDirectory) -> None:
    rows = [ROWS[0], trial(1, 1.0, 3, parent=Parent(0, 2))]
    write_trials(directory.trials, rows, VALUE_TYPES, directory.staging)
    table = pa.parquet.read_table(directory.trials)
    assert (table["parent"].to_pylist(), table["parent_step"].to_pylist()) == ([None, 0], [None, 2])


def test_a_traceback_with_any_bytes_in_it_is_kept(directory: SweepDirectory, writer: ReportWriter) -> None:
    failed = trial(0, None, state=TrialState.FAILED, error="OSError: cannot read 'caf\udce9.npz'")
    write_trials(directory.trials, [failed], VALUE_TYPES, directory.staging)

    assert Results.open(directory.path).trials()["error"].to_pylist() == ["OSError: cannot read 'caf?.npz'"]


def test_tables_are_sorted_and_have_a_column_a_metric(results: Results) -> None:
    assert results.trials()["trial"].to_pylist() == [0, 1, 2]
    reports = results.reports()
    assert list(zip(reports["trial"].to_pylist(), reports["step"].to_pylist(), strict=True)) == KEYS
    assert {name: reports[name].to_pylist() for name in REPORTS} == REPORTS
    assert "extra" not in reports.column_names


def test_metric_and_mode_are_known_from_the_files(results: Results, directory: SweepDirectory) -> None:
    assert (results.path, results.metric, results.mode) == (directory.path, "val_loss", "min")


def test_the_best_is_the_trial_with_the_best_value_at_a_rung(results: Results) -> None:
    best = results.best

    assert (best.trial, best.value, best.step) == (1, 1.0, 2)
    assert best.config == {"lr": 0.25, "hidden": 64, "nesterov": False, "optimizer": "sgd", "layers": [64, 32]}
    assert [type(value) for value in best.config.values()] == [float, int, bool, str, list]


def test_the_mode_decides_which_value_is_best(directory: SweepDirectory) -> None:
    ReportWriter(directory, VALUE_TYPES, "accuracy", mode="max")
    write_trials(directory.trials, ROWS, VALUE_TYPES, directory.staging)

    assert Results.open(directory.path).best.trial == 2


def test_of_equal_trials_the_lower_number_is_best(directory: SweepDirectory, writer: ReportWriter) -> None:
    rows = [trial(2, 1.0, 1), trial(1, 1.0, 3), trial(0, 2.0, 1)]
    write_trials(directory.trials, rows, VALUE_TYPES, directory.staging)

    assert Results.open(directory.path).best.trial == 1


def test_an_inactive_name_is_absent_and_a_json_null_is_a_value(directory: SweepDirectory, writer: ReportWriter) -> None:
    write_trials(directory.trials, [trial(0, 1.0, 1)], VALUE_TYPES, directory.staging)

    config = Results.open(directory.path).best.config
    assert "nesterov" not in config
    assert config["layers"] is None


def test_the_checkpoint_of_the_best_is_named_if_it_was_kept(directory: SweepDirectory, results: Results) -> None:
    assert results.best.checkpoint is None

    checkpoints = Checkpoints(directory.checkpoints, directory.staging)
    checkpoints.write(1, 2, lambda path: bool((path / "state.json").write_text("{}")), {})

    assert results.best.checkpoint == directory.checkpoints / "1" / "2"


def test_before_the_first_rung_the_best_report_counts(
    directory: SweepDirectory, writer: ReportWriter, batch_of: BatchOf
) -> None:
    infinite = [float("-inf"), *REPORTS["val_loss"][1:]]
    writer.append(batch_of(KEYS, val_loss=infinite))
    writer.flush()

    best = Results.open(directory.path).best
    assert (best.trial, best.value, best.step) == (1, 1.0, 2)
    assert best.config == CONFIGS[1]


def test_without_any_report_there_is_no_best(directory: SweepDirectory, writer: ReportWriter) -> None:
    with pytest.raises(ResultsError, match="No trial has reported a finite val_loss yet"):
        _ = Results.open(directory.path).best


def test_new_reports_show_in_open_results(results: Results, writer: ReportWriter, batch_of: BatchOf) -> None:
    writer.append(batch_of([(2, 2)], val_loss=[0.5]))
    writer.flush()

    assert results.reports().num_rows == 6


def test_a_copy_of_the_results_folder_and_the_trials_is_enough(results: Results, tmp_path: Path) -> None:
    assert isinstance(results.path, Path)
    copy = tmp_path / "copy [1] of lr=3"
    shutil.copytree(results.path / "results", copy / "results")
    without_trials = Results.open(copy)
    assert without_trials.trials().num_rows == 0
    assert without_trials.sql("select count(*) as n from trials").to_pylist() == [{"n": 0}]
    assert without_trials.best.trial == 1

    shutil.copy(results.path / "trials.parquet", copy)
    copied = Results.open(str(copy))
    assert copied.trials().equals(results.trials())
    assert copied.reports().equals(results.reports())
    assert copied.best == results.best
    assert copied.sql("select * from reports").column_names == results.sql("select * from reports").column_names


def test_a_directory_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=re.escape(f"{tmp_path} holds no results: give the directory of a sweep")):
        Results.open(tmp_path)


def test_parquet_files_of_others_are_refused(directory: SweepDirectory) -> None:
    pa.parquet.write_table(pa.table({"trial": [1]}), directory.results / "part-000000.parquet")

    with pytest.raises(ResultsError, match="was not written by Caviar"):
        Results.open(directory.path)


def test_a_damaged_file_is_named(results: Results, directory: SweepDirectory) -> None:
    part = directory.results / "part-000001.parquet"
    part.write_bytes(part.read_bytes()[:-10])

    with pytest.raises(ResultsError, match=r"part-000001\.parquet cannot be read: .* Put it back from a copy"):
        results.reports()


def test_sql_sees_both_tables(results: Results) -> None:
    answer = results.sql(
        "select trial, state, min(val_loss) as lowest "
        "from reports join trials using (trial) group by all order by trial"
    )

    assert answer.to_pylist() == [
        {"trial": 0, "state": "stopped", "lowest": 2.0},
        {"trial": 1, "state": "completed", "lowest": 1.0},
        {"trial": 2, "state": "stopped", "lowest": 4.0},
    ]


def test_sql_gives_times_in_utc(results: Results) -> None:
    assert results.sql("select time from reports").schema.field("time").type == pa.timestamp("us", tz="UTC")


def test_a_query_that_duckdb_refuses_says_why(results: Results) -> None:
    with pytest.raises(ResultsError, match=r'The query cannot be run: .*"loss" not found'):
        results.sql("select loss from reports")
    with pytest.raises(ResultsError, match="returns no rows: give a select statement"):
        results.sql("")


def test_data_frames_hold_the_same_values(results: Results) -> None:
    pandas, polars = results.to_pandas("reports"), results.to_polars("reports")
    assert pandas["val_loss"].tolist() == polars["val_loss"].to_list() == REPORTS["val_loss"]
    assert results.to_pandas()["state"].tolist() == results.to_polars()["state"].to_list()


def test_an_unknown_table_is_refused(results: Results) -> None:
    with pytest.raises(ResultsError, match="There is no table 'report': it must be 'trials', 'reports' or 'regions'"):
        results.to_polars("report")


def test_a_missing_library_says_how_to_install_it(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "polars", None)

    with pytest.raises(ResultsError, match=r"polars is not installed: pip install 'caviar\[polars\]'"):
        results.to_polars()


def test_results_in_memory_answer_the_same(results: Results, batch_of: BatchOf) -> None:
    reports = ReportTable(VALUE_TYPES, "val_loss", "min")
    for number, config in enumerate(CONFIGS):
        reports.register(number, config)
    reports.append(batch_of(KEYS, **REPORTS))
    memory = Results.from_tables(
        trials_table(ROWS, VALUE_TYPES), reports.table(), metric="val_loss", mode="min", value_types=VALUE_TYPES
    )

    assert memory.path is None
    assert memory.trials().equals(results.trials())
    assert memory.reports().equals(results.reports())
    assert memory.best == results.best
    query = "select trial, max(accuracy) as a from reports join trials using (trial) group by 1 order by 1"
    assert memory.sql(query).equals(results.sql(query))


def test_the_prompt_shows_the_counts_and_the_best_configuration(results: Results) -> None:
    assert repr(results).splitlines() == [
        f"Results('{results.path}')",
        "  3 trials: 2 stopped, 1 completed",
        "  best val_loss 1 at step 2 of trial 1",
        "    lr = 0.25",
        "    hidden = 64",
        "    nesterov = False",
        "    optimizer = sgd",
        "    layers = [64, 32]",
    ]


def test_a_notebook_shows_the_best_trials_with_everything_escaped(results: Results) -> None:
    html = results._repr_html_()

    assert html.index("<td>1</td>") < html.index("<td>0</td>")
    assert "&lt;adam &amp; co&gt;" in html
    assert "<adam" not in html
    assert "<b>'" not in html


def test_a_sweep_without_reports_can_be_shown(directory: SweepDirectory, writer: ReportWriter) -> None:
    results = Results.open(directory.path)

    assert repr(results).endswith("no val_loss yet")
    assert "no val_loss yet" in results._repr_html_()


def test_a_notebook_shows_at_most_ten_trials(directory: SweepDirectory) -> None:
    ReportWriter(directory, {}, "val_loss")
    rows = [TrialRow(n, {}, 0, TrialState.STOPPED, 0, best_value=float(n), best_step=1) for n in range(30)]
    write_trials(directory.trials, rows, {}, directory.staging)

    assert Results.open(directory.path)._repr_html_().count("<tr>") == 11
