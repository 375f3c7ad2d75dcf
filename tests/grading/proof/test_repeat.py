"""Case 19: whoever comes first, and however many at once, the marks and files are the same."""

import random
import shutil
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from mlsys_lib.grading.course import Course
from mlsys_lib.grading.export import FORMATS, export
from mlsys_lib.grading.grade import grade
from tests.grading.small_course import (
    ASSIGNMENT,
    RIGHT,
    WRONG,
    all_marks,
    answer,
    make_course,
    submit,
)

ANSWERS = {
    "ada": (RIGHT, "Because."),
    "bob": (WRONG, None),
    "cyd": (RIGHT | {"add": WRONG["add"]}, "Why not?"),
    "dan": (RIGHT | {"add": "def add(a, b):\n    return 1 / 0"}, None),
    "eve": (RIGHT | {"scale": "def scale(a)"}, None),
}


@pytest.fixture
def course(tmp_path: Path) -> Course:
    made = make_course(tmp_path)
    for student, (answers, text) in ANSWERS.items():
        submit(made, student, answer(made, answers, text), "2026-10-01 10:00:00 UTC")
    submit(made, "fay", '{"cells": [', "2026-10-02 10:00:00 UTC")
    return made


def test_order_workers_and_repetition_change_nothing(course, tmp_path, sandbox_user):
    shuffled = Course(shutil.copytree(course.root, tmp_path / "shuffled"))
    order = random.Random(19).sample([*ANSWERS, "fay"], 6)
    for some in (order[:2], order[2:]):
        grade(shuffled, ASSIGNMENT, num_workers=1, students=some, sandbox_user=sandbox_user)
    report = grade(course, ASSIGNMENT, num_workers=2, sandbox_user=sandbox_user)
    assert report.failed == {}
    expected = outcome(course)
    totals = {student: rows[0][1] for student, rows in expected["marks"].items()}
    assert totals == {"ada": 6, "bob": 0, "cyd": 3, "dan": 3, "eve": 3, "fay": 0}
    assert outcome(shuffled) == expected

    mark_by_hand(course)
    expected = outcome(course)
    totals = {student: rows[0][1] for student, rows in expected["marks"].items()}
    assert totals == {"ada": 8.5, "bob": 1, "cyd": 3, "dan": 3, "eve": 3, "fay": 0.5}
    report = grade(course, ASSIGNMENT, num_workers=2, force=True, sandbox_user=sandbox_user)
    assert report.graded.total() == 6
    assert outcome(course) == expected


def outcome(course: Course) -> dict[str, object]:
    """Marks, comments, and every file for people."""
    files = [course.verdict(ASSIGNMENT, student) for student in course.students(ASSIGNMENT)]
    files += [course.autograded(ASSIGNMENT, student) for student in course.students(ASSIGNMENT)]
    files += [export(course, ASSIGNMENT, format) for format in FORMATS if format != "moodle"]
    content = {path.relative_to(course.root): path.read_text() for path in files}
    with Gradebook(course.db_url) as book:
        comments = [
            book.find_comment("add", ASSIGNMENT, ASSIGNMENT, student).comment for student in ANSWERS
        ]
    return {"marks": all_marks(course), "comments": comments, "files": content}


def mark_by_hand(course: Course) -> None:
    """What formgrader does: a text's mark, a machine's mark overruled, an invalid file's mark."""
    with Gradebook(course.db_url) as book:
        for student, grade_id, score in (
            ("ada", "why_manual", 2.5),
            ("bob", "add_hidden", 1.0),
            ("fay", "add_public", 0.5),
        ):
            mark = book.find_grade(grade_id, ASSIGNMENT, ASSIGNMENT, student)
            mark.manual_score, mark.needs_manual_grade = score, False
            comment = book.find_comment("add", ASSIGNMENT, ASSIGNMENT, student)
            comment.manual_comment = f"for {student}"
        book.db.commit()
