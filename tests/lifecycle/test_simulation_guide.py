"""What docs/simulation.md shows is true."""

import re
from pathlib import Path
from typing import Any

import pytest

GUIDE = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text(encoding="utf-8")


def test_the_code_in_the_guide_runs_and_its_sweep_is_the_same_on_one_worker(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    (block,) = re.findall(r"^```python\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
    exec(block, names)
    config = names["results"].best.config
    assert abs(config["lr"] - 0.03) < 0.01
    assert 0.01 < names["hours"] < 1
    assert str(config) in capsys.readouterr().out
    alone = names["sweep"].simulate(names["curve"], workers=1, step_seconds=names["step_seconds"])
    assert alone.trials().equals(names["results"].trials())
    assert list(tmp_path.iterdir()) == []
