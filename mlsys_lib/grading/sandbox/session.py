"""A sandbox as the grader uses it: cells run in it, values and functions come out of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from mlsys_lib.grading.faults import StudentFault
from mlsys_lib.grading.sandbox.function import Function, arrays_in
from mlsys_lib.grading.sandbox.limits import Limits
from mlsys_lib.grading.sandbox.link import Deadline, Link, no_answer
from mlsys_lib.grading.sandbox.nursery import Nursery
from mlsys_lib.grading.sandbox.output import Output
from mlsys_lib.grading.sandbox.requirements import require_sandbox

Ending = Literal["graded", "student_error", "timeout", "memory", "died"]
_FATAL = ("timeout", "memory", "died")
_MESSAGE = 2000


@dataclass(frozen=True)
class Outcome:
    """How a student's cell ended.

    Attributes
    ----------
    status : str
        `graded` (it ran to its end), `student_error`, `timeout`, `memory` or `died`.
    output : str
        What it printed; the student's words, to be escaped when shown.
    fault : StudentFault or None
        What went wrong.
    seconds : float
        Wall clock.
    """

    status: Ending
    output: str
    fault: StudentFault | None
    seconds: float


class Sandbox:
    """One submission's processes: started when first needed, killed whole, started again.

    After a timeout, too much memory or a death, everything inside is killed. The next use starts
    afresh and runs again the cells that had ended, so that later questions are graded.

    Parameters
    ----------
    library : Path
        What `library_without` made.
    limits : Limits
    preload : sequence of str
        Modules that are imported once, before the first worker.
    user : str, optional
        The user to run as; needed, and allowed, for root only.

    Raises
    ------
    NoSandboxError
        This machine cannot have one; says why.
    """

    def __init__(
        self,
        library: Path,
        *,
        limits: Limits | None = None,
        preload: Sequence[str] = ("numpy",),
        user: str | None = None,
    ) -> None:
        require_sandbox(user)
        self._library = library
        self._limits = limits or Limits()
        self._preload = tuple(preload)
        self._user = user
        self._cells: list[tuple[str, str]] = []  # (source, name) of those that ended
        self._nursery: Nursery | None = None
        self._main: Link | None = None
        self._left_s = self._limits.submission_s
        self.begin_test()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes; the sandbox can still be used, and starts again."""
        if self._nursery is not None:
            self._nursery.close()
        self._nursery = self._main = None

    # -- cells -------------------------------------------------------------------------------------
    def run_cell(self, source: str, name: str) -> Outcome:
        """Run a student's cell.

        Parameters
        ----------
        source : str
            Lines that only a notebook understands (``%magic``, ``!command``) are left out.
        name : str
            Its name in faults.
        """
        output = Output(self._limits.output_bytes)
        start_s = time.monotonic()
        fault: StudentFault | None = None
        try:
            worker = self._worker()
            start_s = time.monotonic()
            self._run(worker, source, name, output)
        except StudentFault as raised:
            fault = raised
        seconds = time.monotonic() - start_s
        status: Any = "graded" if fault is None else fault.status
        if status not in _FATAL:
            self._cells.append((source, name))
            worker.cells = len(self._cells)
        return Outcome(status, output.text(), fault, seconds)

    def _run(self, worker: Link, source: str, name: str, output: Output) -> None:
        with _Clock(self, self._limits.cell_s) as deadline:
            answer = self._ask(worker, ("cell", source, name), deadline, output)
        if answer != ("done",):
            raise self._broken("a cell's answer")

    def _worker(self) -> Link:
        """Return the worker in which all cells so far have run."""
        while True:
            try:
                if self._nursery is None:
                    self._nursery = Nursery(self._library, self._limits, self._preload, self._user)
                if self._main is None:
                    self._main = self._nursery.fork(is_filtered=False)
                self._catch_up(self._main)
                return self._main
            except StudentFault:  # a cell that had ended before and now did not: it is left out
                self.close()
                if self._left_s <= 0:
                    raise

    def _catch_up(self, worker: Link) -> None:
        """Run in `worker` the cells that it has not run."""
        silent = Output(0)
        while worker.cells < len(self._cells):
            source, name = self._cells[worker.cells]
            try:
                self._run(worker, source, name, silent)
            except StudentFault as fault:
                if fault.status in _FATAL:
                    del self._cells[worker.cells]
                    raise
            worker.cells += 1

    # -- values ------------------------------------------------------------------------------------
    def begin_test(self) -> None:
        """Start the clock and the output of the next test cell."""
        self._test_s = self._limits.cell_s
        self._output = Output(self._limits.output_bytes)

    def output(self) -> str:
        """Return what the student's code printed since `begin_test`."""
        return self._output.text()

    def value(self, name: str) -> Any:
        """Return what the student calls `name`: plain data, or a `Function`.

        Raises
        ------
        StudentFault
            It is not defined, or not plain data.
        """
        answer = self._tested(("value", name))
        if answer == ("function",):
            return Function(self, name)
        if not _is(answer, "plain", 2):
            raise self._broken("a value")
        return answer[1]

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the student's function `name`; see `Function`."""
        arrays = arrays_in((args, kwargs))
        answer = self._tested(("call", name, args, kwargs))
        if not _is(answer, "result", 3):
            raise self._broken("a result")
        self._copy_back(arrays, answer[2])
        return answer[1]

    def _copy_back(self, arrays: list[np.ndarray], changed: Any) -> None:
        """Write into the grader's arrays what the student changed in place."""
        if type(changed) is not tuple:
            raise self._broken("a list of changes")
        for change in changed:
            if not (type(change) is tuple and len(change) == 2 and type(change[0]) is int):
                raise self._broken("a change")
            number, new = change
            if not 0 <= number < len(arrays) or type(new) is not np.ndarray:
                raise self._broken("a change")
            old = arrays[number]
            if new.shape != old.shape or new.dtype != old.dtype:
                words = f"an argument's shape or dtype was changed in place, to {new.dtype} "
                raise StudentFault("student_error", "ValueError", f"{words}{new.shape}")
            if not old.flags.writeable:
                words = "assignment destination is read-only"
                raise StudentFault("student_error", "ValueError", words)
            old[...] = new

    def _tested(self, request: tuple[Any, ...]) -> Any:
        worker = self._worker()
        start_s = time.monotonic()
        try:
            with _Clock(self, self._test_s) as deadline:
                return self._ask(worker, request, deadline, self._output)
        finally:
            self._test_s = max(0.0, self._test_s - (time.monotonic() - start_s))

    def _ask(self, worker: Link, request: Any, deadline: Deadline, output: Output) -> Any:
        """Return a worker's answer; what ends the worker ends the sandbox's processes."""
        try:
            answer = worker.ask(request, deadline, output)
            if type(answer) is tuple and answer and answer[0] == "fault":
                raise self._fault(answer)
        except StudentFault as fault:
            if fault.status in _FATAL:
                self.close()
            raise
        return answer

    def _fault(self, answer: tuple[Any, ...]) -> StudentFault:
        """Return the fault that a worker tells of, after checking each of its words."""
        if tuple(type(part) for part in answer) not in _FAULT_TYPES:
            return self._broken("a fault")
        _, status, kind, message, line, cell = answer
        if status not in ("student_error", "memory"):
            return self._broken("a fault")
        return StudentFault(status, kind[:100], message[:_MESSAGE], line, cell[:200])

    def _broken(self, what: str) -> StudentFault:
        self.close()
        return no_answer(f"{what} that is none")


_FAULT_TYPES = (
    (str, str, str, str, int, str),
    (str, str, str, str, type(None), str),
)


def _is(answer: Any, kind: str, length: int) -> bool:
    return (
        type(answer) is tuple
        and len(answer) == length
        and type(answer[0]) is str
        and answer[0] == kind
    )


class _Clock:
    """Gives a deadline, and takes the time that passes from the submission's."""

    def __init__(self, sandbox: Sandbox, seconds: float) -> None:
        self._sandbox = sandbox
        self._seconds = seconds

    def __enter__(self) -> Deadline:
        self._start_s = time.monotonic()
        limits, left_s = self._sandbox._limits, self._sandbox._left_s
        if left_s < self._seconds:
            return Deadline(left_s, f"{limits.submission_s:g} s for the whole submission")
        return Deadline(self._seconds, f"{limits.cell_s:g} s")

    def __exit__(self, *error: object) -> None:
        used_s = time.monotonic() - self._start_s
        self._sandbox._left_s = max(0.0, self._sandbox._left_s - used_s)
