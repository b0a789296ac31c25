"""Sweeps on a cluster, over the Jobs API of Ray's head: submitted, followed, asked and fetched."""
