"""The cluster's side of the remote commands, which a job of Ray runs: `python -m caviar.scheduler.cli.on_cluster`.

It says where the sweep lies, runs the command, and sends what it printed to the person's side in messages between the
lines of the job's log.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from ..errors import SweepError
from ..remote.export import export_sweep
from ..remote.frames import Message, write_message
from ..remote.kept_code import keep_code, package_here
from ..remote.relocate import relocated_fields
from ..storage import Location, SweepDirectory, in_home, is_uri, locate
from ..storage.durable import list_folder
from .actions.doctor import is_spec_file
from .app import main as caviar
from .output.console import KNOWN_AS_VARIABLE
from .output.exit_codes import exit_codes

STORAGE_VARIABLE = "CAVIAR_STORAGE"
"""On the head: the folder in which a relative `storage` starts; the home folder where it is not set."""

_LOOK_S = 0.1


def main() -> None:
    """Runs one command; see the module.

    Raises:
        SystemExit: Always, with the command's exit code.
    """
    options = _parse(sys.argv[1:])
    if options.known_as is not None:
        os.environ[KNOWN_AS_VARIABLE] = options.known_as
    send = _Outlet()
    with _printing_into(send, streams=options.stream), exit_codes():
        _run(options, send)


def _run(options: argparse.Namespace, send: "_Outlet") -> None:
    command, *arguments = options.command
    if options.sweep is None:
        _caviar([command, *arguments])
        return
    directory = located(options.sweep)
    if command == "send":
        export_sweep(directory, arguments[0], send)
        return
    if command == "run":
        arguments += ["--storage", str(directory.parent)]
    elif command == "doctor" and arguments and is_spec_file(arguments[0]):
        arguments += ["--set", f"storage={json.dumps(str(directory.parent))}"]
    else:
        arguments = [str(directory), *arguments]
    if command == "resume" and "--spec" not in arguments:
        arguments += relocated_fields(directory, Path.cwd())
    with _announced(directory, send) if options.stream else nullcontext():
        _caviar([command, *arguments])


def located(place: str) -> Location:
    """The directory of a sweep as this machine finds it.

    Args:
        place: A URI, an absolute path, or one that starts in the cluster's storage.

    Raises:
        SweepError: It is none of these.
    """
    if is_uri(place):
        return locate(place)
    root = Path(os.environ.get(STORAGE_VARIABLE) or Path.home())
    try:
        return (in_home(str(root)) / in_home(place)).resolve()
    except ValueError as error:
        raise SweepError(f"{place}: the sweep's directory {error}.") from None


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="on_cluster")
    parser.add_argument("--sweep", help="the sweep's directory, as the person's side knows it")
    parser.add_argument("--known-as", help="what the person's side calls the sweep, with the options to reach it")
    parser.add_argument("--stream", action="store_true", help="standard error goes into the log as it comes")
    parser.add_argument("command", nargs="+")
    return parser.parse_args(arguments)


def _caviar(arguments: Sequence[str]) -> None:
    sys.argv[1:] = arguments
    caviar()


class _Outlet:
    """Writes messages into the job's log."""

    def __init__(self) -> None:
        # A copy, since the command's own output may be sent elsewhere meanwhile.
        self._descriptor = os.dup(1)
        self._lock = threading.Lock()

    def __call__(self, message: Message) -> None:
        data = memoryview(write_message(message).encode())
        with self._lock:
            while data:
                data = data[os.write(self._descriptor, data) :]


@contextmanager
def _printing_into(send: _Outlet, *, streams: bool) -> Iterator[None]:
    """Collects what the process prints meanwhile, and sends it with the exit code at the end."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(out.fileno(), 1)
        if not streams:
            os.dup2(err.fileno(), 2)
        code: object = 0
        try:
            yield
        except SystemExit as error:
            code = error.code
            raise
        except Exception:
            code = 1
            traceback.print_exc()
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            content = {"code": code if isinstance(code, int) else 0 if code is None else 1}
            send(Message("result", content | {"stdout": _text(out), "stderr": _text(err)}))


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode(errors="replace"))


@contextmanager
def _announced(directory: Location, send: _Outlet) -> Iterator[None]:
    """Announces the sweep's directory as soon as this run has begun in its journal, and keeps the code there."""
    journal, ended = SweepDirectory(directory).journal, threading.Event()
    before = {path.name for path in list_folder(journal)}

    def has_begun() -> bool:
        return not {path.name for path in list_folder(journal)} <= before

    def look() -> None:
        # An error of the storage is for the run itself to report.
        with suppress(OSError, SweepError):
            code = package_here(Path.cwd())
            while not has_begun():
                if ended.wait(_LOOK_S) and not has_begun():
                    return
            send(Message("place", {"directory": str(directory)}))
            if code is not None:
                keep_code(directory, code)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    main()
