"""Carrying decisions out: the loop, its executors and records, and the work in a worker."""
