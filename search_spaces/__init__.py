"""Search spaces: domains of hyperparameters, conditions and constraints, and designs in the unit cube.

Nothing is imported before it is asked for: the errors stand below everything, and a program that only names them
should not wait for numpy and pydantic.
"""

from .lazy_names import lazy_names

_PLACES = {
    "CaviarError": "errors",
    "Choice": "options",
    "Constant": "options",
    "Domain": "domain",
    "Integer": "integer",
    "InvalidSpaceError": "errors",
    "InvalidYamlError": "errors",
    "InverseLog": "continuous",
    "Log": "continuous",
    "Ordinal": "options",
    "SearchSpace": "space",
    "Uniform": "continuous",
    "Value": "values",
}
"""The module of each name."""

__all__ = list(_PLACES)

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
