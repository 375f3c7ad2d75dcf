import stat
from pathlib import Path

import pytest

from mlsys_lib.grading.course import (
    Course,
    CourseError,
    assignment_name,
    find_exercise,
    student_name,
    write_atomically,
)


@pytest.fixture
def course(tmp_path: Path) -> Course:
    made = Course(tmp_path / "course")
    made.prepare()
    return made


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "a/b", "a+b", "a b", "ä", "x" * 65, "a\n"])
def test_an_assignments_name_is_no_path(name):
    with pytest.raises(ValueError, match="assignment must be letters"):
        assignment_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "a/b", "a\0", "-rf", " a", "a ", "a\n", "*"])
def test_a_students_name_is_no_path_option_or_pattern(name):
    with pytest.raises(ValueError, match="student must be letters"):
        student_name(name)


@pytest.mark.parametrize("name", ["ada", "x1234567", "ada@example.org", "Zoë O'Brien-Łuk", "7"])
def test_names_that_people_have_are_allowed(name):
    assert student_name(name) == name


def test_the_secret_is_made_once_and_for_the_owner_alone(course):
    secret = course.secret()
    course.prepare()
    assert course.secret() == secret
    assert len(secret) == 32
    assert stat.S_IMODE((course.root / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(course.root.stat().st_mode) == 0o700


def test_two_courses_have_two_secrets(course, tmp_path):
    other = Course(tmp_path / "other")
    other.prepare()
    assert other.secret() != course.secret()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_secret_that_others_can_read_or_write_is_refused(course, mode):
    (course.root / "secret").chmod(mode)
    with pytest.raises(CourseError, match="chmod 600"):
        course.secret()


@pytest.mark.parametrize(
    ("content", "rule"), [("", "32 bytes, got 0"), ("ab", "got 1"), ("zz", "hexadecimal")]
)
def test_a_damaged_secret_is_refused(course, content, rule):
    (course.root / "secret").write_text(content)
    with pytest.raises(CourseError, match=rule):
        course.secret()


def test_a_missing_secret_is_not_replaced_while_grading(course):
    (course.root / "secret").unlink()
    with pytest.raises(CourseError, match="is missing"):
        course.secret()
    assert not (course.root / "secret").exists()


def test_the_instructors_configuration_is_kept(course):
    config = course.root / "nbgrader_config.py"
    config.write_text("c = get_config()\n")
    course.prepare()
    assert config.read_text() == "c = get_config()\n"


def test_a_folder_without_configuration_is_no_course(tmp_path):
    with pytest.raises(CourseError, match="is no course: start one with `mlsys-grade release"):
        Course(tmp_path).require()


def test_students_are_those_who_handed_in_sorted(course):
    for student in ("grace", "ada"):
        (course.root / "submitted" / student / "tiny").mkdir(parents=True)
    (course.root / "submitted" / "alan" / "other").mkdir(parents=True)
    assert course.students("tiny") == ["ada", "grace"]


def test_an_exercise_is_found_by_its_name_whatever_its_topic(tmp_path):
    (tmp_path / "trees").mkdir()
    (tmp_path / "trees" / "split.ipynb").touch()
    assert find_exercise("split", tmp_path) == tmp_path / "trees" / "split.ipynb"
    assert find_exercise("merge", tmp_path) is None


def test_an_exercise_is_found_from_within_the_clone(tmp_path, monkeypatch):
    (tmp_path / "exercises" / "trees").mkdir(parents=True)
    (tmp_path / "exercises" / "trees" / "split.ipynb").touch()
    (tmp_path / "chapters").mkdir()
    monkeypatch.chdir(tmp_path / "chapters")
    assert find_exercise("split") == tmp_path / "exercises" / "trees" / "split.ipynb"


def test_two_exercises_of_one_name_are_refused(tmp_path):
    for topic in ("trees", "rings"):
        (tmp_path / topic).mkdir()
        (tmp_path / topic / "split.ipynb").touch()
    with pytest.raises(CourseError, match="has 2 notebooks named split"):
        find_exercise("split", tmp_path)


def test_a_file_that_cannot_be_written_whole_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "verdict"
    write_atomically(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["verdict"]


def test_an_assignment_that_was_not_released_is_named_beside_those_that_were(tmp_path):
    course = Course(tmp_path)
    with pytest.raises(CourseError, match="averges was not released; this course has: none yet"):
        course.require_released("averges")
    course.released("averages").parent.mkdir(parents=True)
    course.released("averages").touch()
    course.require_released("averages")
    with pytest.raises(CourseError, match="this course has: averages"):
        course.require_released("averges")
