"""The names that `__init__.py` imports when they are asked for, as type checkers see them."""

from .classification.classifier import Classifier as classifier  # noqa: F401, N813
from .lanes.data import Data as Data
from .lanes.lane import Lane as Lane
from .parts.dropout import Dropout as Dropout
from .processes import join_processes as join_processes
