"""Lanes: training that Caviar has the loop of, of one trial or of many in one model."""
