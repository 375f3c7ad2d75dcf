"""Case 20: of two graders at once, the second is refused, in one line."""

import subprocess
import sys
import time
from pathlib import Path

from mlsys_lib.grading.grade import grade
from tests.grading.small_course import ASSIGNMENT, all_marks, hand_in, make_course
from tests.grading.work import told

COMMAND = [sys.executable, "-m", "mlsys_lib.grading.cli", "grade", ASSIGNMENT]
ROOT = Path(__file__).parents[3]


def test_a_second_grader_is_refused_in_one_line_and_the_first_ends_well(tmp_path, sandbox_user):
    course = make_course(tmp_path)
    hand_in(course, "ada")
    user = ["--sandbox-user", sandbox_user] if sandbox_user else []
    refused = []

    def try_meanwhile(batch, label):
        command = [*COMMAND, "--course", str(course.root), *user]
        start_s = time.monotonic()
        refused.append(subprocess.run(command, cwd=ROOT, capture_output=True, text=True))
        assert time.monotonic() - start_s < 60, "it waited for the lock"
        return batch

    report = grade(
        course, ASSIGNMENT, sandbox_user=sandbox_user, examine=told, progress=try_meanwhile
    )
    assert report.graded == {"graded": 1}
    assert list(all_marks(course)) == ["ada"]
    (second,) = refused
    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr.startswith("mlsys-grade: tiny is being graded by process ")
    assert second.stderr.count("\n") == 1
