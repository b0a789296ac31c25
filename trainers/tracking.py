"""The objects that are a trial's state, and how each kind of them is saved and restored."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import TrainerError
from .state import is_tensor, save_state


class TrackedObjects:
    """The named objects of a trial. Each is restored when it is added, if the trial continues from a checkpoint."""

    def __init__(self, restored: Mapping[str, Any] | None = None) -> None:
        """Takes what a checkpoint holds for each name; None when the trial starts anew."""
        self._access: dict[str, _Access] = {}
        self._restored = restored
        self._left = set(restored or ())

    def add(self, name: str, tracked: object) -> None:
        """Tracks an object.

        Raises:
            TrainerError: The name is taken, the object cannot be saved, or the checkpoint has no state that fits it.
        """
        if name in self._access:
            raise TrainerError(f"{name!r} is tracked already: track each object once, under a name of its own")
        access = _access(name, tracked)
        if self._restored is not None:
            self._restore(name, access, self._restored)
        self._access[name] = access

    def check_restored(self) -> None:
        """Ends the restoring; raises TrainerError if the checkpoint holds something that was not tracked by now."""
        if self._left:
            names = ", ".join(sorted(self._left))
            raise TrainerError(f"the checkpoint holds the state of {names}, which the training code does not track")
        self._restored = None

    def __len__(self) -> int:
        return len(self._access)

    def save(self, directory: Path) -> bool:
        """Writes the state of all objects; False when there are none."""
        if not self._access:
            return False
        save_state({name: access.get() for name, access in self._access.items()}, directory)
        return True

    def _restore(self, name: str, access: "_Access", restored: Mapping[str, Any]) -> None:
        if name not in restored:
            raise TrainerError(f"the checkpoint holds no state of {name!r}: it holds {', '.join(restored)}")
        try:
            access.put(restored[name])
        except Exception as error:
            reason = " ".join(str(error).split())
            raise TrainerError(f"the checkpoint's state of {name!r} does not fit: {reason}") from error
        self._left.discard(name)


@dataclass(frozen=True, slots=True)
class _Access:
    """Functions that read one object's state and write it back."""

    get: Callable[[], Any]
    put: Callable[[Any], object]


def _access(name: str, tracked: Any) -> _Access:
    if isinstance(tracked, np.random.Generator):
        generator = tracked.bit_generator
        return _Access(lambda: generator.state, lambda state: setattr(generator, "state", state))
    if isinstance(tracked, random.Random):
        return _Access(tracked.getstate, tracked.setstate)
    for get, put in (("state_dict", "load_state_dict"), ("get_state", "set_state")):
        if callable(getattr(tracked, get, None)) and callable(getattr(tracked, put, None)):
            return _Access(getattr(tracked, get), getattr(tracked, put))
    if isinstance(tracked, np.ndarray):
        return _Access(lambda: tracked, lambda state: _fill_array(tracked, state))
    if is_tensor(tracked):
        return _Access(lambda: tracked, lambda state: tracked.detach().copy_(state))
    if type(tracked) in (dict, list):
        return _Access(lambda: tracked, lambda state: _refill(tracked, state))
    raise TrainerError(
        f"{name!r} is a {type(tracked).__name__}, which cannot be tracked: track objects with state_dict and "
        "load_state_dict, random generators, arrays, tensors, and dicts or lists that are changed in place"
    )


def _fill_array(array: np.ndarray[Any, Any], state: Any) -> None:
    if array.shape != state.shape:
        raise ValueError(f"its shape is {state.shape}, not {array.shape}")
    array[...] = state


def _refill(container: Any, state: Any) -> None:
    if type(state) is not type(container):
        raise TypeError(f"it is a {type(state).__name__}, not a {type(container).__name__}")
    container.clear()
    if isinstance(container, dict):
        container.update(state)
    else:
        container.extend(state)
