"""Whose numbers an answer is held to: the notebook's claim, or the name it was handed in under."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlsys_lib.grading.context import current
from mlsys_lib.grading.variants import same_student, variant

_LINE = re.compile(r"^STUDENT = ([\"'])(.*)\1\s*(?:#.*)?$", re.MULTILINE)


def another_name(notebook: Mapping[str, Any], student: str) -> str:
    """Return what a notebook says `STUDENT` is, where that is not who handed it in; else "".

    It is read as text. A notebook that computes its name says nothing here.
    """
    code = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    said = [match[2] for source in code for match in _LINE.finditer("".join(source))]
    if not said or same_student(said[-1]) == same_student(student):
        return ""
    return said[-1][:80]


def own_variant(claimed: str, label: str) -> tuple[np.random.Generator, str]:
    """Return the generator of `label` for the student, and a remark if the notebook names another.

    Parameters
    ----------
    claimed : str
        What the notebook says: ``STUDENT``. It counts in a learner's own notebook; under the
        grader, the numbers are those of the student who handed in.
    label : str
        As in `variant`.
    """
    context = current()
    if context is None:
        return variant(claimed, label), ""
    remark = ""
    if type(claimed) is not str or same_student(claimed) != same_student(context.student):
        remark = (
            f"The numbers are those of {context.student!r}, who handed in; "
            f"this notebook says STUDENT = {str(claimed)[:80]!r}. "
        )
    return variant(context.student, label), remark
