"""Execute the notebooks of the book two at a time, before Jupyter Book takes one after the other.

What succeeds lies where Jupyter Book keeps outputs, so it finds it there. What fails is left to
Jupyter Book: it executes that notebook again and says what is wrong.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from mlsys_lib.core.static_build import VARIABLE

SIDE_BY_SIDE = 2  # each may take 1.5 GB
CELL_TIMEOUT_S = 300


def execute_ahead(notebooks: list[Path], cache_folder: Path) -> None:
    """Execute the notebooks whose outputs are not in the cache yet, and put them there."""
    cache = get_cache(str(cache_folder))
    missing = [path for path in notebooks if not is_cached(path, cache)]
    if len(missing) > 1:
        print(f"Executing {len(missing)} notebooks, {SIDE_BY_SIDE} at a time ...", flush=True)
        asyncio.run(execute_all(missing, cache))


def is_cached(path: Path, cache: JupyterCacheAbstract) -> bool:
    """Whether the cache has the outputs of a notebook with these cells."""
    try:
        cache.match_cache_notebook(nbformat.read(path, as_version=4))
    except KeyError:
        return False
    return True


async def execute_all(notebooks: list[Path], cache: JupyterCacheAbstract) -> None:
    """Execute notebooks while there are seats."""
    seats = asyncio.Semaphore(SIDE_BY_SIDE)
    await asyncio.gather(*(execute(path, cache, seats) for path in notebooks))


async def execute(path: Path, cache: JupyterCacheAbstract, seats: asyncio.Semaphore) -> None:
    """Execute one notebook in its folder, and keep its outputs if no cell fails."""
    notebook = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=CELL_TIMEOUT_S, resources=folder, record_timing=False)
    async with seats:
        start_s = time.perf_counter()
        try:
            await client.async_execute(env={**os.environ, "PYTHONNOUSERSITE": "1", VARIABLE: "1"})
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            print(f"{path.name}: {type(error).__name__}", flush=True)
            return
        seconds = time.perf_counter() - start_s
    bundle = CacheBundleIn(notebook, str(path), data={"execution_seconds": seconds})
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    print(f"{path.name}: {seconds:.0f} s", flush=True)


if __name__ == "__main__":  # execute_ahead.py CACHE NOTEBOOK...
    execute_ahead([Path(name) for name in sys.argv[2:]], Path(sys.argv[1]))
