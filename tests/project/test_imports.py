"""The house: who may import whom, where the heavy libraries are, how large a room and a module are."""

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

EVERYWHERE = ("search_spaces", "scheduler/errors")
"""Rooms that every room of the scheduler may import."""

MAY_IMPORT = {
    # room: the rooms that it may import, with all below them
    "scheduler/errors": "search_spaces",
    "scheduler/finding": "scheduler/storage",
    "scheduler/storage": "",
    "scheduler/core/trials": "",
    "scheduler/core/placement": "scheduler/core/trials",
    "scheduler/core/proposers": "scheduler/core/trials",
    "scheduler/core/controllers": "scheduler/core/proposers scheduler/core/trials",
    "scheduler/core": "scheduler/core",
    "scheduler/spec": "scheduler/core scheduler/storage trainers",
    "scheduler/results": "scheduler/core scheduler/storage",
    "scheduler/execution/cluster": "scheduler/core/placement",
    "scheduler/execution/worker": "scheduler/core/trials scheduler/storage trainers",
    "scheduler/execution/worker/ranks": "scheduler/core/trials scheduler/storage scheduler/execution/cluster"
    " scheduler/execution/worker trainers",
    "scheduler/execution/pool": "scheduler/core scheduler/execution trainers",
    "scheduler/execution": "scheduler/core scheduler/storage scheduler/results scheduler/execution/worker",
    "scheduler/integrations/optuna": "scheduler/core",
    "scheduler/lifecycle": "scheduler/core scheduler/storage scheduler/spec scheduler/results scheduler/execution"
    " scheduler/integrations trainers",
    "scheduler/analysis": "scheduler/core scheduler/storage scheduler/spec scheduler/results scheduler/execution"
    " scheduler/integrations scheduler/lifecycle",
    "scheduler/analysis/page": "scheduler/core/trials scheduler/storage scheduler/results scheduler/analysis",
    "scheduler/doctor/files": "scheduler/finding scheduler/core scheduler/storage scheduler/spec scheduler/results"
    " scheduler/lifecycle",
    "scheduler/doctor/cluster": "scheduler/finding scheduler/core/placement scheduler/storage scheduler/spec"
    " scheduler/execution/cluster scheduler/lifecycle trainers",
    "scheduler/remote": "scheduler/storage scheduler/spec scheduler/results scheduler/lifecycle",
    "scheduler/sweep": "scheduler/core scheduler/storage scheduler/spec scheduler/results scheduler/execution"
    " scheduler/lifecycle scheduler/analysis scheduler/doctor/cluster trainers",
    "scheduler/cli": "scheduler trainers",
    "trainers": "search_spaces trainers",
    "trainers/pytorch": "search_spaces trainers",
    "trainers/pytorch/parts": "trainers/pytorch/parts",
    "trainers/pytorch/models": "trainers/pytorch/parts",
    "trainers/pytorch/lanes": "search_spaces trainers/pytorch/models trainers/pytorch/parts",
    "trainers/pytorch/classification": "search_spaces trainers/pytorch/lanes trainers/pytorch/models"
    " trainers/pytorch/parts",
    "search_spaces": "",
}
"""The house: a room is a folder, or a module at the top of `scheduler`; those below a room are rooms of their own where
they have a line. All of `trainers/pytorch` may import the modules at the top of `trainers` and its own top."""

MOST_ROOMS, MOST_LAYERS, MOST_MODULES = 20, 9, 17

PLACES: dict[str, tuple[str, ...]] = {
    "duckdb": ("scheduler.results", "trainers.pytorch.classification.tables"),
    "optuna": ("scheduler.integrations.optuna",),
    "pyarrow": (
        "scheduler.results",
        "scheduler.storage",
        "scheduler.analysis.page",
        "scheduler.doctor.files.inspection",
    ),
    "ray": (
        "scheduler.execution.cluster",
        "scheduler.execution.pool",
        "scheduler.execution.worker.ranks",
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


def room_of(module: str) -> str:
    """The room with a line of its own that a module stands in."""
    path = module.replace(".", "/")
    return max((room for room in MAY_IMPORT if path == room or path.startswith(f"{room}/")), key=len, default=path)


def folder_of(module: str) -> str:
    return module if SOURCES[module].name == "__init__.py" else module.rpartition(".")[0]


def may_import(importer: str, imported: str) -> bool:
    """Whether a room's line names another one, or a folder around it."""
    allowed = [*MAY_IMPORT.get(importer, "").split(), *(EVERYWHERE if importer.startswith("scheduler") else ())]
    if importer.startswith("trainers/"):
        allowed.append("trainers/pytorch/")
        if imported in {"trainers", "trainers/pytorch"}:
            return True
    return any(imported == one or imported.startswith(f"{one}/") for one in allowed)


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


def test_rooms_import_what_their_line_names() -> None:
    offences = [
        f"{found.where}: {room_of(found.importer)} imports {found.imported}"
        for found in INTERNAL
        if room_of(found.imported) != room_of(found.importer)
        and not may_import(room_of(found.importer), room_of(found.imported))
    ]
    assert not offences, listed(offences)


def test_every_folder_stands_in_the_table_or_below_the_command_line() -> None:
    folders = {folder_of(module).replace(".", "/") for module in SOURCES if SOURCES[module].name != "__init__.py"}
    below = {folder for folder in folders if folder.startswith("scheduler/cli/")}
    assert folders - below - {"scheduler"} <= set(MAY_IMPORT)


def reached_from(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Everything that each node leads to."""
    reached = {node: set(others) for node, others in graph.items()}
    for middle in graph:
        for others in reached.values():
            if middle in others:
                others.update(reached[middle])
    return reached


def test_folders_do_not_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {folder_of(module): set() for module in SOURCES}
    for found in INTERNAL:
        importer, imported = folder_of(found.importer), folder_of(found.imported)
        # A package offers what stands below it, and what stands below it may use its modules.
        if not (within(importer, imported) or within(imported, importer)):
            graph[importer].add(imported)
    circles = [folder for folder, others in reached_from(graph).items() if folder in others]
    assert not circles, listed(circles)


def top_room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_the_scheduler_can_be_drawn_from_memory() -> None:
    """Few rooms at the top, in few layers, and no folder with more modules than one can look through."""
    graph: dict[str, set[str]] = {top_room(module): set() for module in SOURCES if module.startswith("scheduler.")}
    for found in INTERNAL:
        importer, imported = top_room(found.importer), top_room(found.imported)
        if importer != imported and {importer, imported} <= set(graph):
            graph[importer].add(imported)
    layers: dict[str, int] = {}
    while rest := graph.keys() - layers.keys():
        lowest = {room for room in rest if graph[room] <= layers.keys()}
        assert lowest, f"a circle of {sorted(rest)}"
        layers |= dict.fromkeys(lowest, 1 + max(layers.values(), default=0))
    assert len(graph) <= MOST_ROOMS
    assert max(layers.values()) <= MOST_LAYERS
    modules = Counter(folder_of(module) for module in SOURCES if SOURCES[module].name != "__init__.py")
    assert not {folder: count for folder, count in modules.items() if count > MOST_MODULES}


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    graph = {module: {found.imported for found in INTERNAL if found.importer == module} for module in SOURCES}
    circles = [module for module, others in reached_from(graph).items() if module in others]
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
