"""Who may import whom: comm, core, datasets <- topics <- plots <- explorers."""

from __future__ import annotations

import ast
import fnmatch
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "mlsys_lib"
FOUNDATION = {"comm", "core", "datasets"}
TOPICS = {
    "collectives", "distributed_optimization", "distributed_trees", "autodiff", "optimizers",
    "parallel_training", "large_batches", "gradient_compression", "hardware", "foundation_models",
    "finetuning", "synthetic_data", "reinforcement_learning", "hyperparameter_tuning",
    "model_compression", "federated_learning",
}  # fmt: skip
# The book's index reads itself, and nothing else reads it; the command line runs any topic.
STANDALONE = {"catalog", "run"}
FLOORS = FOUNDATION | TOPICS | {"plots", "explorers", "grading"} | STANDALONE
# A topic that builds on another one of the syllabus: (importer, imported).
TOPICS_THAT_BUILD_ON_OTHERS = {
    ("distributed_trees", "collectives"),
    ("distributed_optimization", "collectives"),
    ("optimizers", "collectives"),
    ("gradient_compression", "collectives"),
    ("federated_learning", "distributed_optimization"),
    ("federated_learning", "optimizers"),
}
ONLY_HERE = {
    "matplotlib": {"plots"},
    "ipywidgets": {"explorers"},
    "torch.distributed": {"comm"},
}


def test_pytest_looks_into_every_folder_of_tests(pytestconfig: pytest.Config) -> None:
    """By default it passes over folders called build, and nobody notices."""
    folders = {
        folder
        for path in (ROOT / "tests").rglob("test_*.py")
        for folder in path.relative_to(ROOT).parent.parts
    }
    patterns = pytestconfig.getini("norecursedirs")
    assert {"build", "tests", "proof"} <= folders
    assert not [f for f in folders for pattern in patterns if fnmatch.fnmatch(f, pattern)]


def sources() -> list[Path]:
    return sorted(LIBRARY.rglob("*.py"))


def floor_of(path: Path) -> str:
    """The part of the library that a file belongs to; a bare module is its own part."""
    return path.relative_to(LIBRARY).with_suffix("").parts[0]


def imported_modules(source: str) -> set[str]:
    """Every module that a source imports, in functions too; `from a import b` gives a, a.b."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that this test can read them"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imported_floors(source: str) -> set[str]:
    """The parts of the library that a source imports."""
    parts = (name.split(".") for name in imported_modules(source))
    return {part[1] for part in parts if part[0] == "mlsys_lib" and len(part) > 1} & FLOORS


def may_import(importer: str, imported: str) -> bool:
    """The rule."""
    if importer == imported or (importer, imported) in TOPICS_THAT_BUILD_ON_OTHERS:
        return True
    if importer in FOUNDATION:
        return imported == "core"
    if importer in TOPICS:
        return imported in FOUNDATION
    allowed = {
        "plots": FOUNDATION | TOPICS,
        "explorers": FOUNDATION | TOPICS | {"plots"},
        "grading": FOUNDATION | TOPICS,
        "run": FOUNDATION | TOPICS,
    }
    return imported in allowed.get(importer, set())


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("collectives", "comm", True),
        ("comm", "collectives", False),
        ("core", "comm", False),
        ("collectives", "plots", False),
        ("plots", "collectives", True),
        ("plots", "explorers", False),
        ("explorers", "plots", True),
        ("hardware", "collectives", False),
        ("grading", "explorers", False),
    ],
)
def test_the_rule_is_the_one_that_the_architecture_states(importer, imported, allowed):
    assert may_import(importer, imported) is allowed


def test_imports_inside_functions_and_of_submodules_are_seen():
    source = "def f():\n    from mlsys_lib import plots\n    import mlsys_lib.comm.ledger\n"
    assert imported_floors(source) == {"plots", "comm"}


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_a_file_imports_only_from_the_floors_below(path):
    importer = floor_of(path)
    if importer == "__init__":
        assert not imported_floors(path.read_text(encoding="utf-8"))
        return
    floors = imported_floors(path.read_text(encoding="utf-8"))
    wrong = {imported for imported in floors if not may_import(importer, imported)}
    assert not wrong, f"{importer} must not import {sorted(wrong)}"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_heavy_packages_are_imported_in_one_place_only(path):
    names = imported_modules(path.read_text(encoding="utf-8"))
    for package, places in ONLY_HERE.items():
        uses = any(name == package or name.startswith(package + ".") for name in names)
        assert not uses or floor_of(path) in places, f"{package} belongs into {sorted(places)}"


def test_each_part_of_the_library_has_a_floor():
    parts = {floor_of(path) for path in sources()} - {"__init__", "__main__"}
    unknown = {part for part in parts if not part.startswith("catalog")} - FLOORS
    assert not unknown, "a new part needs a floor in this file"


def test_file_names_are_the_nouns_of_the_field():
    for path in sources():
        assert path.stem.islower() and path.stem.isidentifier(), path
        assert path.stem not in {"utils", "util", "helpers", "misc", "common"}, path


def test_importing_the_library_costs_no_heavy_package():
    code = "import sys, mlsys_lib; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    loaded = set(answer.stdout.split())
    assert not loaded & {"numpy", "torch", "matplotlib", "ipywidgets", "sklearn", "tqdm"}


def test_each_folder_of_tests_mirrors_a_folder_of_the_library_or_of_the_book():
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    folders -= {"__pycache__"}
    # book: the built site; build: how it is built.
    assert folders <= FLOORS | {"book", "build"}
