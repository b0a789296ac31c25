"""What docs/search_spaces.md shows is true."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from caviar.search_spaces import Integer, InverseLog, Log, SearchSpace

GUIDE = (Path(__file__).parents[2] / "docs" / "search_spaces.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


def test_the_python_blocks_run_and_describe_the_space_of_the_yaml_block() -> None:
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(block, names)
    (document,) = blocks("yaml")
    assert names["space"] == SearchSpace.from_yaml(document)
    assert len(names["configs"]) == 8


def test_the_shares_in_the_guide_are_right() -> None:
    unit = (np.arange(1_000_000) + 0.5) / 1_000_000
    shares = np.bincount(Integer(1, 8, log=True).decode(unit)) / len(unit)
    above = {
        "50 %": InverseLog(0.9, 0.999).decode(unit),
        "8.7 %": Log(0.9, 0.999).decode(unit),
        "9.5 %": 0.9 + 0.999 - Log(0.9, 0.999).decode(unit),
    }
    assert (f"{shares[1]:.0%}", f"{shares[8]:.0%}") == ("39%", "4%")
    assert {text: f"{(values > 0.99).mean() * 100:.2g} %" for text, values in above.items()} == {t: t for t in above}
