from pathlib import Path

import pytest

from mlsys_lib.grading.course import Course, CourseError
from mlsys_lib.grading.grade import GradeReport, grade, locked
from mlsys_lib.grading.journal import Journal
from mlsys_lib.grading.marker import digest, fingerprint
from mlsys_lib.grading.sandbox import NoSandboxError
from mlsys_lib.grading.verdict import Verdict
from tests.grading.small_course import (
    ASSIGNMENT,
    all_marks,
    hand_in,
    looked_at,
    make_course,
    submit,
    verdict,
)
from tests.grading.work import told


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return make_course(tmp_path)


@pytest.fixture
def run(course, sandbox_user):
    """Grade, with verdicts that were laid down before."""

    def graded(**options) -> GradeReport:
        options = {"num_workers": 1, "sandbox_user": sandbox_user, "examine": told} | options
        return grade(course, ASSIGNMENT, **options)

    return graded


def events(course: Course) -> list[tuple[str, str]]:
    journal = Journal(course.grading(ASSIGNMENT) / "journal")
    return [(event["event"], event.get("student", "")) for event in journal.events()]


def test_everybody_is_graded_once_and_not_again_until_something_changes(course, run):
    hand_in(course, "ada")
    hand_in(course, "bob", verdict(course, "bob", {"add_hidden": 0.0}))
    hand_in(course, "cyd", Verdict(ASSIGNMENT, "cyd", "invalid", "empty"))
    report = run()
    assert report.graded == {"graded": 2, "invalid": 1}
    assert (report.current, report.failed) == (0, {})
    assert looked_at(course) == ["ada", "bob", "cyd"]
    before = all_marks(course)
    assert [before[student][0][1] for student in ("ada", "bob", "cyd")] == [6, 4, 0]
    again = run()
    assert (again.graded, again.current) == ({}, 3)
    assert looked_at(course) == []
    assert all_marks(course) == before


CHANGES = {
    "answers": lambda course: submit(course, "ada", "other answers"),
    "time": lambda course: submit(course, "ada", "the answers of ada", "2026-10-02 10:00:00 UTC"),
    "marker": lambda course: (course.grading(ASSIGNMENT) / "saved" / "ada").write_text("torn"),
}
CHANGES_FOR_ALL = {
    "secret": lambda course: (course.root / "secret").write_text("ab" * 32),
    "source": lambda course: course.source(ASSIGNMENT).write_text(
        course.source(ASSIGNMENT).read_text().replace("## add", "## Add")
    ),
    "private": lambda course: (
        course.private(ASSIGNMENT).mkdir(parents=True),
        (course.private(ASSIGNMENT) / "add_hidden.py").write_text("assert add(0, 0) == 0"),
    ),
}


def test_what_a_mark_stands_for_decides_who_is_graded_again(course, run):
    for student in ("ada", "bob"):
        hand_in(course, student)
    run()
    looked_at(course)
    for what, change in CHANGES.items():
        change(course)
        run()
        assert looked_at(course) == ["ada"], what
    for what, change in CHANGES_FOR_ALL.items():
        change(course)
        run()
        assert looked_at(course) == ["ada", "bob"], what
    run(limits={"cell_s": 7.0})
    assert looked_at(course) == ["ada", "bob"]


def test_force_and_named_students_are_graded_although_nothing_changed(course, run):
    for student in ("ada", "bob"):
        hand_in(course, student)
    run()
    looked_at(course)
    assert run(force=True, students=["bob"]).graded == {"graded": 1}
    assert looked_at(course) == ["bob"]
    with pytest.raises(CourseError, match="handed in nothing: eve"):
        run(students=["ada", "eve"])


def test_a_gradebook_that_was_lost_is_filled_again(course, run):
    hand_in(course, "ada")
    fresh = course.gradebook.read_bytes()
    run()
    before = all_marks(course)
    course.gradebook.write_bytes(fresh)
    run()
    assert all_marks(course) == before


def test_whoever_could_not_be_graded_is_named_and_tried_again(course, run):
    hand_in(course, "ada", asks="die")
    hand_in(course, "bob", asks="raise")
    hand_in(course, "cyd")
    (course.root / "submitted" / "-odd*name" / ASSIGNMENT).mkdir(parents=True)
    report = run()
    assert report.graded == {"graded": 1}
    assert report.failed["ada"] == "the grading process ended (exit code -9)"
    assert report.failed["bob"] == "KeyError: 'no such thing'"
    assert "student must be letters" in report.failed["-odd*name"]
    assert "NOT graded: bob: KeyError: 'no such thing'" in str(report)
    assert ("not graded", "ada") in events(course)
    assert set(all_marks(course)) == {"cyd"}
    hand_in(course, "ada")
    assert run().graded == {"graded": 1}
    assert looked_at(course) == ["ada", "ada", "bob", "bob", "cyd"]


def test_a_verdict_that_cannot_be_saved_costs_its_own_student_alone(course, run):
    hand_in(course, "ada", Verdict(ASSIGNMENT, "ada", "graded", notebook={"cells": "none"}))
    hand_in(course, "bob")
    report = run()
    assert set(report.failed) == {"ada"}
    assert set(all_marks(course)) == {"bob"}


def test_the_journal_tells_the_run(course, run):
    hand_in(course, "ada")
    run()
    assert events(course) == [("start", ""), ("graded", "ada"), ("end", "")]


def test_a_run_that_is_interrupted_goes_on(course, run):
    for student in ("ada", "bob", "cyd"):
        hand_in(course, student)

    def stop_after_the_first(batch, label):
        for done in batch:
            yield done
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(progress=stop_after_the_first)
    assert set(all_marks(course)) == {"ada"}
    report = run()
    assert (report.graded, report.current) == ({"graded": 2}, 1)
    assert set(all_marks(course)) == {"ada", "bob", "cyd"}


class Killed(BaseException):
    """What no handler of errors takes."""


def test_a_run_killed_before_it_could_tell_is_told_by_the_next(course, run, monkeypatch):
    def killed(journal, event, **details):
        if event == "graded":
            raise Killed

    hand_in(course, "ada")
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append", killed)
        with pytest.raises(Killed):
            run()
    assert run().graded == {"graded": 1}
    assert ("graded", "ada") in events(course)
    assert all_marks(course)["ada"][0][1] == 6


def test_the_progress_bar_knows_how_many_there_are(course, run):
    seen = {}

    def bar(items, label):
        seen[label] = len(items)
        return items

    for student in ("ada", "bob"):
        hand_in(course, student)
    run(progress=bar)
    assert seen == {"grading tiny": 2}


def test_the_lock_names_its_holder_and_is_free_afterwards(course):
    with locked(course, ASSIGNMENT):
        with pytest.raises(CourseError, match=r"tiny is being graded by process \d+ since 2"):
            with locked(course, ASSIGNMENT):
                raise AssertionError("two graders at once")
        with locked(course, "other"):
            pass
    with locked(course, ASSIGNMENT):
        pass


def test_without_a_sandbox_nothing_is_touched(course, monkeypatch):
    def none(user):
        raise NoSandboxError("none here")

    monkeypatch.setattr("mlsys_lib.grading.grade.require_sandbox", none)
    hand_in(course, "ada")
    with pytest.raises(NoSandboxError, match="none here"):
        grade(course, ASSIGNMENT)
    assert not course.grading(ASSIGNMENT).exists()


def test_what_is_no_file_has_a_fingerprint_and_is_not_opened(tmp_path):
    import os

    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("x")
    names = ("folder", "link", "pipe", "file", "missing")
    prints = {name: fingerprint(tmp_path / name) for name in names}
    assert len(set(prints.values())) == len(names)
    (tmp_path / "file").write_text("y")
    assert fingerprint(tmp_path / "file") != prints["file"]


def test_a_digests_parts_cannot_run_into_each_other():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a") != digest("a", "")
    assert digest("a") == digest(b"a")


def test_a_real_worker_grades_a_notebook_in_the_sandbox(course, sandbox_user):
    from tests.grading.small_course import RIGHT, WRONG, answer

    submit(course, "ada", answer(course, RIGHT, text="Because."))
    submit(course, "bob", answer(course, RIGHT | {"add": WRONG["add"]}))
    report = grade(course, ASSIGNMENT, sandbox_user=sandbox_user)
    assert report.failed == {}
    marks = all_marks(course)
    assert [row[1] for row in marks["ada"][1:]] == [2, 1, 2, 1, None]
    assert [row[1] for row in marks["bob"][1:]] == [0, 0, 2, 1, 0]
