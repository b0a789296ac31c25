"""Saved state: a tree of plain values, arrays and tensors as JSON, npz and tensor files. Nothing is pickled.

`state.json` holds the tree. What JSON lacks stands in it as an object with one key that begins with `$`:

| object | stands for |
|---|---|
| `{"$array": "0"}`, `{"$scalar": "0"}` | an array or a numpy scalar, in `arrays.npz` |
| `{"$tensor": "0"}` | a torch tensor, in `tensors.pt` |
| `{"$tuple": [...]}` | a tuple |
| `{"$dict": [[key, value], ...]}` | a dict with keys other than strings, or with a key that begins with `$` |
| `{"$counter": [[key, value], ...]}` | a `collections.Counter` |
| `{"$module": {...}, "metadata": {...}}` | a `state_dict` of torch, which carries version numbers beside its items |
| `{"$float": "nan"}` | a float that JSON has no number for |
"""

import json
import math
import sys
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .errors import TrainerError

STATE_FILE = "state.json"
ARRAYS_FILE = "arrays.npz"
TENSORS_FILE = "tensors.pt"


def save_state(state: Mapping[str, object], directory: Path) -> None:
    """Writes a tree of values into an existing empty directory.

    Args:
        state: A tree of dicts, lists, tuples, None, bool, int, float, str, numpy arrays and scalars, torch tensors.
        directory: The place of `state.json` and, when there are any, `arrays.npz` and `tensors.pt`.

    Raises:
        TrainerError: A value is none of these; the message names its place in the tree.
    """
    encoder = _Encoder()
    tree = {name: encoder.encode(value, name) for name, value in state.items()}
    if encoder.arrays:
        np.savez(directory / ARRAYS_FILE, allow_pickle=False, **encoder.arrays)
    if encoder.tensors:
        from .pytorch.state import save_tensors  # noqa: PLC0415 torch is only touched where it is imported

        save_tensors(encoder.tensors, directory / TENSORS_FILE)
    (directory / STATE_FILE).write_text(json.dumps(tree, allow_nan=False), encoding="utf-8")


def load_state(directory: Path) -> dict[str, Any]:
    """Reads what `save_state` wrote.

    Raises:
        TrainerError: The files are damaged, or hold anything but plain values, arrays and tensors.
    """
    try:
        arrays = _load_arrays(directory / ARRAYS_FILE)
        tensors = _load_tensors(directory / TENSORS_FILE)
        decoder = _Decoder(arrays, tensors)
        tree = json.loads((directory / STATE_FILE).read_text(encoding="utf-8"))
        return {name: decoder.decode(value) for name, value in tree.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, zipfile.BadZipFile) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise TrainerError(f"the checkpoint {directory} cannot be restored: {reason}") from error


class _Encoder:
    """Makes a tree fit for JSON and collects the arrays and tensors in it."""

    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}
        self.tensors: dict[str, Any] = {}

    def encode(self, value: Any, place: str) -> object:
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"$float": repr(value)}
        if isinstance(value, np.ndarray | np.generic):
            return self._array(value, place)
        if is_tensor(value):
            return self._tensor(value)
        return self._container(value, place)

    def _container(self, value: Any, place: str) -> object:
        if type(value) is list:
            return [self.encode(item, f"{place}[{i}]") for i, item in enumerate(value)]
        if isinstance(value, tuple):
            return {"$tuple": [self.encode(item, f"{place}[{i}]") for i, item in enumerate(value)]}
        if type(value) is Counter:
            return {"$counter": self._pairs(value, place)}
        if type(value) in (dict, OrderedDict):
            return self._dict(value, place)
        raise TrainerError(
            f"{place} is a {type(value).__name__}, which a checkpoint cannot hold: it holds None, bool, int, float, "
            "str, lists, tuples, dicts, numpy arrays and torch tensors"
        )

    def _dict(self, value: dict[Any, Any], place: str) -> object:
        metadata = getattr(value, "_metadata", None)
        if metadata is not None:
            items = self._dict(dict(value), place)
            return {"$module": items, "metadata": self.encode(metadata, f"{place}._metadata")}
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: self.encode(item, f"{place}.{key}") for key, item in value.items()}
        return {"$dict": self._pairs(value, place)}

    def _pairs(self, value: Mapping[Any, Any], place: str) -> list[list[object]]:
        return [
            [self.encode(key, f"{place}'s key {key!r}"), self.encode(item, f"{place}[{key!r}]")]
            for key, item in value.items()
        ]

    def _array(self, value: Any, place: str) -> object:
        if value.dtype.hasobject:
            raise TrainerError(f"{place} is an array of Python objects, which a checkpoint cannot hold")
        key = str(len(self.arrays))
        self.arrays[key] = np.asarray(value)
        return {"$array" if isinstance(value, np.ndarray) else "$scalar": key}

    def _tensor(self, value: Any) -> object:
        key = str(len(self.tensors))
        self.tensors[key] = value
        return {"$tensor": key}


class _Decoder:
    """Turns JSON back into the tree."""

    def __init__(self, arrays: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
        self._arrays = arrays
        self._tensors = tensors

    def decode(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        tag = next(iter(value), "")
        if not tag.startswith("$"):
            return {key: self.decode(item) for key, item in value.items()}
        if tag == "$module":
            return self._module(value)
        return self._tagged(tag, value[tag])

    def _tagged(self, tag: str, body: Any) -> Any:
        readers: dict[str, Callable[[Any], Any]] = {
            "$array": self._arrays.__getitem__,
            "$scalar": lambda key: self._arrays[key][()],
            "$tensor": self._tensors.__getitem__,
            "$tuple": lambda items: tuple(self.decode(items)),
            "$dict": lambda pairs: dict(self.decode(pairs)),
            "$counter": lambda pairs: Counter(dict(self.decode(pairs))),
            "$float": float,
        }
        if tag not in readers:
            raise ValueError(f"{tag!r} stands for nothing")
        return readers[tag](body)

    def _module(self, value: dict[str, Any]) -> Any:
        state = _ModuleState(self.decode(value["$module"]))
        state._metadata = self.decode(value["metadata"])
        return state


class _ModuleState(OrderedDict[str, Any]):
    """A module's state as `torch.nn.Module.load_state_dict` expects it: with the version of each submodule."""

    _metadata: dict[str, Any]


def is_tensor(value: object) -> bool:
    """True for a torch tensor; a value cannot be one where torch was never imported."""
    return "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor)


def _load_arrays(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _load_tensors(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    from .pytorch.state import load_tensors  # noqa: PLC0415 torch is only touched where it is imported

    return load_tensors(path)
