"""The library as a submission sees it: without what the assignment asks for."""

import py_compile
import shutil
from collections.abc import Sequence
from pathlib import Path

from mlsys_lib.grading.sandbox.bubblewrap import LIBRARY

_ROOT = Path(__file__).resolve().parents[2]  # mlsys_lib
_NOT_FOR_ANSWERS = ("plots", "explorers", "grading", "catalog.py", "catalog.toml", "run.py")
_OF_GRADING = (
    "plain.py", "variants.py", "context.py", "expect.py", "ranks.py", "sandbox/inside",
)  # fmt: skip
_SHIM = "sandbox/inside/shim.py"  # what `mlsys_lib.grading` is inside


def library_without(withheld: Sequence[str], destination: Path) -> Path:
    """Copy the library to `destination`, compiled, without the withheld modules.

    Parameters
    ----------
    withheld : sequence of str
        Modules or packages, such as ``mlsys_lib.collectives``. Importing one inside raises an
        ImportError that says why. `mlsys_lib.comm` cannot be withheld: ranks need it.
    destination : Path
        A folder that is not there yet, or is empty.

    Returns
    -------
    Path
        `destination`; its only entry is ``mlsys_lib``.

    Raises
    ------
    ValueError
        A name is no module of the library, or cannot be withheld; `destination` is not empty.
    """
    places = {name: _place(name) for name in withheld}
    if destination.exists() and any(destination.iterdir()):
        raise ValueError(f"destination must be empty, got {destination}")
    copy = destination / "mlsys_lib"
    shutil.copytree(_ROOT, copy, ignore=_left_out)
    _add_grading(copy / "grading")
    for name, place in places.items():
        _withhold(copy / place.relative_to(_ROOT), name)
    _compile(destination)
    _let_everybody_read(destination)
    return destination


def _left_out(folder: str, names: list[str]) -> set[str]:
    left_out = {"__pycache__"}
    if Path(folder) == _ROOT:
        left_out.update(_NOT_FOR_ANSWERS)
    return left_out & set(names)


def _place(name: str) -> Path:
    """Return the folder or file of a module that may be withheld."""
    top, *parts = name.split(".")
    if top != "mlsys_lib" or not parts or not all(part.isidentifier() for part in parts):
        raise ValueError(f"withheld must name modules of mlsys_lib, got {name!r}")
    if parts[0] in ("comm", "core", "grading"):
        raise ValueError(f"withheld must not name mlsys_lib.{parts[0]}, got {name!r}")
    place = _ROOT.joinpath(*parts)
    if place.is_dir():
        return place
    if place.with_suffix(".py").is_file():
        return place.with_suffix(".py")
    raise ValueError(f"withheld must name modules that exist, got {name!r}")


def _withhold(place: Path, name: str) -> None:
    if not place.exists():  # left out for everybody, or within another that is withheld
        return
    if place.is_dir():
        shutil.rmtree(place)
        place.mkdir()
        place = place / "__init__.py"
    words = f"{name} is withheld in this assignment: it is what you are asked to write"
    place.write_text(f"raise ImportError({words!r})\n", encoding="utf-8")


def _add_grading(folder: Path) -> None:
    """Add what runs inside, and what `mlsys_lib.grading` offers to cells there."""
    source = _ROOT / "grading"
    (folder / "sandbox").mkdir(parents=True)
    (folder / "sandbox" / "__init__.py").touch()
    for name in _OF_GRADING:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name, ignore=_left_out)
        else:
            shutil.copy(source / name, folder / name)
    shutil.move(folder / _SHIM, folder / "__init__.py")


def _compile(destination: Path) -> None:
    """Compile every file, under the name that it has inside, never to be compared with it."""
    for path in destination.rglob("*.py"):
        inside = f"{LIBRARY}/{path.relative_to(destination)}"
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(path), dfile=inside, doraise=True, invalidation_mode=mode)


def _let_everybody_read(destination: Path) -> None:
    """Whatever this process's umask is: the sandbox may run as another user."""
    for path in (destination, *destination.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
