"""Marks leave as each platform wants them: pending stays pending, and nothing is a formula."""

import csv
import io
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from nbgrader.apps.exportapp import ExportApp
from nbgrader.plugins import CsvExportPlugin

from mlsys_lib.grading.course import Course, CourseError
from mlsys_lib.grading.export import FORMATS, export
from mlsys_lib.grading.gradebook import Book
from mlsys_lib.grading.roster import Identity, Roster, save_roster
from mlsys_lib.grading.verdict import Verdict
from tests.grading.small_course import ASSIGNMENT, make_course, submit, verdict

NAMED = [
    Identity("ada", "1815", "Lovelace, Ada", "Ada", "Lovelace", "ada@example.org"),
    Identity("alan", "1912", "Turing, Alan", "Alan", "Turing", "alan@example.org"),
    Identity("emmy", "1882", "Noether, Emmy", "Emmy", "Noether", "emmy@example.org"),
    Identity("grace", "1906", "Hopper, Grace", "Grace", "Hopper", "grace@example.org"),
    Identity("kurt", "1907", "Gödel, Kurt", "Kurt", "Gödel", "kurt@example.org"),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """ada: all tests; alan: waits for a person; emmy: invalid; grace: not graded; kurt: nothing."""
    course = make_course(tmp_path_factory.mktemp("prepared"))
    save_roster(course, ASSIGNMENT, Roster(NAMED))
    save(course, verdict(course, "alan", {}, text="Because."))
    save(course, Verdict(ASSIGNMENT, "emmy", "invalid", "the file is empty (0 bytes)"))
    save(course, verdict(course, "ada", {"add_hidden": 0.0}))
    submit(course, "grace", "{}")
    return course


@pytest.fixture
def course(prepared: Course, tmp_path: Path) -> Course:
    """A copy of the prepared one: nbgrader takes its time to make it."""
    return Course(shutil.copytree(prepared.root, tmp_path / "course"))


def save(course: Course, found: Verdict, when: datetime | None = None) -> None:
    path = course.verdict(found.assignment, found.student)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found.to_json())
    with Book(course, found.assignment) as book:
        book.save(found, when)


def table(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


def column(path: Path, key: str, value: str) -> dict[str, str]:
    head, *rows = table(path)
    return {row[head.index(key)]: row[head.index(value)] for row in rows}


def test_canvas_gets_its_five_columns_and_the_points_possible(course: Course) -> None:
    head, points, *rows = table(export(course, ASSIGNMENT, "canvas", column="Tiny (4711)"))
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Tiny (4711)"]
    assert points == ["    Points Possible", "", "", "", "", "9"]
    assert rows[0] == ["Lovelace, Ada", "1815", "", "ada", "", "4"]


@pytest.mark.parametrize(
    ("format", "words"),
    [
        ("canvas", "Canvas may not find zoe: not in the roster"),
        ("moodle", "Moodle will pass over zoe: no participant number"),
    ],
)
def test_who_is_not_in_the_roster_is_named_and_nobody_else(
    course: Course, format: str, words: str
) -> None:
    notes: list[str] = []
    save_roster(course, ASSIGNMENT, Roster(replace(one, listed=True) for one in NAMED))
    export(course, ASSIGNMENT, format, say=notes.append)
    assert notes == []
    submit(course, "zoe", "{}")
    with Book(course, ASSIGNMENT) as book:
        book.register(["zoe"])
    export(course, ASSIGNMENT, format, say=notes.append)
    assert notes == [words]


def test_canvas_looks_for_the_assignments_name_without_a_column(course: Course) -> None:
    assert table(export(course, ASSIGNMENT, "canvas"))[0][-1] == ASSIGNMENT


PENDING = {"ada": "4", "alan": "", "emmy": "", "grace": "", "kurt": ""}


@pytest.mark.parametrize(
    ("format", "key", "value"),
    [
        ("canvas", "SIS Login ID", ASSIGNMENT),
        ("moodle", "Identifier", "Grade"),
        ("gradescope", "SID", "Total Score"),
        ("nbgrader", "student_id", "score"),
        ("nbgrader", "student_id", "raw_score"),
    ],
)
def test_a_mark_that_waits_is_empty_and_never_zero(
    course: Course, format: str, key: str, value: str
) -> None:
    found = column(export(course, ASSIGNMENT, format), key, value)
    found.pop("", None)  # Canvas's points possible
    assert sorted(found.values()) == sorted(PENDING.values())
    assert list(found.values()) == list(PENDING.values()), "sorted by student"


def test_moodle_finds_everybody_by_its_own_number_and_reads_the_status(course: Course) -> None:
    path = export(course, ASSIGNMENT, "moodle")
    comments = column(path, "Full name", "Feedback comments")
    assert comments == {
        "Ada Lovelace": "Graded.",
        "Alan Turing": "Waits for a person's mark.",
        "Emmy Noether": "This file could not be graded. It has no mark yet; a person decides.",
        "Grace Hopper": "Handed in, and not graded yet.",
        "Kurt Gödel": "",
    }
    assert column(path, "Full name", "Identifier")["Ada Lovelace"] == "Participant 1815"
    assert {"Grade", "Last modified (grade)", "Maximum grade"} <= set(table(path)[0])


def test_moodle_without_a_single_number_is_refused_with_the_way_out(course: Course) -> None:
    save_roster(course, ASSIGNMENT, Roster())
    with pytest.raises(CourseError, match="--roster"):
        export(course, ASSIGNMENT, "moodle")


def test_gradescope_says_missing_ungraded_or_graded(course: Course) -> None:
    found = column(export(course, ASSIGNMENT, "gradescope"), "SID", "Status")
    assert found == {
        "ada": "Graded", "alan": "Ungraded", "emmy": "Ungraded", "grace": "Ungraded",
        "kurt": "Missing",
    }  # fmt: skip


def test_nbgraders_columns_are_nbgraders_and_the_status_is_ours(course: Course) -> None:
    plain = course.root / "plain.csv"
    with Book(course, ASSIGNMENT) as book:
        CsvExportPlugin(to=str(plain)).export(book.gradebook)
    ours = export(course, ASSIGNMENT, "nbgrader")
    assert table(ours)[0] == [*table(plain)[0], "status"]
    theirs = next(row for row in table(plain) if row[3] == "ada")
    mine = next(row for row in table(ours) if row[3] == "ada")
    assert [float(points) for points in mine[7:11]] == [float(points) for points in theirs[7:11]]
    assert column(ours, "student_id", "status") == {
        "ada": "graded", "alan": "needs_manual_grade", "emmy": "invalid", "grace": "not_graded",
        "kurt": "not_submitted",
    }  # fmt: skip


@pytest.mark.parametrize("student", ["alan", "emmy"])
def test_a_mark_by_hand_is_a_mark(course: Course, student: str) -> None:
    with Book(course, ASSIGNMENT) as book:
        for notebook in book.gradebook.find_submission(ASSIGNMENT, student).notebooks:
            for grade in notebook.grades:
                grade.manual_score, grade.needs_manual_grade = 1.5, False
        book.gradebook.db.commit()
    path = export(course, ASSIGNMENT, "nbgrader")
    assert column(path, "student_id", "score")[student] == "7.5"
    assert column(path, "student_id", "status")[student] == "graded"


def test_whoever_is_late_pays_as_nbgrader_says(course: Course) -> None:
    due = datetime(2026, 3, 1, 12)
    with (course.root / "nbgrader_config.py").open("a") as config:
        config.write('\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
    save(course, verdict(course, "ada", {"add_hidden": 0.0}), datetime(2026, 3, 2, 13, 1, 2))
    with Book(course, ASSIGNMENT) as book:
        book.gradebook.update_or_create_assignment(ASSIGNMENT, duedate=due)
        book.assign_late_penalties()
    path = export(course, ASSIGNMENT, "nbgrader")
    assert column(path, "student_id", "raw_score")["ada"] == "4"
    assert column(path, "student_id", "late_submission_penalty")["ada"] == "4"
    assert column(path, "student_id", "score")["ada"] == "0"
    scope = export(course, ASSIGNMENT, "gradescope")
    assert column(scope, "SID", "Lateness (H:M:S)")["ada"] == "25:01:02"
    assert column(scope, "SID", "Submission Time")["ada"] == "2026-03-02 13:01:02 +0000"


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n=1"]


@pytest.mark.parametrize("format", list(FORMATS))
def test_no_cell_that_a_student_chose_is_a_formula_or_breaks_a_line(
    course: Course, format: str
) -> None:
    rows = [Identity(f"s{i}", text, text, text, text, text) for i, text in enumerate(FORMULAS)]
    save_roster(course, ASSIGNMENT, Roster(NAMED + rows))
    path = export(course, ASSIGNMENT, format)
    found = table(path)
    assert len(found) == len(path.read_text().splitlines())
    starts = {cell.strip()[:1] for row in found[1:] for cell in row if cell != "-"}
    assert not starts & set("=+-@")


def test_nobodys_name_is_taken_for_canvass_line_of_points(course: Course) -> None:
    save_roster(course, ASSIGNMENT, Roster([Identity("eve", name="Points Possible")]))
    rows = table(export(course, ASSIGNMENT, "canvas"))
    assert sum("Points Possible" in row[0] for row in rows) == 1


@pytest.mark.parametrize("format", list(FORMATS))
def test_the_same_marks_are_the_same_file_however_they_came(
    course: Course, tmp_path: Path, format: str
) -> None:
    other = make_course(tmp_path / "other")
    save_roster(other, ASSIGNMENT, Roster(reversed(NAMED)))
    save(other, verdict(other, "ada", {"add_hidden": 0.0}))
    submit(other, "grace", "{}")
    save(other, Verdict(ASSIGNMENT, "emmy", "invalid", "the file is empty (0 bytes)"))
    save(other, verdict(other, "alan", {}, text="Because."))
    files = [export(one, ASSIGNMENT, format).read_bytes() for one in (course, other, course)]
    assert files[0] == files[1] == files[2]


def test_an_unknown_format_or_assignment_is_refused(course: Course) -> None:
    with pytest.raises(ValueError, match="format must be one of nbgrader, canvas"):
        export(course, ASSIGNMENT, "excel")
    with pytest.raises(CourseError, match="was not released"):
        export(course, "other", "canvas")


def test_the_file_goes_where_it_is_told_and_is_nobody_elses(course: Course, tmp_path: Path) -> None:
    path = export(course, ASSIGNMENT, "canvas", tmp_path / "new" / "marks.csv")
    assert path == tmp_path / "new" / "marks.csv"
    assert path.stat().st_mode & 0o077 == 0


def test_nbgraders_own_command_takes_the_plugin_and_the_courses_configuration(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (course.root / "nbgrader_config.py").open("a") as config:
        config.write('\nc.Canvas.column = "Tiny (4711)"\n')
    monkeypatch.chdir(course.root)
    app = ExportApp()
    exporter = "--exporter=mlsys_lib.grading.export.Canvas"
    app.initialize([exporter, f"--assignment={ASSIGNMENT}", "--student=ada", "--to=marks.csv"])
    app.start()
    ours = table(export(course, ASSIGNMENT, "canvas"))
    assert ours[0][-1] == "Tiny (4711)"
    assert table(course.root / "marks.csv") == ours[:3]  # headings, points, ada
