"""The end of a command: its exit code, and one sentence on standard error when something is wrong."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

from ....search_spaces.errors import CaviarError
from ...errors import ClusterError, JournalError, StorageError, SweepStoppedError, WorkerError


class ExitCode(IntEnum):
    """The exit codes of every command."""

    FINISHED = 0
    """It did what it was asked to."""
    FAILED = 1
    """No trial succeeded, `on_error` stopped the sweep, or workers, storage or the journal failed."""
    BAD_INPUT = 2
    """Something that the person gave cannot be used."""
    INTERRUPTED = 130
    """Ctrl-C or `caviar stop` ended it; the sweep can be resumed."""
    BROKEN_PIPE = 141
    """Nobody reads its output any more."""
    TERMINATED = 143
    """SIGTERM ended it; the sweep can be resumed."""


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turns what a command raises into its exit code.

    Raises:
        SystemExit: The command did not finish.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes standard output once more at its end, which has to go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(ExitCode.BROKEN_PIPE) from None
    except KeyboardInterrupt:
        raise SystemExit(ExitCode.INTERRUPTED) from None
    except (ClusterError, JournalError, StorageError, SweepStoppedError, WorkerError, TimeoutError) as error:
        fail(str(error), ExitCode.FAILED)
    except CaviarError as error:
        fail(str(error), ExitCode.BAD_INPUT)
    except OSError as error:
        fail(f"{error.filename or 'the system'}: {error.strerror or error}", ExitCode.FAILED)


def fail(message: str, code: ExitCode) -> None:
    """Says what is wrong, each problem on a line of its own, and ends the program.

    Raises:
        SystemExit: Always.
    """
    for line in message.splitlines():
        typer.echo(f"error: {line}", err=True)
    raise SystemExit(code)
