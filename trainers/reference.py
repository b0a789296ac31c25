"""References to training code: `module:name` and `/path/file.py:name`, resolved and described."""

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ..search_spaces.values import cut, show
from .errors import TrainerError

_EXITS = (
    "exits while it is imported: put what is for a script alone, such as the parsing of arguments, under "
    'if __name__ == "__main__"'
)


def resolve(reference: str, directory: Path) -> object:
    """Imports what a reference names.

    Args:
        reference: `module:name` or `file.py:name`.
        directory: The start of a relative path, and a place to look for modules besides the usual ones.

    Raises:
        TrainerError: The reference is malformed, its module cannot be loaded, or it has no such name.
    """
    module_name, _, name = reference.rpartition(":")
    if not module_name or not name.isidentifier() or "\0" in reference:
        raise TrainerError(
            f"the trainer {show(reference)} names nothing to train with: write module:name or file.py:name, such as "
            "train.py:train"
        )
    module = load_file(directory / module_name) if is_file(module_name) else _import(module_name, directory)
    if not hasattr(module, name):
        raise TrainerError(f"{module_name} has no {name!r}{_suggestion(module, name)}")
    found: object = getattr(module, name)
    return found


def is_file(module_name: str) -> bool:
    """True where the part of a reference before the colon is a path."""
    return module_name.endswith(".py") or "/" in module_name


def load_file(path: Path) -> ModuleType:
    """Loads a file as `python file.py` would, except that its `__name__` is not `__main__`.

    The module's name holds a digest of the path and the content, so that it never takes the place of an installed
    module, and a file that was edited is loaded anew. The file's directory comes first in `sys.path`.

    Raises:
        TrainerError: There is no such file, or it raises.
    """
    path = path.resolve()
    if not _is_there(path):
        raise TrainerError(f"the trainer's file {cut(str(path), 300)} does not exist")
    digest = hashlib.sha256(bytes(path) + path.read_bytes()).hexdigest()[:16]
    name = f"_caviar_{path.stem}_{digest}"
    if name not in sys.modules:
        search_first(path.parent)
        _execute(name, path)
    return sys.modules[name]


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def search_first(directory: Path) -> None:
    """Puts a directory in front of `sys.path`, unless it is in it."""
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))


def describe(target: Any) -> str | None:
    """The reference that finds an object again in another process.

    Returns:
        `module:name`; `/path/file.py:name` for what stands in a script or in a lone file that is not installed; None
        for what has no name to be found by: lambdas, nested functions, notebook cells, lines typed in a console.
    """
    name, module = getattr(target, "__qualname__", ""), sys.modules.get(getattr(target, "__module__", None) or "")
    if module is None or not name.isidentifier() or getattr(module, name, None) is not target:
        return None
    spec = getattr(module, "__spec__", None)
    path = _source(target, module)
    if module.__name__ == "__main__" and spec is None:
        return f"{path}:{name}" if path is not None else None
    if path is not None and "." not in module.__name__ and not path.is_relative_to(Path(sys.prefix).resolve()):
        return f"{path}:{name}"
    return f"{spec.name if spec else module.__name__}:{name}"


def _source(target: Any, module: ModuleType) -> Path | None:
    """The file that an object was defined in, if that is its module's file."""
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_file():
        return None
    path = Path(file).resolve()
    functions = vars(target).values() if inspect.isclass(target) else (target,)
    codes = [function.__code__ for function in functions if inspect.isfunction(function)]
    return path if any(Path(code.co_filename).resolve() == path for code in codes) else None


def _import(module_name: str, directory: Path) -> ModuleType:
    search_first(directory)
    try:
        return importlib.import_module(module_name)
    except SystemExit as error:
        raise TrainerError(f"the trainer's module {module_name} {_EXITS}") from error
    except Exception as error:
        raise TrainerError(f"the trainer's module {module_name} cannot be imported: {_reason(error)}") from error


def _execute(name: str, path: Path) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TrainerError(f"the trainer's file {path} is not a Python file: its name has to end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SystemExit as error:
        del sys.modules[name]
        raise TrainerError(f"the trainer's file {path} {_EXITS}") from error
    except Exception as error:
        del sys.modules[name]
        raise TrainerError(f"the trainer's file {path} cannot be loaded: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _suggestion(module: ModuleType, name: str) -> str:
    public = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    close = difflib.get_close_matches(name, public, n=1)
    return f"; did you mean {close[0]!r}?" if close else f": it defines {', '.join(public) or 'nothing to call'}"
