"""Run one test cell in the trusted process, and say what happened without telling too much.

The cell's code runs in a namespace of its own. Names that it uses, and that neither it nor Python
nor `mlsys_lib.grading` defines, are the student's: they are fetched from the sandbox, as plain data
or as stand-ins for functions. So a student who redefines `len` or `check` changes nothing here.

A failure has one of three causes, told apart by the exception:

* `AssertionError` (so `Mismatch`): the answer is wrong.
* `StudentFault`: the student's code raised, hung, or gave something that is not plain data.
* Any other: the test could not cope. The student gets no points, since an answer of an unforeseen
  type or shape may have caused it; and the instructor gets a note, since the test may be wrong.

Only what the sandbox itself cannot do (start, end its processes) is nobody's answer, and is raised.

What a student may read depends on the cell. A public test tells all. Of a hidden one the student
reads the author's words only: the hint of the `Mismatch`, else the cell's docstring. Whatever the
student's code printed or raised could hold the hidden inputs, so it is not repeated.
"""

import ast
import builtins
import io
import os
import random
import signal
import symtable
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Protocol

import numpy as np

import mlsys_lib.grading
from mlsys_lib.grading.context import Context, grading
from mlsys_lib.grading.expect import Mismatch
from mlsys_lib.grading.faults import Status, StudentFault
from mlsys_lib.grading.inert import plain_text

MESSAGE_CHARACTERS = 4_000
CPU_S = 20  # of one test's own computing

_HAPPENED: dict[Status, str] = {
    "timeout": "was stopped at the time limit",
    "memory": "was stopped at the memory limit",
    "died": "ended its process",
}
_BUILTIN_ERRORS = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)


class AnswerMissing(StudentFault):
    """There is nothing to test; the message is the grader's own, so it may always be shown."""


class Student(Protocol):
    """What a test may ask of a submission."""

    def value(self, name: str) -> Any:
        """Return the student's value of `name`; raise `StudentFault` if there is none."""

    def known(self, fault: StudentFault) -> StudentFault:
        """Return `fault` with a cell and line that exist, or as an `AnswerMissing`."""


@dataclass(frozen=True)
class Failure:
    """Why a test failed: `message` for the student, `note` for the instructor (may be empty)."""

    status: Status
    message: str
    cell: str = ""
    line: int | None = None
    note: str = ""


@dataclass(frozen=True)
class TestCell:
    """A test of the author's: its code, what to call it, and whether students may see it."""

    __test__ = False  # pytest looks at names

    source: str
    name: str
    hidden: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The student's names that the test uses; none if it does not compile."""
        try:
            return _compiled(self.source, self.name)[1]
        except (SyntaxError, ValueError):
            return ()

    def run(self, context: Context, student: Student) -> Failure | None:
        """Run the test on the student's values; None if it passed.

        Parameters
        ----------
        context : Context
            Whose submission it is.
        student : Student
            Where the student's values come from.
        """
        try:
            code, names = _compiled(self.source, self.name)
            # A test that draws without a seed must still give the same mark on every run.
            seed = int(context.rng(f"seed of {self.name}").integers(2**32))
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            namespace = _graders_own() | {"__name__": f"test {self.name}"}
            with grading(context), _quiet(), _cpu_limit(CPU_S):
                namespace.update((name, student.value(name)) for name in names)
                exec(code, namespace)
        except StudentFault as fault:
            return self._explain_fault(student.known(fault))
        except _TookTooLong:
            note = f"{self.name}: the test itself was stopped after {CPU_S} s of computing"
            told = "The test could not use what you returned: it took too long."
            return Failure("timeout", told, note=note)
        except Exception as error:
            if _is_of_the_sandbox(error):
                raise
            return self._explain(error)
        return None

    def _explain_fault(self, fault: StudentFault) -> Failure:
        where = f" (line {fault.line} of {fault.cell})" if fault.line else ""
        if isinstance(fault, AnswerMissing):
            told = fault.message
        elif self.hidden:
            # Kind and line are the code's to choose: it could spell a hidden input with them.
            happened = _HAPPENED.get(fault.status, "raised an exception")
            return Failure(fault.status, f"Your code {happened}.\n{self._author_says}")
        else:
            told = f"Your code {in_full(fault)}{where}"
        return Failure(fault.status, told, fault.cell, fault.line)

    def _explain(self, error: Exception) -> Failure:
        if isinstance(error, Mismatch):
            told = error.hint if self.hidden else _all_of(error)
        elif isinstance(error, AssertionError):
            told = "" if self.hidden else str(error)
        else:
            return self._explain_surprise(error)
        return Failure("graded", plain_text(told, MESSAGE_CHARACTERS) or self._author_says)

    def _explain_surprise(self, error: Exception) -> Failure:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == _file_name(self.name)]
        at = f" at line {lines[-1]}" if lines else ""
        kind = type(error).__name__
        note = plain_text(f"{self.name}: the test raised {kind}{at}: {error}", 500)
        told = "" if self.hidden else f"The test could not use what you returned ({kind}).\n"
        return Failure("graded", told + self._author_says, note=note)

    @property
    def _author_says(self) -> str:
        try:
            found = ast.get_docstring(ast.parse(self.source))
        except SyntaxError:
            found = None
        return found or ("A hidden test failed." if self.hidden else "This test failed.")


def in_full(fault: StudentFault) -> str:
    """Say all that is known of a fault; some of it in the student's own words."""
    words = _HAPPENED.get(fault.status) or f"raised {fault.kind}"
    return plain_text(": ".join(filter(None, (words, fault.message))), MESSAGE_CHARACTERS)


def discreet(fault: StudentFault) -> str:
    """Say what happened in words that the student's code could hardly choose."""
    kind = fault.kind if fault.kind in _BUILTIN_ERRORS else "an exception"
    return _HAPPENED.get(fault.status) or f"raised {kind}"


def _all_of(error: Mismatch) -> str:
    parts = [("given", error.given), ("expected", error.expected)]
    parts += [("got", error.got), ("hint", error.hint)]
    return "\n".join(f"{word}: {text}" for word, text in parts if text)


def _file_name(name: str) -> str:
    return f"<test {name}>"


@lru_cache(maxsize=256)
def _compiled(source: str, name: str) -> tuple[CodeType, tuple[str, ...]]:
    return compile(source, _file_name(name), "exec", dont_inherit=True), names_needed(source)


def names_needed(source: str) -> tuple[str, ...]:
    r"""Return the names that `source` uses and nobody but the student can define.

    >>> names_needed("import math\nassert all(f(x) == math.pi for x in values)")
    ('f', 'values')
    """
    tables = _all_tables(symtable.symtable(source, "test", "exec"))
    symbols = [s for table in tables for s in table.get_symbols() if s.is_global()]
    used = {s.get_name() for s in symbols if s.is_referenced()}
    bound = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
    return tuple(sorted(used - bound - set(vars(builtins)) - set(_graders_own())))


def _graders_own() -> dict[str, Any]:
    """Return `check`, `expect` and the like: no test need import them, no student replaces them."""
    return {name: getattr(mlsys_lib.grading, name) for name in mlsys_lib.grading.__all__}


def _all_tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _all_tables(child)


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop what a test prints or warns of: the grader's terminal shows a progress bar."""
    nowhere = io.StringIO()
    with redirect_stdout(nowhere), redirect_stderr(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _TookTooLong(BaseException):
    """Not an Exception, so that no test of the author's catches it."""


@contextmanager
def _cpu_limit(seconds: int) -> Iterator[None]:
    """Stop this process's own computing: a test may loop as often as an answer says.

    The time that students' code takes is the sandbox's and does not count here. Only a main thread
    can be stopped so; elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise _TookTooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _is_of_the_sandbox(error: Exception) -> bool:
    """Whether the sandbox failed, and not the test or the answer."""
    if not isinstance(error, (OSError, RuntimeError)):
        return False
    folder = str(Path(mlsys_lib.grading.__file__).parent / "sandbox") + os.sep
    frames = traceback.extract_tb(error.__traceback__)
    return any(frame.filename.startswith(folder) for frame in frames)
