"""What the proofs look at in a verdict."""

import json

from mlsys_lib.grading.context import Context
from mlsys_lib.grading.verdict import QuestionVerdict, Verdict
from tests.grading.notebooks import CONTEXT, cell_of

FULL = {"double_public": 1, "double_hidden": 2, "total_hidden": 3, "why_manual": None}
NO_DOUBLE = FULL | {"double_public": 0, "double_hidden": 0}


def points(verdict: Verdict) -> dict[str, float | None]:
    return {q.grade_id: q.points for q in verdict.questions}


def question(verdict: Verdict, name: str) -> QuestionVerdict:
    return next(q for q in verdict.questions if q.grade_id == name)


def hidden_numbers(context: Context = CONTEXT) -> list[str]:
    """The inputs of the hidden test of `double`, and what they should and could give."""
    drawn = context.rng("double").integers(1_000_000, 9_000_000, size=3).tolist()
    return [str(factor) for n in drawn for factor in (n, 2 * n, n * n)]


def visible(verdict: Verdict) -> str:
    """Everything that a student is shown."""
    shown = [[q.message, q.output, q.cell, q.line] for q in verdict.questions]
    return json.dumps([verdict.status, verdict.reason, verdict.tampered, shown])


def printed(verdict: Verdict, name: str) -> str:
    """What the code printed in a cell, which only the instructor's notebook holds."""
    assert verdict.notebook is not None
    outputs = cell_of(verdict.notebook, name)["outputs"]
    return "".join(o["text"] for o in outputs if o["output_type"] == "stream")
