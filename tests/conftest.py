"""What all tests share: the ranks that one test body runs on, and a browser."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from mlsys_lib.comm import ProcessPool, Run, simulate

PROCESS_WORLDS = (1, 2, 3, 4)
SIMULATED_WORLDS = (1, 2, 3, 4, 5, 7, 8, 64)


@dataclass(frozen=True)
class Machine:
    """Ranks to run a function on; `pool` is None for simulated ones."""

    world_size: int
    pool: ProcessPool | None

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Run:
        """Run ``function(comm, *args, **kwargs)`` on every rank."""
        if self.pool is None:
            return simulate(function, self.world_size, *args, **kwargs)
        return self.pool.run(function, *args, world_size=self.world_size, **kwargs)


@pytest.fixture(scope="session")
def pool() -> Iterator[ProcessPool]:
    """Four processes for the whole session: starting them costs seconds."""
    with ProcessPool(max(PROCESS_WORLDS)) as processes:
        yield processes


def _machine(request: pytest.FixtureRequest) -> Machine:
    kind, world_size = request.param
    return Machine(world_size, request.getfixturevalue("pool") if kind == "processes" else None)


def _machines(least: int) -> dict[str, Any]:
    params = [("simulated", m) for m in SIMULATED_WORLDS if m >= least]
    params += [("processes", m) for m in PROCESS_WORLDS if m >= least]
    return {"params": params, "ids": [f"{kind}-{m}" for kind, m in params]}


@pytest.fixture(**_machines(least=1))
def machine(request: pytest.FixtureRequest) -> Machine:
    """Each world: 1, 2, 3, 4 on both kinds, and 5, 7, 8, 64 simulated."""
    return _machine(request)


@pytest.fixture(**_machines(least=2))
def several(request: pytest.FixtureRequest) -> Machine:
    """Each world of two ranks or more."""
    return _machine(request)


@pytest.fixture(params=["simulated", "processes"])
def pair(request: pytest.FixtureRequest) -> Machine:
    """Two ranks of either kind."""
    return Machine(2, request.getfixturevalue("pool") if request.param == "processes" else None)


CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ON_A_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome on this machine; MLSYS_CHROMIUM names another one."""
    names = (os.environ.get("MLSYS_CHROMIUM", ""), *CHROMIUM_NAMES, CHROMIUM_ON_A_MAC)
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium; without one, a visible skip, or in CI a failure.

    One for the whole session: a process can drive only one at a time.
    """
    path = find_chromium()
    if path is None:
        reason = "no Chromium on this machine: the pages were NOT looked at in a browser"
        if os.environ.get("MLSYS_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield started
        started.close()
