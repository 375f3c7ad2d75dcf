"""A sandbox for tests; without one, a visible skip, or in CI a failure."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsys_lib.grading.sandbox import (
    Limits,
    NoSandboxError,
    Sandbox,
    library_without,
    require_sandbox,
)


@pytest.fixture(scope="session")
def sandbox_user() -> str | None:
    """The user to run as: limits do not hold for root."""
    user = "nobody" if os.geteuid() == 0 else None
    try:
        require_sandbox(user)
    except NoSandboxError as error:
        if os.environ.get("MLSYS_REQUIRE_SANDBOX") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
    return user


@pytest.fixture(scope="session")
def filtered_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library as answers to exercises on collectives see it."""
    return library_without(["mlsys_lib.collectives"], tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="session")
def _shared_sandbox(filtered_library: Path, sandbox_user: str | None) -> Iterator[Sandbox]:
    limits = Limits(cell_s=5.0, submission_s=600.0, memory_bytes=2**28)
    with Sandbox(filtered_library, limits=limits, user=sandbox_user) as shared:
        yield shared


@pytest.fixture
def sandbox(_shared_sandbox: Sandbox) -> Sandbox:
    """One sandbox for many tests: each uses names of its own, and starts a test of its own."""
    _shared_sandbox.begin_test()
    return _shared_sandbox
