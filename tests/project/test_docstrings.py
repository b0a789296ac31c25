"""The language of docstrings: the first line is a noun phrase or a verb, which a reader parses once."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[2]
TWICE = {"What", "Whether", "How", "Which", "Where", "Of"}
"""First words of a clause that stands for a noun."""

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstrings() -> Iterator[tuple[str, str]]:
    """Every docstring with its place."""
    for package in ("scheduler", "search_spaces", "trainers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            documented = [node for node in nodes if isinstance(node, DOCUMENTED)]
            found = [(getattr(node, "lineno", 1), ast.get_docstring(node)) for node in documented]
            yield from ((f"{path.relative_to(ROOT)}:{line}", text) for line, text in found if text)


def test_docstrings_begin_with_a_noun_or_a_verb() -> None:
    found = [f"{place}: {text.splitlines()[0]}" for place, text in docstrings() if text.split()[0] in TWICE]
    assert not found, "\n".join(found)
