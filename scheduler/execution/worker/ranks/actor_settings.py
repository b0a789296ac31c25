"""Settings that the processes of a worker are started with."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from ray import cloudpickle

from ..settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class ActorSettings:
    """Settings that the processes of a worker are started with.

    Attributes:
        engine: `TrainingSettings`, pickled by value: it is opened after the variables are set, since it may import
            torch, which reads them once.
        variables: Environment variables, from `thread_variables`.
        paths: The driver's import path, so that the worker can import all that the driver can.
    """

    engine: bytes
    variables: Mapping[str, str]
    paths: tuple[str, ...]

    def opened(self) -> TrainingSettings:
        """Sets variables and import path of this process, and opens the engine's settings."""
        os.environ.update(self.variables)
        sys.path += [path for path in self.paths if path not in sys.path]
        engine: TrainingSettings = cloudpickle.loads(self.engine)
        return engine
