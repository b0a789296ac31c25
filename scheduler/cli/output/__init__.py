"""The output of commands: the console, tables, progress, exit codes."""
