"""Notebooks are tested as they are built: each position of each slider is drawn."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from mlsys_lib.core.static_build import VARIABLE
from mlsys_lib.grading.progress import VARIABLE as PROGRESS


@pytest.fixture(autouse=True, scope="session")
def own_progress(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Notebooks with exercises note what is done: not in the record of whoever runs the tests."""
    os.environ[PROGRESS] = str(tmp_path_factory.mktemp("progress") / "progress.json")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if item.path.suffix != ".ipynb":
        return (yield)
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "1"
    try:
        return (yield)
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before
