"""The program `caviar`: its commands put together."""

import logging
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .commands import cluster, doctor, read, run, spec
from .output.exit_codes import exit_codes


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        """Runs a command; what it raises becomes an exit code."""
        with exit_codes():
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Hyperparameter sweeps: many trials in parallel, the compute on those that deserve it, results in Parquet.",
    epilog="Exit codes: 0 finished, 1 failed, 2 bad input, 130 stopped, 143 terminated.",
)
for commands in (spec, run, read, doctor, cluster):
    app.registered_commands += commands.app.registered_commands


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # noqa: PLC0415 other commands need not wait for it

        typer.echo(f"caviar {version('caviar')}")
        raise typer.Exit


def _log_to_stderr() -> None:
    """Sends what the library has to say to standard error, a line each: warnings as such, anything else as it is."""
    handler = _Log()
    logger = logging.getLogger("caviar")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


class _Log(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # Looked up at each record: while progress is shown, standard error is what prints above it.
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        typer.echo(level + self.format(record), err=True)


@app.callback()
def _program(
    version_asked: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    _log_to_stderr()


def main() -> None:
    """Runs the program `caviar`.

    Raises:
        SystemExit: Always, with the command's exit code.
    """
    app(prog_name="caviar")
