"""Arguments and options of commands as values: directories, and settings of a spec."""

from collections.abc import Sequence
from typing import Any

from ....search_spaces.errors import InvalidYamlError
from ....search_spaces.values import cut, show
from ...errors import InvalidSpecError, SweepError
from ...storage import Location, locate


def located(text: str) -> Location:
    """The directory that a path or a URI names.

    Raises:
        SweepError: It is neither.
    """
    try:
        return locate(text)
    except InvalidSpecError as error:  # a ValueError would be click's affair
        raise SweepError(str(error)) from None


def parse_settings(settings: Sequence[str] | None, **fields: Any) -> dict[str, Any]:
    """The values of `--set` and of options that stand for a field, by dotted path.

    Args:
        settings: The values of `--set`, if any.
        fields: Values of options by path with `_` for the dot; None where the option was not given.

    Raises:
        InvalidSpecError: A setting is not of the form path=value.
        InvalidYamlError: A value is not strict YAML.
    """
    values = dict(map(_parse, settings or ()))
    given = {name.replace("_", "."): value for name, value in fields.items() if value is not None}
    return values | given


def _parse(setting: str) -> tuple[str, Any]:
    from ....search_spaces.strict_yaml import load_yaml  # a command without settings needs no YAML

    path, equals, text = setting.partition("=")
    if not equals or not path:
        raise InvalidSpecError(f"--set {cut(setting)}: it must be path=value, such as --set budget.trials=50.")
    try:
        return path, load_yaml(text, f"--set {cut(path)}")
    except InvalidYamlError as error:
        raise InvalidSpecError(f"{error}; the value is YAML, got {show(text)}.") from None
