"""The words of the command line: each command with its arguments, options and help.

Nothing that reads, runs or prints a sweep is imported before its command runs, so that `caviar --help` and the
completion of a shell answer at once.
"""
