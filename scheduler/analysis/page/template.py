"""The page's HTML, style and script: files of their own beside this module."""

import json
from collections.abc import Mapping
from importlib.resources import files
from string import Template
from typing import Any


def page_html(values: Mapping[str, str]) -> str:
    """The whole page.

    Args:
        values: The text in each place of `page.html`, escaped already.
    """
    return Template(_text("page.html")).substitute(values)


def page_style() -> str:
    """The style sheet: the colours by day, by night and on paper, and `page.css`."""
    light, dark = (_variables(_colours()[theme]) for theme in ("light", "dark"))
    return f"""
:root {{ color-scheme: light dark; {light} }}
@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}
@media print {{ :root {{ color-scheme: light; {light} }} }}

{_text("page.css")}"""


def page_script() -> str:
    """The script: the colours, which plots have no style sheet for, and `page.js`."""
    return f"const COLOURS = {json.dumps(_colours())};\n{_text('page.js')}"


def _colours() -> dict[str, dict[str, str]]:
    colours: dict[str, Any] = json.loads(_text("colours.json"))
    return colours


def _variables(colours: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
