"""`check`: the public tests of an exercise, run at once under the learner's cell.

The report is plain text, so it looks the same in Lab, in Colab and in a script. Under the grader
there is no report: the first failing test raises.
"""

import io
import linecache
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsys_lib.comm import RankError
from mlsys_lib.grading.context import current
from mlsys_lib.grading.expect import Mismatch
from mlsys_lib.grading.progress import record
from mlsys_lib.grading.public import PublicTest, answers_of, public_tests, title_of

_LIBRARY = Path(__file__).resolve().parent.parent
_INSTALLED = [sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")]
_NOT_THE_LEARNERS = (
    *(f"{folder}{os.sep}" for folder in (_LIBRARY, *_INSTALLED)),
    "<frozen",
    "<__array_function__",
)
_SHOWN_LINES, _KEPT_CHARACTERS = 8, 4_000


@dataclass(frozen=True)
class _Outcome:
    """One test that has run; `failure` is None if it passed."""

    label: str
    failure: BaseException | None


def check(name: str, *answers: Any) -> None:
    """Run the public tests of the exercise `name` on `answers` and print a report.

    Hidden tests run when an instructor grades. What is done is noted in the learner's own record
    (`mlsys_lib.grading.progress`). Under the grader nothing is printed or noted.

    Parameters
    ----------
    name : str
        The exercise, as its cell says.
    *answers : object
        The learner's functions or values, as many as the exercise asks for.

    Raises
    ------
    ValueError, TypeError
        If there is no such exercise, or the number of answers is not its own.
    Mismatch
        Under the grader, and under nbgrader's Validate button: the first public test that fails.
    RuntimeError
        Under `nbgrader autograde`, which has no sandbox.
    """
    tests, wanted = public_tests(name), answers_of(name)
    if len(answers) != len(wanted):
        raise TypeError(
            f"check({name!r}, …) must be handed {len(wanted)} answer(s) ({', '.join(wanted)}), "
            f"got {len(answers)}"
        )
    by_nbgrader = os.environ.get("NBGRADER_EXECUTION")  # "autograde" or "validate"
    if by_nbgrader == "autograde" and current() is None:
        raise RuntimeError(
            "grade this notebook with `mlsys-grade grade`: nbgrader has no sandbox, and would "
            "take a report for a passed test"
        )
    if current() is not None or by_nbgrader:
        for test in tests:
            test(*answers)
        return
    with _captured() as printed:
        outcomes = list(_outcomes(tests, answers))
    passed = sum(outcome.failure is None for outcome in outcomes)
    _show(_report(name, outcomes, passed, len(tests)) + _printed_lines(printed))
    if not _is_stub(outcomes):
        record(name, passed, len(tests))


def _outcomes(tests: tuple[PublicTest, ...], answers: tuple[Any, ...]) -> Iterator[_Outcome]:
    """Run the tests in order; an answer that is not written yet is asked once."""
    for test in tests:
        failure = None
        try:
            test(*answers)
        except (Exception, SystemExit) as error:  # a learner's exit() must not end the notebook
            failure = _cause(error)
        yield _Outcome(label_of(test), failure)
        if isinstance(failure, NotImplementedError):
            return


def _is_stub(outcomes: list[_Outcome]) -> bool:
    """Whether the answer is what the notebook began with."""
    return isinstance(outcomes[-1].failure, NotImplementedError)


def label_of(test: PublicTest) -> str:
    """Return the words beside a test's mark: the first line of its docstring."""
    return (test.__doc__ or test.__name__).strip().splitlines()[0].rstrip(".")


# -- the report ------------------------------------------------------------------------------------
def _report(name: str, outcomes: list[_Outcome], passed: int, total: int) -> list[str]:
    lines = [f"{title_of(name)} ({name})"]
    if _is_stub(outcomes):
        return [*lines, "  not written yet", f"{passed} of {total} public tests passed"]
    for outcome in outcomes:
        lines.append(f"  {'✓' if outcome.failure is None else '✗'} {outcome.label}")
        lines += [f"      {line}" for line in _failure_lines(outcome.failure)]
    if passed == total:
        last = (
            f"public tests passed ({passed} of {total}; "
            "hidden tests run when your instructor grades)"
        )
    else:
        last = f"{passed} of {total} public tests passed"
    return [*lines, last]


def _failure_lines(failure: BaseException | None) -> list[str]:
    if failure is None:
        return []
    if isinstance(failure, Mismatch):
        parts = [("given", failure.given), ("expected", failure.expected)]
        parts += [("got", failure.got), ("hint", failure.hint)]
        rows = [(word, text.splitlines()) for word, text in parts if text]
        return [
            f"{'' if i else word:<9} {line}" for word, text in rows for i, line in enumerate(text)
        ]
    # Python's own words: they survive an exception whose __str__ raises, and hold its notes.
    message = _shortened("".join(traceback.format_exception_only(failure)).strip(), 600)
    return [*message.splitlines(), *_where(failure)]


def _where(failure: BaseException) -> list[str]:
    """Say which line of the learner's own code it was, if any was on the way."""
    frames = traceback.extract_tb(failure.__traceback__)
    for frame in reversed(frames):
        if not frame.filename.startswith(_NOT_THE_LEARNERS):
            source = linecache.getline(frame.filename, frame.lineno or 0).strip()
            return [f"in {frame.name}, line {frame.lineno}" + (f": {source}" if source else "")]
    return []


def _cause(error: BaseException) -> BaseException:
    """Return what a rank raised, with the rank noted, in place of the error of the whole run."""
    if isinstance(error, RankError) and error.__cause__ is not None:
        error.__cause__.add_note(f"on rank {error.rank}")
        return error.__cause__
    return error


def _show(lines: list[str]) -> None:
    text = "\n".join(lines)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    for mark, plain in (("✓", "[ok]"), ("✗", "[--]"), ("…", "...")):
        try:
            mark.encode(encoding)
        except UnicodeEncodeError:
            text = text.replace(mark, plain)
    print(text.encode(encoding, "replace").decode(encoding))


# -- what the learner prints -----------------------------------------------------------------------
class _Capture(io.TextIOBase):
    """Keeps the first characters that are printed and counts the rest."""

    def __init__(self) -> None:
        self.kept = ""
        self.total = 0

    def write(self, text: str) -> int:
        self.kept += text[: _KEPT_CHARACTERS - len(self.kept)]
        self.total += len(text)
        return len(text)

    def writable(self) -> bool:
        return True


@contextmanager
def _captured() -> Iterator[_Capture]:
    """Catch what is printed, and give the streams back whatever happens."""
    capture = _Capture()
    with redirect_stdout(capture), redirect_stderr(capture):
        yield capture


def _printed_lines(printed: _Capture) -> list[str]:
    lines = printed.kept.splitlines()
    if not lines:
        return []
    cut = len(lines) > _SHOWN_LINES or printed.total > _KEPT_CHARACTERS
    shown = [_shortened(line, 200) for line in lines[:_SHOWN_LINES]]
    return ["Your code printed:", *(f"  {line}" for line in shown), *(["  …"] if cut else [])]


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}…"
