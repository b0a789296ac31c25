"""The search space: named domains with conditions and constraints between them."""

import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from .conditions import Conditions
from .constraints import Constraint
from .domain import Domain
from .errors import InvalidSpaceError
from .forms import NAME_PATTERN, parse_domain, space_schema, write_domain
from .strict_json import load_json
from .strict_yaml import dump_yaml, load_yaml
from .values import Units, Value, ValueType, cut, show


@dataclass(frozen=True, slots=True, repr=False)
class SearchSpace:
    """Named domains, with conditions and constraints between them.

    A configuration is a point of the unit cube, which has one column for each domain that is not constant, in the order
    of the names. Where a hyperparameter is inactive its column means nothing, and `encode` puts NaN there.

    Attributes:
        domains: The domains by name, in order. Names consist of letters, digits and `_ . -`.
        constraints: Expressions that every configuration must satisfy, such as `"batch * lr <= 1"`. One that names an
            inactive hyperparameter is satisfied.
        names: The names in order.

    Raises:
        InvalidSpaceError: A name, domain, condition or constraint breaks a rule.
    """

    domains: Mapping[str, Domain]
    constraints: Sequence[str] = ()
    names: tuple[str, ...] = field(init=False)
    _columns: Mapping[str, int] = field(init=False, compare=False)
    _conditions: Conditions = field(init=False, compare=False)
    _parsed: tuple[Constraint, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        domains = _checked_domains(self.domains)
        varying = [name for name, domain in domains.items() if not domain.is_constant]
        texts = _checked_constraints(self.constraints)
        for attribute, value in {
            "domains": MappingProxyType(domains),
            "constraints": texts,
            "names": tuple(domains),
            "_columns": {name: column for column, name in enumerate(varying)},
            "_conditions": Conditions.of(domains),
            "_parsed": tuple(_parsed(position, text, domains) for position, text in enumerate(texts)),
        }.items():
            object.__setattr__(self, attribute, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return SearchSpace, (dict(self.domains), self.constraints)

    def __repr__(self) -> str:
        constraints = f", constraints={list(self.constraints)!r}" if self.constraints else ""
        return f"SearchSpace({dict(self.domains)!r}{constraints})"

    @property
    def dimensions(self) -> int:
        """Number of columns of the unit cube: domains that are not constant."""
        return len(self._columns)

    @property
    def varying(self) -> dict[str, Domain]:
        """The domains that are not constant, in the order of the unit cube's columns."""
        return {name: self.domains[name] for name in self._columns}

    @property
    def value_types(self) -> dict[str, ValueType]:
        """The type of each name's values."""
        return {name: domain.value_type for name, domain in self.domains.items()}

    @property
    def parents_first(self) -> tuple[str, ...]:
        """The names, each after those that its condition mentions."""
        return self._conditions.order

    def decode(self, unit: Units) -> list[dict[str, Value]]:
        """Configurations at points of the unit cube, shape (n, dimensions); inactive names are absent.

        Raises:
            InvalidSpaceError: `unit` has another shape, or NaN in the column of an active name.
        """
        units = self._units(unit)
        active = self._active(unit, units)
        rows = zip(*(_plain(self.domains[name].decode(column)) for name, column in units.items()), strict=True)
        if not self._conditions.allowed:
            return [dict(zip(self.names, row, strict=True)) for row in rows]
        masks = zip(*(mask.tolist() for mask in active.values()), strict=True)
        return [
            {name: value for name, value, active in zip(self.names, row, mask, strict=True) if active}
            for row, mask in zip(rows, masks, strict=True)
        ]

    def columns(self, unit: Units) -> dict[str, npt.NDArray[Any]]:
        """The values of each name at points of the unit cube; where a name is inactive its value means nothing."""
        return {name: self.domains[name].decode(column) for name, column in self._units(unit).items()}

    def active(self, unit: Units) -> dict[str, npt.NDArray[np.bool_]]:
        """A mask for each name, True where it is active.

        Raises:
            InvalidSpaceError: `unit` has another shape, or NaN in the column of an active name.
        """
        return self._active(unit, self._units(unit))

    def feasible(self, unit: Units, given: Mapping[str, Value] | None = None) -> npt.NDArray[np.bool_]:
        """A mask of the points that satisfy all constraints, with the `exact` values of what is given for all."""
        holds = np.ones(len(unit), dtype=np.bool_)
        if self._parsed:
            columns, active = self.columns(unit), self.active(unit)
            exact = self.exact(dict.fromkeys(columns), given or {})
            columns |= {name: np.full(len(unit), value) for name, value in exact.items() if value is not None}
            for constraint in self._parsed:
                holds &= constraint.holds(columns, active)
        return holds

    def encode(self, configs: Sequence[Mapping[str, Value]]) -> Units:
        """Points of the unit cube of configurations, shape (n, dimensions); NaN where a name is inactive.

        Constants may be left out.

        Raises:
            InvalidSpaceError: A configuration has an unknown or an inactive name, lacks an active one, or has a value
                outside its domain. Constraints are not checked.
        """
        unit = np.full((len(configs), self.dimensions), np.nan)
        present = {name: np.array([name in config for config in configs], dtype=np.bool_) for name in self.names}
        for name, domain in self.domains.items():
            encoded = self._encoded(name, [config[name] for config in configs if name in config])
            if not domain.is_constant:
                unit[present[name], self._columns[name]] = encoded
        self._check_names(configs, present, unit)
        return unit

    def snap(self, unit: Units) -> Units:
        """The points that `encode` gives for the configurations at points of the unit cube; both (n, dimensions).

        Values of few have the middle of their share, and inactive names NaN: two points are equal where their
        configurations are.
        """
        active = self.active(unit)
        snapped = np.empty(unit.shape)
        for name, column in self._columns.items():
            snapped[:, column] = self.domains[name].snap(np.where(active[name], unit[:, column], 0.0))
            snapped[~active[name], column] = np.nan
        return snapped

    def exact(self, config: Mapping[str, Value], given: Mapping[str, Value]) -> dict[str, Value]:
        """A configuration with the given values of its continuous names, which decoding may miss by a rounding."""
        exact = dict(config)
        for name in exact:
            value = given.get(name)
            if self.domains[name].size is None and isinstance(value, int | float):
                exact[name] = float(value)
        return exact

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The domains in their written forms."""
        return {name: write_domain(domain) for name, domain in self.domains.items()}

    @classmethod
    def from_dict(cls, space: Mapping[str, Any], constraints: Sequence[str] = ()) -> "SearchSpace":
        """The space with domains in their written forms, such as `{"lr": {"log": [1e-4, 1.0]}}`, or as objects.

        Raises:
            InvalidSpaceError: A form cannot be read, or the space breaks a rule.
        """
        if not isinstance(space, Mapping):
            raise InvalidSpaceError(f"space needs a mapping of names to domains, got {show(space)}")
        return cls({name: parse_domain(str(name), form) for name, form in space.items()}, constraints)

    def to_yaml(self) -> str:
        """A YAML document with the keys `space` and, when there are any, `constraints`."""
        return dump_yaml(self._document())

    @classmethod
    def from_yaml(cls, text: str) -> "SearchSpace":
        """The space of a YAML document with the keys `space` and `constraints`.

        Raises:
            InvalidYamlError: The text is not strict YAML.
            InvalidSpaceError: The space breaks a rule.
        """
        return cls._from_document(load_yaml(text, "search space"))

    def to_json(self) -> str:
        """A JSON document with the keys `space` and, when there are any, `constraints`."""
        return json.dumps(self._document(), indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "SearchSpace":
        """The space of a JSON document with the keys `space` and `constraints`.

        Raises:
            InvalidSpaceError: The text is no JSON, has a key twice, or the space breaks a rule.
        """
        return cls._from_document(load_json(text))

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """The JSON Schema of what stands under `space` in a file."""
        return space_schema()

    def _document(self) -> dict[str, Any]:
        return {"space": self.to_dict()} | ({"constraints": list(self.constraints)} if self.constraints else {})

    @classmethod
    def _from_document(cls, document: object) -> "SearchSpace":
        if not isinstance(document, Mapping) or "space" not in document:
            raise InvalidSpaceError(f"the document needs a mapping with the key space, got {show(document)}")
        other = [key for key in document if key not in ("space", "constraints")]
        if other:
            raise InvalidSpaceError(f"the document has the unknown key {show(other[0])}; known are space, constraints")
        return cls.from_dict(document["space"], document.get("constraints", ()))

    def _units(self, unit: Units) -> dict[str, Units]:
        if unit.ndim != 2 or unit.shape[1] != self.dimensions:
            raise InvalidSpaceError(f"unit needs the shape (n, {self.dimensions}), got {unit.shape}")
        filled = np.where(np.isnan(unit), 0.0, unit)
        blank = np.zeros(len(unit))
        return {name: filled[:, self._columns[name]] if name in self._columns else blank for name in self.names}

    def _active(self, unit: Units, units: Mapping[str, Units]) -> dict[str, npt.NDArray[np.bool_]]:
        active = self._conditions.active(self.domains, units)
        missing = np.isnan(unit)
        if missing.any():
            for name, column in self._columns.items():
                if (active[name] & missing[:, column]).any():
                    raise InvalidSpaceError(f"unit: the column of {name!r} holds NaN where it is active; needs 0 to 1")
        return active

    def _encoded(self, name: str, values: list[Value]) -> Units:
        try:
            return self.domains[name].encode(values)
        except InvalidSpaceError as error:
            raise InvalidSpaceError(f"{name}: {error}") from None

    def _check_names(
        self, configs: Sequence[Mapping[str, Value]], present: Mapping[str, npt.NDArray[np.bool_]], unit: Units
    ) -> None:
        unknown = [name for config in configs for name in config if name not in self.domains]
        if unknown:
            raise InvalidSpaceError(f"unknown hyperparameter {show(unknown[0])}; known are {', '.join(self.names)}")
        active = self._conditions.active(self.domains, self._units(unit))
        for name in self._conditions.order:
            extra = present[name] & ~active[name]
            missing = active[name] & ~present[name] & (not self.domains[name].is_constant)
            if extra.any():
                config = configs[int(np.argmax(extra))]
                raise InvalidSpaceError(f"{name}: is inactive in {show(dict(config))}; leave it out")
            if missing.any():
                config = configs[int(np.argmax(missing))]
                raise InvalidSpaceError(f"{name}: is missing in {show(dict(config))}; every active name needs a value")


def _plain(column: npt.NDArray[Any]) -> list[Any]:
    # Lists and objects are copied one by one: training code may change its configuration, and no other trial's.
    return [deepcopy(value) for value in column] if column.dtype == object else column.tolist()


def _checked_domains(domains: object) -> dict[str, Domain]:
    if not isinstance(domains, Mapping) or not domains:
        raise InvalidSpaceError(f"space needs at least one named domain, got {show(domains)}")
    folded: dict[str, str] = {}
    for name, domain in domains.items():
        if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
            raise InvalidSpaceError(f"space: a name consists of letters, digits and _ . -, got {show(name)}")
        if not isinstance(domain, Domain):
            raise InvalidSpaceError(f"space.{cut(name)}: needs a domain such as Log(1e-4, 1.0), got {show(domain)}")
        if name.lower() in folded:
            raise InvalidSpaceError(
                f"space.{cut(name)}: differs from {show(folded[name.lower()])} only in case,"
                " which SQL does not tell apart"
            )
        folded[name.lower()] = name
    return dict(domains)


def _checked_constraints(constraints: object) -> tuple[str, ...]:
    if not isinstance(constraints, Sequence) or isinstance(constraints, str):
        raise InvalidSpaceError(f"constraints needs a list of expressions, got {show(constraints)}")
    return tuple(constraints)


def _parsed(position: int, text: object, domains: Mapping[str, Domain]) -> Constraint:
    try:
        return Constraint.parse(text, domains)
    except InvalidSpaceError as error:
        raise InvalidSpaceError(f"constraints[{position}]: {error}") from None
