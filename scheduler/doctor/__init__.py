"""Examines and repairs: the files of a sweep, and the cluster that it is to run on."""
