"""The error of training code; the whole tree is drawn in `caviar.search_spaces.errors`."""

from ..search_spaces.errors import CaviarError


class TrainerError(CaviarError):
    """Training code cannot be loaded, restored or understood; the message says where, what and how to put it right."""
