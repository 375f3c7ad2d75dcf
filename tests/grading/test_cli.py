import builtins
import json
from pathlib import Path

import pytest

from mlsys_lib.grading.cli import main
from mlsys_lib.grading.course import Course, CourseError
from tests.grading.small_course import (
    ASSIGNMENT,
    RIGHT,
    WRONG,
    answer,
    make_course,
    write_exercises,
)


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return make_course(tmp_path)


def test_a_course_from_release_to_marks(tmp_path, sandbox_user, capsys, monkeypatch):
    exercises = write_exercises(tmp_path)
    course = Course(tmp_path / "course")
    there = [ASSIGNMENT, "--course", str(course.root)]
    user = ["--sandbox-user", sandbox_user] if sandbox_user else []

    assert main(["release", *there, "--exercises", str(exercises)]) == 0
    for student, answers in (("ada", RIGHT), ("bob", WRONG)):
        path = tmp_path / "handed-in" / student / f"{ASSIGNMENT}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(answer(course, answers))
    assert main(["collect", *there, str(tmp_path / "handed-in")]) == 0
    assert main(["grade", *there, *user, "--workers", "1", "--cell-s", "20"]) == 0
    assert "2 graded in" in capsys.readouterr().out
    assert main(["status", *there, "--json"]) == 0
    standing = json.loads(capsys.readouterr().out)
    assert [line["score"] for line in standing["students"]] == [6, 0]
    assert main(["feedback", *there]) == 0
    assert "2 pages" in capsys.readouterr().out
    monkeypatch.chdir(course.root)
    assert main(["export", ASSIGNMENT, "--format", "canvas", "--to", "marks.csv"]) == 0
    assert ",ada,,6" in (course.root / "marks.csv").read_text()


def test_limits_and_choices_reach_the_grader(course, monkeypatch, capsys):
    seen = {}

    def grade(course, assignment, **options):
        seen.update(options)
        raise CourseError("stop here")

    monkeypatch.setattr("mlsys_lib.grading.grade.grade", grade)
    options = ["--cell-s", "2", "--memory-mib", "512", "--workers", "3", "--force"]
    students = ["--student", "ada", "--student", "bob"]
    assert main(["grade", ASSIGNMENT, "--course", str(course.root), *options, *students]) == 1
    assert seen["limits"] == {"cell_s": 2.0, "memory_bytes": 2**29}
    assert (seen["num_workers"], seen["force"], seen["sandbox_user"]) == (3, True, None)
    assert seen["students"] == ["ada", "bob"]


def test_what_can_go_wrong_is_one_line_and_exit_code_1(tmp_path, course, capsys):
    for arguments, words in (
        (["status", ASSIGNMENT, "--course", str(tmp_path)], "is no course: start one with"),
        (["release", "../x", "--course", str(course.root)], "assignment must be letters"),
        (["release", "nowhere", "--course", str(tmp_path), "--exercises", "x"], "has no notebook"),
        (["collect", ASSIGNMENT, "nowhere", "--course", str(course.root)], "nowhere"),
    ):
        assert main(arguments) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("mlsys-grade: ")
        assert said.err.count("\n") == 1
        assert words in said.err


@pytest.mark.parametrize(
    ("failed", "code"), [({}, 0), ({"ada": "the grading process ended (exit code -9)"}, 1)]
)
def test_a_run_that_left_somebody_out_has_exit_code_1(course, monkeypatch, capsys, failed, code):
    from mlsys_lib.grading.grade import GradeReport

    monkeypatch.setattr(
        "mlsys_lib.grading.grade.grade", lambda *_, **__: GradeReport(failed=failed)
    )
    assert main(["grade", ASSIGNMENT, "--course", str(course.root)]) == code
    assert ("NOT graded: ada" in capsys.readouterr().out) == bool(failed)


def test_an_interrupted_command_says_that_it_can_go_on(course, monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("mlsys_lib.grading.grade.grade", interrupted)
    assert main(["grade", ASSIGNMENT, "--course", str(course.root)]) == 1
    assert capsys.readouterr().err == (
        "mlsys-grade: interrupted: the same command goes on from here\n"
    )


def test_a_mistake_in_the_command_is_exit_code_2(capsys):
    for arguments in ([], ["gade"], ["grade"], ["export", ASSIGNMENT, "--format", "excel"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


def test_help_names_every_command_in_the_order_of_work(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    commands = ("verify", "release", "collect", "grade", "feedback", "export", "status")
    places = [text.index(f"mlsys-grade {command}") for command in commands]
    assert places == sorted(places)


def test_without_nbgrader_one_line_tells_what_to_install(monkeypatch, capsys):
    import_module = builtins.__import__

    def without_nbgrader(name, *rest):
        if name.partition(".")[0] == "nbgrader":
            raise ImportError(name)
        return import_module(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_nbgrader)
    assert main(["status", ASSIGNMENT]) == 1
    assert capsys.readouterr().err == (
        'mlsys-grade: nbgrader is not installed: pip install "mlsys_lib[grading]"\n'
    )
