"""The address of the repository is configured in pyproject.toml; every copy agrees with it."""

from __future__ import annotations

import json
import re
import textwrap
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
INSTALL_CELL = f"""\
import importlib.util

if importlib.util.find_spec("mlsys_lib") is None:  # Colab: the library is not there yet
    %pip install --quiet "mlsys_lib[chapters] @ git+{ADDRESS}\""""
NOTEBOOKS = sorted([*ROOT.glob("chapters/*.ipynb"), *ROOT.glob("exercises/**/*.ipynb")])


def test_the_book_names_the_same_repository():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert config["repository"]["url"] == ADDRESS


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "CITATION.cff", "chapters/run_it_yourself.md"]
)
def test_the_texts_name_the_same_repository(name):
    named = re.findall(
        r"https://github\.com/[\w-]+/[\w-]+", (ROOT / name).read_text(encoding="utf-8")
    )
    assert set(named) <= {ADDRESS}


def test_the_guide_shows_the_cell_that_is_tested():
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert textwrap.indent(INSTALL_CELL, "   ") in guide


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_first_code_cell_installs_the_library_where_it_is_missing(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    first = next(cell for cell in cells if cell["cell_type"] == "code")
    assert "".join(first["source"]) == INSTALL_CELL
