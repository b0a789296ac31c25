"""Examines and repairs: the files of a sweep, and the cluster that it is to run on."""

from ...search_spaces.lazy_names import lazy_names

_PLACES = {"examine": "files", "repair": "files"}
"""The module of each name."""

__all__ = list(_PLACES)

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
