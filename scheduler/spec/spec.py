"""The spec of a sweep: what a person writes in YAML or Python, checked field by field."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from ...search_spaces import CaviarError, Domain, SearchSpace
from ...search_spaces.forms import write_domain
from ...search_spaces.strict_yaml import dump_yaml, load_yaml
from ...search_spaces.values import plain, show
from ..core.controllers.grouping import ALONE, Grouping
from ..core.controllers.initial import complete
from ..core.controllers.registry import GRID_POINTS, SearchConfig, bracket_schedule
from ..core.controllers.schedule import Budget, Resource
from ..core.placement.kinds import suits
from ..core.proposers.design import uniform_design
from ..core.trials.columns import is_reserved
from ..core.trials.goal import Mode
from ..errors import InvalidSpecError
from ..storage import STORAGE_TIMEOUT_S, Location, in_home, locate
from .checks import check_command, check_fused_names, check_initial, check_processes, json_configs
from .parts import (
    MOST,
    MOST_TRIALS,
    BudgetSpec,
    CheckpointsSpec,
    ControllerSpec,
    ErrorRuleSpec,
    FuseSpec,
    Number,
    ProposerSpec,
    ResourceSpec,
    SpecPart,
    Text,
    WarmStartSpec,
    check_assumed,
    location_text,
    one_line,
)
from .workers import Kinds, WorkerKindSpec

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""Pattern of a name that becomes a path."""

_SAMPLES = 256
"""Configurations that are looked at to find one that no worker takes."""

Name = Annotated[str, Field(strict=True, json_schema_extra={"pattern": f"^{NAME_PATTERN}$"})]


class SweepSpec(SpecPart):
    """A sweep as it is asked for.

    Attributes:
        name: The sweep's name and its directory's.
        trainer: The training code: "module:name", "file.py:name", or `{command: …}`; None for code without a name.
        data: The file or folder that the training code reads; None where it needs none.
        target: The column of `data` that is to be predicted.
        metric: Name of the metric that trials are compared by.
        mode: Whether it is minimised or maximised.
        space: The hyperparameters by name, in their YAML forms.
        constraints: Expressions that every configuration satisfies.
        resource: What a trial may consume.
        budget: What the sweep may spend.
        workers: What the workers may use.
        controller: Which controller decides.
        proposer: What proposes configurations from results; what suits the controller if None.
        warm_start: The earlier sweep from whose results the proposer learns too.
        initial: Configurations that are tried first; what one of them leaves out is drawn.
        assume: Values of hyperparameters for the trials that did not have them, where the spec of a sweep is edited.
        fuse: Which trials of a lane are trained as one model.
        seed: From which every random choice follows.
        max_failures: How often a failed trial is started again.
        max_preemptions: How often a trial is started again whose worker's node was lost; without limit if None.
        on_error: What is done about a failure: the first rule that matches.
        timeout: Seconds that a step may take; as long as it takes if None.
        stall_timeout: Seconds that may pass in a step without a sign of life; any number if None.
        checkpoints: Which checkpoints are kept, and when more are saved than at rungs and pauses.
        storage: The folder in which the sweep's directory lies, or its URI.
        storage_timeout: Seconds to wait for storage that cannot be written.
        versions: The versions that ran it, written by Caviar.
    """

    name: Name
    trainer: str | dict[str, Any] | None
    data: Text | None = None
    target: Text | None = None
    metric: Text
    mode: Mode = "min"
    space: dict[str, Any]
    constraints: tuple[Annotated[str, Field(strict=True)], ...] = ()
    resource: ResourceSpec
    budget: BudgetSpec = BudgetSpec()
    workers: Kinds = WorkerKindSpec()
    controller: ControllerSpec = ControllerSpec()
    proposer: ProposerSpec | None = None
    warm_start: WarmStartSpec | None = None
    initial: tuple[dict[str, Any], ...] = ()
    assume: dict[str, Any] = Field(default_factory=dict)
    fuse: FuseSpec = FuseSpec()
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 0
    max_failures: Annotated[int, Field(ge=0, le=MOST, strict=True)] = 1
    checkpoints: CheckpointsSpec = CheckpointsSpec()
    max_preemptions: Annotated[int, Field(ge=0, le=MOST, strict=True)] | None = None
    on_error: tuple[ErrorRuleSpec, ...] = ()
    timeout: Annotated[Number, Field(gt=0)] | None = None
    stall_timeout: Annotated[Number, Field(gt=0)] | None = None
    storage: Text = "sweeps"
    storage_timeout: Annotated[Number, Field(ge=0)] = STORAGE_TIMEOUT_S
    versions: dict[Text, Text] = Field(default_factory=dict)

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> "SweepSpec":
        """Checks the fields of a spec.

        Raises:
            InvalidSpecError: A field is missing, unknown or not what it may be; one sentence for each.
        """
        try:
            return cls.model_validate(dict(fields))
        except ValidationError as error:
            from .messages import explain  # noqa: PLC0415 most specs are valid

            raise InvalidSpecError(explain(error, cls)) from None

    @classmethod
    def from_yaml(cls, text: str, source: str = "the spec") -> "SweepSpec":
        """Reads a spec in YAML.

        Args:
            text: The document.
            source: The name that messages have for it.

        Raises:
            InvalidYamlError: It is not strict YAML.
            InvalidSpecError: It is not a spec.
        """
        return cls.parse(read_fields(text, source))

    def to_yaml(self) -> str:
        """The spec in full, in YAML."""
        return dump_yaml(self.model_dump(mode="json"))

    @cached_property
    def search_space(self) -> SearchSpace:
        """The search space."""
        return SearchSpace.from_dict(self.space, self.constraints)

    @property
    def search(self) -> SearchConfig:
        """The search that the controller is made for."""
        resource = self.resource
        return SearchConfig(
            space=self.search_space,
            resource=Resource(resource.min, resource.max, resource.eta, resource.unit),
            budget=Budget(self.budget.trials, self.budget.resource),
            seed=self.seed,
            controller=self.controller.name,
            learns=self.proposer_name != "design" and self.search_space.dimensions > 0,
            pipeline=self.controller.pipeline,
            points=self.controller.points or GRID_POINTS,
            grouping=self.grouping,
            initial=self.initial,
        )

    @property
    def ends(self) -> bool:
        """True where the sweep ends by itself, however much time it has."""
        return self.controller.kind.bounded or bool(self.budget.trials or self.budget.resource)

    @property
    def proposer_name(self) -> str:
        """The name of what proposes configurations from results, "design" where nothing does."""
        if self.proposer is not None:
            return self.proposer.name
        return "model" if self.controller.kind.learns else "design"

    @property
    def worker_kinds(self) -> tuple[WorkerKindSpec, ...]:
        """The kinds of workers, in the order in which they are preferred."""
        return self.workers if isinstance(self.workers, tuple) else (self.workers,)

    @property
    def worker_count(self) -> int | None:
        """Number of workers in all; None for as many as there is room and work for."""
        counts = [kind.number for kind in self.worker_kinds]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def grouping(self) -> Grouping:
        """The choice of trials that are trained together; every one alone until that is resolved."""
        size, static, padded = self.fuse.size, self.fuse.static, self.fuse.padded
        if size == "auto" or static is None or padded is None:
            return ALONE
        return Grouping(size, static, padded)

    @property
    def directory(self) -> Location:
        """The sweep's directory."""
        return locate(self.storage) / self.name

    @field_validator("controller", mode="before")
    @classmethod
    def _name_alone(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("proposer", mode="before")
    @classmethod
    def _proposer_alone(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("warm_start", mode="before")
    @classmethod
    def _path_alone(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str | Location) else value

    @field_validator("initial", mode="before")
    @classmethod
    def _json(cls, value: object) -> object:
        return json_configs(value)

    @field_validator("fuse", mode="before")
    @classmethod
    def _size_alone(cls, value: object) -> object:
        return value if isinstance(value, Mapping | FuseSpec) else {"size": value}

    @field_validator("data", mode="before")
    @classmethod
    def _path_text(cls, value: object) -> object:
        if isinstance(value, str | Path):
            in_home(str(value))
        return str(value) if isinstance(value, Path) else value

    @field_validator("name")
    @classmethod
    def _path_name(cls, value: str) -> str:
        if re.fullmatch(NAME_PATTERN, value) is None:
            raise ValueError("must be 1 to 64 letters, digits and . _ -, and begin with a letter or a digit")
        return value

    @field_validator("trainer", mode="before")
    @classmethod
    def _code_or_command(cls, value: object) -> object:
        if value is None or isinstance(value, str):
            return value if value is None else one_line(value)
        if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
            return dict(value)
        raise ValueError("must be a name such as train.py:train, or a command such as {command: python train.py}")

    @field_validator("storage", mode="before")
    @classmethod
    def _path_or_uri(cls, value: object) -> object:
        value = location_text(value)
        return str(in_home(value)) if isinstance(value, str) and value.startswith("~") else value

    @field_validator("space", mode="before")
    @classmethod
    def _forms(cls, value: object) -> object:
        if isinstance(value, SearchSpace):
            return value.to_dict()
        if not isinstance(value, Mapping):
            return value
        # What is no domain stays as it is, for the space's own check to read or refuse.
        return {name: write_domain(one) if isinstance(one, Domain) else plain(one) for name, one in value.items()}

    @field_validator("metric")
    @classmethod
    def _free_name(cls, value: str) -> str:
        if is_reserved(value):
            raise ValueError("this is the name of another column of the results; report the metric under another name")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "SweepSpec":
        if not (self.controller.kind.bounded or any(self.budget.model_dump().values())):
            raise ValueError("budget needs at least one of trials, resource and hours")
        if self.controller.kind.points is not None and self.proposer_name != "design":
            raise ValueError(
                f"proposer: {self.controller.name} draws its own points, got {self.proposer_name};"
                " leave proposer out, or choose coarse_to_fine, hyperband or asha"
            )
        if self.warm_start is not None and self.proposer_name == "design":
            raise ValueError(
                f"warm_start: {self.controller.name} learns nothing from results here, so those of"
                f" {self.warm_start.path} are of no use; leave it out, or choose proposer: model"
            )
        if self.controller.pipeline is not None and self.proposer_name == "design":
            raise ValueError(
                f"controller.pipeline is a setting of sweeps that learn from results, not of {self.controller.name};"
                " leave it out"
            )
        if not self.space:
            raise ValueError("space is empty; name at least one hyperparameter")
        if (self.budget.resource or 0) // self.resource.max > MOST_TRIALS:
            raise ValueError(
                f"budget.resource: {self.budget.resource} is enough for more than {MOST_TRIALS:,} trials of"
                f" resource.max, {self.resource.max}; it must be less"
            )
        try:
            check_command(self.trainer, self.space)
            self._check_constraints()
            check_fused_names(self.fuse, self.search_space)
            if self.warm_start is not None:
                self.warm_start.check(self.search_space)
            check_assumed("assume", self.assume, self.search_space)
            check_initial(self.initial, self.search_space, self.seed)
            self._check_workers()
            check_processes(self.worker_kinds, self.trainer, self.fuse)
            first = next(bracket_schedule(self.search), None)
        except CaviarError as error:
            raise ValueError(str(error)) from None
        if first is None:
            raise ValueError(
                f"budget.resource: {self.budget.resource} is too little for one trial;"
                f" it must be at least resource.max, {self.resource.max}"
            )
        return self

    def _check_constraints(self) -> None:
        """Draws one point, which fails where hardly any satisfies the constraints."""
        uniform_design(self.search_space, self.seed).draw(1)

    def _check_workers(self) -> None:
        for place, kind in enumerate(self.worker_kinds):
            kind.check(f"workers.{place}" if isinstance(self.workers, tuple) else "workers", self.search_space)
        if not all(kind.when for kind in self.worker_kinds):
            return
        space, design = self.search_space, uniform_design(self.search_space, self.seed)
        for config in [*complete(space, self.initial, design).configs, *space.decode(design.draw(_SAMPLES))]:
            if not any(suits(kind.when, config) for kind in self.worker_kinds):
                raise InvalidSpecError(
                    f"workers: no kind of worker trains a trial such as {show(config)}; leave out one kind's when."
                )


def read_fields(text: str, source: str) -> dict[str, Any]:
    """The fields of a spec in YAML, not yet checked.

    Raises:
        InvalidYamlError: It is not strict YAML.
        InvalidSpecError: It is not a mapping.
    """
    fields = load_yaml(text, source)
    if not isinstance(fields, dict):
        raise InvalidSpecError(f"{source}: a spec is a mapping of fields such as name and space, got {show(fields)}.")
    return fields


def read_spec_file(path: Location) -> dict[str, Any]:
    """The fields of a spec's file, not yet checked.

    Raises:
        InvalidSpecError: The file cannot be read or is not a mapping.
        InvalidYamlError: It is not strict YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidSpecError(f"{path}: this spec cannot be read ({error}).") from None
    return read_fields(text, str(path))
