"""The allowed imports, a line a folder; the places of the heavy libraries; the size of modules and folders."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[2]
PACKAGES = ("scheduler", "search_spaces", "trainers")

SCHEDULER = {
    "earlier_names": "",
    "errors": "",
    "finding": "",
    "core.trials": "",
    "core.placement": "core.trials",
    "core.proposers": "core.trials",
    "core.controllers": "core.proposers core.trials",
    "core": "core.controllers core.proposers core.trials",
    "storage": "errors",
    "spec": "core.* errors storage trainers",
    "results": "core.* errors storage",
    "execution.cluster": "core.placement errors",
    "execution.worker": "core.trials errors storage trainers",
    "execution.worker.ranks": "core.trials execution.cluster execution.worker storage trainers",
    "execution": "core.* errors execution.worker results storage",
    "execution.pool": "core.* errors execution execution.cluster execution.worker.* trainers",
    "integrations": "core.* errors execution results",
    "integrations.optuna": "core.* errors",
    "lifecycle": "core.* errors execution.* integrations.* results spec storage trainers",
    "analysis": "core.* errors execution integrations.* lifecycle results spec storage",
    "analysis.page": "analysis core.* errors lifecycle results storage",
    "doctor": "",
    "doctor.files": "core.* errors finding lifecycle results spec storage",
    "doctor.cluster": "core.* errors execution.cluster finding lifecycle spec storage trainers",
    "remote": "errors lifecycle results spec storage",
    "sweep": "analysis core.* doctor.cluster errors execution lifecycle results spec storage trainers",
    "cli.input": "errors storage",
    "cli.output": "analysis core.* errors execution lifecycle results spec storage",
    "cli.actions": "analysis.* cli.input cli.output core.* doctor.* errors execution finding lifecycle remote results"
    " spec storage sweep trainers",
    "cli.commands": "cli.actions cli.input",
    "cli": "cli.actions cli.commands cli.output errors remote storage",
}
"""Each folder or module at the top of `scheduler`, and the ones that it may import; all may import `search_spaces`."""

PYTORCH = {
    "earlier_names": "",
    "processes": "",
    "randomness": "",
    "state": "",
    "switches": "trainers",
    "parts": "randomness trainers",
    "models": "parts trainers",
    "lanes": "models parts trainers",
    "classification": "lanes models parts trainers",
    "digits": "classification lanes trainers",
}
"""The same of `trainers.pytorch`; `trainers`, without torch, is the folder above."""

PLACES: dict[str, tuple[str, ...]] = {
    "duckdb": ("scheduler.results", "trainers.pytorch.classification.tables"),
    "optuna": ("scheduler.integrations.optuna",),
    "pyarrow": (
        "scheduler.analysis.page",
        "scheduler.doctor.files.inspection",
        "scheduler.results",
        "scheduler.storage",
    ),
    "ray": (
        "scheduler.doctor.cluster.asking",
        "scheduler.doctor.cluster.probe",
        "scheduler.execution.cluster",
        "scheduler.execution.pool",
        "scheduler.execution.worker.ranks",
    ),
    "rich": ("scheduler.cli",),
    "torch": ("trainers.pytorch",),
    "typer": ("scheduler.cli",),
}
"""The modules and folders that may import a library, at the top or inside a function."""

MOST_MODULES, MOST_ROOMS, MOST_LAYERS = 17, 20, 9
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
    inside_function: bool = False

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


def absolute(name: str, above: str) -> str:
    return name if name == "trainers" else f"{above}.{name}"


MAY_IMPORT: dict[str, set[str]] = {
    "search_spaces": set(),
    "trainers": {"search_spaces", "trainers.pytorch.*"},
    **{
        absolute(room, above): {"search_spaces", *(absolute(name, above) for name in names.split())}
        for above, rooms in (("scheduler", SCHEDULER), ("trainers.pytorch", PYTORCH))
        for room, names in rooms.items()
    },
}
"""Each room, and the rooms that it may import; `.*` behind one stands for it and those below."""
OFFERS = {"scheduler", "trainers.pytorch"}
"""Packages that are no rooms: their `__init__` offers names, and each of their modules is a room of its own."""


def room_of(module: str) -> str:
    folder = module if SOURCES[module].name == "__init__.py" else module.rpartition(".")[0]
    return module if folder in OFFERS else folder


def may_import(importer: str, imported: str) -> bool:
    allowed = MAY_IMPORT.get(importer, set())
    above = {f"{imported}.*", *(f"{folder}.*" for folder in OFFERS | set(MAY_IMPORT) if within(imported, folder))}
    return imported in {importer, *allowed} or bool(above & allowed)


def imports_of(module: str) -> Iterator[Import]:
    path = SOURCES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    inside = {
        id(node)
        for function in ast.walk(TREES[module])
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(TREES[module]):
        where, late = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}", id(node) in inside
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, False, where, late)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield Import(module, node.module or "", False, where, late)
        elif isinstance(node, ast.ImportFrom):
            base = f"caviar.{package}".rsplit(".", node.level - 1)[0] + (f".{node.module}" if node.module else "")
            for alias in node.names:
                below = f"{base}.{alias.name}".removeprefix("caviar.")
                imported = below if below in SOURCES else base.removeprefix("caviar.")
                yield Import(module, imported, True, where, late)


IMPORTS = [found for module in SOURCES for found in imports_of(module)]
INTERNAL = [found for found in IMPORTS if found.relative]
LIBRARIES = [found for found in IMPORTS if not found.relative]


def listed(offences: list[str]) -> str:
    return "\n".join(dict.fromkeys(offences))


def test_the_sources_are_found() -> None:
    assert {name.partition(".")[0] for name in SOURCES} == set(PACKAGES)
    assert {"scheduler.errors", "search_spaces.errors"} <= {found.imported for found in INTERNAL}


def circles(reached: dict[str, set[str]]) -> list[str]:
    """The names that reach themselves."""
    for middle, beyond in reached.items():
        for names in reached.values():
            if middle in names:
                names.update(beyond)
    return [name for name, names in reached.items() if name in names]


def test_every_folder_has_a_line_that_says_what_it_may_import() -> None:
    assert {room_of(module) for module in SOURCES} == set(MAY_IMPORT) | OFFERS
    named = {name.removesuffix(".*") for names in MAY_IMPORT.values() for name in names}
    assert named <= set(MAY_IMPORT) | OFFERS


def test_a_folder_imports_only_what_its_line_says() -> None:
    offences = [
        f"{found.where}: {found.importer} imports {found.imported}"
        for found in INTERNAL
        if room_of(found.importer) not in OFFERS and not may_import(room_of(found.importer), room_of(found.imported))
    ]
    assert not offences, listed(offences)


def test_what_trains_without_torch_imports_what_has_it_inside_functions_alone() -> None:
    offences = [
        f"{found.where} imports {found.imported}"
        for found in INTERNAL
        if room_of(found.importer) == "trainers" and within(found.imported, "trainers.pytorch")
        if not found.inside_function
    ]
    assert not offences, listed(offences)


def test_folders_do_not_import_each_other_in_a_circle() -> None:
    reached: dict[str, set[str]] = {room: set() for room in MAY_IMPORT}
    for found in INTERNAL:
        importer, imported = room_of(found.importer), room_of(found.imported)
        asks_for_torch = importer == "trainers" and within(imported, "trainers.pytorch")
        if importer != imported and not {importer, imported} & OFFERS and not asks_for_torch:
            reached[importer].add(imported)
    found_circles = circles(reached)
    assert not found_circles, listed(found_circles)


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    found_circles = circles({name: {each.imported for each in INTERNAL if each.importer == name} for name in SOURCES})
    assert not found_circles, listed(found_circles)


def test_folders_have_few_modules_and_the_scheduler_few_rooms() -> None:
    modules = [module for module, path in SOURCES.items() if path.name != "__init__.py"]
    sizes = Counter(module.rpartition(".")[0] for module in modules)
    in_scheduler = {module.split(".")[1] for module in modules if within(module, "scheduler")}
    assert not {folder: size for folder, size in sizes.items() if size > MOST_MODULES}
    assert len(in_scheduler) <= MOST_ROOMS


def test_the_rooms_of_the_scheduler_stand_in_few_layers() -> None:
    """Each room stands above all that it imports: no arrow points up."""
    graph = {".".join(module.split(".")[:2]): set[str]() for module in SOURCES if within(module, "scheduler")}
    for found in INTERNAL:
        importer, imported = (".".join(name.split(".")[:2]) for name in (found.importer, found.imported))
        if importer in graph and imported in graph and importer != imported and importer != "scheduler":
            graph[importer].add(imported)
    layers: dict[str, int] = {}
    while rest := graph.keys() - layers.keys():
        lowest = {room for room in rest if graph[room] <= layers.keys()}
        assert lowest, f"a circle of {sorted(rest)}"
        layers |= dict.fromkeys(lowest, 1 + max(layers.values(), default=0))
    assert max(layers.values()) <= MOST_LAYERS


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
