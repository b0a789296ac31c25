"""The short form of the fuzzing: every target for a second or two, and what the long form has found."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caviar.scheduler.analysis.status import sweep_status
from caviar.scheduler.errors import JournalError, ResultsError
from caviar.scheduler.results import Results
from caviar.scheduler.spec.spec import SweepSpec
from caviar.search_spaces import CaviarError

pytestmark = pytest.mark.slow


def load_harness() -> Any:
    spec = importlib.util.spec_from_file_location("caviar_fuzz_harness", Path(__file__).with_name("harness.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


harness = load_harness()

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(harness.TOKENS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize(("target", "inputs"), [("spec", 300), ("journal", 200), ("parquet", 60)])
def test_hostile_bytes_are_refused_or_mean_what_was_written(target: str, inputs: int) -> None:
    found = harness.run_target(target, inputs, seed=1000)
    assert found["failure"] is None, found["failure"]
    assert found["inputs"] == inputs
    assert 0 < found["accepted"] < inputs


@settings(max_examples=100)
@given(st.sampled_from(harness.SPECS), st.data())
def test_any_json_in_any_field_is_refused_in_sentences_or_comes_back_equal(
    spec: dict[str, Any], data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from(sorted(spec)))
    try:
        read = SweepSpec.parse({**spec, field: data.draw(json_values)})
    except CaviarError as error:
        harness.short(error)
    else:
        assert SweepSpec.from_yaml(read.to_yaml()) == read


@settings(max_examples=100)
@given(st.text(max_size=200))
def test_any_text_is_a_spec_or_refused(text: str) -> None:
    with pytest.raises(CaviarError) as error:
        SweepSpec.from_yaml(text)
    assert len(str(error.value)) < 2000


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": 5},
        {"type": "opened"},
        {"type": "opened", "time": "noon"},
        {"type": "decided", "free": None, "assignments": [], "configs": {}},
        {"type": "decided", "free": 1, "assignments": 7, "configs": {}},
        {"type": "ended", "outcomes": [{"status": "lost"}]},
        {"type": "ended", "outcomes": [5]},
        {"type": "proposed", "proposal": {}},
        {"type": "closed"},
        [],
        5,
    ],
)
def test_an_event_that_caviar_would_not_write_is_refused_though_its_checksum_fits(
    recorded: Callable[..., Path], tmp_path: Path, event: Any
) -> None:
    path = recorded(tmp_path, budget={"trials": 3}, resource={"max": 1})
    journal = path / "journal" / "000001.jsonl"
    journal.write_bytes(harness.sealed_lines([event]))
    with pytest.raises(JournalError, match=r"event|Event") as error:
        sweep_status(path)
    assert len(str(error.value).splitlines()) == 1


def test_every_flipped_bit_of_a_parquet_file_is_noticed(recorded: Callable[..., Path], tmp_path: Path) -> None:
    path = recorded(tmp_path, budget={"trials": 3}, resource={"max": 1})
    part = path / "results" / "part-000001.parquet"
    whole = part.read_bytes()
    for at in range(0, len(whole), 7):
        part.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        results = Results.open(path)
        with pytest.raises(ResultsError, match=r"part-000001\.parquet"):
            results.reports()
    with pytest.raises(ResultsError, match=r"part-000001\.parquet"):
        results.sql("select 1")
