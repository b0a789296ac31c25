"""Optuna's samplers by the names and arguments that stand in a spec."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import optuna

from ....search_spaces.values import cut, show
from ...errors import InvalidSpecError

_PACKAGE = "optuna.samplers."
_SAMPLERS = (
    "CmaEsSampler",
    "GPSampler",
    "NSGAIISampler",
    "NSGAIIISampler",
    "QMCSampler",
    "RandomSampler",
    "TPESampler",
)
"""Those that draw from any space: grids, and samplers around other samplers, do not."""
_NEEDS = {"CmaEsSampler": "cmaes"}
_SUITABLE = {"constant_liar": True, "scramble": True}
"""Arguments where nobody says otherwise: a batch is spread out, and each batch has a sequence of its own."""
_PLAIN = {"bool": (bool,), "int": (int,), "float": (float, int), "str": (str,), "None": (type(None),)}

MakeSampler = Callable[[int], optuna.samplers.BaseSampler]
"""`make(seed)`: a sampler that has seen nothing."""


def sampler_maker(name: str, arguments: Mapping[str, Any]) -> MakeSampler:
    """A function that makes a sampler, tried once already.

    Args:
        name: The sampler's path, such as "optuna.samplers.TPESampler".
        arguments: Its arguments; its seed is none of them.

    Raises:
        InvalidSpecError: There is no such sampler, a package that it needs is missing, or it refuses an argument.
    """
    sampler = _sampler_class(name)
    takes = inspect.signature(sampler).parameters
    _check_arguments(name, takes, arguments)
    suitable = {argument: value for argument, value in _SUITABLE.items() if argument in takes}

    def make(seed: int) -> optuna.samplers.BaseSampler:
        made: optuna.samplers.BaseSampler = sampler(seed=seed, **{**suitable, **arguments})
        return made

    try:
        make(0)
    except Exception as error:  # each sampler refuses in its own way
        reason = " ".join(str(error).split()).rstrip(".")
        raise InvalidSpecError(f"proposer: {name} refuses {show(dict(arguments))}: {cut(reason, 200)}.") from None
    return make


def keeps_notes(name: str) -> bool:
    """True where a sampler writes down its progress with the trials that it proposes, and learns from no others."""
    return name.removeprefix(_PACKAGE) in {"CmaEsSampler", "NSGAIISampler", "NSGAIIISampler"}


def _sampler_class(name: str) -> Any:
    short = name.removeprefix(_PACKAGE)
    if short not in _SAMPLERS or short == name:
        allowed = ", ".join(_PACKAGE + sampler for sampler in _SAMPLERS)
        raise InvalidSpecError(f"proposer: must be model, design or one of {allowed}, got {show(name)}.")
    package = _NEEDS.get(short)
    if package is not None and find_spec(package) is None:
        raise InvalidSpecError(f"proposer: {name} needs the package {package}: pip install {package}.")
    return getattr(optuna.samplers, short)


def _check_arguments(name: str, takes: Mapping[str, inspect.Parameter], arguments: Mapping[str, Any]) -> None:
    """Refuses arguments that the sampler does not take, and those that cannot be written down, such as functions."""
    allowed = {argument: kinds for argument, taken in takes.items() if (kinds := _kinds(taken.annotation))}
    for argument, value in arguments.items():
        if argument == "seed":
            raise InvalidSpecError(f"proposer.seed: it follows from the sweep's seed, got {show(value)}; leave it out.")
        if argument not in allowed:
            listed = ", ".join(known for known in allowed if known != "seed") or "none"
            raise InvalidSpecError(
                f"proposer.{cut(argument)}: {name} takes no such argument from a spec, got {show(value)};"
                f" allowed are {listed}."
            )
        if not _is_one_of(value, allowed[argument]):
            kinds = " or ".join(allowed[argument])
            raise InvalidSpecError(f"proposer.{argument}: must be of type {kinds}, got {show(value)}.")


def _kinds(annotation: Any) -> Sequence[str]:
    """The plain types of an argument by name; none where it may be something else."""
    words = re.findall(r"[\w.]+", inspect.formatannotation(annotation))
    return words if set(words) <= set(_PLAIN) else ()


def _is_one_of(value: object, kinds: Sequence[str]) -> bool:
    if isinstance(value, bool):
        return "bool" in kinds
    return any(isinstance(value, _PLAIN[kind]) for kind in kinds)
