"""The two outputs and the form of values in them: results on standard output, all else on standard error."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...storage import Location, ObjectPath

_UNLIMITED = 10_000
_MINUTE, _HOUR = 60, 3600


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves a closed pipe to the exit codes."""
        raise BrokenPipeError


def results_console() -> Console:
    """Standard output; one that is no terminal takes lines of any length."""
    return _make(sys.stdout.isatty(), stderr=False)


def progress_console() -> Console:
    """Standard error."""
    return _make(sys.stderr.isatty(), stderr=True)


def _make(terminal: bool, *, stderr: bool) -> Console:
    width = None if terminal else _UNLIMITED
    # Names and values are a person's own: nothing in them is markup.
    return _Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False)


def plain_table(*heads: str) -> Table:
    """A table without lines, of columns with these heads."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(Text(head), overflow="fold")
    return table


def note(text: str) -> None:
    """Says something on standard error."""
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    """Prints one JSON document on standard output; NaN and infinity become null, enums and paths strings."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    typer.echo(orjson.dumps(value, default=str, option=options).decode())


def show_value(value: object) -> str:
    """A hyperparameter's or a metric's value in four significant digits, without characters that steer a terminal."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def show_config(config: Mapping[str, object]) -> Text:
    """A configuration in a line that may wrap between hyperparameters."""
    text = Text()
    for name, value in config.items():
        text.append(f"{'  ' if text else ''}{name}\N{NO-BREAK SPACE}", "dim")
        text.append(show_value(value).replace(" ", "\N{NO-BREAK SPACE}"))
    return text


def show_duration(seconds: float) -> str:
    """A time such as 48 s, 3 min 20 s or 2 h 05 min."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"


def show_count(done: int, planned: int | None) -> str:
    """A count with thousands apart, and the planned number where there is one."""
    return f"{done:,}" if planned is None else f"{done:,} of {planned:,}"


def plural(count: int, noun: str) -> str:
    """A number and its noun."""
    return f"{count:,} {noun}" if count == 1 or noun.endswith("s") else f"{count:,} {noun}s"


def show_path(path: Location) -> str:
    """A path as short as it can be from here."""
    if isinstance(path, ObjectPath):
        return str(path)
    resolved = path.resolve()
    return str(resolved.relative_to(Path.cwd())) if resolved.is_relative_to(Path.cwd()) else str(path)


KNOWN_AS_VARIABLE = "CAVIAR_KNOWN_AS"
"""Set where a command runs for somebody at another machine: what a sweep is called there, and options to reach it."""


def show_resume(directory: Location) -> str:
    """The command line that goes on with a sweep, as the person who reads it can type it."""
    known_as = os.environ.get(KNOWN_AS_VARIABLE)
    return f"caviar resume {known_as}" if known_as else show_command("caviar", "resume", directory)


def show_command(*words: str | Location) -> str:
    """A command line to be copied."""
    return shlex.join(word if isinstance(word, str) else show_path(word) for word in words)
