"""The command line: parsing and printing only.

- `commands`: the words of each command, its arguments, options and help; light, so that `--help` answers at once.
- `input`: the arguments and options that commands share, and what people give in them as values.
- `actions`: the work of each command, imported when the command runs.
- `output`: the console, tables and progress that commands print, and their exit codes.

`app` puts the commands together; `on_cluster` is the program that a job of Ray runs for them on a cluster.
"""

from .app import main

__all__ = ["main"]
