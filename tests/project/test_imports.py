"""What may import what: the layers, the places of the heavy libraries, the size of a module."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[2]
PACKAGES = ("scheduler", "search_spaces", "trainers")

SCHEDULER = (
    "scheduler.cli",
    "scheduler.remote",
    "scheduler",
    "scheduler.execution",
    "scheduler.results",
    "scheduler.storage",
    "scheduler.core",
    "scheduler.errors",
)
"""Top down: each may import those after it; `scheduler` is its modules at the top, such as `scheduler.sweep`."""

BELOW: dict[str, set[str]] = {
    **{layer: {*SCHEDULER[place + 1 :], "search_spaces"} for place, layer in enumerate(SCHEDULER)},
    "trainers": {"search_spaces"},
    "search_spaces": set(),
}
"""Each layer and the layers it may import."""

for runs_trainers in ("scheduler.cli", "scheduler", "scheduler.execution"):
    BELOW[runs_trainers].add("trainers")

PLACES: dict[str, tuple[str, ...]] = {
    "duckdb": ("scheduler.results", "trainers.pytorch.classification.tables"),
    "optuna": (
        "scheduler.integrations.optuna.importance",
        "scheduler.integrations.optuna.proposer",
        "scheduler.integrations.optuna.samplers",
        "scheduler.integrations.optuna.space",
    ),
    "pyarrow": ("scheduler.results", "scheduler.storage"),
    "ray": (
        "scheduler.execution.cluster.address",
        "scheduler.execution.cluster.connect",
        "scheduler.execution.pool.pool",
        "scheduler.execution.pool.failures",
        "scheduler.execution.worker.ranks.handle",
        "scheduler.execution.cluster.nodes",
        "scheduler.execution.worker.ranks.process",
        "scheduler.execution.worker.ranks.group",
        "scheduler.execution.pool.executor",
        "scheduler.execution.worker.ranks.actor",
        "scheduler.execution.pool.launcher",
        "scheduler.execution.worker.ranks.actor_settings",
        "scheduler.doctor.cluster.asking",
        "scheduler.doctor.cluster.probe",
    ),
    "rich": ("scheduler.cli",),
    "torch": ("trainers.pytorch",),
    "typer": ("scheduler.cli",),
}
"""The modules and packages that may import a library, at the top or inside a function."""

SEARCH_SPACES_MAY_IMPORT = {"numpy", "pydantic", "pydantic_core", "scipy", "yaml"}
CLOCKS = {"datetime", "time"}
PROCESSES = {"asyncio", "multiprocessing", "os", "signal", "socket", "subprocess", "threading"}
FILES = {"io", "logging", "pathlib", "shutil", "tempfile"}
CHANCE = {"random", "secrets", "uuid"}
RANDOM_WITHOUT_GLOBAL_STATE = {"Generator", "PCG64", "Philox", "SeedSequence", "default_rng"}


@dataclass(frozen=True)
class Import:
    """One imported module, as an absolute name; a package of the project without its `caviar.`."""

    importer: str
    imported: str
    relative: bool
    where: str

    @property
    def library(self) -> str:
        return self.imported.partition(".")[0]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    module_name(path): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if "__pycache__" not in path.parts
}
TREES = {name: ast.parse(path.read_text(), filename=str(path)) for name, path in SOURCES.items()}


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def layer_of(module: str) -> str:
    return max((layer for layer in BELOW if within(module, layer)), key=len)


def imports_of(module: str) -> Iterator[Import]:
    path = SOURCES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(TREES[module]):
        where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, False, where)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield Import(module, node.module or "", False, where)
        elif isinstance(node, ast.ImportFrom):
            base = f"caviar.{package}".rsplit(".", node.level - 1)[0] + (f".{node.module}" if node.module else "")
            for alias in node.names:
                inside = f"{base}.{alias.name}".removeprefix("caviar.")
                imported = inside if inside in SOURCES else base.removeprefix("caviar.")
                yield Import(module, imported, True, where)


IMPORTS = [found for module in SOURCES for found in imports_of(module)]
INTERNAL = [found for found in IMPORTS if found.relative]
LIBRARIES = [found for found in IMPORTS if not found.relative]


def listed(offences: list[str]) -> str:
    return "\n".join(dict.fromkeys(offences))


def test_the_sources_are_found() -> None:
    assert {name.partition(".")[0] for name in SOURCES} == set(PACKAGES)
    assert {"scheduler.errors", "search_spaces.errors"} <= {found.imported for found in INTERNAL}


def test_layers_import_only_layers_below_them() -> None:
    offences = [
        f"{found.where}: {found.importer} imports {found.imported}"
        for found in INTERNAL
        if layer_of(found.imported) not in {layer_of(found.importer), *BELOW[layer_of(found.importer)]}
    ]
    assert not offences, listed(offences)


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    reached = {module: {found.imported for found in INTERNAL if found.importer == module} for module in SOURCES}
    for middle in SOURCES:
        for module in SOURCES:
            if middle in reached[module]:
                reached[module] |= reached[middle]
    circles = [module for module in SOURCES if module in reached[module]]
    assert not circles, listed(circles)


def test_packages_of_the_project_are_imported_relatively() -> None:
    own = {"caviar", *PACKAGES}
    offences = [f"{found.where} imports {found.imported}" for found in LIBRARIES if found.library in own]
    assert not offences, listed(offences)


@pytest.mark.parametrize("library", PLACES)
def test_a_library_is_imported_in_its_place_only(library: str) -> None:
    offences = [
        f"{found.where} imports {found.imported}; {library} belongs in {' and '.join(PLACES[library])}"
        for found in LIBRARIES
        if found.library == library and not any(within(found.importer, place) for place in PLACES[library])
    ]
    assert not offences, listed(offences)


def test_search_spaces_need_few_libraries() -> None:
    allowed = SEARCH_SPACES_MAY_IMPORT | sys.stdlib_module_names
    offences = [
        f"{found.where} imports {found.imported}"
        for found in LIBRARIES
        if within(found.importer, "search_spaces") and found.library not in allowed
    ]
    assert not offences, listed(offences)


def test_the_core_has_no_clock_and_does_no_input_or_output() -> None:
    offences = [
        f"{found.where} imports {found.imported}"
        for found in LIBRARIES
        if within(found.importer, "scheduler.core") and found.library in CLOCKS | PROCESSES | FILES | CHANCE
    ]
    offences += [
        f"{SOURCES[module].relative_to(ROOT)}:{node.lineno} calls {node.func.id}"
        for module in SOURCES
        if within(module, "scheduler.core")
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"open", "print", "input"}
    ]
    assert not offences, listed(offences)


def test_the_core_draws_no_global_random_numbers() -> None:
    offences = [
        f"{SOURCES[module].relative_to(ROOT)}:{node.lineno} uses {ast.unparse(node)}"
        for module in SOURCES
        if within(module, "scheduler.core")
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in {"np.random", "numpy.random"}
        and node.attr not in RANDOM_WITHOUT_GLOBAL_STATE
    ]
    assert not offences, listed(offences)


def test_no_import_is_for_type_checkers_only() -> None:
    offences = [
        str(SOURCES[module].relative_to(ROOT))
        for module in SOURCES
        for node in ast.walk(TREES[module])
        if (isinstance(node, ast.Name) and node.id == "TYPE_CHECKING")
        or (isinstance(node, ast.Attribute) and node.attr == "TYPE_CHECKING")
    ]
    assert not offences, listed(offences)


def test_every_module_has_a_subject() -> None:
    vague = {"helper", "helpers", "manager", "misc", "util", "utils"}
    offences = [name for name in SOURCES if vague & set(name.rpartition(".")[2].split("_"))]
    assert not offences, listed(offences)


def test_modules_have_at_most_400_lines() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in SOURCES.items()}
    offences = [f"{name}: {lines} lines" for name, lines in lengths.items() if lines > 400]
    assert not offences, listed(offences)


HEAVY = {"duckdb", "matplotlib", "optuna", "pandas", "plotly", "polars", "ray", "scipy", "sklearn", "torch"}
"""Libraries that are imported where they are used, and not with the names that a package offers."""


def loaded_by(program: str) -> set[str]:
    """The libraries that a program has loaded at its end, by the names of their packages."""
    last = "import sys; print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", f"{program}\n{last}"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stderr.split())


@pytest.mark.parametrize(
    ("package", "unwanted"),
    [("scheduler", HEAVY), ("search_spaces", {*HEAVY, "orjson", "pyarrow"}), ("trainers", {*HEAVY, "pyarrow"})],
)
def test_the_names_that_a_package_offers_load_no_heavy_library(package: str, unwanted: set[str]) -> None:
    assert not loaded_by(f"from caviar.{package} import *") & unwanted


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_loads_next_to_nothing_before_it_is_asked(package: str) -> None:
    assert not loaded_by(f"import caviar.{package}") & {*HEAVY, "numpy", "orjson", "pyarrow", "pydantic", "yaml"}


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["doctor", "--help"]])
def test_the_help_of_commands_loads_nothing_that_reads_or_runs_a_sweep(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from caviar.scheduler.cli import main\n"
        f"sys.argv = ['caviar', *{words!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code"
    )
    assert not loaded_by(program) & {*HEAVY, "numpy", "orjson", "pyarrow", "yaml"}
