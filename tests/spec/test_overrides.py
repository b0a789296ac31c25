from typing import Any

import pytest

from caviar.scheduler import InvalidSpecError
from caviar.scheduler.spec.overrides import override

FIELDS: dict[str, Any] = {"budget": {"trials": 5}, "controller": "hyperband", "space": {"sgd.lr": {"log": [1, 2]}}}


def test_a_path_replaces_one_field_and_leaves_the_others_and_the_original() -> None:
    changed = override(FIELDS, {"budget.trials": 9})
    assert changed == {**FIELDS, "budget": {"trials": 9}}
    assert FIELDS["budget"] == {"trials": 5}


def test_a_path_makes_what_is_not_there() -> None:
    assert override({}, {"workers.count": 2}) == {"workers": {"count": 2}}


def test_a_name_with_dots_is_found_where_it_exists() -> None:
    changed = override(FIELDS, {"space.sgd.lr": {"log": [3, 4]}, "space.sgd.lr.log": [5, 6]})
    assert changed["space"] == {"sgd.lr": {"log": [5, 6]}}


def test_later_paths_see_what_earlier_ones_made() -> None:
    assert override({}, {"a": {"b": 1}, "a.c": 2}) == {"a": {"b": 1, "c": 2}}


def test_a_path_into_a_value_is_refused() -> None:
    with pytest.raises(
        InvalidSpecError, match=r"^controller\.pipeline: controller is 'hyperband', which has no fields"
    ):
        override(FIELDS, {"controller.pipeline": 2})


@pytest.mark.parametrize("path", ["", ".", "budget.", ".trials", "a..b"])
def test_a_path_without_names_is_refused(path: str) -> None:
    with pytest.raises(InvalidSpecError, match="is not the path of a field"):
        override(FIELDS, {path: 1})
