"""The parts of a spec: what stands in a mapping of its own, checked field by field."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..search_spaces import InvalidSpaceError, SearchSpace
from .core.controllers import ControllerName
from .errors import InvalidSpecError
from .storage import Location, is_uri, locate, uri_problem

PositiveInt = Annotated[int, Field(ge=1, strict=True)]
Steps = Annotated[int, Field(ge=1, le=10**12, strict=True)]
Number = Annotated[float, Field(strict=True)]

MOST_TRIALS = 10_000_000
"""More trials than any sweep finishes; a budget for more is a mistake."""


class SpecPart(BaseModel):
    """A mapping without unknown fields, which nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
    """What a trial may consume, in whole steps of `unit`: compared from `min` up, `max` in full, halved by `eta`."""

    unit: str = Field("epoch", min_length=1)
    min: Steps = 1
    max: Steps
    eta: Annotated[int, Field(ge=2, strict=True)] = 3

    @model_validator(mode="after")
    def _ordered(self) -> "ResourceSpec":
        if self.min > self.max:
            raise ValueError(f"min is {self.min} and max is {self.max}; min must be at most max")
        return self


class BudgetSpec(SpecPart):
    """What the sweep may spend: it ends at the first limit that it meets."""

    trials: Annotated[int, Field(ge=1, le=MOST_TRIALS, strict=True)] | None = None
    resource: PositiveInt | None = None
    hours: Annotated[Number, Field(gt=0)] | None = None


class WorkersSpec(SpecPart):
    """What each worker may use, how many there are (as many as fit when absent), and how many trials it keeps warm."""

    cpu: Annotated[Number, Field(gt=0)] = 1
    gpu: Annotated[Number, Field(ge=0)] = 0
    count: PositiveInt | None = None
    warm: Annotated[int, Field(ge=0, strict=True)] = 8


class ControllerSpec(SpecPart):
    """Which controller decides, and its settings."""

    name: ControllerName = "coarse_to_fine"
    pipeline: PositiveInt | None = None
    points: PositiveInt | None = None

    @model_validator(mode="after")
    def _used(self) -> "ControllerSpec":
        for setting, controllers in {"pipeline": ("coarse_to_fine", "hyperband"), "points": ("grid",)}.items():
            if getattr(self, setting) is not None and self.name not in controllers:
                owners = " and ".join(controllers)
                raise ValueError(f"{setting} is a setting of {owners}, not of {self.name}; leave it out")
        return self


class ProposerSpec(SpecPart):
    """What proposes configurations from results: "model", "design" (nothing does), or an Optuna sampler by its path.

    All other fields are arguments of the sampler.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    name: str = Field(min_length=1)

    @property
    def arguments(self) -> dict[str, Any]:
        """The sampler's arguments."""
        return dict(self.__pydantic_extra__ or {})

    @property
    def is_sampler(self) -> bool:
        """Whether it is one of Optuna's."""
        return self.name not in {"model", "design"}

    @model_validator(mode="after")
    def _known(self) -> "ProposerSpec":
        if not self.is_sampler:
            if self.arguments:
                raise ValueError(f"{self.name} has no settings, got {', '.join(self.arguments)}; leave them out")
        elif re.fullmatch(r"optuna(\.\w+)*\.[A-Z]\w*", self.name) is None:
            raise ValueError(
                f"must be model, design, or an Optuna sampler such as optuna.samplers.TPESampler, got {self.name!r}"
            )
        return self


class WarmStartSpec(SpecPart):
    """An earlier sweep from whose results a model learns, and values of hyperparameters that it did not have yet."""

    path: Annotated[str, Field(min_length=1)]
    assume: dict[str, Any] = Field(default_factory=dict)

    @field_validator("path", mode="before")
    @classmethod
    def _path_text(cls, value: object) -> object:
        return location_text(value)

    def check(self, space: SearchSpace) -> None:
        """Refuses to assume what is outside of a search space.

        Raises:
            InvalidSpecError: A name is unknown, or a value is not one that it may take.
        """
        for name, value in self.assume.items():
            if name not in space.domains:
                raise InvalidSpecError(
                    f"warm_start.assume.{name}: there is no such hyperparameter, got {value!r};"
                    f" the space has {', '.join(space.names)}."
                )
            try:
                space.domains[name].encode([value])
            except InvalidSpaceError as error:
                raise InvalidSpecError(f"warm_start.assume.{name}: {error}.") from None


class FuseSpec(SpecPart):
    """How many trials of a lane are trained as one model: those with equal static and similar padded hyperparameters.

    What is left out follows from the lane, and the size from a measurement.
    """

    size: Literal["auto"] | PositiveInt = "auto"
    static: tuple[str, ...] | None = None
    padded: tuple[str, ...] | None = None

    @field_validator("size", mode="before")
    @classmethod
    def _off(cls, value: object) -> object:
        if value == "off":
            return 1
        if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
            return value
        raise ValueError("must be auto, off, or a whole number of at least 1")
