"""Notebooks are stored without outputs, and their cells keep their names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted([*ROOT.glob("chapters/*.ipynb"), *ROOT.glob("exercises/**/*.ipynb")])
README = "CONTRIBUTING.md, section 'A chapter'"


def faults(notebook: dict) -> list[str]:
    """What keeps a notebook from being stored as it is."""
    found, ids = [], [cell.get("id", "") for cell in notebook["cells"]]
    for cell in notebook["cells"]:
        if cell.get("outputs") or cell.get("execution_count"):
            found.append(f"cell {cell.get('id')} has outputs")
    found += [
        f"id {name!r} is no word" for name in ids if not re.fullmatch(r"[a-z][a-z0-9-]*", name)
    ]
    found += [f"id {name!r} is used twice" for name in set(ids) if ids.count(name) > 1]
    if notebook["metadata"].get("kernelspec", {}).get("name") != "python3":
        found.append("kernelspec must be python3")
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_stored_notebook_is_clean(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4 and notebook["nbformat_minor"] >= 5
    assert not faults(notebook), f"see {README}"


def test_outputs_counts_doubled_and_missing_ids_are_found():
    cell = {"id": "a", "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3"}}
    assert faults({"cells": [cell], "metadata": kernel}) == []
    for wrong in ({"outputs": [1]}, {"execution_count": 3}, {"id": ""}, {"id": "3f"}):
        assert faults({"cells": [{**cell, **wrong}], "metadata": kernel})
    assert faults({"cells": [cell, cell], "metadata": kernel})
    assert faults({"cells": [cell], "metadata": {}})
