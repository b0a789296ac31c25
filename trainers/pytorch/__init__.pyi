"""What `__init__.py` imports when it is asked for, as type checkers see it."""

from .classification import Classifier as classifier  # noqa: F401, N813
from .data import Data as Data
from .dropout import Dropout as Dropout
from .lane import Lane as Lane
from .processes import join_processes as join_processes
