"""A sandbox as the grader uses it: cells run in it, values and functions come out of it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mlsys_lib.comm import Faults, Network, Run
from mlsys_lib.core.validate import one_of, positive_int
from mlsys_lib.grading.faults import Status, StudentFault
from mlsys_lib.grading.sandbox.function import Function, arrays_in
from mlsys_lib.grading.sandbox.gloo import run_on_gloo
from mlsys_lib.grading.sandbox.limits import Limits
from mlsys_lib.grading.sandbox.link import Deadline
from mlsys_lib.grading.sandbox.output import Output
from mlsys_lib.grading.sandbox.processes import Processes, copy_back, result_of
from mlsys_lib.grading.sandbox.requirements import require_sandbox
from mlsys_lib.grading.sandbox.simulated import run_simulated


@dataclass(frozen=True)
class Outcome:
    """How a student's cell ended.

    Attributes
    ----------
    status : Status
        `graded` (it ran to its end), `student_error`, `timeout`, `memory` or `died`.
    output : str
        What it printed; the student's words, to be escaped when shown.
    fault : StudentFault or None
        What went wrong.
    seconds : float
        Wall clock.
    """

    status: Status
    output: str
    fault: StudentFault | None
    seconds: float


class Sandbox:
    """One submission's processes, and what the grader asks of them.

    Parameters
    ----------
    library : Path
        What `library_without` made.
    limits : Limits
    preload : sequence of str
        Modules that are imported once, before the first worker.
    user : str, optional
        The user to run as; needed, and allowed, for root only. `UNSAFE` means no sandbox.

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
        self._limits = limits or Limits()
        self._processes = Processes(library, self._limits, preload, user)
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
        """End all processes."""
        self._processes.close()

    def restart(self) -> None:
        """Begin again, with no cell run: what the student's code knew by now is gone.

        Files in /tmp stay, and so does the time that is used up.
        """
        self._processes.restart()

    def run_cell(self, source: str, name: str) -> Outcome:
        """Run a student's cell.

        Parameters
        ----------
        source : str
            Where it does not compile, lines that only a notebook understands (``%magic``,
            ``!command``) are left out.
        name : str
            Its name in faults.
        """
        output = Output(self._limits.output_bytes)
        status: Status = "graded"
        fault = None
        start_s = time.monotonic()
        try:
            self._processes.run_cell(source, name, output)
        except StudentFault as raised:
            fault, status = raised, raised.status
        return Outcome(status, output.text(), fault, time.monotonic() - start_s)

    # -- tests -------------------------------------------------------------------------------------
    def begin_test(self) -> None:
        """Start the clock and the output of the next test cell."""
        self._left_s = self._limits.cell_s
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
        answer = self._ask(("value", name))
        if answer == ("function",):
            return Function(self, name)
        if type(answer) is not tuple or len(answer) != 2 or answer[0] != "plain":
            raise self._processes.broken("a value")
        return answer[1]

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the student's function `name`; see `Function`."""
        answer = self._ask(("call", name, args, kwargs))
        try:
            result, changed = result_of(answer)
            copy_back(arrays_in((args, kwargs)), changed)
        except StudentFault as fault:
            self._processes.close_after(fault)
            raise
        return result

    def _ask(self, request: tuple[Any, ...]) -> Any:
        worker = self._processes.worker()
        with self._clock() as deadline:
            return self._processes.ask(worker, request, deadline, self._output)

    def call_on_ranks(
        self,
        name: str,
        world_size: int,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        network: Network | None,
        faults: Faults | None,
        engine: str,
    ) -> Run:
        """Call the student's function `name` on ranks; see `Function.on_ranks`."""
        size = positive_int("world_size", world_size)
        one_of("engine", engine, ("simulated", "gloo"))
        if engine == "simulated":
            options = {"network": network, "faults": faults}
            return run_simulated(
                self._processes, name, size, args, kwargs, self._clock, self._output, options
            )
        if faults is not None:
            raise ValueError("faults must be None on gloo, got some: they are simulated")
        return run_on_gloo(
            self._processes, name, size, args, kwargs, self._clock, self._output, network
        )

    @contextmanager
    def _clock(self) -> Iterator[Deadline]:
        """Give the deadline of this test cell, and take the time that passes from both clocks."""
        start_s = time.monotonic()
        try:
            with self._processes.clock(self._left_s) as deadline:
                yield deadline
        finally:
            self._left_s = max(0.0, self._left_s - (time.monotonic() - start_s))
