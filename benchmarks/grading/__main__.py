"""Measure grading: `python -m benchmarks.grading`; figures go to benchmarks/results/."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.grading.batch import NUMPY, TORCH, Assignment, make_book_course, make_course
from mlsys_lib.collectives import ring_all_reduce
from mlsys_lib.grading import check
from mlsys_lib.grading.grade import grade
from mlsys_lib.grading.job import Job, examine
from mlsys_lib.grading.sandbox import Sandbox, library_without

RESULTS = Path(__file__).parents[1] / "results" / "grading.json"
USER = "nobody" if os.geteuid() == 0 else None
WORKERS = 2
PEER_STUDENTS = 6
GOALS = {
    "numpy_500_s": 180.0,
    "torch_100_s": 120.0,
    "numpy_cold_s": 0.12,
    "torch_cold_s": 1.3,
    "crossing_in_s": 0.1,
    "crossing_out_s": 0.1,
    "grader_growth_mib": 20.0,
    "worker_growth_mib": 20.0,
    "check_s": 1.0,
}
WITHOUT_REFUSAL = "c = get_config()\nc.ExecutePreprocessor.timeout = 60\n"


def measure_batch(assignment: Assignment, students: int, name: str) -> dict[str, float]:
    """Return the seconds of a whole run, and how memory grew from its first quarter to its end."""
    with tempfile.TemporaryDirectory() as folder:
        course = make_course(Path(folder), assignment, students)
        watch = Watch()
        report = grade(
            course, assignment.name, num_workers=WORKERS, sandbox_user=USER, progress=watch
        )
    assert report.graded.total() == students, report
    quarter = watch.memory[students // 4 :]
    figures = {f"{name}_{students}_s": report.seconds}
    if name == "numpy":
        figures["grader_mib"] = quarter[-1][0]
        figures["grader_growth_mib"] = quarter[-1][0] - quarter[0][0]
        figures["worker_growth_mib"] = quarter[-1][1] - quarter[0][1]
    return figures


def measure_book(students: int = 24) -> dict[str, float]:
    """Return a submission's seconds in the book's Collectives: 32 runs on ranks each."""
    with tempfile.TemporaryDirectory() as folder:
        course = make_book_course(Path(folder), "collectives", students)
        report = grade(course, "collectives", num_workers=WORKERS, sandbox_user=USER)
    assert report.graded.total() == students, report
    return {"collectives_each_s": report.seconds / students}


class Watch:
    """A progress bar that notes the memory, after each submission, of grader and workers, MiB."""

    def __init__(self) -> None:
        self.memory: list[tuple[float, float]] = []

    def __call__(self, items: Iterable[Any], label: str) -> Iterator[Any]:
        """Pass `items` on."""
        for item in items:
            yield item
            workers = [resident_mib(child.pid) for child in active_children()]
            self.memory.append((resident_mib(os.getpid()), max(workers, default=0.0)))


def resident_mib(pid: int | None) -> float:
    """Return the resident memory of a process, MiB; 0 if it has just gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure_cold(assignment: Assignment, repeat: int, name: str) -> dict[str, float]:
    """Return the median seconds from a submitted file to its verdict, sandbox and all."""
    with tempfile.TemporaryDirectory() as folder:
        course = make_course(Path(folder), assignment, 1)
        library = library_without(["mlsys_lib.collectives"], Path(folder) / "library")
        preload = tuple(assignment.source().metadata["mlsys"]["preload"])
        job = Job(course, assignment.name, course.secret(), library, preload=preload, user=USER)
        examine(job, "student-000")  # imports, here
        return {f"{name}_cold_s": timed(partial(examine, job, "student-000"), repeat)}


def measure_crossing() -> dict[str, float]:
    """Return the median seconds of four arrays of a million doubles, each way."""
    arrays = [np.random.default_rng(i).random(1_000_000) for i in range(4)]
    with tempfile.TemporaryDirectory() as folder:
        library = library_without([], Path(folder))
        with Sandbox(library, user=USER) as sandbox:
            sandbox.run_cell("kept = []\ndef put(*x): kept[:] = x\ndef get(): return kept", "cell")
            put, get = sandbox.value("put"), sandbox.value("get")

            def crossing(function: Callable[..., Any], *arguments: Any) -> None:
                sandbox.begin_test()
                function(*arguments)

            inward = timed(partial(crossing, put, *arrays), 9)
            assert all(np.array_equal(*pair) for pair in zip(get(), arrays, strict=True))
            return {"crossing_in_s": inward, "crossing_out_s": timed(partial(crossing, get), 9)}


def measure_check() -> dict[str, float]:
    """Return the median seconds of a learner's check, report and all."""
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        os.environ["MLSYS_PROGRESS"] = str(Path(folder) / "progress.json")
        with redirect_stdout(nowhere):
            return {"check_s": timed(lambda: check("ring_all_reduce", ring_all_reduce), 9)}


def measure_import() -> dict[str, float]:
    """Return the seconds of fresh interpreters: the floor of what a cold sandbox can take."""
    return {
        f"{module}_import_s": timed(
            lambda module=module: subprocess.run(
                [sys.executable, "-c", f"import {module}"], check=True
            ),
            7,
        )
        for module in ("numpy", "torch")
    }


def measure_peer() -> dict[str, float]:
    """Return a submission's seconds in nbgrader's own autograder: one process, no sandbox."""
    with tempfile.TemporaryDirectory() as folder:
        course = make_course(Path(folder), NUMPY, PEER_STUDENTS)
        (course.root / "nbgrader_config.py").write_text(WITHOUT_REFUSAL)
        command = [sys.executable, "-m", "nbgrader", "autograde", NUMPY.name]
        start_s = time.perf_counter()
        subprocess.run(command, cwd=course.root, check=True, capture_output=True)
        return {"nbgrader_each_s": (time.perf_counter() - start_s) / PEER_STUDENTS}


def timed(function: Callable[[], object], repeat: int) -> float:
    """Return the median seconds of `function`."""
    seconds = []
    for _ in range(repeat):
        start_s = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start_s)
    return median(seconds)


def machine() -> dict[str, str | int | None]:
    """Return what the figures depend on, and nothing that names the machine."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "sandbox": "as another user, by root" if USER else "as an ordinary user",
        "load_before": round(os.getloadavg()[0]),
    }


def main() -> None:
    """Take every measurement, print it, and write it down."""
    facts = machine()
    figures = {
        **measure_check(),
        **measure_crossing(),
        **measure_import(),
        **measure_cold(NUMPY, 21, "numpy"),
        **measure_cold(TORCH, 7, "torch"),
        **measure_peer(),
        **measure_batch(NUMPY, 500, "numpy"),
        **measure_batch(TORCH, 100, "torch"),
        **measure_book(),
    }
    for name, value in figures.items():
        goal = f"   goal <= {GOALS[name]}" if name in GOALS else ""
        print(f"{name:<24} {value:>10.4g}{goal}")
    document = {
        "machine": facts,
        "goals": GOALS,
        "figures": {name: float(f"{value:.4g}") for name, value in figures.items()},
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
