"""From a notebook file to a verdict, through the real sandbox."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mlsys_lib.grading.context import Context
from mlsys_lib.grading.execute import grade_submission
from mlsys_lib.grading.sandbox import Limits, Sandbox
from mlsys_lib.grading.verdict import Verdict
from tests.grading.notebooks import CONTEXT, source, write

LIMITS = Limits(cell_s=4.0, submission_s=30.0, memory_bytes=2**29)
Grade = Callable[..., Verdict]


@pytest.fixture
def grade(tmp_path: Path, filtered_library: Path, sandbox_user: str | None) -> Grade:
    """``grade(book)``: a notebook as a dict, or text or bytes; `using` another assignment."""
    factory = partial(Sandbox, filtered_library, limits=LIMITS, user=sandbox_user)

    def grade(book: Any, *, using: Any = None, context: Context = CONTEXT) -> Verdict:
        return grade_submission(write(tmp_path, book), using or source(), context, factory)

    return grade
