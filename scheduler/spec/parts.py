"""The parts of a spec: what stands in a mapping of its own, checked field by field."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from ...search_spaces import InvalidSpaceError, SearchSpace, Value
from ...search_spaces.values import checked_value, cut, show
from ..core.controllers.registry import CONTROLLERS, ControllerKind, ControllerName
from ..core.trials.assignment import ErrorAction, ErrorRule
from ..core.trials.retention import KEEP, Retention
from ..errors import InvalidSpecError
from ..storage import Location, in_home, is_uri, locate, uri_problem

MOST = 1_000_000
"""More workers, failures or brackets than anybody has; a larger number is a mistake."""


def one_line(text: str) -> str:
    """Text that can be a path, a column's name or an argument.

    Raises:
        ValueError: It is empty or very long, or has characters that lines and files do not have.
    """
    if not 1 <= len(text) <= 4096:
        raise ValueError("must have 1 to 4096 characters")
    if any(mark < " " or mark == "\x7f" or "\ud800" <= mark <= "\udfff" for mark in text):
        raise ValueError("must be one line of text without control characters")
    return text


PositiveInt = Annotated[int, Field(ge=1, le=MOST, strict=True)]
Steps = Annotated[int, Field(ge=1, le=10**12, strict=True)]
Bytes = Annotated[int, Field(ge=1, le=10**18, strict=True)]
Number = Annotated[float, Field(le=MOST, strict=True)]
Text = Annotated[str, Field(min_length=1, max_length=4096, strict=True), AfterValidator(one_line)]

_UNITS = {"b": 1, **{f"{unit}b": 1000**power for power, unit in enumerate("kmgtp", 1)}}
_UNITS |= {f"{unit}ib": 1024**power for power, unit in enumerate("kmgtp", 1)}
SIZE_PATTERN = r"(\d+(?:\.\d+)?) *((?:[kKmMgGtTpP][iI]?)?[bB])"
"""Pattern of bytes in a text: a number and B, kB, MB, GB, TB, PB, KiB, MiB, GiB, TiB or PiB."""

MOST_TRIALS = 10_000_000
"""More trials than any sweep finishes; a budget for more is a mistake."""


class SpecPart(BaseModel):
    """A mapping without unknown fields, which nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_numpy(cls, fields: object) -> object:
        if not isinstance(fields, Mapping):
            return fields
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in fields.items()}


def word_or_count(value: object, word: str) -> object:
    """A word, or a whole number of at least 1.

    Raises:
        ValueError: It is neither.
    """
    if value == word or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError(f"must be {word}, or a whole number of at least 1")


def parsed_bytes(value: object) -> object:
    """A number of bytes, which may be written with a unit; None stays None.

    Raises:
        ValueError: It is something else.
    """
    found = re.fullmatch(SIZE_PATTERN, value.strip()) if isinstance(value, str) else None
    if found is not None:
        value = int(float(found[1]) * _UNITS[found[2].lower()])
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError('must be a number of bytes of at least 1, such as 500000000, "500MB" or "20GiB"')


def json_value(name: str, value: object) -> Value:
    """A value that JSON can hold.

    Args:
        name: The name of the thing that has the value.
        value: The value.

    Raises:
        ValueError: JSON cannot hold it.
    """
    try:
        return checked_value(value)
    except InvalidSpaceError as error:
        raise ValueError(f"{cut(name)}: {error}") from None


def location_text(value: object) -> object:
    """A path or a URI as text; anything else as it is.

    Raises:
        ValueError: It is a URI that has a problem.
    """
    if not isinstance(value, str) or not is_uri(value):
        return str(value) if isinstance(value, Location) else value
    if problem := uri_problem(value):
        raise ValueError(problem)
    return str(locate(value))


class ResourceSpec(SpecPart):
    """Resource of a trial, in whole steps of `unit`: compared from `min` up, `max` in full, halved by `eta`."""

    unit: Text = "epoch"
    min: Steps = 1
    max: Steps
    eta: Annotated[int, Field(ge=2, le=MOST, strict=True)] = 3

    @model_validator(mode="after")
    def _ordered(self) -> "ResourceSpec":
        if self.min > self.max:
            raise ValueError(f"min is {self.min} and max is {self.max}; min must be at most max")
        return self


class BudgetSpec(SpecPart):
    """Budget of the sweep, which ends at the first limit that it meets."""

    trials: Annotated[int, Field(ge=1, le=MOST_TRIALS, strict=True)] | None = None
    resource: Annotated[int, Field(ge=1, lt=2**63, strict=True)] | None = None
    hours: Annotated[Number, Field(gt=0)] | None = None


class CheckpointsSpec(SpecPart):
    """Checkpoints: those that are kept, their limit of the disk, and the number of steps after which more are saved.

    They are always saved at rungs and pauses, and those that a trial goes on from are always kept.
    """

    keep: Literal["all"] | PositiveInt = KEEP
    disk: Bytes | None = None
    every: Steps | None = None

    @property
    def retention(self) -> Retention:
        """The rule for the checkpoints that are kept."""
        return Retention(None if self.keep == "all" else self.keep, self.disk)

    @field_validator("keep", mode="before")
    @classmethod
    def _all_or_count(cls, value: object) -> object:
        return word_or_count(value, "all")

    @field_validator("disk", mode="before")
    @classmethod
    def _bytes(cls, value: object) -> object:
        return parsed_bytes(value)


class ControllerSpec(SpecPart):
    """The controller that decides, and its settings."""

    name: ControllerName = "coarse_to_fine"
    pipeline: PositiveInt | None = None
    points: PositiveInt | None = None

    @property
    def kind(self) -> ControllerKind:
        """The controller's line in the table of controllers."""
        return CONTROLLERS[self.name]

    @model_validator(mode="after")
    def _used(self) -> "ControllerSpec":
        for setting in ("pipeline", "points"):
            owners = [name for name, kind in CONTROLLERS.items() if setting in kind.settings]
            if getattr(self, setting) is not None and self.name not in owners:
                joined = " and ".join(owners)
                raise ValueError(f"{setting} is a setting of {joined}, not of {self.name}; leave it out")
        return self


class ProposerSpec(SpecPart):
    """Proposer of configurations from results: "model", "design" (nothing proposes), or an Optuna sampler by its path.

    All other fields are arguments of the sampler.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: Text

    @property
    def arguments(self) -> dict[str, Any]:
        """The sampler's arguments."""
        return dict(self.__pydantic_extra__ or {})

    @property
    def is_sampler(self) -> bool:
        """True where it is one of Optuna's."""
        return self.name not in {"model", "design"}

    @model_validator(mode="after")
    def _known(self) -> "ProposerSpec":
        if not self.is_sampler:
            if self.arguments:
                names = cut(", ".join(self.arguments))
                raise ValueError(f"{self.name} has no settings, got {names}; leave them out")
        elif re.fullmatch(r"optuna(\.\w+)*\.[A-Z]\w*", self.name) is None:
            raise ValueError(
                f"must be model, design, or an Optuna sampler such as optuna.samplers.TPESampler, got {show(self.name)}"
            )
        for argument, value in self.arguments.items():
            json_value(argument, value)
        return self


def check_assumed(field: str, assumed: Mapping[str, Any], space: SearchSpace) -> None:
    """Refuses to assume what is outside of a search space.

    Args:
        field: The field that has the values.
        assumed: Values by hyperparameter.
        space: The search space.

    Raises:
        InvalidSpecError: A name is unknown, or a value is not one that it may take.
    """
    for name, value in assumed.items():
        if name not in space.domains:
            raise InvalidSpecError(
                f"{field}.{cut(name)}: there is no such hyperparameter, got {show(value)}; the space has"
                f" {', '.join(space.names)}."
            )
        try:
            space.domains[name].encode([value])
        except InvalidSpaceError as error:
            raise InvalidSpecError(f"{field}.{name}: {error}.") from None


class WarmStartSpec(SpecPart):
    """An earlier sweep from whose results a model learns, and values of hyperparameters that it did not have yet."""

    path: Text
    assume: dict[str, Any] = Field(default_factory=dict)

    @field_validator("path", mode="before")
    @classmethod
    def _path_text(cls, value: object) -> object:
        if isinstance(value, str | Path) and not (isinstance(value, str) and is_uri(value)):
            in_home(str(value))
        return location_text(value)

    @field_validator("assume")
    @classmethod
    def _json_values(cls, assume: dict[str, Any]) -> dict[str, Any]:
        return {name: json_value(name, value) for name, value in assume.items()}

    def check(self, space: SearchSpace) -> None:
        """Refuses to assume what is outside of a search space.

        Raises:
            InvalidSpecError: A name is unknown, or a value is not one that it may take.
        """
        check_assumed("warm_start.assume", self.assume, space)


class ErrorRuleSpec(SpecPart):
    """Action after a failure where a regular expression is found in its error or in what was printed last."""

    match: Text
    do: Literal["retry", "retry_alone", "fail", "stop"]

    @property
    def rule(self) -> ErrorRule:
        """The rule as workers use it."""
        return ErrorRule(self.match, ErrorAction(self.do))

    @field_validator("match")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"must be a regular expression ({error})") from None
        return value


class FuseSpec(SpecPart):
    """Number of trials of a lane in one model: those with equal static and similar padded hyperparameters.

    What is left out follows from the lane, and the size from a measurement.
    """

    size: Literal["auto"] | PositiveInt = "auto"
    static: tuple[Text, ...] | None = None
    padded: tuple[Text, ...] | None = None

    @field_validator("size", mode="before")
    @classmethod
    def _off(cls, value: object) -> object:
        if value == "off":
            return 1
        if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST):
            return value
        if isinstance(value, int) and value > MOST:
            raise ValueError(f"must be at most {MOST}")
        raise ValueError("must be auto, off, or a whole number of at least 1")
