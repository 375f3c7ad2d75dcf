"""From a submitted notebook to a verdict: split execution.

The student's cells run in a sandbox. Test cells run here, in the trusted process, and call the
student's functions across the boundary. The marks, the hidden tests and the clean notebook are here
as well; none of them enters the sandbox. nbgrader scores a test cell by its outputs: an error gives
0, none gives all points. These outputs are written here, so nbgrader's score is ours.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_solution

from mlsys_lib.grading.context import Context
from mlsys_lib.grading.faults import Status, StudentFault
from mlsys_lib.grading.inert import plain_text
from mlsys_lib.grading.notebook import Clean, clean, name_of, prepare
from mlsys_lib.grading.preflight import Invalid, read_submission
from mlsys_lib.grading.testcell import AnswerMissing, Failure, TestCell, discreet, in_full
from mlsys_lib.grading.verdict import Kind, QuestionVerdict, Verdict, overall

if TYPE_CHECKING:
    from mlsys_lib.grading.sandbox import Sandbox

OUTPUT_CHARACTERS = 2**16  # of one cell; the sandbox itself cuts at 1 MiB

UNANSWERED = "Not answered: the cell is as it was released."


def grade_submission(
    path: Path,
    source: NotebookNode,
    context: Context,
    sandbox_factory: Callable[[], "Sandbox"],
    private: Path | None = None,
) -> Verdict:
    """Grade the notebook at `path`; nothing that a student can do makes it raise.

    Parameters
    ----------
    path : Path
        The submitted file, whatever it is.
    source : NotebookNode
        The instructor's notebook, with solutions and hidden tests.
    context : Context
        The assignment, the student, the course's secret.
    sandbox_factory : callable
        Makes the sandbox of this one submission.
    private : Path, optional
        A folder with more tests of the instructor's: ``<assignment>/<grade_id>.py`` runs after that
        test cell, as hidden.

    Returns
    -------
    Verdict
    """
    assignment = prepare(source)
    try:
        submission = read_submission(path)
        filled = clean(submission, assignment)
    except Invalid as problem:
        reason, digest = problem.reason, problem.digest
        return Verdict(context.assignment, context.student, "invalid", reason, digest=digest)
    folder = private / context.assignment if private else None
    with sandbox_factory() as sandbox:
        run = _Run(filled, context, sandbox, folder)
        run.grade()
    return Verdict(
        context.assignment,
        context.student,
        overall(run.statuses),
        "; ".join(run.reasons),
        tuple(run.questions[name] for name in assignment.cells if name in run.questions),
        json.loads(json.dumps(filled.notebook)),
        filled.tampered,
        (),
        submission.digest,
        tuple(run.notes),
    )


@dataclass(frozen=True)
class _BrokenCell:
    """A cell of the student's that did not run to its end."""

    source: str
    exercise: str
    fault: StudentFault

    def binds(self, name: str) -> bool:
        """Whether the cell would have defined `name`; read as text, since it may not compile."""
        word = re.compile(rf"\b{name}\b")
        starts = ("def ", "async def ", "class ", "import ", "from ")
        for line in map(str.strip, self.source.splitlines()):
            head = line.partition("(")[0] if line.startswith(starts) else line.rpartition("=")[0]
            if word.search(head):
                return True
        return False


@dataclass
class _Run:
    """One submission on its way through the sandbox; the `Student` whom test cells ask."""

    clean: Clean
    context: Context
    sandbox: "Sandbox"
    private: Path | None
    questions: dict[str, QuestionVerdict] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _exercise: str = ""
    _broken: list[_BrokenCell] = field(default_factory=list)
    _sources: dict[str, str] = field(default_factory=dict)

    def grade(self) -> None:
        """Run every cell in the student's order; fill in questions and outputs."""
        if self.clean.tampered:
            self.statuses.append("tampered")
            self.reasons.append("restored: " + ", ".join(self.clean.tampered))
        for cell in self.clean.notebook.cells:
            if cell.cell_type == "code" and is_grade(cell) and not is_solution(cell):
                self._test(cell)
                continue
            if cell.cell_type == "code":
                self._run_cell(cell)
            if is_grade(cell):
                self._leave_to_a_person(cell)
        self.statuses += [question.status for question in self.questions.values()]

    # -- what test cells ask -----------------------------------------------------------------------
    def value(self, name: str) -> Any:
        """Return the student's value of `name`."""
        try:
            return self.sandbox.value(name)
        except StudentFault as fault:
            if fault.kind != "NameError":
                raise
            raise self._undefined(name) from fault

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
        self._broken.append(_BrokenCell(cell.source, _exercise(cell), fault))
        if not isinstance(fault, AnswerMissing):
            self.statuses.append(fault.status)
            self.reasons.append(f"{name} {_briefly(fault)}")

    def _test(self, cell: NotebookNode) -> None:
        name, hidden = name_of(cell), _kind(cell) != "public"
        self._exercise = _exercise(cell)
        self.sandbox.begin_test()
        failure = TestCell(cell.source, name, hidden).run(self.context, self)
        # Read before the private tests run, whose inputs are hidden.
        output = plain_text(self.sandbox.output(), OUTPUT_CHARACTERS)
        for private in self._private_tests(name):
            failure = failure or private.run(self.context, self)
        cell.outputs = _stream(output)
        if failure is None:
            points, failure = float(cell.metadata.nbgrader.points), Failure("graded", "")
        else:
            points = 0.0
            if failure.status == "timeout":
                self.sandbox.close()  # the test may have been stopped in the middle of a call
            cell.outputs += _error(failure.status, failure.message)
            self.notes += [failure.note] if failure.note else []
        self._judge(cell, points, failure, "" if hidden else output)

    def _private_tests(self, name: str) -> list[TestCell]:
        path = self.private / f"{name}.py" if self.private else None
        if path is None or not path.exists():
            return []
        return [TestCell(path.read_text(encoding="utf-8"), f"{name} (private)", hidden=True)]

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
            _exercise(cell),
            _kind(cell),
            why.status,
            points,
            float(cell.metadata.nbgrader.points),
            why.message,
            output,
            why.cell,
            why.line,
        )


def _exercise(cell: NotebookNode) -> str:
    return str(_ours(cell).get("exercise", name_of(cell)))


def _ours(cell: NotebookNode) -> dict[str, Any]:
    return cast(dict[str, Any], cell.metadata.get("mlsys", {}))


def _kind(cell: NotebookNode) -> Kind:
    """Return what kind of question a graded cell is; a test that does not say is hidden."""
    if is_solution(cell):
        return "manual"
    return "public" if _ours(cell).get("role") == "public" else "hidden"


def _briefly(fault: StudentFault) -> str:
    return discreet(fault) + (f" at line {fault.line}" if fault.line else "")


def _stream(text: str) -> list[dict[str, Any]]:
    """Return what was printed, as stdout: nbgrader takes stderr for a failed test."""
    return [{"output_type": "stream", "name": "stdout", "text": text}] if text else []


def _error(kind: str, message: str) -> list[dict[str, Any]]:
    lines = message.splitlines()
    name = plain_text(kind, 100)
    return [{"output_type": "error", "ename": name, "evalue": lines[0], "traceback": lines}]
