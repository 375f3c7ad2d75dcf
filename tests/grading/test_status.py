import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlsys_lib.grading.course import Course, CourseError
from mlsys_lib.grading.gradebook import Book
from mlsys_lib.grading.journal import Journal
from mlsys_lib.grading.marker import Marker, fingerprint
from mlsys_lib.grading.status import Standing, status
from mlsys_lib.grading.verdict import Verdict
from tests.grading.small_course import ASSIGNMENT, hand_in, make_course, submit, verdict


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return make_course(tmp_path)


def graded(course: Course, found: Verdict) -> None:
    """What a run leaves behind for one student."""
    student = found.student
    hand_in(course, student, found)
    with Book(course, ASSIGNMENT) as book:
        book.save(found, None)
    path = course.verdict(ASSIGNMENT, student)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found.to_json())
    marker = Marker("key", fingerprint(course.submitted(ASSIGNMENT, student)))
    marker.write(course, ASSIGNMENT, student)


def line_of(course: Course, student: str):
    return {line.student: line for line in status(course, ASSIGNMENT).lines}[student]


def test_each_student_has_a_line_whatever_became_of_the_submission(course):
    graded(course, verdict(course, "ada", {"add_hidden": 0.0}))
    graded(course, verdict(course, "bob", {}, text="Because."))
    graded(course, Verdict(ASSIGNMENT, "cyd", "invalid", "the file is empty"))
    with Book(course, ASSIGNMENT) as book:
        book.register(["dan", "eve"])
    submit(course, "dan", "not yet")
    found = status(course, ASSIGNMENT)
    assert [(line.student, line.status, line.score) for line in found.lines] == [
        ("ada", "graded", 4),
        ("bob", "needs_manual_grade", None),
        ("cyd", "invalid", None),
        ("dan", "not_graded", None),
        ("eve", "not_submitted", None),
    ]
    assert found.pending == 2
    assert found.counts["graded"] == 1
    assert line_of(course, "cyd").remarks == "the file is empty"


def test_what_a_person_should_look_at_is_in_the_line(course):
    found = replace(
        verdict(course, "ada", {}),
        status="tampered",
        tampered=("add_public", "add_hidden", "x", "y"),
        similarity=(("mlsys_lib.collectives.ring", 0.91),),
        notes=("add_hidden: NameError",),
    )
    graded(course, found)
    assert line_of(course, "ada").remarks == (
        "restored: add_public, add_hidden, x and 1 more; "
        "similar: 91% of mlsys_lib.collectives.ring; faulty test: add_hidden: NameError"
    )
    submit(course, "ada", "a newer file")
    assert line_of(course, "ada").remarks.startswith("a newer file waits: grade again; restored")


@pytest.mark.parametrize(
    ("line", "remarks"),
    [
        ('STUDENT = "your-id"', "says STUDENT = 'your-id'"),
        ('STUDENT = " ADA "  # me', ""),
        ("STUDENT = input()", ""),
        ("x = 1", ""),
        ("STUDENT = 'eve'\nSTUDENT = 'ada'", ""),
    ],
)
def test_a_notebook_with_another_name_than_its_folder_is_named(course, line, remarks):
    found = verdict(course, "ada", {})
    assert found.notebook is not None
    found.notebook["cells"][0]["source"] = line
    graded(course, found)
    assert line_of(course, "ada").remarks == remarks


def test_the_last_run_is_told_from_the_journal(course):
    assert status(course, ASSIGNMENT).last_run == "never"
    journal = Journal(course.grading(ASSIGNMENT) / "journal")
    journal.append("start")
    assert status(course, ASSIGNMENT).last_run.startswith("has not ended; its last line was")
    journal.append("end")
    assert status(course, ASSIGNMENT).last_run.startswith("ended 2")


def test_the_table_is_aligned_and_ends_with_the_counts(course):
    graded(course, verdict(course, "a-long-name", {}))
    graded(course, verdict(course, "b", {"add_public": 0.0}))
    heading, first, second, empty, summary = str(status(course, ASSIGNMENT)).splitlines()
    assert heading.index("status") == first.index("graded") == second.index("graded")
    assert "6 / 9" in first
    assert "5 / 9" in second
    assert empty == ""
    assert summary == "2 students: 2 graded; last run: never"


def test_as_data_it_says_the_same(course):
    graded(course, verdict(course, "ada", {}, text="Because."))
    found: Standing = status(course, ASSIGNMENT)
    data = json.loads(found.to_json())
    assert data["students"][0]["status"] == "needs_manual_grade"
    assert data["students"][0]["score"] is None
    assert (data["counts"], data["pending"]) == ({"needs_manual_grade": 1}, 1)


def test_an_assignment_that_was_not_released_has_no_status(course):
    with pytest.raises(CourseError, match="other was not released"):
        status(course, "other")
    course.gradebook.unlink()
    with pytest.raises(CourseError, match="run `mlsys-grade release tiny`"):
        status(course, ASSIGNMENT)
