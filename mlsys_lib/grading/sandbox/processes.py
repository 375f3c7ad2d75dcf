"""A submission's processes: started when first needed, killed whole, started again.

After a timeout, too much memory or a death, everything inside is killed. The next use starts
afresh and runs again the cells that had ended, so that later questions are graded.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mlsys_lib.grading.faults import StudentFault
from mlsys_lib.grading.sandbox.limits import Limits
from mlsys_lib.grading.sandbox.link import Deadline, Link, no_answer
from mlsys_lib.grading.sandbox.nursery import Nursery, start_nursery
from mlsys_lib.grading.sandbox.output import Output

FATAL = ("timeout", "memory", "died")
_MESSAGE = 2000
_AT_ONCE = 2**18  # characters of cells; well below what a request may hold
_FAULT_TYPES = (
    (str, str, str, str, int, str),
    (str, str, str, str, type(None), str),
)


class Processes:
    """The nursery, the worker in which cells run, and the workers that are ranks.

    Parameters
    ----------
    library : Path
    limits : Limits
    preload : sequence of str
    user : str or None
        As in `Sandbox`.
    """

    def __init__(
        self, library: Path, limits: Limits, preload: Sequence[str], user: str | None
    ) -> None:
        self.limits = limits
        self._library = library
        self._preload = tuple(preload)
        self._user = user
        self._left_s = limits.submission_s
        self._cells: list[tuple[str, str]] = []  # (source, name) of those that ended
        self._running = 0  # the one of them that ran again last
        self._one_by_one = False  # whether cells that run again do so in requests of their own
        self._nurseries: dict[str, Nursery] = {}
        self._workers: dict[str, list[Link]] = {"main": [], "ranks": [], "gloo": []}

    def close(self) -> None:
        """End all processes; the next use starts others."""
        for nursery in self._nurseries.values():
            nursery.close()
        self._nurseries.clear()
        for links in self._workers.values():
            links.clear()

    def restart(self) -> None:
        """End all workers and forget the cells: nothing has run yet."""
        self.drop([link for links in self._workers.values() for link in links])
        self._cells.clear()

    @contextmanager
    def clock(self, seconds: float) -> Iterator[Deadline]:
        """Give a deadline, and take the time that passes from the submission's."""
        start_s = time.monotonic()
        limit = f"{self.limits.cell_s:g} s"
        if self._left_s < seconds:
            limit = f"{self.limits.submission_s:g} s for the whole submission"
        try:
            yield Deadline(min(seconds, self._left_s), limit)
        finally:
            self._left_s = max(0.0, self._left_s - (time.monotonic() - start_s))

    # -- cells -------------------------------------------------------------------------------------
    def run_cell(self, source: str, name: str, output: Output) -> None:
        """Run a new cell; remember it if it ended, be it with an error.

        Raises
        ------
        StudentFault
        """
        worker = self.worker()
        fault: StudentFault | None = None
        try:
            self._run(worker, source, name, output)
        except StudentFault as raised:
            fault = raised
        if fault is None or fault.status not in FATAL:
            self._cells.append((source, name))
            worker.cells = len(self._cells)
        if fault is not None:
            raise fault

    def _run(self, worker: Link, source: str, name: str, output: Output) -> None:
        self._expect_done(worker, ("cell", source, name), output)

    def _expect_done(self, worker: Link, request: Any, output: Output) -> None:
        with self.clock(self.limits.cell_s) as deadline:
            answer = self.ask(worker, request, deadline, output)
        if answer != ("done",):
            raise self.broken("a cell's answer")
        self._check_all()

    def _check_all(self) -> None:
        """Blame the cell that just ended if it killed more than itself."""
        try:
            for nursery in self._nurseries.values():
                nursery.check_all()
        except StudentFault:
            self.close()
            raise

    def worker(self) -> Link:
        """Return the worker in which all cells so far have run."""
        return self._caught_up("main", 1)[0]

    def ranks(self, world_size: int) -> list[Link]:
        """Return workers that can share nothing with each other, and have run all cells."""
        return self._caught_up("ranks", world_size)

    def gloo_ranks(self, world_size: int) -> list[Link]:
        """Return workers that may open sockets, and have run all cells."""
        return self._caught_up("gloo", world_size)

    def drop(self, links: Iterable[Link]) -> None:
        """Kill these workers, if they still run; others are forked when they are needed."""
        for kind, workers in self._workers.items():
            home = _home_of(kind)
            for link in set(workers).intersection(links):
                workers.remove(link)
                if home in self._nurseries:
                    self._nurseries[home].kill(link)

    def _caught_up(self, kind: str, count: int) -> list[Link]:
        while True:
            is_new = _home_of(kind) not in self._nurseries
            try:
                nursery = self._nursery_of(kind)
                links = self._workers[kind]
                while len(links) < count:
                    links.append(nursery.fork(is_filtered=kind == "ranks"))
                for link in links[:count]:
                    self._catch_up(link)
                return links[:count]
            except StudentFault:
                self.close()
                if self._left_s <= 0 or (is_new and not self._cells):
                    raise
                if not self._one_by_one:
                    self._one_by_one = True  # to see which cell it was
                elif is_new:  # a cell that ended before and now does not is left out
                    del self._cells[min(self._running, len(self._cells) - 1)]

    def _nursery_of(self, kind: str) -> Nursery:
        """Return the nursery of these workers; to start it takes of the submission's time."""
        home = _home_of(kind)
        if home not in self._nurseries:
            with self.clock(self.limits.cell_s) as deadline:
                if self._left_s <= 0:
                    deadline.check()
            nursery = start_nursery(self._library, self.limits, self._preload, self._user)
            self._nurseries[home] = nursery
            self._left_s = max(0.0, self._left_s - nursery.start_s)
        return self._nurseries[home]

    def _catch_up(self, link: Link) -> None:
        """Run in `link` the cells that it has not run: at once, if that has not gone wrong yet."""
        silent = Output(0)
        left = self._cells[link.cells :]
        if left and not self._one_by_one and sum(len(source) for source, _ in left) < _AT_ONCE:
            link.cells = len(self._cells)
            self._expect_done(link, ("again", tuple(left)), silent)
        while link.cells < len(self._cells):
            source, name = self._cells[link.cells]
            self._running = link.cells
            link.cells += 1
            try:
                self._run(link, source, name, silent)
            except StudentFault as fault:
                if fault.status in FATAL:
                    raise

    # -- answers -----------------------------------------------------------------------------------
    def ask(self, link: Link, request: Any, deadline: Deadline, output: Output) -> Any:
        """Return a worker's answer; a fault that ends the worker ends all processes.

        Raises
        ------
        StudentFault
        """
        try:
            return exchange(link, request, deadline, output)
        except StudentFault as fault:
            self.close_after(fault)
            raise

    def close_after(self, fault: StudentFault) -> None:
        """End all processes if the fault leaves them in a state unknown."""
        if fault.status in FATAL:
            self.close()

    def broken(self, what: str) -> StudentFault:
        """End all processes; return the fault of an answer that is none."""
        self.close()
        return no_answer(f"{what} that is none")


def _home_of(kind: str) -> str:
    """Return which namespace a worker lives in.

    Simulated ranks have one of their own: a process there that could write, or be written to by
    an unfiltered one, would carry from rank to rank what no ledger counts.
    """
    return "ranks" if kind == "ranks" else "main"


def exchange(link: Link, request: Any, deadline: Deadline, output: Output) -> Any:
    """Return a worker's answer, or raise the fault that it tells of."""
    answer = link.ask(request, deadline, output)
    if type(answer) is tuple and answer and type(answer[0]) is str and answer[0] == "fault":
        raise _fault(answer)
    return answer


def _fault(answer: tuple[Any, ...]) -> StudentFault:
    """Return the fault that a worker tells of, after checking each of its words."""
    if tuple(type(part) for part in answer) not in _FAULT_TYPES:
        return no_answer("a fault that is none")
    _, status, kind, message, line, cell = answer
    if status not in ("student_error", "memory"):
        return no_answer("a fault that is none")
    return StudentFault(status, kind[:100], message[:_MESSAGE], line, cell[:200])


def result_of(answer: Any) -> tuple[Any, Any]:
    """Return a function's result and what it changed in place; raise if the answer is none."""
    if type(answer) is tuple and len(answer) == 3 and answer[0] == "result":
        return answer[1], answer[2]
    raise no_answer("a result that is none")


def copy_back(arrays: Sequence[np.ndarray], changed: Any) -> None:
    """Write into the grader's arrays what the student changed in place.

    Raises
    ------
    StudentFault
        The changes are none, do not fit, or the array must not be written.
    """
    for number, new in _changes(changed, len(arrays)):
        old = arrays[number]
        if new.shape != old.shape or new.dtype != old.dtype:
            words = f"an argument became an array of {new.dtype} {new.shape} in place"
            raise StudentFault("student_error", "ValueError", words)
        if not old.flags.writeable:
            words = "assignment destination is read-only"
            raise StudentFault("student_error", "ValueError", words)
        old[...] = new


def _changes(changed: Any, count: int) -> list[tuple[int, np.ndarray]]:
    if type(changed) is not tuple or not all(type(c) is tuple and len(c) == 2 for c in changed):
        raise no_answer("changes that are none")
    for number, new in changed:
        if type(number) is not int or not 0 <= number < count or type(new) is not np.ndarray:
            raise no_answer("changes that are none")
    return list(changed)
