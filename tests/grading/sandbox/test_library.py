"""What a submission can import."""

import sysconfig
from pathlib import Path

import pytest

from mlsys_lib.grading.sandbox import bubblewrap, library_without
from mlsys_lib.grading.sandbox.limits import Limits


def test_no_trace_of_a_withheld_module_is_left(tmp_path: Path) -> None:
    folder = library_without(["mlsys_lib.collectives"], tmp_path) / "mlsys_lib" / "collectives"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.name.partition(".")[0] for path in files} == {"__init__"}
    for path in files:
        assert b"recursive" not in path.read_bytes()


def test_one_module_of_a_package_can_be_withheld(tmp_path: Path) -> None:
    folder = library_without(["mlsys_lib.collectives.ring"], tmp_path) / "mlsys_lib/collectives"
    assert (folder / "ring.py").read_text() == (
        "raise ImportError('mlsys_lib.collectives.ring is withheld in this assignment: it is what "
        "you are asked to write')\n"
    )
    assert "def tree" in (folder / "tree.py").read_text()


def test_neither_tests_nor_the_grader_nor_their_places_are_in_it(
    tmp_path: Path,
) -> None:
    library = library_without([], tmp_path)
    top = {path.name for path in (library / "mlsys_lib").iterdir()}
    assert not top & {"plots", "explorers", "run.py", "catalog.py", "catalog.toml"}
    grading = {path.name for path in (library / "mlsys_lib" / "grading").iterdir()}
    offered = {"plain.py", "variants.py", "context.py", "expect.py", "ranks.py"}
    assert grading == {"__init__.py", "__pycache__", "sandbox", *offered}
    here = str(Path(bubblewrap.__file__).parents[3]).encode()
    for path in library.rglob("*.pyc"):
        assert here not in path.read_bytes()


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("mlsys_lib.comm", "must not name"),
        ("mlsys_lib.core.validate", "must not name"),
        ("numpy", "modules of mlsys_lib"),
        ("mlsys_lib", "modules of mlsys_lib"),
        ("mlsys_lib.../etc", "modules of mlsys_lib"),
        ("mlsys_lib.telepathy", "modules that exist"),
    ],
)
def test_what_cannot_be_withheld_is_refused(tmp_path: Path, name: str, rule: str) -> None:
    with pytest.raises(ValueError, match=f"withheld {rule}|withheld must name {rule}"):
        library_without([name], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(ValueError, match="destination must be empty"):
        library_without([], tmp_path)


@pytest.mark.parametrize("user", [None, "nobody"])
def test_an_installed_copy_of_the_library_is_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str | None
) -> None:
    site = tmp_path / "site"
    (site / "mlsys_lib").mkdir(parents=True)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(site))
    arguments = bubblewrap._arguments(bubblewrap._mounts(tmp_path, user), Limits())
    masked = arguments.index("/site/mlsys_lib")
    assert arguments[masked - 1] == "--tmpfs"
    assert masked > arguments.index("/site")
