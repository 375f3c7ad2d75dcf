import json
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from mlsys_lib.grading.course import Course, CourseError
from mlsys_lib.grading.release import leaks, release
from tests.grading.small_course import ASSIGNMENT, make_course, source, submit, write_exercises


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return make_course(tmp_path)


def cells(path: Path) -> dict[str, str]:
    return {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}


def test_students_get_stubs_and_messages_and_no_answers(course):
    text = course.released(ASSIGNMENT).read_text()
    found = cells(course.released(ASSIGNMENT))
    assert found["add"] == "def add(a, b):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    assert found["add_hidden"] == '"""Think of negative numbers, too."""'
    for secret in ("return a + b", "secret_rng", "number + 1", "BEGIN", "END"):
        assert secret not in text


def test_the_gradebook_knows_every_question_and_its_points(course):
    with Gradebook(course.db_url) as book:
        found = {
            cell.name: cell.max_score
            for cell in book.find_notebook(ASSIGNMENT, ASSIGNMENT).grade_cells
        }
        assert book.find_assignment(ASSIGNMENT).max_score == 9
    assert found == {
        "add_public": 1, "add_hidden": 2, "scale_public": 1, "scale_hidden": 2, "why_manual": 3,
    }  # fmt: skip


def test_releasing_twice_changes_nothing(course, tmp_path):
    before = course.released(ASSIGNMENT).read_bytes(), course.secret()
    release(course, ASSIGNMENT, tmp_path / "exercises")
    assert (course.released(ASSIGNMENT).read_bytes(), course.secret()) == before


@pytest.mark.parametrize("place", ["widgets", "metadata", "attachment"])
def test_a_line_of_an_answer_anywhere_else_stops_the_release(course, tmp_path, place):
    before = course.released(ASSIGNMENT).read_bytes()
    notebook = source()
    secret = "    return a + b"
    if place == "widgets":
        notebook.metadata["widgets"] = {"state": {"text": f"def add(a, b):\n{secret}"}}
    elif place == "metadata":
        notebook.cells[1].metadata["note"] = {"deep": [secret]}
    else:
        notebook.cells[1]["attachments"] = {"a": {"text/plain": secret}}
    with pytest.raises(CourseError, match="would hold 1 lines of a solution"):
        release(course, ASSIGNMENT, write_exercises(tmp_path / "new", notebook))
    assert course.released(ASSIGNMENT).read_bytes() == before


def test_a_line_that_was_never_secret_is_no_leak():
    notebook = source()
    notebook.cells[1].source = "Use `    return a + b`\n    return a + b"
    assert leaks(notebook, notebook) != []  # the regions themselves
    released = nbformat.v4.new_notebook(cells=[notebook.cells[1]])
    assert leaks(notebook, released) == []
    assert leaks(source(), released) == ["    return a + b"]


def test_what_nbgrader_refuses_is_told_in_one_line(course, tmp_path):
    notebook = source()
    notebook.cells[2].source = notebook.cells[2].source.replace("    ### END SOLUTION", "")
    with pytest.raises(CourseError, match=r"nbgrader refuses tiny: .*no end solution") as caught:
        release(course, ASSIGNMENT, write_exercises(tmp_path / "new", notebook))
    assert "\n" not in str(caught.value)


def test_two_cells_of_one_id_are_refused(course, tmp_path):
    notebook = source()
    notebook.cells[3].metadata["nbgrader"]["grade_id"] = "add_hidden"
    with pytest.raises(CourseError, match=r"nbgrader refuses tiny: .*add_hidden"):
        release(course, ASSIGNMENT, write_exercises(tmp_path / "new", notebook))


def test_after_hand_in_texts_may_change_but_cells_may_not(course, tmp_path):
    submit(course, "ada", course.released(ASSIGNMENT).read_text())
    with Gradebook(course.db_url) as book:
        book.db.remove()
        book.db.configure(autoflush=False)
        book.add_student("ada")
        book.add_submission(ASSIGNMENT, "ada")
    notebook = source()
    notebook.cells[1].source = "## Addition"
    release(course, ASSIGNMENT, write_exercises(tmp_path / "edited", notebook))
    assert cells(course.released(ASSIGNMENT))["add_prompt"] == "## Addition"
    del notebook.cells[4]
    with pytest.raises(CourseError, match=r"none added or removed \(add_hidden\)"):
        release(course, ASSIGNMENT, write_exercises(tmp_path / "cut", notebook))
    assert "add_hidden" in cells(course.source(ASSIGNMENT))
    assert "add_hidden" in cells(course.released(ASSIGNMENT))


def test_an_instructors_own_edits_are_kept_and_told_of(course, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    edited = json.loads(course.source(ASSIGNMENT).read_text())
    edited["cells"][1]["source"] = "## My own words"
    course.source(ASSIGNMENT).write_text(json.dumps(edited))
    done = release(course, ASSIGNMENT)
    assert done.taken_from == course.source(ASSIGNMENT)
    assert "differs from" in done.notes[0]
    assert cells(course.released(ASSIGNMENT))["add_prompt"] == "## My own words"
    assert release(course, ASSIGNMENT, tmp_path / "exercises").notes == ()
    assert cells(course.released(ASSIGNMENT))["add_prompt"] == "## add"


def test_an_assignment_that_is_nowhere_is_refused_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CourseError, match="name the folder with --exercises"):
        release(Course(tmp_path / "course"), "nowhere")
    with pytest.raises(CourseError, match="has no notebook <topic>/nowhere"):
        release(Course(tmp_path / "course"), "nowhere", tmp_path)
    assert not (tmp_path / "course").exists()


def test_with_a_roster_each_student_gets_a_copy_with_the_name_filled_in(course, tmp_path):
    roster = tmp_path / "roster.csv"
    roster.write_text("student_id,name\nada,Ada\no'hara,Q\n")
    done = release(course, ASSIGNMENT, tmp_path / "exercises", roster)
    assert [path.parent.name for path in done.copies] == ["ada", "o'hara"]
    assert cells(done.copies[0])["given"] == "STUDENT = 'ada'"
    assert cells(done.copies[1])["given"] == 'STUDENT = "o\'hara"'
    assert cells(course.released(ASSIGNMENT))["given"] == 'STUDENT = ""'


def test_a_stray_folder_of_a_release_is_not_left_behind(course):
    names = {path.name for path in course.root.iterdir()}
    assert names == {"gradebook.db", "nbgrader_config.py", "release", "secret", "source"}
