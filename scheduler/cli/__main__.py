"""`python -m caviar.scheduler.cli`: the program where it is on no PATH."""

from .app import main

main()
