"""Carrying decisions out: the loop, its executors and records, and what a worker does."""
