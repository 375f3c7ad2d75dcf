"""Measure the communicator: `python -m benchmarks.comm`; figures go to benchmarks/results/."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from queue import Queue, SimpleQueue
from statistics import median

import numpy as np

from benchmarks.comm import gloo
from benchmarks.comm.queues import ring_on_queues
from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.comm import ProcessPool, simulate

RESULTS = Path(__file__).parents[1] / "results" / "comm.json"
WORLD_SIZE, REPEAT = 64, 21
GOALS = {
    "simulated_1000_to_Queue_ratio": 1.2,
    "simulated_250000_to_Queue_ratio": 0.6,
    "import_ratio": 1.3,
}
WHY_SLOWER_THAN_GLOO = (
    "gloo adds a chunk while the next one is on the wire, in C++ and without a copy; the book's "
    "ring sends a header ahead of each chunk, waits for each step, and only then adds"
)


def in_turns(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Return the median seconds of two functions that take turns, so that noise hits both."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(REPEAT):
        for function, times in zip((first, second), seconds, strict=True):
            start_s = time.perf_counter()
            function()
            times.append(time.perf_counter() - start_s)
    return median(seconds[0]), median(seconds[1])


def measure_simulator() -> dict[str, float]:
    """Return the ring on 64 simulated ranks beside 64 free threads with either kind of queue.

    The goals are for `queue.Queue`. `SimpleQueue` is written in C, and so a harder mark.
    """
    found = {}
    for num_elements in (1_000, 250_000):
        x = np.random.default_rng(0).random(num_elements)
        for name, queue in (("Queue", Queue), ("SimpleQueue", SimpleQueue)):
            simulated_s, queues_s = in_turns(
                lambda x=x: simulate(ring_all_reduce, WORLD_SIZE, x),
                lambda x=x, queue=queue: ring_on_queues(WORLD_SIZE, x, queue),
            )
            found[f"simulated_{num_elements}_s"] = simulated_s
            found[f"{name}_{num_elements}_s"] = queues_s
            found[f"simulated_{num_elements}_to_{name}_ratio"] = simulated_s / queues_s
    return found


def measure_processes() -> dict[str, float]:
    """Return the ring on 4 processes and gloo's own, 16 MB: the slowest rank of each turn."""
    found = {}
    with ProcessPool(4) as pool:
        for dtype in ("float32", "float64"):
            for checked in (True, False):
                runs = pool.run(gloo.compare, 16_000_000, dtype, 7, checked=checked).results
                ring_s, gloo_s = (
                    median(max(times) for times in zip(*(run[name] for run in runs), strict=True))
                    for name in ("ring", "gloo")
                )
                name = f"processes_{dtype}" + ("" if checked else "_unchecked")
                found[f"{name}_ring_s"], found[f"{name}_gloo_s"] = ring_s, gloo_s
                found[f"{name}_ratio"] = ring_s / gloo_s
    return found


def measure_import() -> dict[str, float]:
    """Return the seconds of fresh interpreters that import the library, or NumPy."""

    def fresh(module: str) -> None:
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)

    library_s, numpy_s = in_turns(lambda: fresh("mlsys_lib"), lambda: fresh("numpy"))
    return {"import_s": library_s, "import_numpy_s": numpy_s, "import_ratio": library_s / numpy_s}


def machine() -> dict[str, str | int | None]:
    """Return what the figures depend on, and nothing that names the machine."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "load_before": round(os.getloadavg()[0]),
    }


def main() -> None:
    """Take every measurement, print it, and write it down."""
    facts = machine()
    figures = {**measure_import(), **measure_simulator(), **measure_processes()}
    for name, value in figures.items():
        goal = f"   goal <= {GOALS[name]}" if name in GOALS else ""
        print(f"{name:<40} {value:>10.4g}{goal}")
    print(f"why processes are slower than gloo: {WHY_SLOWER_THAN_GLOO}")
    document = {
        "machine": facts,
        "goals": GOALS,
        "figures": {name: float(f"{value:.4g}") for name, value in figures.items()},
        "why_slower_than_gloo": WHY_SLOWER_THAN_GLOO,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
