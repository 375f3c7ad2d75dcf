"""From a submitted notebook to a verdict: split execution.

The student's cells run in a sandbox. Test cells run here, in the trusted process, and call the
student's functions across the boundary. The marks, the hidden tests and the clean notebook are here
as well; none of them enters the sandbox. nbgrader scores a test cell by its outputs: an error gives
0, none gives all points. These outputs are written here, so nbgrader's score is ours.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_solution

from mlsys_lib.grading.context import Context
from mlsys_lib.grading.notebook import (
    Assignment,
    clean,
    course_metadata,
    exercise_of,
    prepare,
    runs_in_sandbox,
)
from mlsys_lib.grading.preflight import Invalid, read_submission
from mlsys_lib.grading.similarity import Known, known_code, similar
from mlsys_lib.grading.trial import Trial
from mlsys_lib.grading.verdict import Verdict, overall

if TYPE_CHECKING:
    from mlsys_lib.grading.sandbox import Sandbox


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
    assignment, known = _prepared(json.dumps(source))
    try:
        submission = read_submission(path)
        filled = clean(submission, assignment)
    except Invalid as problem:
        reason, digest = problem.reason, problem.digest
        return Verdict(context.assignment, context.student, "invalid", reason, digest=digest)
    folder = private / context.assignment if private else None
    with sandbox_factory() as sandbox:
        run = Trial(filled, context, sandbox, folder)
        run.grade()
    return Verdict(
        context.assignment,
        context.student,
        overall(run.statuses),
        "; ".join(run.reasons),
        tuple(run.questions[name] for name in assignment.cells if name in run.questions),
        json.loads(json.dumps(filled.notebook)),
        filled.tampered,
        similar([cell.source for cell in filled.notebook.cells if runs_in_sandbox(cell)], known),
        submission.digest,
        tuple(run.notes),
    )


@lru_cache(maxsize=4)
def _prepared(source: str) -> tuple[Assignment, Known]:
    """Return what is the same for all submissions of one assignment."""
    notebook = nbformat.from_dict(json.loads(source))  # type: ignore[no-untyped-call]
    assignment = prepare(notebook)
    answers = [cell for cell in notebook.cells if is_solution(cell) and cell.cell_type == "code"]
    given = [cell.source for cell in notebook.cells if not is_solution(cell)]
    withheld = [*course_metadata(notebook).get("withholds", []), "mlsys_lib.grading.public"]
    solutions = {exercise_of(cell): cell.source for cell in answers}
    return assignment, known_code(withheld, solutions, [*given, *assignment.released.values()])
