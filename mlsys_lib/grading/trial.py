"""One submission on its way through the sandbox, cell by cell, to its questions' verdicts.

It goes through twice, each time in the student's order. First the student's cells and the public
tests run: the student will read what came of them, word by word. Then everything starts anew, and
the cells run again, with the hidden tests. So code that has seen hidden inputs has nothing left to
say: it can keep them, but no cell, output or message that follows is shown. The student's values
that hidden tests use are fetched in the first round as well, lest one of them turn up in a hint.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_solution

from mlsys_lib.grading.context import Context
from mlsys_lib.grading.faults import Status, StudentFault
from mlsys_lib.grading.inert import plain_text
from mlsys_lib.grading.notebook import (
    Clean,
    course_metadata,
    exercise_of,
    name_of,
    runs_in_sandbox,
)
from mlsys_lib.grading.testcell import AnswerMissing, Failure, TestCell, discreet, in_full
from mlsys_lib.grading.verdict import Kind, QuestionVerdict

if TYPE_CHECKING:
    from mlsys_lib.grading.sandbox import Sandbox

OUTPUT_CHARACTERS = 2**16  # of one cell; the sandbox itself cuts at 1 MiB
_NOT_FETCHED = object()
UNANSWERED = "Not answered: the cell is as it was released."


@dataclass(frozen=True)
class _BrokenCell:
    """A cell of the student's that did not run to its end."""

    source: str
    exercise: str
    fault: StudentFault

    def binds(self, name: str) -> bool:
        """Whether the cell would have defined `name`; read as text, since it may not compile."""
        word = re.compile(rf"\b{name}\b")
        return any(word.search(_bound_in(line.strip())) for line in self.source.splitlines())


@dataclass
class Trial:
    """One submission on its way through the sandbox; the `Student` whom test cells ask."""

    clean: Clean
    context: Context
    sandbox: "Sandbox"
    private: Path | None
    questions: dict[str, QuestionVerdict] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _exercise: str = ""  # of the test that runs now
    _test_name: str = ""
    _fetched: dict[tuple[str, str], Any] = field(default_factory=dict)  # by test and name
    _broken: list[_BrokenCell] = field(default_factory=list)
    _stopped: set[str] = field(default_factory=set)
    _sources: dict[str, str] = field(default_factory=dict)

    def grade(self) -> None:
        """Fill in questions, outputs and all else."""
        if self.clean.tampered:
            self.statuses.append("tampered")
            self.reasons.append("restored: " + ", ".join(self.clean.tampered))
        for cell in self.clean.notebook.cells:
            if runs_in_sandbox(cell):
                self._run_cell(cell)
            elif cell.cell_type == "code":
                if _kind(cell) == "public":
                    self._test(cell, TestCell(cell.source, name_of(cell), hidden=False))
                self._fetch_for(cell, self._hidden_tests(cell))
            if is_solution(cell) and is_grade(cell):
                self._leave_to_a_person(cell)
        self.sandbox.restart()
        for cell in self.clean.notebook.cells:
            if runs_in_sandbox(cell):
                self._run_again(cell)
            elif cell.cell_type == "code":
                for test in self._hidden_tests(cell):
                    self._test(cell, test)
        self.statuses += [question.status for question in self.questions.values()]

    # -- what test cells ask -----------------------------------------------------------------------
    def value(self, name: str) -> Any:
        """Return the student's value of `name`."""
        found = self._fetched.get((self._test_name, name), _NOT_FETCHED)
        if found is _NOT_FETCHED:
            found = self._fetch(name)
        if isinstance(found, StudentFault):
            raise found
        return found

    def _fetch(self, name: str) -> Any:
        """Return the value, or the fault that there is instead."""
        try:
            return self.sandbox.value(name)
        except StudentFault as fault:
            return self._undefined(name) if fault.kind == "NameError" else fault

    def _fetch_for(self, cell: NotebookNode, tests: list[TestCell]) -> None:
        self._exercise = exercise_of(cell)
        for test in tests:
            self.sandbox.begin_test()
            for name in test.names:
                self._fetched[test.name, name] = self._fetch(name)

    def known(self, fault: StudentFault) -> StudentFault:
        """Return `fault` with a cell and line that exist: the sandbox may say anything."""
        if isinstance(fault, AnswerMissing):
            return fault
        source = self._sources.get(fault.cell)
        cell = fault.cell if source is not None else ""
        inside = type(fault.line) is int and 1 <= fault.line <= (source or "").count("\n") + 1
        line = fault.line if cell and inside else None
        if cell in self.clean.unanswered and fault.kind == "NotImplementedError":
            return AnswerMissing("graded", fault.kind, UNANSWERED, line, cell)
        return StudentFault(fault.status, fault.kind, fault.message, line, cell)

    def _undefined(self, name: str) -> AnswerMissing:
        cells = [cell for cell in self._broken if cell.binds(name)]
        # A stub that is the whole cell binds nothing.
        cells = cells or [cell for cell in self._broken if cell.exercise == self._exercise]
        if not cells:
            return AnswerMissing("student_error", "NameError", f"`{name}` is not defined.")
        fault = cells[-1].fault
        if isinstance(fault, AnswerMissing):
            return fault
        message = f"`{name}` is not defined: its cell {_briefly(fault)}."
        return AnswerMissing(fault.status, fault.kind, message, fault.line, fault.cell)

    # -- the three kinds of cells ------------------------------------------------------------------
    def _run_cell(self, cell: NotebookNode) -> None:
        name = name_of(cell)
        self._sources[name] = cell.source
        outcome = self.sandbox.run_cell(cell.source, name)
        cell.outputs = _stream(plain_text(outcome.output, OUTPUT_CHARACTERS))
        if outcome.fault is None:
            return
        fault = self.known(outcome.fault)
        cell.outputs += _error(fault.kind, in_full(fault))
        if fault.status in ("timeout", "memory", "died"):
            self._stopped.add(name)
        self._broken.append(_BrokenCell(cell.source, exercise_of(cell), fault))
        if not isinstance(fault, AnswerMissing):
            self.statuses.append(fault.status)
            self.reasons.append(f"{name} {_briefly(fault)}")

    def _run_again(self, cell: NotebookNode) -> None:
        if name_of(cell) not in self._stopped:
            self.sandbox.run_cell(cell.source, name_of(cell))

    def _hidden_tests(self, cell: NotebookNode) -> list[TestCell]:
        name = name_of(cell)
        tests = [TestCell(cell.source, name, hidden=True)] if _kind(cell) == "hidden" else []
        path = self.private / f"{name}.py" if self.private else None
        if path is not None and path.exists():
            text = path.read_text(encoding="utf-8")
            tests.append(TestCell(text, f"{name} (private)", hidden=True))
        return tests

    def _test(self, cell: NotebookNode, test: TestCell) -> None:
        """Run a test of a cell, unless one before it has failed."""
        before = self.questions.get(name_of(cell))
        if before is not None and before.points == 0:
            return
        self._exercise, self._test_name = exercise_of(cell), test.name
        self.sandbox.begin_test()
        failure = test.run(self.context, self)
        output = plain_text(self.sandbox.output(), OUTPUT_CHARACTERS)
        cell.outputs += _stream(output)
        shown = before.output if before else "" if test.hidden else output
        if failure is None:
            points = float(cell.metadata.nbgrader.points)
            self._judge(cell, points, Failure("graded", ""), shown)
            return
        if failure.status == "timeout":
            self.sandbox.close()  # the test may have been stopped in the middle of a call
        cell.outputs += _error(failure.status, failure.message)
        self.notes += [failure.note] if failure.note else []
        self._judge(cell, 0.0, failure, shown)

    def _leave_to_a_person(self, cell: NotebookNode) -> None:
        """Put off the mark, but for an answer that is still as released: nbgrader gives it 0."""
        if name_of(cell) in self.clean.unanswered:
            self._judge(cell, 0.0, Failure("graded", UNANSWERED))
        else:
            self._judge(cell, None, Failure("needs_manual_grade", ""))

    def _judge(
        self, cell: NotebookNode, points: float | None, why: Failure, output: str = ""
    ) -> None:
        self.questions[name_of(cell)] = QuestionVerdict(
            name_of(cell),
            exercise_of(cell),
            _kind(cell),
            why.status,
            points,
            float(cell.metadata.nbgrader.points),
            why.message,
            output,
            why.cell,
            why.line,
        )


def _bound_in(line: str) -> str:
    """Return the part of a line of code that may hold names which it binds."""
    if line.startswith(("def ", "async def ", "class ", "import ", "from ")):
        return line.partition("(")[0]
    targets, _, _ = line.lstrip("(").partition("=")
    return "" if "(" in targets or targets == line else targets


def _kind(cell: NotebookNode) -> Kind:
    """Return what kind of question a graded cell is; a test that does not say is hidden."""
    if is_solution(cell):
        return "manual"
    return "public" if course_metadata(cell).get("role") == "public" else "hidden"


def _briefly(fault: StudentFault) -> str:
    return discreet(fault) + (f" at line {fault.line}" if fault.line else "")


def _stream(text: str) -> list[dict[str, Any]]:
    """Return what was printed, as stdout: nbgrader takes stderr for a failed test."""
    return [{"output_type": "stream", "name": "stdout", "text": text}] if text else []


def _error(kind: str, message: str) -> list[dict[str, Any]]:
    lines = message.splitlines()
    name = plain_text(kind, 100)
    return [{"output_type": "error", "ename": name, "evalue": lines[0], "traceback": lines}]
