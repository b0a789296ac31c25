"""Packages that import their names when they are asked for: type checkers see the same names in the same places."""

import ast
import importlib
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[2]
PUBLIC = ["scheduler", "search_spaces", "trainers"]
LAZY = [
    stub.parent.relative_to(ROOT).as_posix()
    for package in PUBLIC
    for stub in sorted((ROOT / package).rglob("__init__.pyi"))
]


def seen_by_type_checkers(package: str) -> dict[str, str]:
    """The names that a package's stub imports, each with the module that it comes from."""
    stub = ast.parse((ROOT / package / "__init__.pyi").read_text())
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    name = f"caviar.{package.replace('/', '.')}"
    return {
        alias.asname or alias.name: f"{name}.{node.module}:{alias.name}" for node in imports for alias in node.names
    }


def test_the_packages_that_people_import_are_lazy() -> None:
    assert {*PUBLIC, "trainers/pytorch"} <= set(LAZY)


@pytest.mark.parametrize("package", LAZY)
def test_type_checkers_see_the_names_that_a_package_offers(package: str) -> None:
    offered = importlib.import_module(f"caviar.{package.replace('/', '.')}").__all__
    assert sorted(seen_by_type_checkers(package)) == sorted(offered)


@pytest.mark.parametrize("package", PUBLIC)
def test_a_name_comes_from_where_type_checkers_find_it(package: str) -> None:
    loaded = importlib.import_module(f"caviar.{package}")
    for name, place in seen_by_type_checkers(package).items():
        module, _, attribute = place.partition(":")
        assert getattr(loaded, name) is getattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("package", PUBLIC)
def test_a_package_lists_what_it_offers(package: str) -> None:
    loaded = importlib.import_module(f"caviar.{package}")
    assert set(loaded.__all__) <= set(dir(loaded))


@pytest.mark.parametrize("package", LAZY)
def test_a_name_that_a_package_does_not_offer_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        _ = importlib.import_module(f"caviar.{package.replace('/', '.')}").no_such_name


@pytest.mark.parametrize("package", LAZY)
def test_no_name_is_that_of_a_module_beside_it_which_an_import_would_put_in_its_place(package: str) -> None:
    modules = {path.stem for path in (ROOT / package).iterdir()}
    assert not modules & set(importlib.import_module(f"caviar.{package.replace('/', '.')}").__all__)
