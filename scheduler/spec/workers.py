"""The workers of a spec: one kind of them, or several."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationInfo, field_validator

from ...search_spaces import InvalidSpaceError, SearchSpace, Value
from ...search_spaces.values import cut, show
from ..errors import InvalidSpecError
from .parts import MOST, Bytes, Number, PositiveInt, SpecPart, Text, json_value, parsed_bytes, word_or_count


class WorkerKindSpec(SpecPart):
    """One kind of worker: what each may use, what it trains, and how many there are.

    Attributes:
        cpu: CPUs of each of its processes.
        gpu: GPUs of each of its processes; a fraction shares one.
        memory: Bytes of memory of each of its processes that Ray sets aside; none in particular if None.
        labels: Labels that its node must have, by name: `H100`, `"!H100"`, or a list of values any of which will do.
        processes: Processes, each with the resources above, that train a trial together by `torch.distributed`.
        when: Values that a trial's hyperparameters must have for these workers to train it.
        count: How many there are; "max" is as many as there is room and work for.
        warm: Trials that each keeps in memory.
    """

    cpu: Annotated[Number, Field(gt=0)] = 1
    gpu: Annotated[Number, Field(ge=0)] = 0
    memory: Bytes | None = None
    labels: dict[Text, Text | Annotated[tuple[Text, ...], Field(min_length=1)]] = Field(default_factory=dict)
    processes: PositiveInt = 1
    when: dict[Text, tuple[Any, ...]] = Field(default_factory=dict)
    count: Literal["max"] | PositiveInt = "max"
    warm: Annotated[int, Field(ge=0, le=MOST, strict=True)] = 8

    @property
    def number(self) -> int | None:
        """Number of them; None for as many as there is room and work for."""
        return None if self.count == "max" else self.count

    @field_validator("count", mode="before")
    @classmethod
    def _max_or_count(cls, value: object) -> object:
        # Sweeps of earlier versions have null.
        return "max" if value is None else word_or_count(value, "max")

    @field_validator("memory", mode="before")
    @classmethod
    def _bytes(cls, value: object) -> object:
        return parsed_bytes(value)

    @field_validator("gpu")
    @classmethod
    def _fraction_or_whole(cls, value: float) -> float:
        if value > 1 and value != int(value):
            raise ValueError("must be at most 1 or a whole number, because a GPU is shared or given as a whole")
        return value

    @field_validator("processes")
    @classmethod
    def _whole_gpus(cls, value: int, info: ValidationInfo) -> int:
        gpu = info.data.get("gpu", 0)
        if value > 1 and gpu != int(gpu):
            raise ValueError(f"must be 1 where gpu is {gpu:g}, because each of several processes needs a whole GPU")
        return value

    @field_validator("when")
    @classmethod
    def _json_values(cls, when: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Value, ...]]:
        return {name: tuple(json_value(name, value) for value in values) for name, values in when.items()}

    @field_validator("labels", mode="before")
    @classmethod
    def _label_texts(cls, labels: object) -> object:
        for name, value in labels.items() if isinstance(labels, Mapping) else ():
            values = value if isinstance(value, list | tuple) else (value,)
            if not all(isinstance(one, str) for one in values):
                raise ValueError(f"{cut(str(name))}: the value of a label must be text or a list of texts")
        return labels

    def check(self, field: str, space: SearchSpace) -> None:
        """Refuses conditions that no trial could satisfy.

        Args:
            field: The field that these workers are.
            space: The search space.

        Raises:
            InvalidSpecError: A hyperparameter is unknown or continuous, or cannot have one of the values.
        """
        for name, values in self.when.items():
            domain = space.domains.get(name)
            if domain is None:
                raise InvalidSpecError(
                    f"{field}.when.{cut(name)}: there is no such hyperparameter; the space has"
                    f" {', '.join(space.names)}."
                )
            if domain.size is None:
                raise InvalidSpecError(
                    f"{field}.when.{name}: {name} is continuous and takes no value twice, got {show(list(values))};"
                    " name a choice, an ordinal, an integer or a constant."
                )
            try:
                domain.encode(list(values))
            except InvalidSpaceError as error:
                raise InvalidSpecError(f"{field}.when.{name}: {error}.") from None


def _one_or_several(value: object) -> str:
    return SEVERAL if isinstance(value, list | tuple) else ONE


def _not_empty(kinds: tuple[WorkerKindSpec, ...]) -> tuple[WorkerKindSpec, ...]:
    if not kinds:
        raise ValueError("must name at least one kind of worker")
    return kinds


ONE, SEVERAL = "kind[one]", "kind[several]"
"""Names in pydantic's places for the ways in which workers are written."""
Kinds = Annotated[
    Annotated[WorkerKindSpec, Tag(ONE)]
    | Annotated[tuple[WorkerKindSpec, ...], AfterValidator(_not_empty), Tag(SEVERAL)],
    Discriminator(_one_or_several),
]
"""One kind of worker, or a list of kinds."""
