from datetime import datetime, timedelta
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from traitlets.config import Config

from mlsys_lib.grading.course import Course, CourseError
from mlsys_lib.grading.gradebook import Book, create, read_notebook, read_timestamp, settings
from mlsys_lib.grading.verdict import Verdict
from tests.grading.small_course import ASSIGNMENT, make_course, submit, verdict

MARKS = ("auto_score", "manual_score", "needs_manual_grade")


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return make_course(tmp_path)


def save(course: Course, *verdicts: Verdict, same_answers: bool = False) -> None:
    with Book(course, ASSIGNMENT) as book:
        for found in verdicts:
            book.save(found, None, same_answers=same_answers)


def marks(course: Course, student: str) -> dict[str, tuple]:
    """What a formgrader sees: each question's marks, and the total."""
    with Gradebook(course.db_url) as book:
        submission = book.find_submission(ASSIGNMENT, student)
        grades = submission.notebooks[0].grades
        found = {grade.name: tuple(getattr(grade, name) for name in MARKS) for grade in grades}
        return found | {"total": (submission.score, submission.needs_manual_grade)}


def mark_by_hand(course: Course, student: str, grade_id: str, score: float) -> None:
    """What formgrader does when a person types a mark."""
    with Gradebook(course.db_url) as book:
        grade = book.find_grade(grade_id, ASSIGNMENT, ASSIGNMENT, student)
        grade.manual_score, grade.needs_manual_grade = score, False
        comment = book.find_comment("add", ASSIGNMENT, ASSIGNMENT, student)
        comment.manual_comment = "well done"
        book.db.commit()


def test_points_of_each_question_are_those_of_the_verdict(course):
    save(course, verdict(course, "ada", {"add_hidden": 0.0}))
    found = marks(course, "ada")
    assert found["add_public"] == (1, None, False)
    assert found["add_hidden"] == (0, None, False)
    assert found["total"] == (1 + 1 + 2, False)


def test_a_text_waits_for_a_person_and_one_left_as_it_was_does_not(course):
    save(course, verdict(course, "ada", {}, text="Because."), verdict(course, "alan", {}))
    assert marks(course, "ada")["why_manual"] == (None, None, True)
    assert marks(course, "alan")["why_manual"] == (0, None, False)


def test_the_notebook_that_formgrader_shows_is_the_clean_one_with_its_outputs(course):
    found = verdict(course, "ada", {"add_hidden": 0.0})
    save(course, found)
    shown = nbformat.read(course.autograded(ASSIGNMENT, "ada"), as_version=4)
    nbformat.validate(shown)
    cells = {cell.id: cell for cell in shown.cells}
    assert cells["add_hidden"].outputs[0].output_type == "error"
    assert "secret_rng" in cells["add_hidden"].source


def test_an_invalid_file_waits_for_a_person_in_every_question(course):
    save(course, verdict(course, "ada", {}))
    save(course, Verdict(ASSIGNMENT, "ada", "invalid", "not JSON: line 41"))
    found = marks(course, "ada")
    assert found.pop("total") == (0, True)
    assert set(found.values()) == {(None, None, True)}
    shown = nbformat.read(course.autograded(ASSIGNMENT, "ada"), as_version=4)
    assert "not JSON: line 41" in shown.cells[0].source


def test_a_mark_by_hand_stays_when_the_same_answers_are_graded_again(course):
    found = verdict(course, "ada", {"add_hidden": 0.0}, text="Because.")
    save(course, found)
    mark_by_hand(course, "ada", "why_manual", 2.5)
    mark_by_hand(course, "ada", "add_hidden", 1.0)
    before = marks(course, "ada")
    save(course, found, same_answers=True)
    assert marks(course, "ada") == before
    assert before["total"] == (1 + 1 + 1 + 2 + 2.5, False)
    with Gradebook(course.db_url) as book:
        comment = book.find_comment("add", ASSIGNMENT, ASSIGNMENT, "ada")
        assert comment.comment == "well done"


def test_a_mark_by_hand_wants_a_new_look_when_the_answers_changed(course):
    save(course, verdict(course, "ada", {}, text="Because."))
    mark_by_hand(course, "ada", "why_manual", 2.5)
    save(course, verdict(course, "ada", {}, text="Because of you."))
    assert marks(course, "ada")["why_manual"] == (None, 2.5, True)


def test_a_mark_by_hand_wants_a_new_look_when_the_machines_mark_changed(course):
    save(course, verdict(course, "ada", {"add_hidden": 0.0}))
    mark_by_hand(course, "ada", "add_hidden", 1.0)
    save(course, verdict(course, "ada", {}), same_answers=True)
    assert marks(course, "ada")["add_hidden"] == (2, 1, True)


def test_a_mark_given_to_an_invalid_file_stays(course):
    broken = Verdict(ASSIGNMENT, "ada", "invalid", "empty")
    save(course, broken)
    mark_by_hand(course, "ada", "add_hidden", 2.0)
    save(course, broken, same_answers=True)
    assert marks(course, "ada")["add_hidden"] == (None, 2, False)


def test_a_grader_that_ends_half_way_leaves_the_marks_as_they_were(course, monkeypatch):
    save(course, verdict(course, "ada", {"add_hidden": 0.0}))
    before = marks(course, "ada")
    with Book(course, ASSIGNMENT) as book:
        done = []

        def stop_at_the_third(cell, resources):
            done.append(cell)
            if len(done) == 3:
                raise KeyboardInterrupt
            return type(book._save)._add_score(book._save, cell, resources)

        monkeypatch.setattr(book._save, "_add_score", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            book.save(verdict(course, "ada", {"add_public": 0.0}), None)
    assert marks(course, "ada") == before


def test_students_are_registered_in_the_order_given_and_once(course):
    with Book(course, ASSIGNMENT) as book:
        book.register(["alan", "ada"])
        book.register(["ada", "grace"])
        assert book.students() == set()
    with Gradebook(course.db_url) as gradebook:
        assert [student.id for student in gradebook.students] == ["alan", "ada", "grace"]


def set_due(course: Course, due: datetime) -> None:
    with Gradebook(course.db_url) as book:
        book.find_assignment(ASSIGNMENT).duedate = due
        book.db.commit()


def penalty(course: Course, student: str) -> float | None:
    with Gradebook(course.db_url) as book:
        submission = book.find_submission(ASSIGNMENT, student)
        return submission.notebooks[0].late_submission_penalty


def test_late_penalties_are_those_of_the_courses_plugin_and_follow_the_due_date(course):
    with (course.root / "nbgrader_config.py").open("a") as config:
        config.write('c.LateSubmissionPlugin.penalty_method = "zero"\n')
    due = datetime(2026, 10, 1)
    set_due(course, due)
    with Book(course, ASSIGNMENT) as book:
        book.save(verdict(course, "late", {}), due + timedelta(hours=1))
        book.save(verdict(course, "early", {}), due)
        book.assign_late_penalties()
    assert (penalty(course, "late"), penalty(course, "early")) == (6, None)
    set_due(course, due + timedelta(days=1))
    with Book(course, ASSIGNMENT) as book:
        book.assign_late_penalties()
    assert penalty(course, "late") is None


def test_timestamps_are_read_as_nbgrader_reads_them_and_a_bad_one_is_none(course):
    path = submit(course, "ada", "", "2026-10-01 10:00:00.5 UTC")
    assert read_timestamp(path) == datetime(2026, 10, 1, 10, 0, 0, 500_000)
    for bad in ("", "yesterday", "2026-13-01 00:00:00", "9" * 99, "\0"):
        (path.parent / "timestamp.txt").write_text(bad)
        assert read_timestamp(path) is None
    (path.parent / "timestamp.txt").unlink()
    assert read_timestamp(path) is None


def test_tests_that_differ_from_the_released_ones_are_refused(course):
    notebook = read_notebook(course.source(ASSIGNMENT))
    with Book(course, ASSIGNMENT) as book:
        book.check_source(notebook)
        notebook.cells[1].source += " (edited)"
        book.check_source(notebook)
        notebook.cells[4].metadata.nbgrader.points = 3
        with pytest.raises(CourseError, match="run `mlsys-grade release tiny` again"):
            book.check_source(notebook)


def test_an_assignment_that_was_not_released_has_no_book(course):
    with pytest.raises(CourseError, match="run `mlsys-grade release other`"):
        Book(course, "other")
    course.gradebook.unlink()
    with pytest.raises(CourseError, match="run `mlsys-grade release tiny`"):
        Book(course, ASSIGNMENT)


def test_a_gradebook_is_made_without_the_environments_path(course, monkeypatch):
    course.gradebook.unlink()
    monkeypatch.setenv("PATH", "/nowhere")
    create(course)
    with Gradebook(course.db_url) as book:
        assert book.students == []


def test_nbgraders_own_autograder_and_feedback_refuse(course):
    from nbgrader.converters import Autograde, GenerateFeedback
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory

    marker = submit(course, "ada", course.source(ASSIGNMENT).read_text())
    save(course, verdict(course, "ada", {}))
    config: Config = settings(course)
    directory = CourseDirectory(config=config, assignment_id=ASSIGNMENT, student_id="ada")
    for step, way_out in ((Autograde, "mlsys-grade grade"), (GenerateFeedback, "mlsys-grade feed")):
        converter = step(coursedir=directory, config=config, force=True)
        with pytest.raises(NbGraderException, match=way_out):
            converter.start()
    assert marker.exists()
    assert course.autograded(ASSIGNMENT, "ada").exists()
    assert not (course.root / "feedback").exists()


def test_formgraders_page_of_an_invalid_file_takes_marks_and_runs_nothing(course):
    from nbconvert.exporters import HTMLExporter
    from nbgrader.server_extensions.formgrader import handlers

    reason = "cell </pre><script>alert(1)</script>\n\n<img src=x onerror=alert(2)> is missing"
    save(course, Verdict(ASSIGNMENT, "ada", "invalid", reason))
    config = settings(course)
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    page, _ = HTMLExporter(config=config).from_filename(
        str(course.autograded(ASSIGNMENT, "ada")),
        resources={"base_url": "", "notebook_id": ASSIGNMENT, "index": 0, "total": 1},
    )
    assert 'class="score tabbable" id="why_manual"' in page
    assert "is missing" in page
    assert "alert(1)</script>" not in page
    assert "<img" not in page
